"""The engine over a real ledger and log in memory: each input once, in order, whoever runs it, whatever fails."""

import json
import random

import pytest
import trio

from higgins.columns.columns import Columns
from higgins.model.errors import Refused, StorageUnavailable
from higgins.operators.apply import delete_operator
from higgins.operators.engine import Engine
from higgins.operators.kinds.filter import FilterSpecification
from higgins.operators.operator import Operator
from higgins.operators.output import Output
from higgins.operators.settings import OperatorSettings
from higgins.operators.view import operator_views
from higgins.runtime import Runtime
from higgins_protocol.records.batch import assemble
from tests.operators.world import Node, SlowStore, ThreadlessRuntime, new_store, running_node, until

LARGE = """
[streams.orders]
partitions = {partitions}

[streams.large]
base = "orders"
type = "filter"
where = "qty > {least}"
"""


def large(*, least: int = 5, partitions: int = 1) -> str:
    return LARGE.format(least=least, partitions=partitions)


def orders(first: int, count: int) -> list[bytes]:
    return [json.dumps({"id": n, "qty": n % 10}).encode() for n in range(first, first + count)]


def kept(values: list[bytes], *, least: int = 5) -> list[bytes]:
    return [value for value in values if json.loads(value)["qty"] > least]


async def test_a_filter_derives_what_is_there_and_what_comes() -> None:
    async with running_node() as node:
        await node.create("orders")
        await node.produce("orders", orders(0, 1_000))
        await node.apply(large())
        await node.caught_up("large")
        await node.produce("orders", orders(1_000, 5_000), codec=4)
        await node.caught_up("large")
        assert await node.values("large") == kept(orders(0, 6_000))


async def test_key_headers_and_time_pass_unchanged() -> None:
    async with running_node() as node:
        await node.apply(large())
        await node.produce("orders", orders(0, 20))
        await node.caught_up("large")
        source = {record.key: record for record in await node.records("orders")}
        for record in await node.records("large"):
            origin = source[record.key]
            assert (record.timestamp, record.value, record.headers) == (origin.timestamp, origin.value, origin.headers)


async def test_every_partition_derives_into_its_own() -> None:
    async with running_node() as node:
        await node.apply(large(partitions=3))
        for partition in range(3):
            await node.produce("orders", orders(partition * 100, 50), partition=partition)
        await node.caught_up("large")
        for partition in range(3):
            assert await node.values("large", partition) == kept(orders(partition * 100, 50))


async def test_values_that_are_not_json_and_records_that_are_none_are_counted_and_not_kept() -> None:
    async with running_node() as node:
        await node.apply(large())
        await node.produce("orders", [b'{"qty": 9}', b"{qty", None, b"[9]", b'{"qty": "9"}', b'{"qty": 8}'])
        damaged = assemble(b"\xff" * 30, count=4, attributes=0, base_timestamp=0, max_timestamp=0)
        await node.append("orders", damaged)
        await node.produce("orders", [b'{"qty": 7}'])
        await node.caught_up("large")
        assert await node.values("large") == [b'{"qty": 9}', b'{"qty": 8}', b'{"qty": 7}']
        assert node.ledger.state.tasks.counters("large", 0) == {"seen": 7, "kept": 3, "not_json": 1, "unreadable": 4}


async def test_a_derived_stream_of_a_derived_stream() -> None:
    async with running_node() as node:
        await node.apply(large() + '[streams.huge]\nbase = "large"\ntype = "filter"\nwhere = "qty > 8"\n')
        await node.produce("orders", orders(0, 100))
        await node.caught_up("large")
        await node.caught_up("huge")
        assert await node.values("huge") == kept(orders(0, 100), least=8)


async def test_a_changed_condition_goes_on_where_the_old_one_was() -> None:
    async with running_node() as node:
        await node.apply(large())
        await node.produce("orders", orders(0, 100))
        await node.caught_up("large")
        changed = await node.apply(large(least=8))
        assert changed.applied
        await node.produce("orders", orders(100, 100))
        await node.caught_up("large")
        assert await node.values("large") == kept(orders(0, 100)) + kept(orders(100, 100), least=8)


async def test_the_same_file_again_commits_nothing() -> None:
    async with running_node() as node:
        await node.apply(large())
        await until(lambda: "task/large/0" in node.ledger.state.sessions.leases)
        before = node.ledger.state.number
        again = await node.apply(large())
        assert (again.applied, again.changes, node.ledger.state.number) == (False, (), before)


