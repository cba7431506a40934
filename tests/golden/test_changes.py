"""The golden bucket of everyday changes opens in this version and holds what was told into it."""

import shutil
from pathlib import Path

import pytest
from trio.testing import MockClock

from tests.golden.changes import BROKER, BUCKET, GROUPS, ROUNDS
from tests.golden.story import GROUP, open_state, open_store, order
from tests.ledger.nodes import StillRuntime
from tests.operators.world import running_node


@pytest.fixture
def bucket(tmp_path: Path) -> Path:
    """A copy to open: opening writes."""
    return Path(shutil.copytree(BUCKET, tmp_path / "bucket"))


async def test_configs_are_as_they_were_told(bucket: Path) -> None:
    state = (await open_state(bucket)).state
    for name in ROUNDS:
        assert state.topics.by_name[name].configs == {"retention.ms": "2000"}
        assert state.configs.get(GROUPS, name) == {"consumer.session.timeout.ms": "50000"}
    assert state.configs.get(BROKER, "") == {"num.partitions": "4"}


async def test_partitions_and_log_starts_are_as_they_were_told(bucket: Path) -> None:
    state = (await open_state(bucket)).state
    assert {name: topic.partitions for name, topic in state.topics.by_name.items()} == {
        "orders": 3, "large": 3, "before": 5, "after": 5,
    }  # fmt: skip
    for name in ROUNDS:
        topic = state.topics.by_name[name].id
        assert (state.runs.log_start(topic, 0), state.runs.high_watermark(topic, 0)) == (4, 9)
        assert (state.runs.log_start(topic, 1), state.runs.high_watermark(topic, 4)) == (0, 0)


async def test_groups_and_offsets_are_as_they_were_told(bucket: Path) -> None:
    state = (await open_state(bucket)).state
    assert sorted(state.groups.names()) == sorted(f"{name}-stays" for name in ROUNDS)
    for name in ROUNDS:
        topic = state.topics.by_name[name].id
        assert state.groups.get(f"{name}-stays") == GROUP
        kept = state.offsets.get(f"{name}-stays", topic, 0)
        assert kept is not None and (kept.offset, kept.metadata) == (3, "kept")
        assert state.offsets.get(f"{name}-stays", topic, 1) is None
        assert state.offsets.get(f"{name}-goes", topic, 0) is None


async def test_the_operator_goes_on_in_every_partition_it_was_given(bucket: Path, autojump_clock: MockClock) -> None:
    async with running_node(open_store(bucket), runtime=StillRuntime(), port=9092) as node:
        for partition in (1, 2):
            await node.produce("orders", [order(n) for n in range(10, 20)], partition=partition)
        await node.caught_up("large")
        for partition in (1, 2):
            wanted = [order(n) for n in range(20) if n % 10 > 5]
            assert await node.values("large", partition) == wanted
