"""Topics that shrink from their start and grow at their side: what was deleted, what stays, what grows along."""

from collections.abc import Callable, Iterable
from typing import Any

from tests.simulation.checks.ledger import Replayed
from tests.simulation.chronicle import quantity
from tests.simulation.workloads.stage import GROWN, GROWN_LARGE, TRIMMED

Report = Callable[[str, object], None]
EVENTS = frozenset(
    {"trim-send", "trim-sent", "trim", "trimmed", "trim-look", "grow", "grown", "grow-send", "grow-sent"}
)
LEAST_OF_GROWN = 4


def check_trims(events: Iterable[dict[str, Any]], replayed: Replayed, report: Report) -> None:
    """One writer did everything in order: what it was told is what everybody must see from then on."""
    start = tried = 0
    sent: dict[int, str] = {}
    known: set[str] = set()
    for event in events:
        match event["e"]:
            case "trim-send":
                known.add(event["v"])
            case "trim-sent":
                sent[event["o"]] = event["v"]
            case "trim":
                tried = max(tried, event["before"])
            case "trimmed":
                if event["start"] < max(start, event["before"]) or event["start"] > tried:
                    report("trim-start", {"known": start, "tried": tried, **event})
                start = max(start, event["start"])
            case "trim-look":
                _check_look(event, start, tried, sent, known, report)
    topic = replayed.state.topics.by_name[TRIMMED]
    final = replayed.state.runs.log_start(topic.id, 0)
    if not start <= final <= tried:
        report("trim-start", f"the log starts at {final} in the end; {start} was told, {tried} was tried")
    left = dict(replayed.records.get(f"{TRIMMED}:0", ()))
    for offset, value in sent.items():
        if offset >= final and left.get(offset) != value:
            report("trim-lost", {"offset": offset, "sent": value, "found": left.get(offset)})


def _check_look(
    look: dict[str, Any], start: int, tried: int, sent: dict[int, str], known: set[str], report: Report
) -> None:
    low, high, rows = look["lo"], look["hi"], [tuple(row) for row in look["r"]]
    if not start <= low <= max(start, tried):
        report("trim-start", {"low": low, "told": start, "tried": tried})
    if [offset for offset, _ in rows] != list(range(low, high)):
        report("trim-range", {"low": low, "high": high, "read": [offset for offset, _ in rows][:5]})
    found = dict(rows)
    for offset, value in sent.items():
        if offset >= low and found.get(offset) != value:
            report("trim-lost", {"offset": offset, "sent": value, "found": found.get(offset)})
    for offset, value in rows:
        if value not in known:
            report("trim-phantom", {"offset": offset, "value": value})
    values = [value for _, value in rows]
    if len(set(values)) != len(values):
        report("trim-duplicate", values)


def check_growth(events: Iterable[dict[str, Any]], replayed: Replayed, report: Report) -> None:
    """Partitions that were promised are there, under the operator too, and it has kept up with all of them."""
    events = list(events)
    state = replayed.state
    promised = max((event["n"] for event in events if event["e"] == "grown"), default=1)
    asked = max((event["n"] for event in events if event["e"] == "grow"), default=1)
    partitions = state.topics.by_name[GROWN].partitions
    if not promised <= partitions <= asked:
        report("growth-count", f"{partitions} partitions; {promised} were promised, {asked} asked for")
    alike = (state.topics.by_name[GROWN_LARGE].partitions, state.tasks.sets[GROWN_LARGE].tasks)
    if alike != (partitions, partitions):
        report("growth-uneven", f"{partitions} partitions of input; output and tasks {alike}")
        return
    for event in events:
        if event["e"] == "grow-sent" and dict(replayed.records.get(event["k"], ())).get(event["o"]) != event["v"]:
            report("growth-lost", event)
    for partition in range(partitions):
        _check_output(replayed, partition, report)


def _check_output(replayed: Replayed, partition: int, report: Report) -> None:
    taken = replayed.records.get(f"{GROWN}:{partition}", [])
    position = replayed.state.tasks.progress(GROWN_LARGE, partition).inputs[0].next_offset
    if position != len(taken):
        report("growth-behind", f"{GROWN}:{partition} is processed up to {position} of {len(taken)}")
    expected = [value for offset, value in taken if offset < position and _keeps(value)]
    output = [value for _, value in replayed.records.get(f"{GROWN_LARGE}:{partition}", [])]
    if output != expected:
        report("growth-output", {"partition": partition, "read": output[:3], "expected": expected[:3]})


def _keeps(value: str | None) -> bool:
    amount = None if value is None else quantity(value)
    return amount is not None and amount > LEAST_OF_GROWN
