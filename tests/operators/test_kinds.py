"""What a kind may need beyond a filter: several inputs and outputs, state, time, stages, and a rule for growth."""

import random
from collections import Counter
from collections.abc import Sequence

import pytest
import trio

from higgins.ledger.state.partitions import AddPartitions
from higgins.log.settings import LogSettings
from higgins.model.errors import Refused
from higgins.operators.apply import delete_operator
from higgins.operators.growth import growth_of
from higgins.operators.kinds import KINDS
from higgins.operators.settings import OperatorSettings
from higgins.operators.topography.table import TopographyError
from higgins.operators.view import operator_views
from higgins.runtime import Runtime
from higgins_protocol.errors import ErrorCode
from higgins_protocol.records.record import Record, encode_batch
from tests.operators.kinds import rekeyed, silence, tally
from tests.operators.test_engine import begin_anew
from tests.operators.world import NOON_MS, Node, SlowStore, ThreadlessRuntime, new_store, running_node, until

TALLY = """
[streams.orders]
partitions = {partitions}
[streams.returns]
partitions = {partitions}
[streams.open]
base = "orders"
with = "returns"
type = "tally"
"""
OBJECTS = LogSettings(inline_bytes_max=0)
"""Every flush is an object of its own, instead of a payload of its commit."""


@pytest.fixture(autouse=True)
def kinds(monkeypatch: pytest.MonkeyPatch) -> None:
    for kind in (tally.KIND, silence.KIND, rekeyed.KIND):
        monkeypatch.setitem(KINDS, kind.name, kind)


async def produce(node: Node, topic: str, keys: Sequence[bytes | None], *, partition: int = 0) -> None:
    records = [
        Record(offset=n, timestamp=NOON_MS + n, key=key, value=b"v%d" % n, headers=(("n", b"%d" % n),))
        for n, key in enumerate(keys)
    ]
    await node.append(topic, encode_batch(records), partition=partition)


def some_keys(chance: random.Random, count: int) -> list[bytes | None]:
    return [chance.choice((b"a", b"b", b"c", b"d" * 50, None)) for _ in range(count)]


async def check_tally(node: Node, orders: Sequence[bytes | None], returns: Sequence[bytes | None]) -> None:
    """Each input record has moved its key's count by exactly one, from the count before it."""
    records = await node.records("open")
    counts: Counter[bytes] = Counter()
    moved = {b"0": Counter[bytes](), b"1": Counter[bytes]()}
    for record in records:
        assert record.key is not None and record.value is not None
        (name, source), (other, _) = record.headers
        assert (name, other) == ("from", "n") and source is not None
        moved[source][record.key] += 1
        counts[record.key] += 1 if source == b"0" else -1
        assert int(record.value) == counts[record.key], record
    assert moved[b"0"] == Counter(key for key in orders if key is not None)
    assert moved[b"1"] == Counter(key for key in returns if key is not None)
    keyless = await node.records("open.keyless")
    assert len(keyless) == [*orders, *returns].count(None)
    assert all(record.key is None and record.headers[0][0] == "n" for record in keyless)


async def test_two_inputs_two_outputs_and_state_are_one_operator() -> None:
    async with running_node() as node:
        changes = (await node.apply(TALLY.format(partitions=2))).changes
        assert "Operator 'open' begins on 'orders', 'returns': a tally in steps of 1." in changes
        await produce(node, "orders", [b"a", b"a", b"b", None])
        await produce(node, "returns", [b"a", None])
        await produce(node, "orders", [b"c"], partition=1)
        await node.caught_up("open")
        await check_tally(node, [b"a", b"a", b"b", None], [b"a", None])
        assert await node.values("open", 1) == [b"1"]
        (view,) = operator_views(node.ledger.state, node.engine)
        assert (view.type, view.input, view.output) == ("tally", "orders, returns", "open, open.keyless")
        assert [(task.position, task.lag) for task in view.partitions] == [(6, 0), (1, 0)]
        assert node.ledger.state.tasks.progress("open", 0).progress == b"6"
        assert node.topic("open.keyless").owner == "open"


