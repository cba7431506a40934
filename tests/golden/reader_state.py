"""The part of the independent reader that folds commits and loads snapshots; see `reader`."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from hashlib import blake2b, sha256
from itertools import dropwhile
from pathlib import Path
from typing import Any, NamedTuple

import crc32c
import msgspec

Row = list[Any]
Place = tuple[bytes, int]  # a topic id and a partition

DAY_MS = 24 * 60 * 60 * 1000
RESULTS_MAX = GRANTS_MAX = 1000
INLINE = 1 << 62
NO_TOPIC = bytes(16)

# Fact tag: how many fields, and the defaults of the last ones.
FACTS: dict[int, tuple[int, Row]] = {
    1: (1, []), 10: (6, [1]), 11: (1, []), 12: (2, []), 13: (2, []), 14: (2, []), 15: (3, []), 20: (2, []),
    21: (4, [[]]), 22: (5, []), 30: (2, []), 40: (5, [1]), 41: (2, []), 42: (2, []), 43: (0, []), 50: (2, []),
    51: (1, []), 52: (3, []), 53: (2, []), 60: (2, []), 61: (2, [[]]), 70: (2, []), 71: (2, []), 72: (1, []),
    73: (7, [[], None, [], []]), 74: (2, []), 80: (3, []),
}  # fmt: skip
FACETS = {
    "cluster", "configs", "groups", "identities", "objects", "offsets", "producers", "runs", "sessions", "tasks",
    "topics",
}  # fmt: skip


class Damage(Exception):
    """Something is not as the page says."""


class Commit(NamedTuple):
    """A commit whose checksums are right."""

    number: int
    hash: bytes
    previous: bytes
    cluster_id: str
    writer: int
    time_ms: int
    parts: list[Row]
    facts: list[Row]
    payload: bytes


class Record(NamedTuple):
    """One record of a partition; those of control batches are markers of transactions."""

    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: list[tuple[str, bytes | None]]
    control: bool


class Batch(NamedTuple):
    """One record batch; `size` is the number of bytes that it takes."""

    base_offset: int
    last_offset: int
    max_timestamp: int
    attributes: int
    size: int
    records: list[Record]


@dataclass
class Partition:
    """What State knows about one partition that ever held records; runs are structs of the page."""

    log_start: int = 0
    high_watermark: int = 0
    open: dict[int, int] = field(default_factory=dict)
    aborted: list[Row] = field(default_factory=list)
    index: list[Row] = field(default_factory=list)

    @property
    def last_stable(self) -> int:
        return min([self.high_watermark, *self.open.values()])


@dataclass
class State:
    """All facets, in plain dicts and lists."""

    number: int = 0
    hash: bytes = bytes(32)
    time_ms: int = 0
    cluster_id: str = ""
    revision: int = 0
    configs: dict[tuple[int, str], dict[str, str]] = field(default_factory=dict)
    groups: dict[str, Row] = field(default_factory=dict)
    members: dict[tuple[str, str], Row] = field(default_factory=dict)
    identities: dict[int, tuple[int, dict[int, Any]]] = field(default_factory=dict)
    objects: dict[int, list[int]] = field(default_factory=dict)  # object id: length, count of pointers
    offsets: dict[str, dict[Place, Row]] = field(default_factory=dict)
    next_id: int = 1
    grants: list[Row] = field(default_factory=list)
    producers: dict[tuple[bytes, int, int], Row] = field(default_factory=dict)  # in the order of their last write
    partitions: dict[Place, Partition] = field(default_factory=dict)
    next_epoch: int = 1
    sessions: dict[int, tuple[Row, int]] = field(default_factory=dict)
    leases: dict[str, Row] = field(default_factory=dict)
    topography: Row = field(default_factory=lambda: [0, b""])
    tasks: dict[str, Row] = field(default_factory=dict)
    progress: dict[tuple[str, int], Row] = field(default_factory=dict)  # inputs and counters are dicts in it
    topics: dict[bytes, Row] = field(default_factory=dict)


CLASSIC_MEMBER_DEFAULTS = [0]
"""The fields of ClassicMember that may be absent, all at the end."""
CLASSIC_MEMBER_FIELDS = 9


def _group(record: Row) -> Row:
    """A group's record with the defaults of what is absent."""
    *head, members = record
    need(head[0] == "classic", f"group protocol {head[0]}")
    return [*head, [row + CLASSIC_MEMBER_DEFAULTS[: CLASSIC_MEMBER_FIELDS - len(row)] for row in members]]


