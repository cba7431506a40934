"""Checks of the derived topic: its records are f(input), each once and in order, and agree with the positions."""

from collections.abc import Callable

from tests.simulation.checks.ledger import Replayed
from tests.simulation.event_log import quantity
from tests.simulation.workloads.context import LARGE, ORDERS, PARTITIONS

Report = Callable[[str, object], None]


def check_derived(
    replayed: Replayed,
    finals: dict[str, dict[int, str | None]],
    derived: dict[str, list[tuple[int, str | None]]],
    positions: dict[str, int],
    report: Report,
) -> None:
    """Compare the records of the derived topic with the output that the committed steps should have."""
    for partition in range(PARTITIONS):
        orders = finals.get(f"{ORDERS}:{partition}", {})
        expected, position = _expected(replayed, partition, orders, report)
        key = f"{LARGE}:{partition}"
        if key not in derived:
            continue
        read = [value for _, value in derived[key]]
        if read != expected:
            report("operator-output", _difference(key, read, expected))
        _check_once_and_in_order(key, read, orders, report)
        if position < len(orders):
            report("operator-behind", f"{ORDERS}:{partition} is processed up to {position} of {len(orders)}")
        committed = positions.get(f"{ORDERS}:{partition}", 0 if not orders else -1)
        if positions and committed != position:
            report("operator-position", f"{ORDERS}:{partition}: OffsetFetch: {committed}, committed steps: {position}")


def _expected(
    replayed: Replayed, partition: int, orders: dict[int, str | None], report: Report
) -> tuple[list[str | None], int]:
    """The output that the committed steps should have, and the offset at which the last one ended."""
    output: list[str | None] = []
    position = 0
    for step in replayed.steps:
        if step.name != LARGE or step.partition != partition:
            continue
        if step.from_offset != position:
            report("operator-step", f"{ORDERS}:{partition} continues at {step.from_offset} instead of {position}")
        least = int(step.where.rpartition(">")[2])
        output += [
            orders.get(offset)
            for offset in range(step.from_offset, step.to_offset)
            if _keeps(orders.get(offset), least)
        ]
        position = step.to_offset
    return output, position


def _keeps(value: str | None, least: int) -> bool:
    amount = None if value is None else quantity(value)
    return amount is not None and amount > least


def _check_once_and_in_order(
    key: str, read: list[str | None], orders: dict[int, str | None], report: Report
) -> None:
    """Without looking at the ledger: if the input offsets strictly ascend, each is there once and in order."""
    offset_of = {value: offset for offset, value in orders.items()}
    last = -1
    for value in read:
        offset = offset_of.get(value)
        if offset is None:
            report("operator-phantom", {"k": key, "v": value})
        elif offset <= last:
            report("operator-repeated" if read.count(value) > 1 else "operator-reordered", {"k": key, "v": value})
        else:
            last = offset


def _difference(key: str, read: list[str | None], expected: list[str | None]) -> str:
    at = next((i for i, pair in enumerate(zip(read, expected, strict=False)) if pair[0] != pair[1]), None)
    if at is None:
        at = min(len(read), len(expected))
    examples = f"the first difference is at {at}: {read[at : at + 2]}, {expected[at : at + 2]}"
    return f"{key}: {len(read)} records read, {len(expected)} expected; {examples}"
