"""What bounds the work of tasks: how much is read at once, how many work at a time, and when they wait."""

import random
from types import SimpleNamespace
from typing import Any

import pytest
import trio
from trio.testing import MockClock

from higgins.columns.columns import Columns
from higgins.ledger.state.tasks import InputPosition
from higgins.log.settings import LogSettings
from higgins.model.names import TopicId
from higgins.operators.apply import apply_topography, delete_operator
from higgins.operators.failures import Failures
from higgins.operators.inputs import TaskInputs
from higgins.operators.settings import OperatorSettings
from tests.operators.test_engine import (
    FragileOperator,
    begin_anew,
    kept,
    large,
    orders,
    with_operators,
)
from tests.operators.world import Node, SlowStore, ThreadlessRuntime, new_store, running_node, until

NEVER_MS = 1_000_000_000
KEY = (TopicId(bytes(16)), 0)


class Reads:
    """How many bytes each read of the log has asked for at most, and how many reads were made at a time."""

    def __init__(self, node: Node, monkeypatch: pytest.MonkeyPatch, *, takes_s: float = 0) -> None:
        self.bytes_max: list[int] = []
        self.most_at_a_time = 0
        self._at_a_time = 0
        self._read = node.reader.read
        self._takes_s = takes_s
        monkeypatch.setattr(node.reader, "read", self.read)

    async def read(self, topic_id: Any, partition: int, offset: int, bytes_max: int) -> Any:
        self.bytes_max.append(bytes_max)
        self._at_a_time += 1
        self.most_at_a_time = max(self.most_at_a_time, self._at_a_time)
        try:
            await trio.sleep(self._takes_s)
            return await self._read(topic_id, partition, offset, bytes_max)
        finally:
            self._at_a_time -= 1


async def backlog(node: Node, batches: int, partition: int = 0) -> None:
    for number in range(batches):
        await node.produce("orders", orders(number * 10, 10), partition=partition)


