"""The writer: nothing is told before its commit, order per producer is kept, company is waited for only as agreed."""

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


async def test_a_small_flush_rides_in_its_commit(autojump_clock: MockClock) -> None:
    async with running_log() as log:
        assert await log.put().offset() == 0
        (fact,) = facts(log.store, RunAppended)
        run = fact.run
        assert is_inline(run.object_id) and commit_number_of(run.object_id) == log.ledger.state.number
        assert log.objects() == []


async def test_a_large_flush_is_one_object_of_all_partitions_with_a_footer(autojump_clock: MockClock) -> None:
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


async def test_nothing_is_told_before_its_bytes_and_its_commit_are_there(autojump_clock: MockClock) -> None:
    async with running_log() as log:
        bytes_there, commit_there = trio.Event(), trio.Event()

        async def hold_put(key: str) -> None:
            await bytes_there.wait()

        async def hold_create(key: str) -> None:
            await commit_there.wait()

        log.store.before_put, log.store.before_create = hold_put, hold_create
        creates = log.store.count("create")
        ticket = log.put(LARGE)
        await trio.sleep(5)
        assert not ticket.settled.is_set() and log.store.count("create") == creates
        bytes_there.set()
        await trio.sleep(5)
        assert not ticket.settled.is_set() and log.store.count("create") == creates + 1
        assert log.ledger.state.runs.high_watermark(TOPIC, 0) == 0
        commit_there.set()
        assert await ticket.offset() == 0


async def test_accepted_and_refused_batches_of_one_append_are_told_apart(autojump_clock: MockClock) -> None:
    async with running_log() as log:
        producer = await new_producer(log)
        batches = [batch(b"x", producer_id=producer, sequence=sequence) for sequence in (0, 1, 5, 2, 0)]
        assert await log.append(*batches).result() == [0, 1, GAP, 2, 0]
        assert [record.offset for record in await log.records()] == [0, 1, 2]


async def test_records_of_a_deleted_topic_are_refused_and_leave_no_bytes(autojump_clock: MockClock) -> None:
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


async def test_a_lone_synchronous_producer_that_takes_its_time_never_waits(autojump_clock: MockClock) -> None:
    async with running_log(linger_ms=250) as log:
        for _ in range(10):
            await trio.sleep(0.25)
            asked_s = trio.current_time()
            ticket = log.put()
            await ticket.result()
            assert ticket.settled_s == asked_s


async def test_who_comes_within_a_linger_of_the_last_flush_waits_for_its_end(autojump_clock: MockClock) -> None:
    async with running_log(linger_ms=250) as log:
        begun_s = trio.current_time()
        await log.put().result()
        await trio.sleep(0.1)
        company = []
        for _ in range(10):
            company.append(log.put())
            await trio.sleep(0.01)
        before = len(commits(log.store))
        for ticket in company:
            await ticket.result()
            assert ticket.settled_s == pytest.approx(begun_s + 0.25)
        assert len(commits(log.store)) == before + 1


async def test_a_topic_may_linger_less_than_the_store(autojump_clock: MockClock) -> None:
    async with running_log(linger_ms=250) as log:
        await log.put().result()
        patient = log.put()
        hasty = log.put(linger_ms=0)
        await hasty.result()
        assert hasty.settled_s == 0 and patient.settled_s == 0


async def test_a_full_object_does_not_linger(autojump_clock: MockClock) -> None:
    async with running_log(linger_ms=10_000) as log:
        await log.put().result()
        tickets = [log.put(SMALL), *[log.put(LARGE) for _ in range(3)]]
        *full, rest = tickets
        await trio.sleep(1)
        assert [ticket.settled.is_set() for ticket in full] == [True] * 3 and not rest.settled.is_set()


async def test_what_arrives_during_a_commit_is_one_flush(autojump_clock: MockClock) -> None:
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


async def test_puts_run_side_by_side_and_commits_in_order(autojump_clock: MockClock) -> None:
    async with running_log(puts_in_flight_max=3) as log:
        running_now: list[str] = []
        most: list[int] = []
        delays = {"1": 5.0, "2": 1.0, "3": 3.0, "4": 0.1, "5": 2.0}

        async def put_slowly(key: str) -> None:
            running_now.append(key)
            most.append(len(running_now))
            await trio.sleep(delays[key[-1]])
            running_now.remove(key)

        log.store.before_put = put_slowly
        tickets = [log.put(HUGE) for _ in range(5)]
        assert [await ticket.offset() for ticket in tickets] == [0, 1, 2, 3, 4]
        assert max(most) == 3
        assert [ticket.settled_s for ticket in tickets] == sorted(ticket.settled_s for ticket in tickets)
        assert trio.current_time() == pytest.approx(5.0)


async def test_small_and_large_of_one_producer_keep_their_order(autojump_clock: MockClock) -> None:
    async with running_log() as log:
        producer = await new_producer(log)

        async def slow(key: str) -> None:
            await trio.sleep(1)

        log.store.before_put = slow
        sizes = [SMALL, HUGE, SMALL, SMALL, LARGE, HUGE, HUGE, SMALL]
        tickets = [
            log.append(batch(bytes(size), producer_id=producer, sequence=i)) for i, size in enumerate(sizes)
        ]
        assert [await ticket.offset() for ticket in tickets] == list(range(len(sizes)))
        assert [len(record.value or b"") for record in await log.records()] == sizes


async def test_a_put_that_fails_for_a_while_is_repeated_with_the_same_bytes(autojump_clock: MockClock) -> None:
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


