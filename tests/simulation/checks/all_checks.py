"""Runs all checks on the artifacts of a history: named violations, none when every promise was kept."""

from collections.abc import Iterable
from typing import Any

import msgspec

from higgins.ledger.state.state import State
from tests.simulation.checks.changes import EVENTS, check_growth, check_trims
from tests.simulation.checks.configs import EVENTS as CONFIG_EVENTS
from tests.simulation.checks.configs import check_configs
from tests.simulation.checks.ledger import check_ledger
from tests.simulation.checks.operators import check_derived
from tests.simulation.event_log import EventLog
from tests.simulation.workloads.context import GROWN, GROWN_LARGE, PLAIN, TRIMMED
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


class Artifacts(msgspec.Struct):
    """What a history leaves behind for the checks."""

    event_log: EventLog
    healed_at: int
    recovery_ns: int
    objects: dict[Any, bytes]
    derived: dict[str, list[tuple[int, str | None]]]
    operator_positions: dict[str, int]
    digests: list[tuple[int, str]]
    errors: list[str]
    unread: list[str]
    overwritten: list[str]
    states: list[State]
    commits: int = 0


class Violations:
    """Violations by name, with a few examples of each."""

    def __init__(self) -> None:
        self.by_name: dict[str, list[str]] = {}

    def add(self, name: str, example: object) -> None:
        examples = self.by_name.setdefault(name, [])
        if len(examples) < EXAMPLES_MAX:
            examples.append(str(example))


def run_checks(artifacts: Artifacts) -> dict[str, list[str]]:
    """Run every check. The clients' events are checked without the bucket, and the bucket without the events."""
    violations = Violations()
    _check_clients(artifacts.event_log.events, violations)
    _check_generations(artifacts.event_log.events, violations)
    _check_progress(artifacts, violations)
    for error in artifacts.errors:
        violations.add("fault", error)
    for key in artifacts.overwritten:
        violations.add("object-overwritten", key)
    replayed = check_ledger(artifacts.objects, artifacts.digests, artifacts.states, violations.add)
    artifacts.commits = replayed.number
    finals = {event["k"]: dict(map(tuple, event["r"])) for event in artifacts.event_log.events if event["e"] == "final"}
    check_derived(replayed, finals, artifacts.derived, artifacts.operator_positions, violations.add)
    _check_derived_readers(artifacts, violations)
    missing = {PLAIN, TRIMMED, GROWN, GROWN_LARGE} - replayed.state.topics.by_name.keys()
    if missing:
        # They were created before the first fault, so the ledger is broken near its beginning. The checks below would
        # only fail on the missing topics.
        violations.add("topics-lost", sorted(missing))
        return violations.by_name
    check_trims(artifacts.event_log.events, replayed, violations.add)
    check_growth(artifacts.event_log.events, replayed, violations.add)
    check_configs(artifacts.event_log.events, replayed, violations.add)
    return violations.by_name


def _check_clients(events: Iterable[dict[str, Any]], violations: Violations) -> None:
    others = {"derived", "derived-poll", "generation", "admin"} | EVENTS | CONFIG_EVENTS
    known = [event for event in events if event["e"] not in others]
    report: dict[str, Any] = check(known)  # type: ignore[no-untyped-call]
    for name in report["violations"]:
        for example in report["examples"][name]:
            violations.add(name, example)


def _check_generations(events: Iterable[dict[str, Any]], violations: Violations) -> None:
    """Generations never go back, and within one no partition is assigned to two members."""
    joined: list[tuple[int, int]] = []
    owners: dict[tuple[int, str], str] = {}
    for event in events:
        if event["e"] != "generation":
            continue
        before = [generation for joined_at, generation in joined if joined_at < event["t0"]]
        if before and event["generation"] < max(before):
            violations.add("generation-went-back", event)
        joined.append((event["t"], event["generation"]))
        for key in event["k"]:
            owner = owners.setdefault((event["generation"], key), event["c"])
            if owner != event["c"]:
                violations.add("generation-shared", {"key": key, "owners": [owner, event["c"]], **event})


def _check_progress(artifacts: Artifacts, violations: Violations) -> None:
    """Every role succeeds at least once in the recovery period after the faults (I13)."""
    start, end = artifacts.healed_at, artifacts.healed_at + artifacts.recovery_ns
    for role in ROLES:
        if not any(start < succeeded_at <= end for succeeded_at in artifacts.event_log.successes.get(role, ())):
            violations.add("no-progress", role)
    for key in artifacts.unread:
        violations.add("unreadable", key)
    if artifacts.operator_positions == {}:
        violations.add("unreadable", "the operator's position")


def _check_derived_readers(artifacts: Artifacts, violations: Violations) -> None:
    """Readers of the derived topic saw its final records, each session in order and without gaps."""
    final = {key: dict(rows) for key, rows in artifacts.derived.items()}
    last: dict[tuple[str, str], int] = {}
    for event in artifacts.event_log.events:
        if event["e"] != "derived-poll":
            continue
        for key, offset, value in event["r"]:
            if final.get(key, {}).get(offset, value) != value:
                violations.add("derived-changed", {"k": key, "offset": offset, "read": value})
            before = last.get((event["c"], key), offset - 1)
            if offset != before + 1:
                violations.add("derived-skip", {"k": key, "offset": offset, "after": before, "reader": event["c"]})
            last[event["c"], key] = offset
