"""All checkers over what a history has left: a dictionary of named violations, empty when everything held."""

from collections.abc import Iterable
from typing import Any

import msgspec

from higgins.ledger.state.state import State
from tests.simulation.checks.changes import EVENTS, check_growth, check_trims
from tests.simulation.checks.configs import EVENTS as CONFIG_EVENTS
from tests.simulation.checks.configs import check_configs
from tests.simulation.checks.ledger import check_ledger
from tests.simulation.checks.operators import check_derived
from tests.simulation.chronicle import Chronicle
from tests.simulation.workloads.stage import GROWN, GROWN_LARGE, PLAIN, TRIMMED
from tests.torture.checker import check

EXAMPLES_MAX = 3
ROLES = (
    "idempotent-0",
    "idempotent-1",
    "plain",
    "reader",
    "follower",
    "probe",
    "members",
    "commits",
    "churn",
    "trim",
    "grow",
    "configure retention.ms",
    "configure segment.ms",
)


class Evidence(msgspec.Struct):
    """What is left when all is quiet."""

    chronicle: Chronicle
    healed_at: int
    calm_ns: int
    objects: dict[Any, bytes]
    derived: dict[str, list[tuple[int, str | None]]]
    operator_positions: dict[str, int]
    digests: list[tuple[int, str]]
    deaths: list[str]
    unread: list[str]
    overwritten: list[str]
    states: list[State]
    commits: int = 0


class Violations:
    """Named violations with a few examples of each."""

    def __init__(self) -> None:
        self.found: dict[str, list[str]] = {}

    def add(self, name: str, example: object) -> None:
        examples = self.found.setdefault(name, [])
        if len(examples) < EXAMPLES_MAX:
            examples.append(str(example))


def judge(evidence: Evidence) -> dict[str, list[str]]:
    """Run every checker. What clients saw is judged from their side alone, the bucket from its own."""
    violations = Violations()
    _check_clients(evidence.chronicle.events, violations)
    _check_generations(evidence.chronicle.events, violations)
    _check_progress(evidence, violations)
    for death in evidence.deaths:
        violations.add("fault", death)
    for key in evidence.overwritten:
        violations.add("object-overwritten", key)
    replayed = check_ledger(evidence.objects, evidence.digests, evidence.states, violations.add)
    evidence.commits = replayed.number
    finals = {event["k"]: dict(map(tuple, event["r"])) for event in evidence.chronicle.events if event["e"] == "final"}
    check_derived(replayed, finals, evidence.derived, evidence.operator_positions, violations.add)
    _check_derived_readers(evidence, violations)
    missing = {PLAIN, TRIMMED, GROWN, GROWN_LARGE} - replayed.state.topics.by_name.keys()
    if missing:
        # All of them stand before the trouble begins, so a ledger without them is broken near its beginning.
        violations.add("topics-lost", sorted(missing))
        return violations.found
    check_trims(evidence.chronicle.events, replayed, violations.add)
    check_growth(evidence.chronicle.events, replayed, violations.add)
    check_configs(evidence.chronicle.events, replayed, violations.add)
    return violations.found


def _check_clients(events: Iterable[dict[str, Any]], violations: Violations) -> None:
    others = {"derived", "derived-poll", "generation", "admin"} | EVENTS | CONFIG_EVENTS
    known = [event for event in events if event["e"] not in others]
    report: dict[str, Any] = check(known)  # type: ignore[no-untyped-call]
    for name in report["violations"]:
        for example in report["examples"][name]:
            violations.add(name, example)


def _check_generations(events: Iterable[dict[str, Any]], violations: Violations) -> None:
    """A generation that a member enters is greater than any that was entered before it asked, unless it is the same."""
    entered: list[tuple[int, int]] = []
    owners: dict[tuple[int, str], str] = {}
    for event in events:
        if event["e"] != "generation":
            continue
        before = [generation for at, generation in entered if at < event["t0"]]
        if before and event["generation"] < max(before):
            violations.add("generation-went-back", event)
        entered.append((event["t"], event["generation"]))
        for key in event["k"]:
            owner = owners.setdefault((event["generation"], key), event["c"])
            if owner != event["c"]:
                violations.add("generation-shared", {"key": key, "owners": [owner, event["c"]], **event})


def _check_progress(evidence: Evidence, violations: Violations) -> None:
    """Everybody gets something done within the calm after the trouble (I13)."""
    begins, ends = evidence.healed_at, evidence.healed_at + evidence.calm_ns
    for role in ROLES:
        if not any(begins < at <= ends for at in evidence.chronicle.successes.get(role, ())):
            violations.add("no-progress", role)
    for key in evidence.unread:
        violations.add("unreadable", key)
    if evidence.operator_positions == {}:
        violations.add("unreadable", "the operator's position")


def _check_derived_readers(evidence: Evidence, violations: Violations) -> None:
    """Readers of the derived topic saw what it holds in the end, each session in order and without a hole."""
    final = {key: dict(rows) for key, rows in evidence.derived.items()}
    last: dict[tuple[str, str], int] = {}
    for event in evidence.chronicle.events:
        if event["e"] != "derived-poll":
            continue
        for key, offset, value in event["r"]:
            if final.get(key, {}).get(offset, value) != value:
                violations.add("derived-changed", {"k": key, "offset": offset, "read": value})
            before = last.get((event["c"], key), offset - 1)
            if offset != before + 1:
                violations.add("derived-skip", {"k": key, "offset": offset, "after": before, "reader": event["c"]})
            last[event["c"], key] = offset