def need(condition: bool, what: str) -> None:
    if not condition:
        raise Damage(what)


def filled(row: Row, size: int, defaults: Row) -> Row:
    """The known fields of a struct, with the defaults of those that are absent."""
    absent = max(0, size - len(row))
    need(absent <= len(defaults), f"a struct is too short: {row}")
    return [*row[:size], *defaults[len(defaults) - absent :]]


def unpack(data: bytes) -> Any:
    return msgspec.msgpack.decode(data)


# Commits


def read_commit(data: bytes) -> Commit:
    need(data[:4] == b"HGC2", "magic of a commit")
    length, crc = struct.unpack_from(">II", data, 4)
    head, payload = data[12 : 12 + length], data[12 + length :]
    need(len(head) == length and crc32c.crc32c(head) == crc, "checksum of a commit's head")
    row = filled(unpack(head), 13, [])
    format_, level, _era, cluster_id, number, previous, writer, _nonce, time_ms, parts, facts, size, payload_crc = row
    need((format_, level) == (2, 1), f"format {format_}, level {level}")
    need(len(payload) == size and crc32c.crc32c(payload) == payload_crc, f"payload of commit {number}")
    need(len({part[0] for part in parts}) == len(parts), f"commit {number} has two parts of one session")
    digest = blake2b(head, digest_size=32).digest()
    return Commit(number, digest, previous, cluster_id, writer, time_ms, parts, facts, payload)


def commit_path(folder: Path, number: int) -> Path:
    return folder / f"ledger/commits/{number // 1000:09}/{number:012}"


def read_commits(folder: Path, after: int = 0) -> Iterator[Commit]:
    while (path := commit_path(folder, after + 1)).exists():
        after += 1
        yield read_commit(path.read_bytes())


def fold(state: State, commit: Commit) -> None:
    """Check that `commit` is the next one, and let its facts take effect."""
    number = state.number + 1
    need(commit.number == number, f"commit {commit.number} is named {number}")
    need(commit.previous == state.hash, f"the hash chain is broken at commit {number}")
    need(commit.cluster_id == state.cluster_id, f"commit {number} is of another cluster")
    need(commit.time_ms >= state.time_ms, f"time goes backwards at commit {number}")
    state.number, state.hash, state.time_ms = number, commit.hash, commit.time_ms
    if commit.payload:
        state.objects[INLINE | number] = [len(commit.payload), 0]
    for tag, *fields in commit.facts:
        need(tag in FACTS, f"unknown fact {tag}")
        need(number > 1 or tag == 1, "the ledger does not begin with ClusterFormed")
        fold_fact(state, commit, tag, filled(fields, *FACTS[tag]))
    for epoch in {commit.writer, *(part[0] for part in commit.parts)} & state.sessions.keys():
        state.sessions[epoch] = (state.sessions[epoch][0], number)
    for epoch, floor, resolved in commit.parts:
        if epoch in state.sessions:
            state.identities[epoch] = remember(*state.identities.get(epoch, (0, {})), floor, resolved)
    since = commit.time_ms - DAY_MS
    state.producers = {key: producer for key, producer in state.producers.items() if producer[2] > since}


def remember(floor: int, results: dict[int, Any], raised: int, resolved: list[Row]) -> tuple[int, dict[int, Any]]:
    """Results in the order of their commits: those below the floor leave from the front, and all but the newest."""
    floor = max(floor, raised)
    rows = list(dropwhile(lambda row: row[0] < floor, results.items()))
    rows += [(counter, result) for counter, result in resolved]
    forgotten, rows = rows[:-RESULTS_MAX], rows[-RESULTS_MAX:]
    return max([floor, *(counter + 1 for counter, _ in forgotten)]), dict(rows)


