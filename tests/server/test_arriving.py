"""The memory of requests that are arriving is bounded, and who makes no progress gives way."""

from collections.abc import Callable

import pytest
import trio

from higgins.server.arriving import AHEAD_BYTES_MAX, SMALL_BYTES_MAX, Arrivals, Room

MIB = 1 << 20


class Sender:
    """A client that sends a request at some rate, and stops at some point."""

    def __init__(self, length: int, *, bytes_per_s: float = 100 * MIB, stops_at: int | None = None) -> None:
        self.length = length
        self.stops_at = length if stops_at is None else stops_at
        self._bytes_per_s = bytes_per_s
        self.done_at: float | None = None
        self.gave_way_at: float | None = None
        self._scope = trio.CancelScope()

    async def run(self, room: Room, note: Callable[[], None]) -> None:
        arrival = room.begin(self._give_way)
        try:
            with self._scope:
                received = 0
                while received < self.length:
                    ahead = await room.take(arrival, received, self.length - received)
                    note()
                    if received >= self.stops_at:
                        await trio.sleep_forever()
                    await trio.sleep(ahead / self._bytes_per_s)
                    received += ahead
                    arrival.received = received
                self.done_at = trio.current_time()
        finally:
            room.end(arrival)

    def _give_way(self) -> None:
        self.gave_way_at = trio.current_time()
        self._scope.cancel()


async def run(senders: list[Sender], *, bytes_max: int, seconds: float = 60) -> tuple[int, Arrivals]:
    """The most memory that was counted at any time, and the rooms afterwards."""
    arrivals = Arrivals(trio.current_time, bytes_max, 64 << 10)
    most = 0

    def note() -> None:
        nonlocal most
        most = max(most, arrivals.bytes)

    with trio.move_on_after(seconds):
        async with trio.open_nursery() as nursery:
            for sender in senders:
                nursery.start_soon(sender.run, arrivals.room_for(sender.length), note)
                await trio.sleep(0.001)
    assert arrivals.bytes == 0, "everything is given back"
    return most, arrivals


async def test_requests_of_clients_that_stop_in_the_middle_are_bounded_and_give_way(autojump_clock) -> None:
    stalled = [Sender(100 * MIB, stops_at=95 * MIB) for _ in range(40)]
    well = [Sender(MIB) for _ in range(20)]
    most, arrivals = await run([*stalled, *well], bytes_max=128 * MIB, seconds=300)
    assert most <= 128 * MIB + 100 * MIB
    assert all(sender.done_at is not None for sender in well), "they have room of their own"
    assert max(sender.done_at or 0 for sender in well) < 2
    assert sum(sender.gave_way_at is not None for sender in stalled) == arrivals.gave_way >= 39


@pytest.mark.parametrize("length", [MIB, 100 * MIB])
async def test_clients_that_send_at_a_good_rate_wait_and_do_not_give_way(autojump_clock, length: int) -> None:
    senders = [Sender(length) for _ in range(8_000_000 // length + 5)]
    most, arrivals = await run(senders, bytes_max=4 * MIB)
    assert most <= 4 * MIB + 2 * min(length, 100 * MIB)
    assert arrivals.gave_way == 0 and all(sender.done_at is not None for sender in senders)


async def test_many_that_trickle_give_way_to_one_that_sends(autojump_clock) -> None:
    trickling = [Sender(MIB, bytes_per_s=100) for _ in range(200)]
    well = Sender(MIB)
    await run([*trickling, well], bytes_max=8 * MIB)
    assert well.done_at is not None and well.gave_way_at is None


async def test_a_slow_request_gives_way_only_while_others_wait(autojump_clock) -> None:
    slow = Sender(SMALL_BYTES_MAX, bytes_per_s=40_000, stops_at=MIB)
    _, arrivals = await run([slow], bytes_max=128 * MIB)
    assert arrivals.gave_way == 0 and slow.gave_way_at is None


async def test_a_request_does_not_hold_the_room_by_sending_just_enough(autojump_clock) -> None:
    """At a good rate, but for minutes: it gives way when it has had its time, while others wait."""
    long = [Sender(100 * MIB, bytes_per_s=MIB) for _ in range(4)]
    late = Sender(5 * MIB)
    await run([*long, late], bytes_max=2 * MIB)
    assert late.done_at is not None


async def test_a_length_costs_nothing_before_bytes_come(autojump_clock) -> None:
    arrivals = Arrivals(trio.current_time, 128 * MIB, 64 << 10)
    arrival = arrivals.large.begin(lambda: None)
    assert await arrivals.large.take(arrival, 0, 100 * MIB) == arrivals.bytes == 64 << 10
    assert await arrivals.large.take(arrival, 64 << 10, 99 * MIB) == 64 << 10
    assert arrivals.bytes == 128 << 10
    await arrivals.large.take(arrival, 10 * MIB, 90 * MIB)
    assert arrivals.bytes <= 10 * MIB + AHEAD_BYTES_MAX
    arrivals.large.end(arrival)
    assert arrivals.bytes == 0
