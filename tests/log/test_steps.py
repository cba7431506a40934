"""Steps of tasks through the writer: output, state and progress lie where the ledger says, inline or in an object."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from itertools import pairwise

import pytest
from trio.testing import MockClock, wait_all_tasks_blocked

from higgins.ledger.state.runs import RunAppended
from higgins.ledger.state.sessions import TakeLease
from higgins.ledger.state.tasks import (
    ApplyTopography,
    AttachTasks,
    InputPosition,
    InputRange,
    TaskAdvanced,
    task_resource,
)
from higgins.ledger.state.topics import CreateTopic
from higgins.log.buffer import StepDraft
from higgins.log.segment import read_footer
from higgins.model.errors import Fenced, Refused, StorageUnavailable
from higgins.model.names import NO_TOPIC_ID, TopicId
from higgins.model.pointer import is_inline
from tests.ledger.nodes import TOPIC, beside, facts
from tests.log.world import LARGE, SMALL, Log, Ticket, batch, records_in, running_log

OUT, SIDE = TopicId(b"out".ljust(16, b".")), TopicId(b"side".ljust(16, b"."))


class Task:
    """The only task of an operator that reads `t` and writes two topics."""

    def __init__(self, log: Log, lease_epoch: int) -> None:
        self.log = log
        self.lease_epoch = lease_epoch

    def step(
        self, from_offset: int, outputs: Sequence[tuple[TopicId, int, bytes]] = (), **rest: object
    ) -> Ticket:
        """Process ten records of the input from an offset on."""
        ticket = Ticket()
        ranges = (InputRange(TOPIC, 0, from_offset, from_offset + 10),)
        draft = StepDraft("op", 1, 0, self.lease_epoch, ranges, **rest)  # type: ignore[arg-type]
        self.log.writer.step(draft, [(topic, part, memoryview(data)) for topic, part, data in outputs], ticket)
        return ticket

    async def values(self, topic_id: TopicId, partition: int) -> list[bytes | None]:
        read = await self.log.reader.read(topic_id, partition, 0, 1 << 20)
        return [record.value for record in records_in(read)]


@asynccontextmanager
async def running_task(**settings: object) -> AsyncIterator[Task]:
    async with running_log(partitions=2, **{"inline_bytes_max": 500, **settings}) as log:  # type: ignore[arg-type]
        topics = (CreateTopic("out", OUT, 2), CreateTopic("side", SIDE, 1))
        start = (InputPosition(TOPIC, 0, 0), InputPosition(TOPIC, 1, 0))
        attach = AttachTasks("op", 1, (TOPIC,), (OUT, SIDE), b"", (start,))
        await log.ledger.propose(ApplyTopography(0, topics, (attach,), (), b""))
        yield Task(log, await log.ledger.propose(TakeLease(task_resource("op", 0))))


SIZES = pytest.mark.parametrize("size", [SMALL, LARGE], ids=["inline", "in an object"])


@SIZES
async def test_the_output_of_a_step_is_read_back_from_every_partition(autojump_clock: MockClock, size: int) -> None:
    async with running_task() as task:
        outputs = [(SIDE, 0, b"s"), (OUT, 1, b"b"), (OUT, 0, b"a"), (OUT, 1, b"c")]
        written = [(topic, partition, batch(value * size)) for topic, partition, value in outputs]
        ticket = task.step(0, written)
        assert await ticket.result() == [[0], [0, 1], [0]]
        assert await task.values(OUT, 0) == [b"a" * size]
        assert await task.values(OUT, 1) == [b"b" * size, b"c" * size]
        assert await task.values(SIDE, 0) == [b"s" * size]
        assert all(is_inline(fact.run.object_id) == (size == SMALL) for fact in facts(task.log.store, RunAppended))
        assert task.log.writer.bytes_held == 0


@SIZES
async def test_the_state_of_a_step_is_read_back_block_by_block(autojump_clock: MockClock, size: int) -> None:
    async with running_task() as task:
        blocks = [b"one" * size, b"", b"three" * size, b"4"]
        await task.step(0, [(OUT, 0, batch(b"v" * size))], state=tuple(blocks)).result()
        (fact,) = facts(task.log.store, TaskAdvanced)
        assert await task.log.reader.read_pointers(fact.state_added) == blocks
        async with running_log(beside(task.log.store), port=9093) as other:
            assert await other.reader.read_pointers(fact.state_added) == blocks
        # What it replaces is released.
        await task.step(10, state=(b"new",), state_released=fact.state_added[:3]).result()
        progress = task.log.ledger.state.tasks.progress("op", 0)
        assert await task.log.reader.read_pointers(progress.state) == [b"4", b"new"]


@SIZES
async def test_progress_and_counters_are_part_of_a_step(autojump_clock: MockClock, size: int) -> None:
    async with running_task() as task:
        output = [(OUT, 0, batch(b"v" * size))]
        await task.step(0, output, progress=b"at ten", counters=(("seen", 10),)).result()
        await task.step(10, output, counters=(("seen", 7),)).result()
        progress = task.log.ledger.state.tasks.progress("op", 0)
        assert progress.progress == b"at ten" and dict(progress.counters) == {"seen": 17}
        assert progress.inputs == (InputPosition(TOPIC, 0, 20), InputPosition(TOPIC, 1, 0))


async def test_steps_and_appends_share_an_object(autojump_clock: MockClock) -> None:
    async with running_task() as task:
        log = task.log
        tickets = [log.put(LARGE // 4, partition, more=True) for partition in (1, 0)]
        step = task.step(0, [(OUT, 0, batch(b"o" * (LARGE // 4)))], state=(b"state" * 50,))
        assert [await ticket.offset() for ticket in tickets] == [0, 0] and await step.result() == [[0]]
        (key,) = log.objects()
        data = log.store.objects[key]
        rows = read_footer(data)
        assert [(row.topic_id, row.partition, row.records) for row in rows] == [
            (TOPIC, 0, 1), (TOPIC, 1, 1), (OUT, 0, 1), (NO_TOPIC_ID, 0, 0),
        ]  # fmt: skip
        for before, after in pairwise(rows):
            assert before.position + before.length == after.position
        assert data[rows[-1].position :].startswith(b"state")
        ((_, record),) = log.ledger.state.objects.data()
        assert record.length == len(data) and record.live == 4


async def test_an_object_that_holds_only_state_is_known_with_its_length(autojump_clock: MockClock) -> None:
    async with running_task() as task:
        await task.step(0, state=(b"s" * LARGE,)).result()
        (key,) = task.log.objects()
        ((_, record),) = task.log.ledger.state.objects.data()
        assert record.length == len(task.log.store.objects[key]) and record.live == 1


async def test_a_step_that_is_refused_frees_the_buffer_and_stores_nothing(autojump_clock: MockClock) -> None:
    async with running_task() as task:
        for size in (SMALL, LARGE):
            outcome = await task.step(50, [(OUT, 0, batch(b"v" * size))]).result()
            assert isinstance(outcome, Refused)
        assert task.log.writer.bytes_held == 0 and await task.values(OUT, 0) == []


async def test_a_step_without_a_session_is_fenced_immediately(autojump_clock: MockClock) -> None:
    async with running_task() as task:
        await task.log.ledger.leave()
        ticket = task.step(0, [(OUT, 0, batch(b"v"))])
        assert ticket.is_done and isinstance(await ticket.result(), Fenced)
        assert task.log.writer.bytes_held == 0


async def test_the_bytes_of_a_step_count_in_the_buffer(autojump_clock: MockClock) -> None:
    output = batch(b"v" * LARGE)
    async with running_task(buffer_bytes_max=len(output) + 100) as task:
        first = task.step(0, [(OUT, 0, output)], state=(b"s" * 99,))
        assert task.log.writer.bytes_held == len(output) + 99 and not task.log.writer.is_full
        task.log.put(SMALL)
        assert task.log.writer.is_full
        await first.result()
        await task.log.writer.room()


async def test_a_step_does_not_share_the_fate_of_a_lost_producer(autojump_clock: MockClock) -> None:
    async with running_task(put_patience_s=5.0) as task:

        async def first_fails(key: str) -> None:
            if key.endswith("1"):
                raise StorageUnavailable("permanent failure")

        task.log.store.before_put = first_fails
        lost = task.log.put(3 * LARGE)
        await wait_all_tasks_blocked()
        step = task.step(0, [(OUT, 0, batch(b"v"))])
        assert isinstance(await lost.result(), StorageUnavailable)
        assert await step.result() == [[0]]