def fold_fact(state: State, commit: Commit, tag: int, fields: Row) -> None:
    match tag, fields:
        case 1, [cluster_id]:
            state.cluster_id = cluster_id
        case 10, [topic_id, name, partitions, configs, owner, replication]:
            state.topics[topic_id] = [topic_id, name, partitions, configs, owner, commit.time_ms, replication]
        case 11, [topic_id]:
            del state.topics[topic_id]
            for place in [place for place in state.partitions if place[0] == topic_id]:
                count(state, state.partitions.pop(place).index, -1)
            state.producers = {key: producer for key, producer in state.producers.items() if key[0] != topic_id}
            for group_id in list(state.offsets):
                kept = {place: row for place, row in state.offsets[group_id].items() if place[0] != topic_id}
                put_offsets(state, group_id, kept)
        case 12, [topic_id, owner]:
            state.topics[topic_id][4] = owner
        case 13, [topic_id, configs]:
            state.topics[topic_id][3] = configs
        case 14, [topic_id, partitions]:
            state.topics[topic_id][2] = partitions
        case 15, [topic_id, number, log_start]:
            partition = state.partitions[topic_id, number]
            partition.log_start = log_start
            partition.aborted = [each for each in partition.aborted if each[2] >= log_start]
            replace_runs(state, partition, [run for run in partition.index if run[1] < log_start], [])
        case 20, [object_id, length]:
            state.objects.setdefault(object_id, [length, 0])
        case 21, [topic_id, number, run, producers]:
            append_run(state, (topic_id, number), filled(run, 8, [0]), producers)
        case 22, [topic_id, number, first, last, runs]:
            partition, runs = state.partitions[topic_id, number], [filled(run, 8, [0]) for run in runs]
            replaced = [run for run in partition.index if first <= run[0] and run[1] <= last]
            need(replaced[0][0] == first and replaced[-1][1] == last == runs[-1][1], "bounds of RunsReplaced")
            replace_runs(state, partition, replaced, runs)
        case 30, [first, number]:
            state.next_id = first + number
            state.grants = [*state.grants, [first, number, commit.time_ms]][-GRANTS_MAX:]
        case 40, [epoch, node_id, endpoints, timeout_ms, level]:
            state.sessions[epoch] = ([epoch, node_id, endpoints, timeout_ms, commit.time_ms, level], commit.number)
            state.next_epoch = epoch + 1
        case 41, [epoch, reason]:
            need(reason in {"left", "expired", "replaced"}, f"a session ended because of {reason}")
            del state.sessions[epoch]
            state.identities.pop(epoch, None)
            state.leases = {resource: lease for resource, lease in state.leases.items() if lease[0] != epoch}
        case 42, [resource, epoch]:
            state.leases[resource] = [epoch, commit.number]
        case 43, []:
            pass
        case 50, [group_id, record]:
            state.groups[group_id] = _group(record)
        case 51, [group_id]:
            state.groups.pop(group_id, None)
            state.members = {key: member for key, member in state.members.items() if key[0] != group_id}
        case 52, [group_id, member_id, record]:
            state.members[group_id, member_id] = record
        case 53, [group_id, member_id]:
            state.members.pop((group_id, member_id), None)
        case 60, [group_id, entries]:
            rows = {(topic_id, number): [*rest, commit.time_ms] for topic_id, number, *rest in entries}
            put_offsets(state, group_id, {**state.offsets.get(group_id, {}), **rows})
        case 61, [group_id, places]:
            gone = {tuple(place) for place in places} or set(state.offsets.get(group_id, ()))
            rows = {place: row for place, row in state.offsets.get(group_id, {}).items() if place not in gone}
            put_offsets(state, group_id, rows)
        case 70, [version, document]:
            state.topography = [version, document]
        case 71, [task_set, positions]:
            state.tasks[task_set[0]] = filled(task_set, 6, [])
            for task, inputs in enumerate(positions):
                start_task(state, task_set[0], task, inputs)
        case 72, [name]:
            del state.tasks[name]
            for key in [key for key in state.progress if key[0] == name]:
                count(state, [[0, 0, *pointer] for pointer in state.progress.pop(key)[3]], -1)
        case 73, [name, task, inputs, counters, progress, added, released]:
            row = state.progress[name, task]
            moved = {(topic_id, number): offset for topic_id, number, offset in inputs}
            need(moved.keys() <= row[0].keys(), f"task {name}/{task} moved in a partition that it does not read")
            row[0].update(moved)
            for counter, increment in counters:
                row[1][counter] = row[1].get(counter, 0) + increment
            row[2] = row[2] if progress is None else progress
            for pointer in released:
                row[3].remove(pointer)
            row[3].extend(added)
            count(state, [[0, 0, *pointer] for pointer in released], -1)
            count(state, [[0, 0, *pointer] for pointer in added], 1)
        case 74, [name, positions]:
            for inputs in positions:
                start_task(state, name, state.tasks[name][4], inputs)
                state.tasks[name][4] += 1
            state.topography = [state.topography[0] + 1, state.topography[1]]
        case 80, [kind, name, configs]:
            state.configs.pop((kind, name), None)
            if configs:
                state.configs[kind, name] = configs
            state.revision = commit.number
        case _:
            raise Damage(f"fact {tag} has other fields: {fields}")