async def test_a_task_that_is_behind_reads_more_each_time_up_to_the_bound_and_then_little_again(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = OperatorSettings(epoch_bytes_min=2_000, epoch_bytes_max=12_000)
    async with running_node(runtime=ThreadlessRuntime(), settings=settings) as node:
        await node.create("orders")
        await backlog(node, 200)
        reads = Reads(node, monkeypatch)
        await node.apply(large())
        await node.caught_up("large")
        assert reads.bytes_max[:5] == [2_000, 4_000, 8_000, 12_000, 12_000]
        assert max(reads.bytes_max) == 12_000
        reads.bytes_max.clear()
        await node.produce("orders", orders(0, 10))
        await node.caught_up("large")
        assert reads.bytes_max == [2_000]
        await node.produce("orders", orders(0, 10))
        await node.caught_up("large")
        assert reads.bytes_max == [2_000, 2_000], "what was read at once is small again"


async def test_the_tasks_of_a_node_share_its_memory_half_of_it_for_their_output(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = OperatorSettings(epoch_bytes_min=2_000, epoch_bytes_max=1_000_000, memory_bytes=24_000)
    async with running_node(runtime=ThreadlessRuntime(), settings=settings) as node:
        await node.create("orders", 3)
        for partition in range(3):
            await backlog(node, 60, partition)
        reads = Reads(node, monkeypatch)
        await node.apply("[streams.orders]\n" + large()[large().index("[streams.large]") :])
        await node.caught_up("large")
        assert max(reads.bytes_max) == 24_000 // 3 // 2


async def test_no_more_tasks_than_allowed_read_and_compute_at_a_time(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = OperatorSettings(epochs_computed_max=2)
    async with running_node(runtime=ThreadlessRuntime(), settings=settings) as node:
        await node.create("orders", 8)
        for partition in range(8):
            await backlog(node, 1, partition)
        reads = Reads(node, monkeypatch, takes_s=0.1)
        await node.apply("[streams.orders]\n" + large()[large().index("[streams.large]") :])
        await node.caught_up("large")
        assert len(reads.bytes_max) >= 8 and reads.most_at_a_time == 2


async def test_little_is_read_at_once_while_a_record_that_fails_is_looked_for(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_operators(monkeypatch, {"qty > 5": lambda: FragileOperator(lambda value: b'"id": 55,' in value)})
    settings = OperatorSettings(epoch_bytes_min=2_000, epoch_bytes_max=1_000_000)
    async with running_node(runtime=ThreadlessRuntime(), settings=settings) as node:
        await node.create("orders")
        await backlog(node, 100)
        reads = Reads(node, monkeypatch)
        await node.apply(large())
        await node.caught_up("large")
        assert node.ledger.state.tasks.counters("large", 0)["failed"] == 1
        assert min(reads.bytes_max) == 500, "a quarter of the least epoch"


async def test_a_failure_is_forgotten_once_its_record_has_been_passed(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    bad = (b'"id": 5,', b'"id": 305,', b'"id": 605,')
    with_operators(monkeypatch, {"qty > 5": lambda: FragileOperator(lambda value: any(one in value for one in bad))})
    async with running_node(runtime=ThreadlessRuntime(), settings=OperatorSettings(epoch_bytes_min=2_000)) as node:
        await node.apply(large())
        await until(lambda: node.engine.task("large", 0) is not None)
        for first in (0, 300, 600):
            await node.produce("orders", orders(first, 10))
            await node.caught_up("large")
        task = node.engine.task("large", 0)
        assert task is not None
        assert node.ledger.state.tasks.counters("large", 0)["failed"] == 3
        # What was noted before the last attempt and lies below its start is of no use any more.
        slices = list(task._failures.slices((node.topic("orders").id, 0), some_columns(range(20))))
        assert [error is not None for _, error in slices].count(True) <= 1


async def test_an_epoch_that_has_read_enough_is_committed_though_it_has_no_output(autojump_clock: MockClock) -> None:
    settings = OperatorSettings(epoch_bytes_min=1_000, progress_interval_ms=NEVER_MS)
    async with running_node(runtime=ThreadlessRuntime(), settings=settings) as node:
        await node.apply(large(least=100))
        await node.produce("orders", [b'{"qty": 1}'])
        await trio.sleep(10)
        assert node.position("large") == 0, "too little to be worth a commit"
        await node.produce("orders", orders(0, 40))
        await node.caught_up("large")


async def test_an_epoch_waits_while_the_buffer_of_the_writer_is_full(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    runtime = ThreadlessRuntime()
    store = SlowStore(new_store(runtime), random.Random(5))
    async with running_node(store, runtime=runtime, log_settings=LogSettings(buffer_bytes_max=1)) as node:
        await node.create("orders", 4)
        for partition in range(4):
            await backlog(node, 2, partition)
        step, is_full = node.writer.step, []

        def note(*args: Any) -> None:
            is_full.append(node.writer.is_full)
            step(*args)

        monkeypatch.setattr(node.writer, "step", note)
        await node.apply("[streams.orders]\n" + large()[large().index("[streams.large]") :])
        await node.caught_up("large")
        assert len(is_full) >= 4 and not any(is_full)
        for partition in range(4):
            assert await node.values("large", partition) == kept(orders(0, 10)) + kept(orders(10, 10))


async def test_a_task_begins_with_the_commit_that_gives_it_to_this_node(autojump_clock: MockClock) -> None:
    async with running_node(runtime=ThreadlessRuntime()) as node:
        await trio.sleep(2)
        before = trio.current_time()
        await node.apply(large())
        await node.produce("orders", orders(0, 10))
        await node.caught_up("large")
        begin_anew(node.engine)
        await node.produce("orders", orders(10, 10))
        await node.caught_up("large")
        assert trio.current_time() - before < 0.3


def some_columns(offsets: range) -> Columns:
    rows = len(offsets)
    return Columns(0, b"", list(offsets), [0] * rows, [0] * rows, [0] * rows, [None] * rows, [])


def test_a_slice_that_failed_is_divided_from_its_first_to_its_last_record() -> None:
    failures = Failures()
    failures.note(KEY, some_columns(range(3, 6)), ZeroDivisionError("a bug"))
    parts = [list(columns.offsets) for columns, _ in failures.slices(KEY, some_columns(range(10)))]
    assert parts == [[0, 1, 2], [3], [4], [5], [6, 7, 8, 9]]
    failures.note(KEY, some_columns(range(5, 6)), ZeroDivisionError("a bug"))
    parts = [list(columns.offsets) for columns, error in failures.slices(KEY, some_columns(range(10))) if error]
    assert parts == [[5]]
    failures.passed(KEY, 5)
    assert failures.is_suspect(KEY), "neither the record nor the end of the slice has been passed"
    failures.passed(KEY, 6)
    assert not failures.is_suspect(KEY)


def test_a_failed_record_is_left_out_until_it_has_been_passed() -> None:
    failures = Failures()
    failures.note(KEY, some_columns(range(5, 6)), ZeroDivisionError("a bug"))
    failures.passed(KEY, 5)
    assert [error is not None for _, error in failures.slices(KEY, some_columns(range(5, 7)))] == [True, False]
    failures.passed(KEY, 6)
    assert not failures.is_suspect(KEY)


def test_inputs_are_read_in_turn_up_to_the_last_stable_offset() -> None:
    topics = [TopicId(bytes([number]) * 16) for number in range(3)]
    stable = dict.fromkeys(topics, 5)
    runs = SimpleNamespace(
        last_stable_offset=lambda topic_id, partition: stable[topic_id],
        high_watermark=lambda topic_id, partition: 100,
    )
    ledger: Any = SimpleNamespace(state=SimpleNamespace(runs=runs))
    inputs = TaskInputs(ledger, topics, [InputPosition(topic_id, 0, 0) for topic_id in topics])
    turns = [inputs.next_readable() for _ in range(7)]
    assert [topics.index(key[0]) for key in turns if key] == [0, 1, 2, 0, 1, 2, 0]
    inputs.advance((topics[1], 0), 5)
    assert inputs.unread() == [(0, 0), (2, 0)]
    turns = [inputs.next_readable() for _ in range(4)]
    assert [topics.index(key[0]) for key in turns if key] == [2, 0, 2, 0]
    for topic_id in topics:
        inputs.advance((topic_id, 0), 5)
    assert inputs.next_readable() is None and inputs.unread() == []
    stable[topics[2]] = 6
    assert inputs.next_readable() == (topics[2], 0)


async def test_an_operator_that_adopts_its_topic_begins_where_it_is_told(autojump_clock: MockClock) -> None:
    async with running_node(runtime=ThreadlessRuntime()) as node:
        await node.apply(large())
        await node.produce("orders", orders(0, 30))
        await node.caught_up("large")
        await delete_operator(node.ledger, "large")
        await until(lambda: node.engine.task("large", 0) is None)
        await apply_topography(
            node.runtime, node.ledger, large(),
            partitions_default=1, check_config=lambda configs: None, adopt={"large": "0:17"},
        )  # fmt: skip
        await node.caught_up("large")
        assert await node.values("large") == kept(orders(0, 30)) + kept(orders(17, 13))
