"""The parts of a connection by themselves: the order of requests, when polling pays, and the pool of buffers."""

import gc

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from higgins.model.future import Future
from higgins.server.buffers import LARGEST_BYTES, SMALLEST_BYTES, BufferPool
from higgins.server.busy_poll import POLLS_SKIPPED_MAX, PollHistory
from higgins.server.order import Access, RequestOrder

TOPICS, RECORDS, OFFSETS = 1, 2, 4
CREATE = Access(1, reads=0, writes=TOPICS)
PRODUCE = Access(2, reads=TOPICS, writes=RECORDS, overtaken_by=frozenset({2}))
FETCH = Access(3, reads=TOPICS | RECORDS, writes=0)
COMMIT = Access(4, reads=TOPICS, writes=OFFSETS)
METADATA = Access(5, reads=TOPICS, writes=0)

# ---- order ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("earlier", "later", "waits"),
    [
        (PRODUCE, FETCH, True),
        (PRODUCE, PRODUCE, False),
        (PRODUCE, METADATA, False),
        (PRODUCE, COMMIT, False),
        (PRODUCE, CREATE, False),
        (CREATE, PRODUCE, True),
        (CREATE, CREATE, True),
        (CREATE, METADATA, True),
        (COMMIT, FETCH, False),
        (COMMIT, COMMIT, True),
        (FETCH, PRODUCE, False),
    ],
)
def test_a_request_waits_for_what_touches_the_same_and_writes_it(earlier: Access, later: Access, waits: bool) -> None:
    order, done = RequestOrder(), Future[object]()
    order.hold(earlier, done)
    assert order.blocks(later) == waits
    assert bool(order.written & later.touches) or not waits, "the quick comparison never lets a request pass wrongly"
    done.set_result(None)
    assert not order.blocks(later) and order.written == 0


def test_what_is_done_already_holds_nobody() -> None:
    order, done = RequestOrder(), Future[object]()
    done.set_result(None)
    order.hold(CREATE, done)
    assert order.written == 0 and not order.blocks(CREATE)


def test_every_one_of_several_requests_counts_until_the_last_is_done() -> None:
    order = RequestOrder()
    held = [(PRODUCE, Future[object]()), (PRODUCE, Future[object]()), (COMMIT, Future[object]())]
    for access, done in held:
        order.hold(access, done)
    assert order.written == RECORDS | OFFSETS
    held[0][1].set_result(None)
    assert order.written == RECORDS | OFFSETS and order.blocks(FETCH) and order.blocks(COMMIT)
    held[2][1].set_result(None)
    assert order.written == RECORDS and order.blocks(FETCH) and not order.blocks(COMMIT)
    held[1][1].set_result(None)
    assert order.written == 0


async def test_all_who_wait_are_woken_each_time_something_is_done() -> None:
    order = RequestOrder()
    creating, producing = Future[object](), Future[object]()
    order.hold(CREATE, creating)
    order.hold(PRODUCE, producing)
    begun: list[str] = []

    async def wait(name: str, access: Access) -> None:
        await order.wait(access)
        begun.append(name)

    async with trio.open_nursery() as nursery:
        for name, access in (("fetch", FETCH), ("metadata", METADATA), ("fetch too", FETCH)):
            nursery.start_soon(wait, name, access)
        await wait_all_tasks_blocked()
        assert begun == []
        creating.set_result(None)
        await wait_all_tasks_blocked()
        assert begun == ["metadata"]
        producing.set_result(None)
        await wait_all_tasks_blocked()
        assert sorted(begun) == ["fetch", "fetch too", "metadata"]


# ---- polling --------------------------------------------------------------------------------------------------------


def skipped(history: PollHistory) -> int:
    """How many requests are served without polling before the next poll."""
    count = 0
    while not history.should_poll():
        count += 1
    return count


def test_polls_in_vain_make_polling_rare_and_success_makes_it_common_again() -> None:
    history = PollHistory()
    skips = [skipped(history)]
    for _ in range(12):
        history.record(False)
        skips.append(skipped(history))
    assert skips[0] > 0, "a connection must show first that polling pays"
    assert skips[1:] == [min(2 * before + 1, POLLS_SKIPPED_MAX) for before in skips[:-1]]
    assert max(skips) == skips[-1] == skips[-2] == POLLS_SKIPPED_MAX
    for _ in range(20):
        history.record(True)
        assert history.should_poll(), "after a success the next request is polled for, too"
    history.record(False)
    assert skipped(history) == 1


# ---- buffers --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("length", [1, SMALLEST_BYTES, SMALLEST_BYTES + 1, LARGEST_BYTES, LARGEST_BYTES + 1])
def test_a_lease_has_the_length_that_was_wanted_and_can_be_written(length: int) -> None:
    view = BufferPool().lease(length)
    assert len(view) == length and not view.readonly
    view[0] = view[-1] = 7
    assert view[length - 1] == 7


def test_two_leases_share_no_memory_until_one_is_given_back() -> None:
    pool = BufferPool()
    first, second = pool.lease(1000), pool.lease(1000)
    first[:4], second[:4] = b"1111", b"2222"
    assert bytes(first[:4]) == b"1111"
    part = first[2:4]
    del first
    gc.collect()
    third = pool.lease(1000)
    third[:4] = b"3333"
    assert bytes(part) == b"11", "a view of a part keeps the buffer"
    del part
    gc.collect()
    fourth = pool.lease(1000)
    assert bytes(fourth[:4]) == b"1111", "the memory is used again"


def test_a_buffer_is_used_again_only_for_its_size() -> None:
    pool = BufferPool()
    small = pool.lease(1000)
    small[:4] = b"1111"
    del small
    gc.collect()
    large = pool.lease(SMALLEST_BYTES + 1)
    assert len(large) == SMALLEST_BYTES + 1 and bytes(large[:4]) == bytes(4)


def test_no_more_memory_is_kept_than_the_bound_says() -> None:
    pool = BufferPool(idle_bytes_max=2 * SMALLEST_BYTES)
    leases = [pool.lease(1000) for _ in range(5)]
    for view in leases:
        view[:4] = b"used"
    del view
    leases.clear()
    gc.collect()
    again = [pool.lease(1000) for _ in range(5)]
    assert [bytes(view[:4]) for view in again].count(b"used") == 2
    # What was taken out again makes room.
    for view in again:
        view[:4] = b"more"
    del view
    again.clear()
    gc.collect()
    assert [bytes(pool.lease(1000)[:4]) for _ in range(1)] == [b"more"]
