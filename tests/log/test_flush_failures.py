"""Flushes whose put fails for good: who is told so, and that everybody else goes on. And waits that must end."""

from collections.abc import Iterator
from contextlib import contextmanager

import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from higgins.ledger.state.producers import GrantProducerIds
from higgins.ledger.state.runs import RunAppended
from higgins.log.buffer import FlushBuffer, Item
from higgins.log.settings import LogSettings
from higgins.log.writer import Writer
from higgins.model.errors import StorageUnavailable
from higgins.model.names import TopicId
from higgins.model.pointer import is_inline
from higgins.storage.cache import Cache
from higgins_protocol.records.batch import read_header
from tests.ledger.nodes import TOPIC, StillRuntime, beside, facts
from tests.log.world import HUGE, LARGE, SMALL, Log, batch, running_log


def first_put_fails(log: Log, others_s: float = 4.0) -> None:
    """The first object of the node is refused until patience ends; each other takes a while."""

    async def before_put(key: str) -> None:
        if key.endswith("1"):
            raise StorageUnavailable("permanent failure")
        await trio.sleep(others_s)

    log.store.before_put = before_put


async def new_producer(log: Log) -> int:
    producer_id: int = await log.ledger.propose(GrantProducerIds(1))
    return producer_id


async def test_appends_go_on_after_a_flush_that_held_nothing_but_lost_batches(autojump_clock: MockClock) -> None:
    async with running_log(put_patience_s=5.0) as log:
        producer = await new_producer(log)
        first_put_fails(log)
        lost = log.append(batch(bytes(HUGE), producer_id=producer, sequence=0))
        await trio.sleep(3)
        continued = log.append(batch(bytes(HUGE), producer_id=producer, sequence=1))
        for ticket in (lost, continued):
            assert isinstance(await ticket.result(), StorageUnavailable)
        assert await log.put(SMALL).offset() == 0
        assert await log.put(HUGE).offset() == 1
        assert log.writer.bytes_held == 0


