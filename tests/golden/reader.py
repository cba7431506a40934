"""An independent reader of storage format 2, written from docs/formats.md alone.

It shares no code with the product, so that the page and the product can be held against each other. `verify` reads
everything in a directory store and raises `Damage` at the first thing that is not as the page says. As a program it
prints a summary: `python -m tests.golden.reader FOLDER`.
"""

from __future__ import annotations

import functools
import struct
import sys
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import cramjam
import crc32c

from tests.golden.reader_state import (
    INLINE,
    NO_TOPIC,
    Batch,
    Partition,
    Record,
    Row,
    State,
    commit_path,
    fold,
    load_snapshot,
    need,
    read_commit,
    read_commits,
    read_state,
    snapshot_keys,
    unpack,
)


@functools.lru_cache(maxsize=100)
def read_object(folder: Path, object_id: int) -> tuple[bytes, list[Row] | None]:
    """The bytes that pointers lead to, and the footer of a data object."""
    if object_id & INLINE:
        return read_commit(commit_path(folder, object_id & (INLINE - 1)).read_bytes()).payload, None
    data = (folder / f"data/{object_id >> 40:08}/{object_id & ((1 << 40) - 1):012}").read_bytes()
    need(data[-4:] == b"HGD2", f"magic of object {object_id}")
    end = len(data) - 8 - struct.unpack(">I", data[-8:-4])[0]
    return data[:end], unpack(data[end:-8])


def read_batches(data: bytes, base_offset: int | None) -> Iterator[Batch]:
    """The batches in `data`; the first one has `base_offset`, or the offset that is stored in it."""
    at = 0
    while at < len(data):
        stored, length = struct.unpack_from(">qi", data, at)
        body = data[at : at + 12 + length]
        need(len(body) == 12 + length and body[16] == 2, "a record batch is cut off or not of magic 2")
        need(crc32c.crc32c(body[21:]) == struct.unpack_from(">I", body, 17)[0], "checksum of a record batch")
        attributes, delta, first_ms, max_ms = struct.unpack_from(">hiqq", body, 21)
        base = stored if base_offset is None else base_offset
        rows = decompress(attributes & 7, body[61:])
        records = list(read_records(rows, struct.unpack_from(">i", body, 57)[0], base, first_ms, max_ms, attributes))
        need(all(base <= record.offset <= base + delta for record in records), "a record lies outside of its batch")
        yield Batch(base, base + delta, max_ms, attributes, len(body), records)
        at += len(body)
        base_offset = None if base_offset is None else base + delta + 1


def decompress(codec: int, data: bytes) -> bytes:
    if codec == 2 and data[:8] == b"\x82SNAPPY\0":  # Java's framing: a header of 16 bytes, then blocks with a length
        blocks, at = [], 16
        while at < len(data):
            end = at + 4 + struct.unpack_from(">i", data, at)[0]
            blocks.append(bytes(cramjam.snappy.decompress_raw(data[at + 4 : end])))
            at = end
        return b"".join(blocks)
    codecs: list[Any] = [bytes, cramjam.gzip.decompress, cramjam.snappy.decompress_raw]
    codecs += [cramjam.lz4.decompress, cramjam.zstd.decompress]
    return bytes(codecs[codec](data))


def read_records(data: bytes, number: int, base: int, first_ms: int, max_ms: int, attributes: int) -> Iterator[Record]:
    at = 0

    def varint() -> int:
        nonlocal at
        value = shift = 0
        while True:
            byte = data[at]
            at, value, shift = at + 1, value | (byte & 127) << shift, shift + 7
            if byte < 128:
                return value >> 1 ^ -(value & 1)

    def text() -> bytes | None:
        nonlocal at
        size = varint()
        at += max(0, size)
        return None if size < 0 else data[at - size : at]

    for _ in range(number):
        end = varint() + at
        at += 1  # attributes, unused
        time_ms, offset = first_ms + varint(), base + varint()
        key, value = text(), text()
        headers = [((text() or b"").decode(), text()) for _ in range(varint())]
        need(at == end, "a record has another length")
        yield Record(offset, max_ms if attributes & 8 else time_ms, key, value, headers, bool(attributes & 32))
    need(at == len(data), "bytes behind the last record of a batch")


def read_run(folder: Path, run: Row) -> list[Batch]:
    """The batches of a run, which are what the index says of them."""
    base, last, object_id, position, length, max_timestamp, max_timestamp_offset, flags = run
    data, _ = read_object(folder, object_id)
    need(length > 0 and position + length <= len(data), f"a pointer beyond its object: {run}")
    batches = list(read_batches(data[position : position + length], None if flags & 4 else base))
    ends = [base - 1, *(batch.last_offset for batch in batches)]
    need(all(batch.base_offset > end for batch, end in zip(batches, ends, strict=False)), f"batches overlap: {run}")
    need(ends[-1] <= last if flags & 4 else ends[-1] == last, f"a run ends elsewhere: {run}")
    newest = max(batches, key=lambda batch: (batch.max_timestamp, -batch.base_offset))
    need((newest.max_timestamp, newest.base_offset) == (max_timestamp, max_timestamp_offset), f"timestamps: {run}")
    transactional, control = (any(batch.attributes & bit for batch in batches) for bit in (16, 32))
    need(flags & 3 == transactional | control << 1, f"flags: {run}")
    return batches