@pytest.mark.parametrize("log_settings", [LogSettings(), OBJECTS], ids=["inline", "objects"])
async def test_state_is_restored_after_a_restart_and_old_blocks_are_released(log_settings: LogSettings) -> None:
    runtime, chance = Runtime(), random.Random(3)
    store = new_store(runtime)
    orders: list[bytes | None] = []
    released = 0
    for _ in range(4):
        async with running_node(store, runtime=runtime, log_settings=log_settings) as node:
            await node.apply(TALLY.format(partitions=1))
            for _ in range(4):
                keys = some_keys(chance, 20)
                before = node.ledger.state.tasks.progress("open", 0).state
                await produce(node, "orders", keys)
                await node.caught_up("open")
                orders += keys
                after = node.ledger.state.tasks.progress("open", 0).state
                assert 1 <= len(after) <= tally.BLOCKS_MAX
                released += len(set(before) - set(after))
            await check_tally(node, orders, [])
    assert released >= 10
    async with running_node(store, runtime=runtime, log_settings=log_settings) as node:
        objects = node.ledger.state.objects
        pointers = node.ledger.state.tasks.progress("open", 0).state
        before_deletion = {pointer.object_id: objects.get(pointer.object_id) for pointer in pointers}
        await delete_operator(node.ledger, "open")
        for object_id, count in Counter(pointer.object_id for pointer in pointers).items():
            record, earlier = objects.get(object_id), before_deletion[object_id]
            assert earlier is not None
            assert (record.live if record is not None else 0) == earlier.live - count


@pytest.mark.parametrize("seed", range(6))
async def test_state_positions_and_output_agree_however_often_the_node_crashes(
    seed: int, autojump_clock: trio.testing.MockClock
) -> None:
    chance = random.Random(seed)
    runtime = ThreadlessRuntime()
    store = new_store(runtime)
    settings = OperatorSettings(epoch_bytes_min=1_000, epoch_bytes_max=4_000, retry_first_ms=1)
    log_settings = OBJECTS if seed % 2 else LogSettings()
    inputs: dict[str, list[bytes | None]] = {"orders": [], "returns": []}
    for _ in range(5):
        # Leaving cancels everything where it stands, as a crash would: puts and commits may or may not be done.
        async with running_node(
            SlowStore(store, chance), runtime=runtime, settings=settings, log_settings=log_settings
        ) as node:
            await node.apply(TALLY.format(partitions=1))
            for _ in range(8):
                topic, keys = chance.choice(("orders", "returns")), some_keys(chance, 30)
                await produce(node, topic, keys)
                inputs[topic] += keys
                await trio.sleep(chance.choice((0, 0.01, 0.05, 0.1)))
                if chance.random() < 0.3:
                    begin_anew(node.engine)
    async with running_node(store, runtime=runtime, settings=settings) as node:
        await node.caught_up("open")
        await check_tally(node, inputs["orders"], inputs["returns"])


async def test_a_busy_input_does_not_hold_up_the_other() -> None:
    async with running_node(settings=OperatorSettings(epoch_bytes_min=1_000, epoch_bytes_max=1_000)) as node:
        await node.create("orders")
        await node.create("returns")
        for _ in range(30):
            await produce(node, "orders", [b"a"] * 30)
        await produce(node, "returns", [b"a"])
        await node.apply("[streams.orders]\n[streams.returns]\n" + TALLY[TALLY.index("[streams.open]") :])
        await node.caught_up("open")
        sources = [record.headers[0][1] for record in await node.records("open")]
        assert sources.index(b"1") < len(sources) / 2


async def test_an_operator_is_called_when_its_time_has_come_though_no_record_comes() -> None:
    async with running_node() as node:
        await node.apply('[streams.orders]\n[streams.quiet]\nbase = "orders"\ntype = "silence"\nafter_ms = 50\n')
        await node.produce("orders", [b"1", b"2", b"3"])
        with trio.fail_after(30):
            while not await node.values("quiet"):
                await trio.sleep(0.01)
        assert await node.values("quiet") == [b"3"]
        before = node.ledger.state.number
        await trio.sleep(0.3)
        assert node.ledger.state.number == before
        assert node.ledger.state.tasks.progress("quiet", 0).progress == b"0"


async def test_an_epoch_of_several_inputs_moves_all_their_positions_at_once() -> None:
    async with running_node(settings=OperatorSettings(progress_interval_ms=200)) as node:
        await node.apply(
            '[streams.a]\n[streams.b]\n[streams.quiet]\nbase = "a"\nwith = "b"\ntype = "silence"\nafter_ms = 600\n'
        )
        await until(lambda: "task/quiet/0" in node.ledger.state.sessions.leases)
        before = node.ledger.state.number
        await node.produce("a", [b"x"] * 5)
        await node.produce("b", [b"x"] * 7)
        await node.caught_up("quiet")
        assert node.ledger.state.number == before + 3, "two appends and one epoch of both inputs"
        with trio.fail_after(30):
            while not await node.values("quiet"):
                await trio.sleep(0.01)
        assert await node.values("quiet") == [b"12"]