async def test_appends_go_on_after_a_flush_that_lost_one_of_its_partitions(autojump_clock: MockClock) -> None:
    async with running_log(partitions=2, put_patience_s=5.0) as log:
        producer = await new_producer(log)
        first_put_fails(log)
        log.append(batch(bytes(HUGE), producer_id=producer, sequence=0))
        await trio.sleep(3)
        continued = log.append(batch(bytes(LARGE), producer_id=producer, sequence=1), more=True)
        elsewhere = log.put(LARGE, partition=1, more=True)
        filler = log.put(HUGE // 2, partition=1)
        assert isinstance(await continued.result(), StorageUnavailable)
        assert [await elsewhere.offset(), await filler.offset()] == [0, 1]
        with trio.fail_after(60):
            assert await log.put(SMALL).offset() == 0
            assert await log.put(SMALL, partition=1).offset() == 2


async def test_batches_behind_a_lost_one_in_the_same_append_keep_their_bytes(autojump_clock: MockClock) -> None:
    async with running_log(put_patience_s=5.0) as log:
        failing, other = await new_producer(log), await new_producer(log)
        first_put_fails(log)
        log.append(batch(bytes(HUGE), producer_id=failing, sequence=0))
        await trio.sleep(3)
        # One proposal: plain batches before and after those that continue the lost one.
        before = log.append(batch(b"before" * 50), more=True)
        log.append(
            batch(b"x" * LARGE, producer_id=failing, sequence=1),
            batch(b"y", producer_id=failing, sequence=2),
            more=True,
        )
        two = [batch(name * 500, producer_id=other, sequence=at) for at, name in enumerate((b"a", b"b"))]
        after = log.append(*two, more=True)
        # One more, for which the object has no room, makes the others start at once.
        filler = log.put(LARGE)
        assert await before.offset() == 0
        assert await after.result() == [1, 2]
        await filler.result()
        values = [record.value for record in await log.records()]
        assert values[:3] == [b"before" * 50, b"a" * 500, b"b" * 500]


async def test_plain_batches_do_not_share_the_fate_of_others(autojump_clock: MockClock) -> None:
    async with running_log(put_patience_s=5.0) as log:
        first_put_fails(log)
        lost = log.put(HUGE)
        await trio.sleep(3)
        in_flight = log.put(HUGE)
        await wait_all_tasks_blocked()
        buffered = log.put(SMALL)
        assert isinstance(await lost.result(), StorageUnavailable)
        assert sorted([await in_flight.offset(), await buffered.offset()]) == [0, 1]


async def test_a_put_that_succeeds_within_its_patience_loses_nothing(autojump_clock: MockClock) -> None:
    async with running_log(put_patience_s=10.0) as log:

        async def before_put(key: str) -> None:
            if trio.current_time() < 4:
                raise StorageUnavailable("not yet")

        log.store.before_put = before_put
        producer = await new_producer(log)
        tickets = [log.append(batch(bytes(HUGE), producer_id=producer, sequence=i)) for i in range(3)]
        assert [await ticket.offset() for ticket in tickets] == [0, 1, 2]


# ---- what a flush takes ---------------------------------------------------------------------------------------------


async def test_a_flush_is_inline_up_to_its_bound_and_an_object_beyond(autojump_clock: MockClock) -> None:
    size = len(batch(bytes(SMALL)))
    for bound, inline in ((size, True), (size - 1, False)):
        async with running_log(inline_bytes_max=bound) as log:
            await log.put(SMALL).result()
            (fact,) = facts(log.store, RunAppended)
            assert is_inline(fact.run.object_id) == inline and len(log.objects()) == (not inline)


async def test_the_bound_of_inline_flushes_may_be_zero(autojump_clock: MockClock) -> None:
    async with running_log(inline_bytes_max=0) as log:
        await log.put(SMALL).result()
        assert len(log.objects()) == 1


def buffered(*sizes: int) -> FlushBuffer:
    buffer = FlushBuffer()
    for size in sizes:
        view = memoryview(batch(bytes(size)))
        buffer.add(Item(TopicId(b"t" * 16), 0, [(read_header(view), view)], lambda outcome, stamped_ms: None))
    return buffer


def test_a_flush_takes_no_more_than_an_object_may_hold() -> None:
    one = buffered(SMALL).bytes
    for room, taken in ((1, 1), (one, 1), (2 * one - 1, 1), (2 * one, 2), (3 * one - 1, 2), (3 * one, 3), (1 << 20, 3)):
        buffer = buffered(SMALL, SMALL, SMALL)
        everything = list(buffer.items)
        assert buffer.take(room) == everything[:taken]
        assert buffer.items == everything[taken:] and buffer.bytes == one * (3 - taken)


def test_the_earliest_linger_of_a_buffer_counts() -> None:
    buffer = buffered(SMALL, SMALL, SMALL)
    for item, due_s in zip(buffer.items, (7.0, 3.0, 5.0), strict=True):
        item.due_s = due_s
    assert buffer.due_s() == 3.0


async def test_small_appends_during_a_slow_commit_of_an_object_wait_for_its_end(autojump_clock: MockClock) -> None:
    async with running_log() as log:

        async def slow(key: str) -> None:
            await trio.sleep(1)

        log.store.before_create = slow
        large = log.put(LARGE)
        await trio.sleep(0.1)
        small = [log.put(SMALL) for _ in range(3)]
        assert [await ticket.offset() for ticket in (large, *small)] == list(range(4))
        assert [fact.run.last_offset for fact in facts(log.store, RunAppended)] == [0, 3]


async def test_batches_whose_linger_has_ended_wait_for_the_put_without_spinning(autojump_clock: MockClock) -> None:
    async with running_log(linger_ms=50) as log:
        first_put_fails(log, others_s=5.0)
        await log.put().result()
        log.store.before_put = slow_put
        tickets = [log.put(HUGE), log.put(SMALL)]
        # On a virtual clock a task that never sleeps would stop all time.
        assert sorted([await ticket.offset() for ticket in tickets]) == [1, 2]


async def slow_put(key: str) -> None:
    await trio.sleep(5)


# ---- the end --------------------------------------------------------------------------------------------------------


async def test_draining_waits_for_the_last_of_several_slow_flushes(autojump_clock: MockClock) -> None:
    async with running_log(linger_ms=60_000) as log:

        async def slow(key: str) -> None:
            await trio.sleep(1)

        log.store.before_create = log.store.before_put = slow
        await log.put().result()
        tickets = [log.put(HUGE), log.put(SMALL), log.put(LARGE)]
        with trio.fail_after(20):
            await log.writer.drain()
        assert all(ticket.is_done for ticket in tickets)


async def test_draining_a_single_append_ends(autojump_clock: MockClock) -> None:
    async with running_log(linger_ms=60_000) as log:
        await log.put().result()
        ticket = log.put()
        with trio.fail_after(20):
            await log.writer.drain()
        assert ticket.is_done
        with trio.fail_after(1):
            await log.writer.drain()


async def test_what_arrives_while_the_node_drains_does_not_linger(autojump_clock: MockClock) -> None:
    async with running_log(linger_ms=60_000) as log, trio.open_nursery() as nursery:
        await log.put().result()

        async def slow(key: str) -> None:
            await trio.sleep(1)

        log.store.before_create = slow
        log.put()
        nursery.start_soon(log.writer.drain)
        await trio.sleep(0.5)
        late = log.put()
        with trio.fail_after(10):
            await late.result()


async def test_a_buffer_that_holds_exactly_its_bound_is_full(autojump_clock: MockClock) -> None:
    size = len(batch(bytes(HUGE)))
    async with running_log(buffer_bytes_max=size) as log:
        log.store.before_put = slow_put
        ticket = log.put(HUGE)
        assert log.writer.is_full
        with trio.fail_after(10):
            await log.writer.room()
        assert ticket.is_done


async def test_every_reader_that_waits_for_room_continues_time_after_time(autojump_clock: MockClock) -> None:
    async with running_log(buffer_bytes_max=2000) as log:
        log.store.before_put = slow_put
        for _ in range(3):
            ticket = log.put(HUGE)
            with trio.fail_after(10):
                await log.writer.room()
            assert ticket.is_done


async def test_all_who_wait_for_room_at_a_time_are_woken(autojump_clock: MockClock) -> None:
    async with running_log(buffer_bytes_max=2000) as log:
        log.store.before_put = slow_put
        for _ in range(3):
            log.put(HUGE)
            with trio.fail_after(10):
                async with trio.open_nursery() as nursery:
                    for _ in range(3):
                        nursery.start_soon(log.writer.room)


async def test_a_refused_last_append_does_not_hold_back_the_ones_before_it(autojump_clock: MockClock) -> None:
    async with running_log() as log:
        ticket = log.put(more=True)
        await trio.sleep(1)
        assert not ticket.is_done
        log.writer.flush()
        with trio.fail_after(1):
            await ticket.result()


# ---- gaps -----------------------------------------------------------------------------------------------------------


async def test_a_parked_batch_continues_as_soon_as_another_node_has_committed_before_it(
    autojump_clock: MockClock,
) -> None:
    async with running_log() as log:
        producer = await new_producer(log)
        async with running_log(beside(log.store), port=9093, gap_patience_ms=60_000) as other:
            await other.ledger.barrier()
            ahead = other.append(batch(b"b", producer_id=producer, sequence=1))
            await trio.sleep(0.1)
            await log.append(batch(b"a", producer_id=producer, sequence=0)).result()
            committed_s = trio.current_time()
            await other.ledger.barrier()
            assert await ahead.offset() == 1
            assert ahead.done_s - committed_s < 1


async def test_parked_batches_are_refused_each_in_its_time(autojump_clock: MockClock) -> None:
    async with running_log(gap_patience_ms=1000) as log:
        producer = await new_producer(log)
        tickets = []
        for sequence in (9, 5):
            await trio.sleep(0.4)
            tickets.append((trio.current_time(), log.append(batch(b"b", producer_id=producer, sequence=sequence))))
        for parked_s, ticket in tickets:
            await ticket.result()
            assert abs(ticket.done_s - parked_s - 1) < 0.01


async def test_parked_batches_continue_in_their_order(autojump_clock: MockClock) -> None:
    async with running_log(gap_patience_ms=60_000) as log:
        producer = await new_producer(log)
        ahead = []
        for sequence in (1, 2, 3):
            ahead.append(log.append(batch(b"v", producer_id=producer, sequence=sequence)))
            await wait_all_tasks_blocked()
        await log.append(batch(b"v", producer_id=producer, sequence=0)).result()
        with trio.fail_after(1):
            assert [await ticket.offset() for ticket in ahead] == [1, 2, 3]


# ---- answers --------------------------------------------------------------------------------------------------------


async def test_the_answers_of_a_flush_are_gathered(autojump_clock: MockClock) -> None:
    async with running_log(partitions=2) as log, trio.open_nursery() as nursery:
        events: list[str] = []

        @contextmanager
        def gathering() -> Iterator[None]:
            events.append("begin")
            yield
            events.append("end")

        settings = LogSettings(inline_bytes_max=0)
        writer = Writer(StillRuntime(), log.store, log.ledger, Cache(1 << 20), settings, gathering=gathering)
        await nursery.start(writer.run)
        done = trio.Event()

        def answer(outcome: object, stamped_ms: int) -> None:
            events.append("answer")
            if events.count("answer") == 3:
                done.set()

        for i in range(3):
            view = memoryview(batch(b"v"))
            writer.append(TOPIC, 0, [(read_header(view), view)], answer, more=i < 2)
        with trio.fail_after(5):
            await done.wait()
        await wait_all_tasks_blocked()
        assert events == ["begin", "answer", "answer", "answer", "end"]
        nursery.cancel_scope.cancel()