def read_partition(folder: Path, partition: Partition) -> list[Record]:
    """All records of a partition from its log start on, markers of transactions too."""
    records = [record for run in partition.index for batch in read_run(folder, run) for record in batch.records]
    return [record for record in records if record.offset >= partition.log_start]


def check_objects(folder: Path, state: State) -> None:
    """Check the counts, all pointers, and the footers of all data objects."""
    pointers = [(place, run[2:5]) for place, partition in state.partitions.items() for run in partition.index]
    pointers += [((NO_TOPIC, task), pointer) for (_, task), row in state.progress.items() for pointer in row[3]]
    counts = dict.fromkeys(state.objects, 0)
    for place, (object_id, position, length) in pointers:
        need(object_id in counts, f"a pointer into the unknown object {object_id}")
        counts[object_id] += 1
        data, footer = read_object(folder, object_id)
        need(position + length <= len(data), f"a pointer beyond object {object_id}")
        spans = [[0, len(data)]] if footer is None else [row[2:4] for row in footer if row[:2] == [*place]]
        inside = any(begin <= position and position + length <= begin + size for begin, size in spans)
        need(inside, f"the footer of object {object_id} knows no such bytes: {position}, {length}")
    need(counts == {object_id: row[1] for object_id, row in state.objects.items()}, "counts of pointers")
    for path in sorted(folder.glob("data/*/*")):
        object_id = int(path.parent.name) << 40 | int(path.name)
        data, footer = read_object(folder, object_id)
        known = state.objects.get(object_id)
        need(known is None or known[0] == path.stat().st_size, f"length of object {object_id}")
        end = 0
        for topic_id, _, position, length, number in footer or []:
            need(position == end, f"a gap in object {object_id}")
            end += length
            batches = [] if topic_id == NO_TOPIC else list(read_batches(data[position:end], 0))
            offsets = sum(batch.last_offset - batch.base_offset + 1 for batch in batches)
            need(number == offsets, f"records in object {object_id}")
        need(end == len(data), f"the footer of object {object_id} does not cover it")


def verify(folder: Path) -> State:
    """Check everything in a store whose commits are all there; return its State."""
    snapshots = {state.number: state for key in snapshot_keys(folder) if (state := load_snapshot(folder, key))}
    state = State()
    for commit in read_commits(folder):
        fold(state, commit)
        if loaded := snapshots.get(state.number):
            need_equal(loaded, state, f"snapshot {state.number}")
    names = {int(path.name) for path in folder.glob("ledger/commits/*/*")}
    need(names == set(range(1, state.number + 1)), "commits behind a gap")
    need_equal(read_state(folder), state, "the newest snapshot and its tail")
    check_objects(folder, state)
    for place, partition in state.partitions.items():
        need(all(one[1] < two[0] for one, two in pairwise(partition.index)), f"runs overlap: {place}")
        need(all(run[1] < partition.high_watermark for run in partition.index), f"a run too high: {place}")
        read_partition(folder, partition)
    return state


def need_equal(one: State, two: State, what: str) -> None:
    """Raises: Damage. Objects that nothing points to may have been forgotten."""
    for name in vars(one):
        values = [vars(state)[name] for state in (one, two)]
        if name == "objects":
            values = [{object_id: row for object_id, row in each.items() if row[1]} for each in values]
        need(values[0] == values[1], f"{what} differs from the fold of all commits in {name}")
    need(list(one.producers) == list(two.producers), f"{what} has producers in another order")


def main(folder: Path) -> None:
    state = verify(folder)
    print(f"{folder}: cluster {state.cluster_id}, {state.number} commits, snapshots {snapshot_keys(folder)}")
    print(f"  {len(state.objects)} objects, {len(state.sessions)} sessions, {len(state.leases)} leases")
    for topic_id, name, partitions, *_ in state.topics.values():
        for number in range(partitions):
            partition = state.partitions.get((topic_id, number), Partition())
            records = read_partition(folder, partition)
            span = f"{partition.log_start} to {partition.high_watermark}, stable {partition.last_stable}"
            print(f"  {name}-{number}: {span}, {len(partition.index)} runs, {len(records)} records")
    for group_id, rows in state.offsets.items():
        print(f"  group {group_id}: {[row[0] for row in rows.values()]}")
    for (name, task), row in state.progress.items():
        print(f"  task {name}/{task}: {list(row[0].values())} {row[1]}")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
