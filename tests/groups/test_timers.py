"""The deadlines of all groups of a node, against a dictionary that is searched from end to end."""

import trio
from hypothesis import given, settings
from hypothesis import strategies as st

from higgins.groups import timers as timers_module
from higgins.groups.timers import STALE_MAX, Timers


class Item:
    def __init__(self, number: int) -> None:
        self.number = number
        self.wake_ms: int | None = None

    def __repr__(self) -> str:
        return f"<Item {self.number} due at {self.wake_ms}>"


SET, CANCEL, POP = "set", "cancel", "pop"
STEPS = st.lists(
    st.tuples(st.sampled_from([SET, SET, SET, CANCEL, POP]), st.integers(0, 7), st.integers(0, 30)), max_size=80
)


@given(STEPS, st.sampled_from([0, 2, STALE_MAX]))
@settings(max_examples=200, deadline=None)
def test_items_are_due_in_the_order_of_their_newest_deadlines(steps: list[tuple[str, int, int]], stale: int) -> None:
    """The heap is rebuilt as often as `stale` asks for."""
    timers_module.STALE_MAX, before = stale, timers_module.STALE_MAX
    try:
        timers: Timers[Item] = Timers()
        items = [Item(number) for number in range(8)]
        model: dict[int, int] = {}
        for step, number, at_ms in steps:
            if step == SET:
                timers.set(items[number], at_ms)
                model[number] = at_ms
                assert len(timers._heap) <= 2 * len(model) + stale, "entries that no longer count are bounded"
            elif step == CANCEL:
                timers.cancel(items[number])
                model.pop(number, None)
            else:
                earliest_ms = min(model.values(), default=at_ms + 1)
                popped = timers.pop_due(at_ms)
                if earliest_ms > at_ms:
                    assert popped is None
                else:
                    assert popped is not None and model.pop(popped.number) == earliest_ms
                    assert popped.wake_ms is None
            assert timers.next_ms() == min(model.values(), default=None)
        drained = []
        while (item := timers.pop_due(1_000)) is not None:
            drained.append(model.pop(item.number))
        assert drained == sorted(drained) and not model
    finally:
        timers_module.STALE_MAX = before


async def test_an_earlier_deadline_wakes_the_one_who_waits_and_a_later_one_does_not() -> None:
    timers: Timers[Item] = Timers()
    timers.set(Item(0), 100)
    for at_ms, wakes in ((200, False), (100, False), (99, True)):
        with trio.move_on_after(0):  # What was set so far is forgotten.
            await timers.wait_changed()
        timers.set(Item(1), at_ms)
        with trio.move_on_after(0.01) as waited:
            await timers.wait_changed()
        assert waited.cancelled_caught is not wakes, at_ms