def count(state: State, pointers: list[Row], step: int) -> None:
    """Count pointers or runs, which both have the object id as their third element here."""
    for pointer in pointers:
        need(pointer[2] in state.objects, f"a pointer into the unknown object {pointer[2]}")
        state.objects[pointer[2]][1] += step
        need(state.objects[pointer[2]][1] >= 0, f"too many pointers released: object {pointer[2]}")


def put_offsets(state: State, group_id: str, rows: dict[Place, Row]) -> None:
    state.offsets.pop(group_id, None)
    if rows:
        state.offsets[group_id] = rows


def start_task(state: State, name: str, task: int, inputs: list[Row]) -> None:
    if (name, task) in state.progress:
        count(state, [[0, 0, *pointer] for pointer in state.progress[name, task][3]], -1)
    state.progress[name, task] = [{(topic_id, number): at for topic_id, number, at in inputs}, {}, b"", []]


def replace_runs(state: State, partition: Partition, old: list[Row], new: list[Row]) -> None:
    count(state, new, 1)
    count(state, old, -1)
    partition.index = sorted([run for run in partition.index if run not in old] + new)


def append_run(state: State, place: Place, run: Row, producers: list[int]) -> None:
    partition = state.partitions.setdefault(place, Partition())
    need(run[0] == partition.high_watermark, f"a run does not begin at the high watermark: {place}")
    partition.high_watermark = run[1] + 1
    replace_runs(state, partition, [], [run])
    for at in range(0, len(producers), 6):
        producer_id, epoch, sequence, offset, records, kind = producers[at : at + 6]
        offset += run[0]
        if kind in {0, 1}:
            known_epoch, batches, _ = state.producers.pop((*place, producer_id), [epoch, [], 0])
            batch = [sequence, (sequence + records - 1) % (1 << 31), offset]
            batches = [*batches, batch][-5:] if known_epoch == epoch else [batch]
            state.producers[*place, producer_id] = [epoch, batches, state.time_ms]
        if kind == 1:
            partition.open.setdefault(producer_id, offset)
        elif kind in {2, 3} and (first := partition.open.pop(producer_id, None)) is not None and kind == 3:
            partition.aborted.append([producer_id, first, offset])


# Snapshots