async def test_progress_without_output_is_committed_in_time_and_an_idle_task_commits_nothing(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with running_node(runtime=ThreadlessRuntime()) as node:
        await node.apply(large())
        await until(lambda: "task/large/0" in node.ledger.state.sessions.leases)
        before = node.ledger.state.number
        for _ in range(10):
            await node.produce("orders", [b'{"qty": 1}'])
            await trio.sleep(0.05)
        assert node.ledger.state.number == before + 10
        await node.caught_up("large")
        assert node.ledger.state.number == before + 11
        await trio.sleep(600)
        assert node.ledger.state.number == before + 11


async def test_deleting_an_operator_ends_its_tasks_and_keeps_its_topic() -> None:
    async with running_node() as node:
        await node.apply(large())
        await node.produce("orders", orders(0, 10))
        await node.caught_up("large")
        await delete_operator(node.ledger, "large")
        await until(lambda: node.engine.task("large", 0) is None)
        await node.produce("orders", orders(10, 10))
        await node.produce("large", [b"anybody may write now"])
        assert await node.values("large") == [*kept(orders(0, 10)), b"anybody may write now"]
        with pytest.raises(Refused, match="no operator 'large'"):
            await delete_operator(node.ledger, "large")


async def test_a_restarted_node_goes_on_where_it_was() -> None:
    runtime = Runtime()
    store = new_store(runtime)
    async with running_node(store, runtime=runtime) as node:
        await node.apply(large())
        await node.produce("orders", orders(0, 500))
        await node.caught_up("large")
    async with running_node(store, runtime=runtime) as node:
        await node.produce("orders", orders(500, 500))
        await node.caught_up("large")
        assert await node.values("large") == kept(orders(0, 1_000))


async def feed(node: Node, partitions: int, rounds: int) -> None:
    for number in range(rounds):
        for partition in range(partitions):
            await node.produce("orders", orders(number * 20, 20), partition=partition)


async def test_nodes_that_come_and_go_hand_tasks_over_without_loss_or_repetition(
    autojump_clock: trio.testing.MockClock,
) -> None:
    runtime = ThreadlessRuntime()
    store = new_store(runtime)
    async with running_node(store, runtime=runtime, port=1) as first:
        await first.apply(large(partitions=6))
        await feed(first, 6, 5)
        async with running_node(store, runtime=runtime, port=2) as second:
            await until(lambda: len(second.ledger.state.sessions.live) == 2)
            await feed(first, 6, 5)
            await until(lambda: any(second.engine.task("large", partition) for partition in range(6)))
            await feed(first, 6, 5)
            await second.caught_up("large")
        # The second node stopped without a word: the first fences it, and takes its tasks back.
        await feed(first, 6, 5)
        await first.caught_up("large")
        for partition in range(6):
            expected = [value for number in range(20) for value in kept(orders(number % 5 * 20, 20))]
            assert await first.values("large", partition) == expected


def begin_anew(engine: Engine) -> None:
    """Cancel every task where it stands, and let the engine start them again."""
    for running in engine._running.values():
        running.scope.cancel()
    engine._running.clear()
    engine._reconciled = None
    engine._changed.set()


@pytest.mark.parametrize("seed", range(5))
async def test_a_task_cancelled_anywhere_and_started_again_loses_and_repeats_nothing(
    seed: int, autojump_clock: trio.testing.MockClock
) -> None:
    chance = random.Random(seed)
    runtime = ThreadlessRuntime()
    settings = OperatorSettings(epoch_bytes_min=2_000, epoch_bytes_max=8_000, retry_first_ms=1)
    # Commits take a while, so that a task begins anew while its last epoch is on its way.
    async with running_node(SlowStore(new_store(runtime), chance), runtime=runtime, settings=settings) as node:
        await node.apply(large())
        for number in range(40):
            await node.produce("orders", orders(number * 50, 50))
            await trio.sleep(chance.choice((0, 0.01, 0.05, 0.1)))
            begin_anew(node.engine)
        await node.caught_up("large")
        assert await node.values("large") == kept(orders(0, 2_000))


async def test_a_store_that_fails_is_tried_again_and_the_view_says_why(
    autojump_clock: trio.testing.MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with running_node(runtime=ThreadlessRuntime()) as node:
        await node.apply(large())
        await until(lambda: node.engine.task("large", 0) is not None)
        read = node.reader.read

        async def unavailable(*arguments: object) -> None:
            raise StorageUnavailable("The bucket is out for lunch.")

        monkeypatch.setattr(node.reader, "read", unavailable)
        await node.produce("orders", orders(0, 10))
        await trio.sleep(30)
        (view,) = operator_views(node.ledger.state, node.engine)
        assert (view.partitions[0].state, view.partitions[0].lag) == ("degraded", 10)
        assert "out for lunch" in view.partitions[0].reason
        monkeypatch.setattr(node.reader, "read", read)
        await node.caught_up("large")
        (view,) = operator_views(node.ledger.state, node.engine)
        assert (view.partitions[0].state, view.partitions[0].lag, view.partitions[0].node) == ("running", 0, 1)
        assert await node.values("large") == kept(orders(0, 10))


async def test_a_bug_in_an_operator_stops_its_task_and_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    class BrokenOperator(Operator):
        def process(self, input: int, columns: Columns, output: Output) -> None:
            raise ZeroDivisionError("a bug")

    open_filter = FilterSpecification.open
    monkeypatch.setattr(
        FilterSpecification, "open", lambda self: BrokenOperator() if "qty > 5" in self.where else open_filter(self)
    )
    async with running_node() as node:
        await node.apply(large() + '[streams.small]\nbase = "orders"\ntype = "filter"\nwhere = "qty <= 5"\n')
        await node.produce("orders", orders(0, 10))
        await node.caught_up("small")
        await until(lambda: (task := node.engine.task("large", 0)) is not None and task.stopped)
        view = operator_views(node.ledger.state, node.engine)[0]
        assert (view.name, view.partitions[0].state) == ("large", "stopped")
        assert "ZeroDivisionError" in view.partitions[0].reason
