"""An independent reader, written from the page of formats alone, finds in each golden bucket what the product finds."""

import hashlib
import shutil
import struct
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest

from higgins.ledger.ledger import Ledger
from higgins.log.reader import Reader
from higgins.model.names import TopicId
from higgins.model.pointer import ObjectId
from higgins.storage.cache import Cache
from higgins_protocol.records.batch import read_header
from higgins_protocol.records.record import Record, decode_records
from tests.golden import reader, reader_state
from tests.golden.story import FOLDER, GoldenRuntime, open_state, open_store

BUCKETS = sorted(path.name for path in FOLDER.iterdir() if (path / "ledger").is_dir())


@pytest.fixture(params=BUCKETS)
def bucket(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A copy to open: opening writes."""
    return Path(shutil.copytree(FOLDER / request.param, tmp_path / "bucket"))


@pytest.fixture
def read(bucket: Path) -> reader.State:
    """What the independent reader finds; it checks everything on its way."""
    return reader.verify(bucket)


@pytest.fixture
async def ledger(bucket: Path, read: reader.State) -> AsyncIterator[Ledger]:
    yield await open_state(bucket)


async def records_of(bucket: Path, ledger: Ledger, topic_id: TopicId, partition: int) -> list[Record]:
    """All records of a partition, from its log start on, as the product reads them."""
    log = Reader(GoldenRuntime(), open_store(bucket), ledger, Cache(64 << 20))
    frontiers = ledger.state.runs.frontiers(topic_id, partition)
    offset, found = frontiers.log_start, list[Record]()
    while offset < frontiers.high_watermark:
        part = await log.read(topic_id, partition, offset, 1 << 20)
        data = memoryview(b"".join(part.pieces))
        while data:
            size = read_header(data).size
            found += decode_records(data[:size])
            data = data[size:]
        offset = part.next_offset
    return [record for record in found if record.offset >= frontiers.log_start]


def test_there_are_buckets() -> None:
    assert {"changes", "v2"} <= set(BUCKETS)


async def test_both_stand_at_the_same_commit(read: reader.State, ledger: Ledger) -> None:
    state = ledger.state
    assert (read.number, read.hash, read.time_ms) == (state.number, state.hash, state.time_ms)
    assert read.cluster_id == state.cluster_id


async def test_both_find_the_same_topics(read: reader.State, ledger: Ledger) -> None:
    found = {row[1]: tuple(row) for row in read.topics.values()}
    assert found == {name: msgspec.structs.astuple(topic) for name, topic in ledger.state.topics.by_name.items()}


async def test_both_find_the_same_frontiers_and_records(bucket: Path, read: reader.State, ledger: Ledger) -> None:
    places = {(topic.id, number) for topic in ledger.state.topics.by_id.values() for number in range(topic.partitions)}
    assert places >= read.partitions.keys()
    for topic_id, number in places:
        partition = read.partitions.get((topic_id, number), reader.Partition())
        frontiers = ledger.state.runs.frontiers(topic_id, number)
        assert (partition.log_start, partition.high_watermark) == (frontiers.log_start, frontiers.high_watermark)
        assert partition.last_stable == frontiers.last_stable
        index = ledger.state.runs.index(topic_id, number)
        runs = [] if index is None else index.between(0, frontiers.high_watermark)
        assert [tuple(run) for run in partition.index] == [msgspec.structs.astuple(run) for run in runs]
        mine = [record[:5] for record in reader.read_partition(bucket, partition) if not record.control]
        assert mine == [
            (each.offset, each.timestamp, each.key, each.value, list(each.headers))
            for each in await records_of(bucket, ledger, topic_id, number)
        ]


async def test_both_find_the_same_groups_and_offsets(read: reader.State, ledger: Ledger) -> None:
    groups, offsets = ledger.state.groups, ledger.state.offsets
    assert {name: msgspec.msgpack.encode(row) for name, row in read.groups.items()} == {
        name: msgspec.msgpack.encode(groups.get(name)) for name in groups.names()
    }
    assert {group_id: {(*place, *row) for place, row in rows.items()} for group_id, rows in read.offsets.items()} == {
        group_id: {
            (topic_id, number, *msgspec.structs.astuple(entry))
            for topic_id, number, entry in offsets.of_group(group_id)
        }
        for group_id in offsets.groups()
    }


async def test_both_find_operators_at_the_same_positions(read: reader.State, ledger: Ledger) -> None:
    tasks = ledger.state.tasks
    assert read.topography == [tasks.version, tasks.document]
    assert read.tasks.keys() == tasks.sets.keys()
    for (name, task), (inputs, counters, progress, pointers) in read.progress.items():
        found = tasks.progress(name, task)
        assert inputs == {(each.topic_id, each.partition): each.next_offset for each in found.inputs}
        assert (counters, progress) == (dict(found.counters), found.progress)
        assert [tuple(pointer) for pointer in pointers] == [msgspec.structs.astuple(each) for each in found.state]
    assert len(read.progress) == sum(each.tasks for each in tasks.sets.values())


async def test_both_find_the_same_sessions_leases_producers_and_configs(read: reader.State, ledger: Ledger) -> None:
    sessions, producers, configs = ledger.state.sessions, ledger.state.producers, ledger.state.configs
    assert {epoch: number for epoch, (_, number) in read.sessions.items()} == dict(sessions.signs)
    assert {name: tuple(lease) for name, lease in read.leases.items()} == {
        name: msgspec.structs.astuple(lease) for name, lease in sessions.leases.items()
    }
    assert (read.next_epoch, read.next_id) == (sessions.next_epoch, producers.next_id)
    assert [(key, msgspec.msgpack.encode(row)) for key, row in read.producers.items()] == [
        (key, msgspec.msgpack.encode(record)) for key, record in producers.records.items()
    ]
    assert read.revision == configs.revision and len(read.configs) == configs.count
    assert all(configs.get(kind, name) == entries for (kind, name), entries in read.configs.items())


async def test_both_count_the_same_pointers(read: reader.State, ledger: Ledger) -> None:
    objects = ledger.state.objects
    assert {object_id for object_id, _ in objects.data()} <= read.objects.keys()
    for object_id, (length, pointers) in read.objects.items():
        record = objects.get(ObjectId(object_id))
        assert record is not None and (record.length, record.live) == (length, pointers)


async def test_a_snapshot_in_parts_is_read_by_both(bucket: Path, read: reader.State) -> None:
    key = reader.snapshot_keys(bucket)[-1]
    data = (bucket / key).read_bytes()
    end = 8 + struct.unpack_from(">I", data, 4)[0]
    parts: list[list[object]] = []
    head, blocks = msgspec.msgpack.decode(data[8:end]), data[end:-32]
    while blocks:
        size = 4 + struct.unpack_from(">I", blocks)[0]
        name = f"ledger/snapshot-parts/{head[2]:012}/token-{len(parts):06}"
        (bucket / name).parent.mkdir(parents=True, exist_ok=True)
        (bucket / name).write_bytes(blocks[:size])
        parts.append([name, size, hashlib.sha256(blocks[:size]).digest()])
        blocks = blocks[size:]
    encoded = msgspec.msgpack.encode([*head[:5], parts])
    whole = b"HGS2" + struct.pack(">I", len(encoded)) + encoded
    (bucket / key).write_bytes(whole + hashlib.sha256(whole).digest())
    assert reader.verify(bucket) == read
    for number in range(1, head[2] + 1):
        # Without the commits before it, the snapshot must have been read.
        reader.commit_path(bucket, number).unlink()
    assert (await open_state(bucket)).state.hash == reader.read_state(bucket).hash == read.hash


def test_a_changed_byte_is_noticed(bucket: Path) -> None:
    for path in sorted(path for path in bucket.rglob("*") if path.is_file()):
        data = path.read_bytes()
        at = len(data) // 2
        path.write_bytes(data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :])
        reader.read_object.cache_clear()
        if path.parent.name == "snapshots":
            assert reader.load_snapshot(bucket, f"ledger/snapshots/{path.name}") is None
        else:
            with pytest.raises(reader_state.Damage):
                reader.verify(bucket)
        path.write_bytes(data)