class ClockRuntime(ThreadlessRuntime):
    """Wall time that follows the clock of the test."""

    def now_ms(self) -> int:
        return NOON_MS + int(trio.current_time() * 1_000)


@pytest.mark.parametrize("seed", range(6))
async def test_an_epoch_in_which_only_time_passed_is_committed_once(
    seed: int, autojump_clock: trio.testing.MockClock
) -> None:
    chance = random.Random(seed)
    runtime = ClockRuntime()
    # The records are committed long before the silence is over, so that the report is an epoch of its own.
    settings = OperatorSettings(retry_first_ms=1, progress_interval_ms=1)
    async with running_node(SlowStore(new_store(runtime), chance), runtime=runtime, settings=settings) as node:
        await node.apply('[streams.orders]\n[streams.quiet]\nbase = "orders"\ntype = "silence"\nafter_ms = 150\n')
        produced = 0
        for _ in range(25):
            count = chance.randrange(1, 5)
            await node.produce("orders", [b"x"] * count)
            produced += count
            for _ in range(80):
                await trio.sleep(0.005)
                # In the middle of a commit: whether it succeeds is not known to the task that begins anew.
                if node.engine._context._flights and chance.random() < 0.4:
                    begin_anew(node.engine)
        # No position moves in the epoch that reports, so only its task can keep it from being committed twice.
        with trio.fail_after(60):
            while sum(int(value or 0) for value in await node.values("quiet")) < produced:
                await trio.sleep(0.1)
        await trio.sleep(5)
        assert sum(int(value or 0) for value in await node.values("quiet")) == produced


async def test_a_stage_repartitions_through_a_hidden_topic_and_goes_with_its_operator() -> None:
    async with running_node() as node:
        applied = await node.apply(
            '[streams.orders]\npartitions = 2\n[streams.spread]\nbase = "orders"\ntype = "rekeyed"\n'
        )
        hidden = "Topic 'spread.by-value' is created between the stages of 'spread', with 3 partitions."
        assert hidden in applied.changes
        values = [b"%d" % number for number in range(60)]
        await node.produce("orders", values[:30], partition=0)
        await node.produce("orders", values[30:], partition=1)
        await node.caught_up("spread:rekey")
        await node.caught_up("spread")
        derived = [await node.values("spread", partition) for partition in range(3)]
        assert sorted(value for each in derived for value in each if value) == sorted(values)
        assert all(derived)
        assert node.topic("spread.by-value").owner == "spread:rekey"
        assert not (await node.apply('[streams.spread]\nbase = "orders"\ntype = "rekeyed"\n')).applied
        orders = node.topic("orders")
        await node.ledger.propose(AddPartitions(orders.id, 3, growth_of(node.ledger.state, orders.id, 3)))
        await node.produce("orders", [b"new"], partition=2)
        await node.caught_up("spread:rekey")
        await node.caught_up("spread")
        assert sum([(await node.values("spread", partition)).count(b"new") for partition in range(3)]) == 1
        assert node.topic("spread").partitions == 3
        await delete_operator(node.ledger, "spread")
        assert not node.ledger.state.tasks.sets


async def test_partitions_are_refused_under_an_operator_with_state_also_behind_one_that_grows() -> None:
    async with running_node() as node:
        await node.apply(
            TALLY.format(partitions=1).replace('base = "orders"', 'base = "large"')
            + '[streams.large]\nbase = "orders"\nwhere = "qty > 5"\n'
        )
        for topic in ("orders", "returns"):
            with pytest.raises(Refused, match=r"keeps state by key.*higgins operator delete open") as refusal:
                growth_of(node.ledger.state, node.topic(topic).id, 2)
            assert refusal.value.code == ErrorCode.POLICY_VIOLATION


async def test_a_change_that_the_kind_refuses_is_a_problem_with_the_way_out() -> None:
    async with running_node() as node:
        await node.apply(TALLY.format(partitions=1))
        with pytest.raises(TopographyError, match=r"in other steps\. First run: higgins operator delete open"):
            await node.apply(TALLY.format(partitions=1) + "step = 2\n")


async def test_keys_are_checked_and_suggested_by_the_kind_of_the_stream() -> None:
    async with running_node() as node:
        text = TALLY.format(partitions=1) + "stepp = 2\nwhere = 'a'\nstep = 'x'\n"
        with pytest.raises(TopographyError) as caught:
            await node.apply(text)
        messages = {problem.line: problem.message for problem in caught.value.problems}
        assert messages[10] == "Operator 'tally' has no key 'stepp'. Did you mean 'step'?"
        assert "Operator 'tally' has no key 'where'" in messages[11]
        assert messages[12] == "step must be a whole number from 1 to 100."
