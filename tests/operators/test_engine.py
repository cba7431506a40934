"""The engine over a real ledger and log in memory: each input once, in order, whoever runs it, whatever fails."""

import itertools
import json
import random
from collections.abc import Callable

import pytest
import trio

from higgins.columns.columns import Columns
from higgins.ledger.state.runs import DeleteRecords
from higgins.model.errors import Refused, StorageUnavailable
from higgins.operators.apply import delete_operator
from higgins.operators.engine import Engine
from higgins.operators.expression.generate import HELPERS
from higgins.operators.kinds.filter import FilterSpecification
from higgins.operators.operator import Operator
from higgins.operators.output import Output
from higgins.operators.settings import OperatorSettings
from higgins.operators.state import State
from higgins.operators.view import operator_views
from higgins.runtime import Runtime
from higgins_protocol.records.batch import assemble
from tests.operators.world import Node, SlowStore, T, ThreadlessRuntime, Ts, new_store, running_node, until

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


class FragileOperator(Operator):
    """Passes everything on, except that some records raise an error, as a bug would have it."""

    def __init__(self, fragile: Callable[[bytes], bool]) -> None:
        self._fragile = fragile

    def process(self, input: int, columns: Columns, output: Output) -> None:
        for row in range(len(columns)):
            value = columns.values[row]
            output.pass_rows(0, columns.partition, columns, [row])
            output.count("seen", 1)
            if value is not None and self._fragile(value):
                raise ZeroDivisionError("a bug")


def with_operators(monkeypatch: pytest.MonkeyPatch, operators: dict[str, Callable[[], Operator]]) -> None:
    """Other operators in place of the filters with these conditions."""
    open_filter = FilterSpecification.open
    monkeypatch.setattr(
        FilterSpecification,
        "open",
        lambda self: operators[self.where]() if self.where in operators else open_filter(self),
    )


SMALL = '[streams.small]\nbase = "orders"\ntype = "filter"\nwhere = "qty <= 5"\n'


@pytest.mark.parametrize(
    "bad", [set(), {0}, {49}, {17}, {17, 18}, {3, 30, 31, 48}, set(range(50))], ids=lambda bad: f"{len(bad)} bad"
)
@pytest.mark.parametrize("batch", [1, 7, 50])
async def test_records_that_fail_are_counted_and_left_out_and_stop_nothing(
    bad: set[int], batch: int, monkeypatch: pytest.MonkeyPatch, autojump_clock: trio.testing.MockClock
) -> None:
    values = [b"bad %d" % n if n in bad else b"good %d" % n for n in range(50)]
    with_operators(monkeypatch, {"qty > 5": lambda: FragileOperator(lambda value: value.startswith(b"bad"))})
    settings = OperatorSettings(epoch_bytes_min=4_000)
    async with running_node(runtime=ThreadlessRuntime(), settings=settings) as node:
        await node.create("orders")
        for first in range(0, 50, batch):
            await node.produce("orders", values[first : first + batch])
        await node.apply(large() + SMALL)
        await node.caught_up("large")
        await node.caught_up("small")
        assert await node.values("large") == [value for value in values if value.startswith(b"good")]
        counters = node.ledger.state.tasks.counters("large", 0)
        assert (counters.get("seen", 0), counters.get("failed", 0)) == (50 - len(bad), len(bad))
        await node.produce("orders", [b"good again"])
        await node.caught_up("large")
        assert (await node.values("large"))[-1] == b"good again"
        view = operator_views(node.ledger.state, node.engine)[0]
        assert (view.name, view.partitions[0].state, view.partitions[0].reason) == ("large", "running", "")


async def test_a_bug_outside_of_records_stops_a_task_only_as_long_as_it_lasts(
    monkeypatch: pytest.MonkeyPatch, autojump_clock: trio.testing.MockClock
) -> None:
    class Broken(FragileOperator):
        is_broken = True

        def close_epoch(self, state: State, output: Output) -> None:
            if self.is_broken:
                raise ZeroDivisionError("a bug")

    with_operators(monkeypatch, {"qty > 5": lambda: Broken(lambda value: False)})
    async with running_node(runtime=ThreadlessRuntime()) as node:
        await node.apply(large() + SMALL)
        await node.produce("orders", orders(0, 10))
        await node.caught_up("small")
        await until(lambda: (task := node.engine.task("large", 0)) is not None and task.stopped)
        view = operator_views(node.ledger.state, node.engine)[0]
        assert (view.name, view.partitions[0].state) == ("large", "stopped")
        assert "ZeroDivisionError" in view.partitions[0].reason
        monkeypatch.setattr(Broken, "is_broken", False)
        await node.caught_up("large")
        await trio.sleep(1)
        view = operator_views(node.ledger.state, node.engine)[0]
        assert (view.partitions[0].state, view.partitions[0].reason) == ("running", "")
        assert await node.values("large") == orders(0, 10)