async def test_a_flush_that_fails_for_good_fails_what_continues_it_and_nothing_else(autojump_clock: MockClock) -> None:
    async with running_log(partitions=2, put_patience_s=5.0) as log:
        unlucky, lucky = await new_producer(log), await new_producer(log)

        async def first_fails(key: str) -> None:
            if key.endswith("1"):
                raise StorageUnavailable("this one never")
            await trio.sleep(4)

        log.store.before_put = first_fails
        lost = log.append(batch(bytes(HUGE), producer_id=unlucky, sequence=0))
        await trio.sleep(3)
        more = {"more": True}
        continued = log.append(batch(bytes(LARGE), producer_id=unlucky, sequence=1), **more)
        same_partition = log.append(batch(bytes(LARGE), producer_id=lucky, sequence=0), **more)
        elsewhere = log.append(batch(bytes(LARGE), producer_id=unlucky, sequence=0), partition=1, **more)
        plain = log.put(LARGE)
        await wait_all_tasks_blocked()
        waiting = log.append(batch(bytes(SMALL), producer_id=unlucky, sequence=2))
        assert isinstance(await lost.result(), StorageUnavailable)
        assert isinstance(await continued.result(), StorageUnavailable)
        assert isinstance(await waiting.result(), StorageUnavailable)
        assert await elsewhere.offset() == 0
        assert sorted([await same_partition.offset(), await plain.offset()]) == [0, 1]
        assert log.writer.bytes_held == 0
        # It sends everything again, as an idempotent producer does.
        again = [log.append(batch(b"again", producer_id=unlucky, sequence=sequence)) for sequence in (0, 1, 2)]
        assert [await ticket.offset() for ticket in again] == [2, 3, 4]


# ---- gaps -----------------------------------------------------------------------------------------------------------


async def test_a_batch_ahead_of_its_predecessor_waits_for_it(autojump_clock: MockClock) -> None:
    async with running_log() as log:
        producer = await new_producer(log)
        ahead = log.append(batch(b"b", producer_id=producer, sequence=1))
        await wait_all_tasks_blocked()
        assert not ahead.settled.is_set()
        first = log.append(batch(b"a", producer_id=producer, sequence=0))
        assert await first.offset() == 0 and await ahead.offset() == 1


async def test_the_predecessor_may_come_through_another_node(autojump_clock: MockClock) -> None:
    async with running_log() as log:
        producer = await new_producer(log)
        async with running_log(beside(log.store), port=9093) as other:
            await other.ledger.barrier()
            ahead = other.append(batch(b"b", producer_id=producer, sequence=1))
            await trio.sleep(0.01)
            assert await log.append(batch(b"a", producer_id=producer, sequence=0)).offset() == 0
            await other.ledger.barrier()
            assert await ahead.offset() == 1


async def test_a_gap_that_nobody_closes_is_refused_after_a_while(autojump_clock: MockClock) -> None:
    async with running_log(linger_ms=50, gap_patience_ms=100) as log:
        producer = await new_producer(log)
        await trio.sleep(1)
        begun_s = trio.current_time()
        ticket = log.append(batch(b"b", producer_id=producer, sequence=3))
        assert await ticket.result() == [GAP]
        assert ticket.settled_s - begun_s == pytest.approx(0.2)
        assert log.writer.bytes_held == 0


async def test_a_gap_that_two_commits_have_not_closed_is_refused(autojump_clock: MockClock) -> None:
    async with running_log(gap_patience_ms=10_000) as log:
        producer = await new_producer(log)
        ticket = log.append(batch(b"b", producer_id=producer, sequence=3))
        await wait_all_tasks_blocked()
        await log.put().result()
        await wait_all_tasks_blocked()
        assert not ticket.settled.is_set()
        await log.put().result()
        assert await ticket.result() == [GAP]
        assert ticket.settled_s < 1


# ---- bounds and ends ------------------------------------------------------------------------------------------------


async def test_a_full_buffer_holds_producers_back_until_there_is_room(autojump_clock: MockClock) -> None:
    async with running_log(buffer_bytes_max=5000) as log:
        go_on = trio.Event()

        async def hold(key: str) -> None:
            await go_on.wait()

        log.store.before_put = hold
        log.put(HUGE)
        assert not log.writer.is_full
        log.put(HUGE)
        assert log.writer.is_full
        with trio.move_on_after(5) as patience:
            await log.writer.room()
        assert patience.cancelled_caught
        go_on.set()
        await log.writer.room()
        assert not log.writer.is_full


async def test_draining_flushes_what_lingers_and_waits_for_all_of_it(autojump_clock: MockClock) -> None:
    async with running_log(linger_ms=60_000) as log:
        await log.put().result()
        tickets = [log.put(), log.put(LARGE)]
        await log.writer.drain()
        assert all(ticket.settled.is_set() for ticket in tickets)
        assert trio.current_time() < 1 and log.writer.bytes_held == 0


async def test_a_client_that_leaves_changes_nothing(autojump_clock: MockClock) -> None:
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


async def test_a_node_without_a_session_says_so_at_once(autojump_clock: MockClock) -> None:
    async with running_log() as log:
        await log.ledger.leave()
        assert isinstance(await log.put().result(), Fenced)
        assert isinstance(await log.put(LARGE).result(), Fenced)
        assert log.writer.bytes_held == 0


async def test_objects_of_a_second_life_have_keys_of_their_own(autojump_clock: MockClock) -> None:
    async with running_log() as log:
        await log.put(LARGE).result()
    async with running_log(log.store) as again:
        await again.put(LARGE).result()
        assert len(again.objects()) == 2
        assert len(await again.records()) == 2


async def test_a_rival_in_between_moves_offsets_and_loses_nothing(autojump_clock: MockClock) -> None:
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
