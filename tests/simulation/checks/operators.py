"""The derived topic: output = f(input), each input once and in order, and outputs never apart from positions."""

from collections.abc import Callable

from tests.simulation.checks.ledger import Replayed
from tests.simulation.chronicle import quantity
from tests.simulation.workloads.stage import LARGE, ORDERS, PARTITIONS

Report = Callable[[str, object], None]


def check_derived(
    replayed: Replayed,
    finals: dict[str, dict[int, str | None]],
    derived: dict[str, list[tuple[int, str | None]]],
    positions: dict[str, int],
    report: Report,
) -> None:
    """Compare what was read of the derived topic with what the committed steps should have made of the input."""
    for partition in range(PARTITIONS):
        orders = finals.get(f"{ORDERS}:{partition}", {})
        expected, at = _expected(replayed, partition, orders, report)
        key = f"{LARGE}:{partition}"
        if key not in derived:
            continue
        read = [value for _, value in derived[key]]
        if read != expected:
            report("operator-output", _difference(key, read, expected))
        _check_once_and_in_order(key, read, orders, report)
        if at < len(orders):
            report("operator-behind", f"{ORDERS}:{partition} is processed up to {at} of {len(orders)}")
        told = positions.get(f"{ORDERS}:{partition}", 0 if not orders else -1)
        if positions and told != at:
            report("operator-position", f"{ORDERS}:{partition}: told {told}, committed {at}")


def _expected(
    replayed: Replayed, partition: int, orders: dict[int, str | None], report: Report
) -> tuple[list[str | None], int]:
    """The output of all committed steps on the input as it was read, and where the last one ended."""
    output: list[str | None] = []
    at = 0
    for step in replayed.steps:
        if step.name != LARGE or step.partition != partition:
            continue
        if step.from_offset != at:
            report("operator-step", f"{ORDERS}:{partition} goes on at {step.from_offset} after {at}")
        least = int(step.where.rpartition(">")[2])
        output += [orders.get(one) for one in range(step.from_offset, step.to_offset) if _keeps(orders.get(one), least)]
        at = step.to_offset
    return output, at


def _keeps(value: str | None, least: int) -> bool:
    amount = None if value is None else quantity(value)
    return amount is not None and amount > least


def _check_once_and_in_order(
    key: str, read: list[str | None], orders: dict[int, str | None], report: Report
) -> None:
    """From the outside alone: strictly ascending input offsets mean each once, and in order."""
    at = {value: offset for offset, value in orders.items()}
    last = -1
    for value in read:
        offset = at.get(value)
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
    parted = f"apart from {at}: {read[at : at + 2]}, {expected[at : at + 2]}"
    return f"{key}: {len(read)} records read, {len(expected)} expected; {parted}"