def load_snapshot(folder: Path, key: str) -> State | None:
    """The State in a snapshot; None when a digest is wrong."""
    data = (folder / key).read_bytes()
    need(data[:4] == b"HGS2", f"magic of {key}")
    if sha256(data[:-32]).digest() != data[-32:]:
        return None
    end = 8 + struct.unpack_from(">I", data, 4)[0]
    format_, level, number, hash_, time_ms, parts = filled(unpack(data[8:end]), 6, [])
    need((format_, level) == (2, 1) and key.endswith(f"/{number:012}"), f"head of {key}")
    blocks = data[end:-32]
    need(not parts or not blocks, f"{key} has blocks and parts")
    for part, length, digest in parts:
        piece = (folder / part).read_bytes()
        if len(piece) != length or sha256(piece).digest() != digest:
            return None
        blocks += piece
    state, at, before = State(number, hash_, time_ms), 0, ""
    while at < len(blocks):
        size = struct.unpack_from(">I", blocks, at)[0]
        facet, level, rows = unpack(blocks[at + 4 : at + 4 + size])
        need(facet in FACETS and level == 1 and facet >= before, f"facet {facet} of level {level} after {before}")
        for row in rows:
            restore(state, facet, row)
        at, before = at + 4 + size, facet
    return state


def restore(state: State, facet: str, row: Any) -> None:
    match (facet, *row) if isinstance(row, list) else (facet, row):
        case "cluster", cluster_id:
            state.cluster_id = cluster_id
        case "configs", revision, kind, name, configs:
            state.revision = revision
            if kind != -1:
                state.configs[kind, name] = configs
        case "groups", "group", group_id, record:
            state.groups[group_id] = _group(record)
        case "groups", "member", group_id, member_id, record:
            state.members[group_id, member_id] = record
        case "identities", epoch, floor, results:
            state.identities[epoch] = (floor, dict(results))
        case "objects", "data", object_id, length, pointers:
            state.objects[object_id] = [length, pointers]
        case "objects", "payload", *columns:
            for number, length, pointers in zip(*map(column, columns), strict=True):
                state.objects[INLINE | number] = [length, pointers]
        case "offsets", group_id, entries:
            put_offsets(state, group_id, {(topic_id, number): committed for topic_id, number, committed in entries})
        case "producers", "grants", next_id, grants:
            state.next_id, state.grants = next_id, grants
        case "producers", "producer", key, producer:
            state.producers[tuple(key)] = producer
        case "runs", "partition", topic_id, number, log_start, high_watermark, opened, aborted:
            state.partitions[topic_id, number] = Partition(log_start, high_watermark, dict(opened), aborted)
        case "runs", "index", topic_id, number, columns:
            for base, last, object_id, place, latest, rest in zip(*map(column, columns), strict=True):
                run = [base, last, object_id, place >> 31, place & 0x7FFFFFFF, latest, base + (rest >> 8), rest & 255]
                state.partitions[topic_id, number].index.append(run)
        case "sessions", "epoch", next_epoch:
            state.next_epoch = next_epoch
        case "sessions", "session", session, number:
            state.sessions[session[0]] = (filled(session, 6, [1]), number)
        case "sessions", "lease", resource, lease:
            state.leases[resource] = lease
        case "tasks", "topography", version, document:
            state.topography = [version, document]
        case "tasks", "set", task_set:
            state.tasks[task_set[0]] = filled(task_set, 6, [])
        case "tasks", "progress", name, task, progress:
            inputs, counters, opaque, pointers = filled(progress, 4, [[], b"", []])
            positions = {(topic_id, number): offset for topic_id, number, offset in inputs}
            state.progress[name, task] = [positions, dict(counters), opaque, pointers]
        case "topics", *topic:
            state.topics[topic[0]] = filled(topic, 7, [1])
        case _:
            raise Damage(f"a row of {facet} has other fields: {row}")


def column(data: bytes) -> tuple[int, ...]:
    return struct.unpack(f"<{len(data) // 8}q", data)


def snapshot_keys(folder: Path) -> list[str]:
    return sorted(f"ledger/snapshots/{path.name}" for path in folder.glob("ledger/snapshots/*"))


def read_state(folder: Path) -> State:
    """The State as the page says to read a cluster: the newest good snapshot, and the commits behind it."""
    good = (state for key in reversed(snapshot_keys(folder)) if (state := load_snapshot(folder, key)))
    state = next(good, None) or State()
    for commit in read_commits(folder, state.number):
        fold(state, commit)
    return state


# Objects and records