async def test_a_condition_that_raises_for_a_record_leaves_out_that_record(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(HELPERS, "call_floor", lambda number: 1 // (number - 7))
    async with running_node() as node:
        await node.apply("[streams.orders]\n[streams.large]\nbase = 'orders'\nwhere = 'floor(qty) >= -1'\n")
        await node.produce("orders", [b'{"qty": %d}' % n for n in (5, 7, 9, 7)] + [b"not JSON"])
        await node.caught_up("large")
        assert await node.values("large") == [b'{"qty": 5}', b'{"qty": 9}']
        assert node.ledger.state.tasks.counters("large", 0) == {"seen": 5, "kept": 2, "not_json": 1, "failed": 2}


async def test_a_costly_slice_is_processed_off_the_loop_and_derives_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    offloaded: list[str] = []

    class CountingRuntime(ThreadlessRuntime):
        async def offload(self, limiter: str, function: Callable[[*Ts], T], *args: *Ts) -> T:
            offloaded.append(function.__name__)
            return await super().offload(limiter, function, *args)

    costly = [
        ("qty > 5", [b'{"qty": 9, "x": [%b1%b]}' % (b"[" * 3_000, b"]" * 3_000)] * 3),
        ("x like '%a_b%'", [b'{"x": "%ba.b"}' % (b"a" * 100_000)]),
        ("x like y", [b'{"x": "%ba.b", "y": "%%a_b"}' % (b"a" * 100_000)]),
        ("length(x) > 5", [b'{"x": "%b"}' % (b"a" * 900_000)]),
        (" or ".join(["length(x) > 5"] * 200), [b'{"x": "aaaaaaa"}'] * 1_000),
    ]
    for condition, values in costly:
        async with running_node(runtime=CountingRuntime()) as node:
            await node.apply(f"[streams.orders]\n[streams.large]\nbase = 'orders'\nwhere = \"{condition}\"\n")
            offloaded.clear()
            await node.produce("orders", [b'{"qty": 9, "x": "aaaab!", "y": "%"}'] * 5)
            await node.caught_up("large")
            # A condition with hundreds of terms is costly for every record.
            assert "process_costly" not in offloaded or len(condition) > 100
            await node.produce("orders", values, codec=4)
            await node.caught_up("large")
            assert (await node.values("large"))[-len(values) :] == values
            assert "process_costly" in offloaded, condition


async def test_only_records_from_the_start_on_are_derived_though_it_lies_inside_a_batch() -> None:
    for start in (0, 1, 50, 99, 100):
        for codec in (0, 4):
            async with running_node() as node:
                topic = await node.create("orders")
                values = [b'{"qty": 9, "id": %d}' % n for n in range(100)]
                await node.produce("orders", values, codec=codec)
                await node.produce("orders", [b'{"qty": 9}'])
                if start:
                    await node.ledger.propose(DeleteRecords(topic.id, 0, start))
                await node.apply(large())
                await node.caught_up("large")
                assert await node.values("large") == [*values[start:], b'{"qty": 9}']
                counters = node.ledger.state.tasks.counters("large", 0)
                assert counters["seen"] == counters["kept"] == 101 - start
                assert counters.get("removed", 0) == start


async def test_the_wait_after_progress_is_the_first_one(
    autojump_clock: trio.testing.MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = OperatorSettings(retry_first_ms=100, retry_longest_ms=60_000)
    async with running_node(runtime=ThreadlessRuntime(), settings=settings) as node:
        await node.apply(large())
        await until(lambda: node.engine.task("large", 0) is not None)
        read, tries = node.reader.read, []

        async def unavailable(*arguments: object) -> None:
            tries.append(trio.current_time())
            raise StorageUnavailable("The bucket is out for lunch.")

        for _ in range(3):
            monkeypatch.setattr(node.reader, "read", unavailable)
            tries.clear()
            await node.produce("orders", orders(0, 10))
            await trio.sleep(20)
            waits = [later - earlier for earlier, later in itertools.pairwise(tries)]
            assert 0.05 <= waits[0] <= 0.11 and waits[-1] >= 2.5, waits
            monkeypatch.setattr(node.reader, "read", read)
            await node.caught_up("large")
            await trio.sleep(0.1)
