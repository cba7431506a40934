"""The writer: acknowledgement after the commit, order per producer, lingers, gaps, and the bound of the buffer."""

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from higgins.ledger.state.producers import GrantProducerIds
from higgins.ledger.state.runs import RunAppended
from higgins.ledger.state.topics import DeleteTopic
from higgins.log.segment import read_footer
from higgins.model.errors import Fenced, StorageUnavailable
from higgins.model.pointer import commit_number_of, is_inline
from higgins_protocol.errors import ErrorCode
from tests.ledger.nodes import TOPIC, beside, commits, facts, running
from tests.log.world import HUGE, LARGE, NOON_MS, SMALL, Log, Ticket, batch, running_log

GAP = -ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER


async def new_producer(log: Log) -> int:
    producer_id: int = await log.ledger.propose(GrantProducerIds(1))
    return producer_id


# ---- inline and objects ---------------------------------------------------------------------------------------------


async def test_a_small_flush_is_stored_in_its_commit(autojump_clock: MockClock) -> None:
    async with running_log() as log:
        assert await log.put().offset() == 0
        (fact,) = facts(log.store, RunAppended)
        run = fact.run
        assert is_inline(run.object_id) and commit_number_of(run.object_id) == log.ledger.state.number
        assert log.objects() == []


async def test_a_large_flush_is_one_object_for_all_partitions_with_a_footer(autojump_clock: MockClock) -> None:
    async with running_log(partitions=3) as log:
        more = [log.put(LARGE // 2, partition, more=True) for partition in (2, 0)]
        last = log.put(LARGE // 2, 1)
        assert [await ticket.offset() for ticket in (*more, last)] == [0, 0, 0]
        (key,) = log.objects()
        rows = read_footer(log.store.objects[key])
        assert [(row.partition, row.records) for row in rows] == [(0, 1), (1, 1), (2, 1)]
        for row, fact in zip(rows, facts(log.store, RunAppended), strict=True):
            assert (row.position, row.length, row.partition) == (fact.run.position, fact.run.length, fact.partition)
        ((_, record),) = log.ledger.state.objects.data()
        assert record.length == len(log.store.objects[key]) and record.live == 3


async def test_an_append_is_done_only_after_its_put_and_its_commit(autojump_clock: MockClock) -> None:
    async with running_log() as log:
        put_allowed, commit_allowed = trio.Event(), trio.Event()

        async def hold_put(key: str) -> None:
            await put_allowed.wait()

        async def hold_create(key: str) -> None:
            await commit_allowed.wait()

        log.store.before_put, log.store.before_create = hold_put, hold_create
        creates = log.store.count("create")
        ticket = log.put(LARGE)
        await trio.sleep(5)
        assert not ticket.is_done and log.store.count("create") == creates
        put_allowed.set()
        await trio.sleep(5)
        assert not ticket.is_done and log.store.count("create") == creates + 1
        assert log.ledger.state.runs.high_watermark(TOPIC, 0) == 0
        commit_allowed.set()
        assert await ticket.offset() == 0


async def test_each_batch_of_an_append_has_its_own_outcome(autojump_clock: MockClock) -> None:
    async with running_log() as log:
        producer = await new_producer(log)
        batches = [batch(b"x", producer_id=producer, sequence=sequence) for sequence in (0, 1, 5, 2, 0)]
        assert await log.append(*batches).result() == [0, 1, GAP, 2, 0]
        assert [record.offset for record in await log.records()] == [0, 1, 2]


async def test_appends_to_a_deleted_topic_are_refused_and_free_the_buffer(autojump_clock: MockClock) -> None:
    async with running_log() as log:
        await log.ledger.propose(DeleteTopic(TOPIC))
        unknown = [-ErrorCode.UNKNOWN_TOPIC_OR_PARTITION]
        assert await log.put().result() == unknown and await log.put(LARGE).result() == unknown
        assert facts(log.store, RunAppended) == [] and log.writer.bytes_held == 0


async def test_log_append_time_is_stamped_at_the_flush(autojump_clock: MockClock) -> None:
    async with running_log() as log:
        await trio.sleep(77)
        for size in (SMALL, LARGE):
            ticket = log.put(size, stamps=True)
            await ticket.result()
            assert ticket.stamped_ms == NOON_MS + int(trio.current_time() * 1000)
        plain = log.put()
        await plain.result()
        assert plain.stamped_ms == -1
        stamps = [record.timestamp for record in await log.records()]
        assert stamps == [NOON_MS + 77_000, NOON_MS + 77_000, NOON_MS]


# ---- lingers --------------------------------------------------------------------------------------------------------


async def test_a_synchronous_producer_slower_than_the_linger_never_waits(autojump_clock: MockClock) -> None:
    async with running_log(linger_ms=250) as log:
        for _ in range(10):
            await trio.sleep(0.25)
            appended_s = trio.current_time()
            ticket = log.put()
            await ticket.result()
            assert ticket.done_s == appended_s


async def test_appends_within_a_linger_of_the_last_flush_wait_for_its_end(autojump_clock: MockClock) -> None:
    async with running_log(linger_ms=250) as log:
        started_s = trio.current_time()
        await log.put().result()
        await trio.sleep(0.1)
        tickets = []
        for _ in range(10):
            tickets.append(log.put())
            await trio.sleep(0.01)
        before = len(commits(log.store))
        for ticket in tickets:
            await ticket.result()
            assert ticket.done_s == pytest.approx(started_s + 0.25)
        assert len(commits(log.store)) == before + 1


async def test_a_topic_may_linger_less_than_the_store(autojump_clock: MockClock) -> None:
    async with running_log(linger_ms=250) as log:
        await log.put().result()
        lingering = log.put()
        immediate = log.put(linger_ms=0)
        await immediate.result()
        assert immediate.done_s == 0 and lingering.done_s == 0


async def test_a_full_buffer_does_not_linger(autojump_clock: MockClock) -> None:
    async with running_log(linger_ms=10_000) as log:
        await log.put().result()
        tickets = [log.put(SMALL), *[log.put(LARGE) for _ in range(3)]]
        *full, rest = tickets
        await trio.sleep(1)
        assert [ticket.is_done for ticket in full] == [True] * 3 and not rest.is_done


async def test_appends_during_a_commit_share_the_next_flush(autojump_clock: MockClock) -> None:
    async with running_log() as log:

        async def slow(key: str) -> None:
            await trio.sleep(1)

        log.store.before_create = slow
        before = len(commits(log.store))
        tickets = []
        for _ in range(8):
            tickets.append(log.put(1))
            await trio.sleep(0.01)
        assert [await ticket.offset() for ticket in tickets] == list(range(8))
        assert len(commits(log.store)) <= before + 4


# ---- order ----------------------------------------------------------------------------------------------------------


async def test_puts_overlap_and_commits_are_in_flush_order(autojump_clock: MockClock) -> None:
    async with running_log(puts_in_flight_max=3) as log:
        running_puts: list[str] = []
        concurrent: list[int] = []
        delays = {"1": 5.0, "2": 1.0, "3": 3.0, "4": 0.1, "5": 2.0}

        async def put_slowly(key: str) -> None:
            running_puts.append(key)
            concurrent.append(len(running_puts))
            await trio.sleep(delays[key[-1]])
            running_puts.remove(key)

        log.store.before_put = put_slowly
        tickets = [log.put(HUGE) for _ in range(5)]
        assert [await ticket.offset() for ticket in tickets] == [0, 1, 2, 3, 4]
        assert max(concurrent) == 3
        assert [ticket.done_s for ticket in tickets] == sorted(ticket.done_s for ticket in tickets)
        assert trio.current_time() == pytest.approx(5.0)


async def test_inline_and_object_flushes_of_one_producer_keep_their_order(autojump_clock: MockClock) -> None:
    async with running_log() as log:
        producer = await new_producer(log)

        async def slow(key: str) -> None:
            await trio.sleep(1)

        log.store.before_put = slow
        sizes = [SMALL, HUGE, SMALL, SMALL, LARGE, HUGE, HUGE, SMALL]
        tickets = [log.append(batch(bytes(size), producer_id=producer, sequence=i)) for i, size in enumerate(sizes)]
        assert [await ticket.offset() for ticket in tickets] == list(range(len(sizes)))
        assert [len(record.value or b"") for record in await log.records()] == sizes


async def test_a_failed_put_is_retried_under_the_same_key(autojump_clock: MockClock) -> None:
    async with running_log() as log:
        tried: list[str] = []

        async def fail_thrice(key: str) -> None:
            tried.append(key)
            if len(tried) <= 3:
                raise StorageUnavailable("try later")

        log.store.before_put = fail_thrice
        assert await log.put(LARGE).offset() == 0
        assert len(tried) == 4 and len(set(tried)) == 1
        assert len((await log.records())[0].value or b"") == LARGE


async def test_a_failed_flush_fails_the_batches_that_continue_it_and_no_others(autojump_clock: MockClock) -> None:
    async with running_log(partitions=2, put_patience_s=5.0) as log:
        failing, other = await new_producer(log), await new_producer(log)

        async def first_fails(key: str) -> None:
            if key.endswith("1"):
                raise StorageUnavailable("permanent failure")
            await trio.sleep(4)

        log.store.before_put = first_fails
        lost = log.append(batch(bytes(HUGE), producer_id=failing, sequence=0))
        await trio.sleep(3)
        more = {"more": True}
        continued = log.append(batch(bytes(LARGE), producer_id=failing, sequence=1), **more)
        same_partition = log.append(batch(bytes(LARGE), producer_id=other, sequence=0), **more)
        elsewhere = log.append(batch(bytes(LARGE), producer_id=failing, sequence=0), partition=1, **more)
        plain = log.put(LARGE)
        await wait_all_tasks_blocked()
        waiting = log.append(batch(bytes(SMALL), producer_id=failing, sequence=2))
        assert isinstance(await lost.result(), StorageUnavailable)
        assert isinstance(await continued.result(), StorageUnavailable)
        assert isinstance(await waiting.result(), StorageUnavailable)
        assert await elsewhere.offset() == 0
        assert sorted([await same_partition.offset(), await plain.offset()]) == [0, 1]
        assert log.writer.bytes_held == 0
        # The producer sends everything again, as idempotent producers do.
        again = [log.append(batch(b"again", producer_id=failing, sequence=sequence)) for sequence in (0, 1, 2)]
        assert [await ticket.offset() for ticket in again] == [2, 3, 4]


@pytest.mark.parametrize("beside_it", [True, False], ids=["another batch in its flush", "alone in its flush"])
async def test_appends_settle_after_a_flush_that_lost_a_whole_partition(
    autojump_clock: MockClock, beside_it: bool
) -> None:
    """The put before fails for good, and nothing of one partition remains in the flush behind it."""
    async with running_log(partitions=2, put_patience_s=5.0, puts_in_flight_max=1) as log:
        failing = await new_producer(log)

        async def first_fails(key: str) -> None:
            if key.endswith("1"):
                raise StorageUnavailable("permanent failure")

        log.store.before_put = first_fails
        lost = log.append(batch(bytes(HUGE), producer_id=failing, sequence=0))
        await trio.sleep(1)
        continued = log.append(batch(bytes(HUGE - 500), producer_id=failing, sequence=1), more=beside_it)
        plain = log.put(LARGE, partition=1) if beside_it else None
        assert isinstance(await lost.result(), StorageUnavailable)
        assert isinstance(await continued.result(), StorageUnavailable)
        if plain is not None:
            assert await plain.offset() == 0
        for size in (SMALL, LARGE, HUGE, SMALL):
            with trio.fail_after(30):
                await log.put(size, partition=1).offset()
        assert log.writer.bytes_held == 0


# ---- gaps -----------------------------------------------------------------------------------------------------------


async def test_a_batch_ahead_of_its_predecessor_waits_for_it(autojump_clock: MockClock) -> None:
    async with running_log() as log:
        producer = await new_producer(log)
        ahead = log.append(batch(b"b", producer_id=producer, sequence=1))
        await wait_all_tasks_blocked()
        assert not ahead.is_done
        first = log.append(batch(b"a", producer_id=producer, sequence=0))
        assert await first.offset() == 0 and await ahead.offset() == 1


@pytest.mark.parametrize("known", [0, 1], ids=["a new producer", "a known producer"])
async def test_the_predecessor_may_be_committed_by_another_node(autojump_clock: MockClock, known: int) -> None:
    async with running_log() as log:
        producer = await new_producer(log)
        for sequence in range(known):
            await log.append(batch(b"-", producer_id=producer, sequence=sequence)).result()
        async with running_log(beside(log.store), port=9093, gap_patience_ms=60_000) as other:
            await other.ledger.barrier()
            ahead = other.append(batch(b"b", producer_id=producer, sequence=known + 1))
            await trio.sleep(0.01)
            assert not ahead.is_done
            assert await log.append(batch(b"a", producer_id=producer, sequence=known)).offset() == known
            started_s = trio.current_time()
            await other.ledger.barrier()
            assert await ahead.offset() == known + 1
            assert ahead.done_s - started_s < 1, "the commit wakes it, and it does not wait for its patience to end"


async def test_an_unknown_producer_begins_anywhere_once_its_batch_has_waited(autojump_clock: MockClock) -> None:
    """As after a topic was deleted and created again. However many commits there are, it waits for the whole time."""
    async with running_log(linger_ms=50, gap_patience_ms=100) as log:
        producer = await new_producer(log)
        await trio.sleep(1)
        started_s = trio.current_time()
        tickets = [log.append(batch(b"-", producer_id=producer, sequence=sequence)) for sequence in (7, 8, 9)]
        for _ in range(4):
            await trio.sleep(0.03)
            log.put(HUGE)
        assert not any(ticket.is_done for ticket in tickets)
        offsets = [await ticket.offset() for ticket in tickets]
        assert offsets == list(range(offsets[0], offsets[0] + 3))
        assert tickets[0].done_s - started_s == pytest.approx(0.2)
        gap = log.append(batch(b"11", producer_id=producer, sequence=11))
        assert await gap.result() == [GAP]
        late = log.append(batch(b"6", producer_id=producer, sequence=6))
        assert await late.result() == [GAP], "it was not written, so it must not count as a repeat"
        assert await log.append(batch(b"10", producer_id=producer, sequence=10)).offset() > offsets[-1]
        assert log.writer.bytes_held == 0


async def test_an_unknown_producers_first_batch_is_waited_for_longer_than_commits_take(
    autojump_clock: MockClock,
) -> None:
    """Its put is slow on another node, while this node commits again and again."""
    async with running_log(partitions=2) as log:
        producer = await new_producer(log)
        async with running_log(beside(log.store), port=9093, gap_patience_ms=5000) as other:
            await other.ledger.barrier()

            async def slow(key: str) -> None:
                await trio.sleep(1)

            log.store.before_put = slow
            first = log.append(batch(bytes(HUGE), producer_id=producer, sequence=0))
            ahead = other.append(batch(b"b", producer_id=producer, sequence=1))
            for _ in range(6):
                assert await other.put(partition=1).offset() >= 0
            assert not ahead.is_done
            assert await first.offset() == 0
            await other.ledger.barrier()
            assert await ahead.offset() == 1


async def test_an_open_gap_is_refused_after_the_timeout(autojump_clock: MockClock) -> None:
    async with running_log(linger_ms=50, gap_patience_ms=100) as log:
        producer = await new_producer(log)
        await log.append(batch(b"a", producer_id=producer, sequence=0)).result()
        await trio.sleep(1)
        started_s = trio.current_time()
        ticket = log.append(batch(b"b", producer_id=producer, sequence=3))
        assert await ticket.result() == [GAP]
        assert ticket.done_s - started_s == pytest.approx(0.2)
        assert log.writer.bytes_held == 0


async def test_an_open_gap_is_refused_after_two_commits(autojump_clock: MockClock) -> None:
    async with running_log(gap_patience_ms=10_000) as log:
        producer = await new_producer(log)
        await log.append(batch(b"a", producer_id=producer, sequence=0)).result()
        ticket = log.append(batch(b"b", producer_id=producer, sequence=3))
        await wait_all_tasks_blocked()
        await log.put().result()
        await wait_all_tasks_blocked()
        assert not ticket.is_done
        await log.put().result()
        assert await ticket.result() == [GAP]
        assert ticket.done_s < 1


# ---- bounds and ends ------------------------------------------------------------------------------------------------


async def test_a_full_buffer_waits_until_there_is_room(autojump_clock: MockClock) -> None:
    async with running_log(buffer_bytes_max=5000) as log:
        put_allowed = trio.Event()

        async def hold(key: str) -> None:
            await put_allowed.wait()

        log.store.before_put = hold
        log.put(HUGE)
        assert not log.writer.is_full
        log.put(HUGE)
        assert log.writer.is_full
        with trio.move_on_after(5) as scope:
            await log.writer.room()
        assert scope.cancelled_caught
        put_allowed.set()
        await log.writer.room()
        assert not log.writer.is_full


async def test_draining_flushes_lingering_batches_and_waits_for_them(autojump_clock: MockClock) -> None:
    async with running_log(linger_ms=60_000) as log:
        await log.put().result()
        tickets = [log.put(), log.put(LARGE)]
        await log.writer.drain()
        assert all(ticket.is_done for ticket in tickets)
        assert trio.current_time() < 1 and log.writer.bytes_held == 0


async def test_a_disconnecting_client_does_not_cancel_its_append(autojump_clock: MockClock) -> None:
    async with running_log() as log:

        async def slow(key: str) -> None:
            await trio.sleep(1)

        log.store.before_create = slow
        tickets: list[Ticket] = []

        async def produce() -> None:
            tickets.append(log.put())
            await tickets[0].result()

        with trio.move_on_after(0.5):
            await produce()
        assert await tickets[0].offset() == 0


async def test_an_append_without_a_session_is_fenced_immediately(autojump_clock: MockClock) -> None:
    async with running_log() as log:
        await log.ledger.leave()
        assert isinstance(await log.put().result(), Fenced)
        assert isinstance(await log.put(LARGE).result(), Fenced)
        assert log.writer.bytes_held == 0


async def test_objects_after_a_restart_have_new_keys(autojump_clock: MockClock) -> None:
    async with running_log() as log:
        await log.put(LARGE).result()
    async with running_log(log.store) as again:
        await again.put(LARGE).result()
        assert len(again.objects()) == 2
        assert len(await again.records()) == 2


async def test_competing_nodes_lose_and_duplicate_nothing(autojump_clock: MockClock) -> None:
    async with running_log() as log, running(beside(log.store), 9093) as rival:
        await rival.barrier()
        async with running_log(beside(log.store), port=9094) as other:
            tickets = []
            for i in range(20):
                tickets += [log.put(SMALL if i % 3 else LARGE), other.put(SMALL if i % 2 else LARGE)]
                await trio.sleep(0.001)
            offsets = [await ticket.offset() for ticket in tickets]
            assert sorted(offsets) == list(range(40))
            for node in (log, other):
                await node.ledger.barrier()
                assert [record.offset for record in await node.records()] == list(range(40))
