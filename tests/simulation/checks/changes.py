"""Checks of the topics whose records are deleted and whose partitions are added."""

from collections.abc import Callable, Iterable
from typing import Any

from tests.simulation.checks.ledger import Replayed
from tests.simulation.event_log import quantity
from tests.simulation.workloads.context import GROWN, GROWN_LARGE, TRIMMED

Report = Callable[[str, object], None]
EVENTS = frozenset(
    {"trim-send", "trim-sent", "trim", "trimmed", "trim-look", "grow", "grown", "grow-send", "grow-sent"}
)
LEAST_OF_GROWN = 4


def check_trims(events: Iterable[dict[str, Any]], replayed: Replayed, report: Report) -> None:
    """The topic has a single writer, so every read must show the effects of all its acknowledged requests."""
    start = requested = 0
    sent: dict[int, str] = {}
    sent_values: set[str] = set()
    for event in events:
        match event["e"]:
            case "trim-send":
                sent_values.add(event["v"])
            case "trim-sent":
                sent[event["o"]] = event["v"]
            case "trim":
                requested = max(requested, event["before"])
            case "trimmed":
                if event["start"] < max(start, event["before"]) or event["start"] > requested:
                    report("trim-start", {"acknowledged": start, "requested": requested, **event})
                start = max(start, event["start"])
            case "trim-look":
                _check_read(event, start, requested, sent, sent_values, report)
    topic = replayed.state.topics.by_name[TRIMMED]
    final = replayed.state.runs.log_start(topic.id, 0)
    if not start <= final <= requested:
        report("trim-start", f"the final log start is {final}; {start} was acknowledged, {requested} requested")
    remaining = dict(replayed.records.get(f"{TRIMMED}:0", ()))
    for offset, value in sent.items():
        if offset >= final and remaining.get(offset) != value:
            report("trim-lost", {"offset": offset, "sent": value, "found": remaining.get(offset)})


def _check_read(
    read: dict[str, Any], start: int, requested: int, sent: dict[int, str], sent_values: set[str], report: Report
) -> None:
    low, high, rows = read["lo"], read["hi"], [tuple(row) for row in read["r"]]
    if not start <= low <= max(start, requested):
        report("trim-start", {"low": low, "acknowledged": start, "requested": requested})
    if [offset for offset, _ in rows] != list(range(low, high)):
        report("trim-range", {"low": low, "high": high, "read": [offset for offset, _ in rows][:5]})
    values_by_offset = dict(rows)
    for offset, value in sent.items():
        if offset >= low and values_by_offset.get(offset) != value:
            report("trim-lost", {"offset": offset, "sent": value, "found": values_by_offset.get(offset)})
    for offset, value in rows:
        if value not in sent_values:
            report("trim-phantom", {"offset": offset, "value": value})
    values = [value for _, value in rows]
    if len(set(values)) != len(values):
        report("trim-duplicate", values)


def check_growth(events: Iterable[dict[str, Any]], replayed: Replayed, report: Report) -> None:
    """Acknowledged partitions exist, also of the operator's output, and the operator has processed all of them."""
    events = list(events)
    state = replayed.state
    acknowledged = max((event["n"] for event in events if event["e"] == "grown"), default=1)
    requested = max((event["n"] for event in events if event["e"] == "grow"), default=1)
    partitions = state.topics.by_name[GROWN].partitions
    if not acknowledged <= partitions <= requested:
        report("growth-count", f"{partitions} partitions; {acknowledged} were acknowledged, {requested} requested")
    actual = (state.topics.by_name[GROWN_LARGE].partitions, state.tasks.sets[GROWN_LARGE].tasks)
    if actual != (partitions, partitions):
        report("growth-uneven", f"{partitions} partitions of input; output and tasks {actual}")
        return
    for event in events:
        if event["e"] == "grow-sent" and dict(replayed.records.get(event["k"], ())).get(event["o"]) != event["v"]:
            report("growth-lost", event)
    for partition in range(partitions):
        _check_output(replayed, partition, report)


def _check_output(replayed: Replayed, partition: int, report: Report) -> None:
    inputs = replayed.records.get(f"{GROWN}:{partition}", [])
    position = replayed.state.tasks.progress(GROWN_LARGE, partition).inputs[0].next_offset
    if position != len(inputs):
        report("growth-behind", f"{GROWN}:{partition} is processed up to {position} of {len(inputs)}")
    expected = [value for offset, value in inputs if offset < position and _keeps(value)]
    output = [value for _, value in replayed.records.get(f"{GROWN_LARGE}:{partition}", [])]
    if output != expected:
        report("growth-output", {"partition": partition, "read": output[:3], "expected": expected[:3]})


def _keeps(value: str | None) -> bool:
    amount = None if value is None else quantity(value)
    return amount is not None and amount > LEAST_OF_GROWN
