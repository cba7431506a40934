"""Checks of the bucket: the chain of commits, pointers and their bytes, snapshots, and that all nodes agree."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import msgspec

from higgins.ledger.commit import Commit, commit_key, decode_commit
from higgins.ledger.snapshot import FOLDER, decode_snapshot, digest, empty_state, restore_blocks
from higgins.ledger.state.index import Run
from higgins.ledger.state.state import State
from higgins.ledger.state.tasks import InputPosition, TaskAdvanced, TasksAttached, TasksExtended
from higgins.ledger.tip import Tip
from higgins.model.errors import HigginsError
from higgins.model.names import TopicId
from higgins.model.pointer import commit_number_of, is_inline, object_key
from higgins.operators.kinds import decode_specification
from higgins_protocol.errors import ProtocolError
from higgins_protocol.records.batch import read_header, walk
from higgins_protocol.records.crc import crc32c
from higgins_protocol.records.record import decode_records
from tests.simulation.event_log import decode_value

Report = Callable[[str, object], None]
CRC_COVERS_FROM = 21


class Step(msgspec.Struct):
    """One committed step of a task: the input offsets that it processed, and the expression that applied."""

    name: str
    partition: int
    from_offset: int
    to_offset: int
    where: str


class Replayed(msgspec.Struct):
    """The state after folding all commits of the bucket."""

    number: int
    state: State
    steps: list[Step]
    records: dict[str, list[tuple[int, str | None]]]
    """Offset and value of every record that State points to, by `topic:partition`."""


class _NoTime:
    def monotonic(self) -> float:
        return 0.0


def _empty_tip(state: State) -> Tip:
    return Tip(_NoTime(), None, state)  # type: ignore[arg-type]


def check_ledger(
    objects: dict[Any, bytes], digests: Iterable[tuple[int, str]], states: Iterable[State], report: Report
) -> Replayed:
    """Fold all commits again and compare the result with what the nodes had."""
    commits = _commits(objects, report)
    tip = _empty_tip(State())
    steps = _Steps()
    node_digests: dict[int, set[str]] = {}
    for number, node_digest in digests:
        node_digests.setdefault(number, set()).add(node_digest)
    snapshots = {int(key.rpartition("/")[2]): data for key, data in objects.items() if key.startswith(FOLDER)}
    for commit in commits:
        try:
            tip.fold_nowait(commit)
        except (HigginsError, AssertionError) as error:
            report("ledger-broken", f"commit {commit.head.number}: {error!r}")
            break
        steps.follow(commit)
        number = commit.head.number
        if number in node_digests or number in snapshots:
            expected = digest(tip.state)
            if node_digests.get(number, {expected}) != {expected}:
                report("state-diverged", f"commit {number}")
            if number in snapshots and digest(_load_snapshot(snapshots[number], objects)) != expected:
                report("snapshot-wrong", f"commit {number}")
    state = tip.state
    _check_restart(commits, snapshots, objects, state, report)
    _check_states(states, state, report)
    return Replayed(state.number, state, steps.taken, _check_pointers(objects, state, report))


def _commits(objects: dict[Any, bytes], report: Report) -> list[Commit]:
    commits: list[Commit] = []
    while (data := objects.get(commit_key(len(commits) + 1))) is not None:
        try:
            commits.append(decode_commit(memoryview(data), len(commits) + 1))
        except HigginsError as error:
            report("ledger-broken", f"commit {len(commits) + 1}: {error}")
            break
    return commits


class _Steps:
    """Collects the steps of all tasks, with the expression that was attached when each was committed."""

    def __init__(self) -> None:
        self.taken: list[Step] = []
        self._where: dict[str, str] = {}
        self._positions: dict[tuple[str, int], int] = {}

    def follow(self, commit: Commit) -> None:
        for fact in commit.head.facts:
            if isinstance(fact, TasksAttached):
                name = fact.tasks.name
                self._where[name] = decode_specification(fact.tasks.specification).describe().where
                self._begin(name, fact.positions)
            elif isinstance(fact, TasksExtended):
                self._begin(fact.name, fact.positions)
            elif isinstance(fact, TaskAdvanced):
                for each in fact.inputs:
                    key = (fact.name, each.partition)
                    self.taken.append(Step(*key, self._positions[key], each.next_offset, self._where[fact.name]))
                    self._positions[key] = each.next_offset

    def _begin(self, name: str, positions: Sequence[Sequence[InputPosition]]) -> None:
        self._positions |= {(name, each.partition): each.next_offset for task in positions for each in task}


def _load_snapshot(data: bytes, objects: dict[Any, bytes]) -> State:
    head, blocks = decode_snapshot(memoryview(data))
    state = empty_state(head)
    restore_blocks(state, blocks)
    for part in head.parts:
        restore_blocks(state, objects[part.key])
    return state


def _check_restart(
    commits: list[Commit], snapshots: dict[int, bytes], objects: dict[Any, bytes], live: State, report: Report
) -> None:
    """A node that starts from the newest snapshot reaches the same state as one that folds all commits."""
    if not snapshots or live.number < len(commits):
        return
    tip = _empty_tip(_load_snapshot(snapshots[max(snapshots)], objects))
    try:
        for commit in commits[tip.state.number :]:
            tip.fold_nowait(commit)
    except (HigginsError, AssertionError) as error:
        report("restart-differs", repr(error))
        return
    if digest(tip.state) != digest(live):
        report("restart-differs", f"from snapshot {max(snapshots)} to {live.number}")


def _check_states(states: Iterable[State], expected: State, report: Report) -> None:
    for state in states:
        if state.number == expected.number and digest(state) != digest(expected):
            report("state-diverged", f"a node at the last commit {expected.number}")


def _check_pointers(
    objects: dict[Any, bytes], state: State, report: Report
) -> dict[str, list[tuple[int, str | None]]]:
    """Every committed pointer refers to an object with the right bytes (I8)."""
    records: dict[str, list[tuple[int, str | None]]] = {}
    for topic in state.topics.by_id.values():
        for partition in range(topic.partitions):
            key = f"{topic.name}:{partition}"
            rows = records.setdefault(key, [])
            for run in _runs(state, topic.id, partition):
                try:
                    rows += _records(objects, run)
                except (ValueError, HigginsError, ProtocolError) as error:
                    report("pointer-without-bytes", f"{key} offsets {run.base_offset}-{run.last_offset}: {error}")
    return records


def _runs(state: State, topic_id: TopicId, partition: int) -> list[Run]:
    index = state.runs.index(topic_id, partition)
    return [] if index is None else index.find(0, 1 << 30, 1 << 60)


def _records(objects: dict[Any, bytes], run: Run) -> list[tuple[int, str | None]]:
    data = _object(objects, run)
    piece = data[run.position : run.position + run.length]
    rows: list[tuple[int, str | None]] = []
    offset = run.base_offset
    for position, size, *_ in walk(piece, 0):
        batch = piece[position : position + size]
        header = read_header(batch)
        if crc32c(batch[CRC_COVERS_FROM:]) != header.crc:
            raise ValueError(f"the batch at {offset} is damaged")
        for record in decode_records(batch):
            rows.append((offset + record.offset - header.base_offset, decode_value(record.value)))
        offset += header.last_offset_delta + 1
    if offset != run.last_offset + 1:
        raise ValueError(f"the run ends at {offset}")
    return rows


def _object(objects: dict[Any, bytes], run: Run) -> memoryview:
    if is_inline(run.object_id):
        number = commit_number_of(run.object_id)
        commit = decode_commit(memoryview(objects[commit_key(number)]), number)
        return memoryview(b"".join(commit.payload))
    data = objects.get(object_key(run.object_id))
    if data is None:
        raise ValueError(f"{object_key(run.object_id)} does not exist")
    return memoryview(data)
