"""Every golden bucket opens in this version, holds what was told into it, and goes on from there."""

import shutil
from collections import Counter
from pathlib import Path

import pytest
from trio.testing import MockClock

from higgins.ledger.commit import commit_key
from higgins.ledger.snapshot import FOLDER as SNAPSHOTS
from higgins.ledger.snapshot import digest
from higgins.model.pointer import ObjectId, commit_number_of, is_inline, object_key
from higgins_protocol.records.record import Record
from tests.golden.story import (
    FOLDER,
    GROUP,
    HEADERS,
    ORDERS,
    SECOND_GENERATION,
    idempotent_batch,
    open_state,
    open_store,
    order,
)
from tests.ledger.nodes import StillRuntime
from tests.operators.world import NOON_MS, Node, running_node

VERSIONS = sorted(path.name for path in FOLDER.iterdir() if path.is_dir() and path.name.startswith("v"))


@pytest.fixture(params=VERSIONS)
def bucket(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A copy to open: opening writes."""
    copy = tmp_path / "bucket"
    shutil.copytree(FOLDER / request.param, copy)
    return copy


def test_there_is_a_golden_bucket() -> None:
    assert "v2" in VERSIONS


async def test_topics_are_as_they_were_told(bucket: Path) -> None:
    state = (await open_state(bucket)).state
    partitions = {name: topic.partitions for name, topic in state.topics.by_name.items()}
    assert partitions == {
        "again": 1, "configured": 5, "plain": 3, "idempotent": 1, "orders": 2, "large": 2, "small": 2,
    }  # fmt: skip
    configured = state.topics.by_name["configured"]
    assert (configured.id, configured.replication, configured.owner) == (b"configured-topic", 3, "")
    assert configured.configs == {"retention.ms": "1000", "message.timestamp.type": "LogAppendTime"}
    assert state.topics.by_name["large"].owner == "large"


async def test_groups_offsets_sessions_and_ids_are_as_they_were_told(bucket: Path) -> None:
    state = (await open_state(bucket)).state
    assert list(state.groups.names()) == ["readers"] and state.groups.get("readers") == GROUP
    plain, again = state.topics.by_name["plain"].id, state.topics.by_name["again"].id
    three, one = state.offsets.get("readers", plain, 0), state.offsets.get("readers", again, 0)
    assert three is not None and (three.offset, three.leader_epoch, three.metadata) == (3, 0, "three")
    assert one is not None and (one.offset, one.leader_epoch, one.metadata) == (1, -1, "")
    (session,) = state.sessions.live.values()
    assert (session.epoch, session.node_id, session.endpoints[0].port) == (3, 1, 9092)
    assert state.producers.next_id == 1001
    assert state.cluster_id == "cluster"


async def test_every_object_that_is_pointed_to_is_there_and_counted(bucket: Path) -> None:
    state = (await open_state(bucket)).state
    pointers: Counter[ObjectId] = Counter()
    for topic in state.topics.by_id.values():
        for partition in range(topic.partitions):
            index = state.runs.index(topic.id, partition)
            pointers += index.objects() if index is not None else Counter()
    assert any(map(is_inline, pointers)) and not all(map(is_inline, pointers))
    for object_id, count in pointers.items():
        record = state.objects.get(object_id)
        assert record is not None and record.live == count
        key = commit_key(commit_number_of(object_id)) if is_inline(object_id) else object_key(object_id)
        assert (bucket / key).stat().st_size >= record.length > 0
    assert all(record.live == pointers[object_id] for object_id, record in state.objects.data())


async def test_the_tail_alone_tells_what_the_snapshot_tells(bucket: Path) -> None:
    with_snapshot = (await open_state(bucket)).state
    assert len(list((bucket / SNAPSHOTS).iterdir())) == 2
    shutil.rmtree(bucket / SNAPSHOTS)
    assert digest((await open_state(bucket)).state) == digest(with_snapshot)


async def check_records(node: Node) -> None:
    assert await node.values("again") == [SECOND_GENERATION]
    assert await node.values("plain", 0) == [b"inline", None, b"", b"of a second life"]
    assert await node.values("plain", 1) == [b"large" * 14_000, b"after the snapshot"]
    last = await node.records("plain", 2)
    assert [record.value for record in last] == [b"compressed" * 20] * 4 + [b"headed"] * 2
    assert last[4] == Record(offset=4, timestamp=NOON_MS, key=None, value=b"headed", headers=HEADERS)
    assert last[5].timestamp == NOON_MS + 5
    first = (await node.records("plain", 0))[0]
    assert (first.key, first.timestamp, first.headers) == (b"k0", NOON_MS, (("h", b"0"),))
    assert await node.values("idempotent") == [b"idempotent %d" % sequence for sequence in range(8)]


async def check_derived(node: Node) -> None:
    half = ORDERS // 2
    for partition in range(2):
        values = [order(n) for n in range(partition * half, (partition + 1) * half)] * 71
        assert await node.values("orders", partition) == values
        large = [value for i, value in enumerate(values) if i % 10 > 5]
        small = [value for i, value in enumerate(values) if i % 10 <= 5]
        assert await node.values("large", partition) == large
        assert await node.values("small", partition) == small
        assert node.position("large", partition) == len(values)


async def test_records_are_read_and_everything_goes_on(bucket: Path, autojump_clock: MockClock) -> None:
    # On the clock of the telling: a day later its producers would rightly be forgotten.
    async with running_node(open_store(bucket), runtime=StillRuntime(), port=9092) as node:
        await check_records(node)
        await check_derived(node)
        before = await node.records("idempotent")
        for sequence in range(3, 9):
            # The last five are known again; the one behind them is new.
            await node.append("idempotent", idempotent_batch(1, sequence))
        assert await node.records("idempotent") == [
            *before,
            Record(offset=8, timestamp=NOON_MS + 8, key=None, value=b"idempotent 8", headers=()),
        ]
        await node.produce("orders", [b'{"qty":8}', b'{"qty":7}', b'{"qty":1}'])
        for operator in ("large", "small"):
            await node.caught_up(operator)
        # The topography was changed to qty > 7 before the end.
        assert (await node.values("large"))[-1] == b'{"qty":8}'
        assert (await node.values("small"))[-1] == b'{"qty":1}'
