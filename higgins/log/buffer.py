"""The buffer of batches that wait for a flush, and the layout of a flush. Pure: no clock, no I/O."""

from collections.abc import Callable, Sequence
from typing import TypeAlias

import msgspec

from higgins.ledger.state.append import IDEMPOTENT, TRANSACTIONAL_DATA, BatchEntry
from higgins.ledger.state.runs import Append
from higgins.ledger.state.tasks import InputRange, TaskStep
from higgins.log.segment import FooterRow
from higgins.model.errors import HigginsError
from higgins.model.names import NO_TOPIC_ID, TopicId
from higgins.model.pointer import Buffer, ObjectId, Pointer
from higgins_protocol.records.batch import BatchHeader, stamp_log_append_time

OnDone: TypeAlias = Callable[[Sequence[int] | HigginsError, int], None]
"""Called once, in the event loop. First argument: for each batch its base offset or the negated error code, or else one
error for all. Second argument: the LogAppendTime stamped on the records, or -1."""

Producer: TypeAlias = tuple[int, TopicId, int]
"""Producer id, topic id, partition: the key of one sequence of batches."""


class StepDraft(msgspec.Struct, frozen=True):
    """What a task commits together with its output."""

    name: str
    generation: int
    task: int
    lease_epoch: int
    inputs: tuple[InputRange, ...]
    counters: tuple[tuple[str, int], ...] = ()
    progress: bytes | None = None
    """The operator's progress; None keeps the committed one."""
    state: tuple[Buffer, ...] = ()
    """New state, in blocks that are stored beside the output; the ledger holds a pointer to each."""
    state_released: tuple[Pointer, ...] = ()
    """Pointers to state that the new state replaces."""


class Item:
    """Batches of one partition in the buffer or in a flush, and the callback of the request that waits for them."""

    __slots__ = (
        "batches", "begins_anywhere", "bytes", "due_s", "gap_commits", "gap_until_s", "on_done", "partition", "stamps",
        "topic_id",
    )  # fmt: skip

    def __init__(
        self,
        topic_id: TopicId,
        partition: int,
        batches: Sequence[tuple[BatchHeader, Buffer]],
        on_done: OnDone,
        *,
        stamps: bool = False,
        due_s: float = 0.0,
    ) -> None:
        self.topic_id = topic_id
        self.partition = partition
        self.batches = batches
        self.on_done = on_done
        self.stamps = stamps
        """The topic uses LogAppendTime: the records are stamped when they are flushed."""
        self.due_s = due_s
        """When the linger ends; 0 for no linger."""
        self.bytes = len(batches[0][1]) if len(batches) == 1 else sum(len(view) for _, view in batches)
        self.gap_commits = 0
        """Commits folded while this item was parked (see `gaps`)."""
        self.gap_until_s: float | None = None
        self.begins_anywhere = False
        """It has been parked for the whole time: if its producer is unknown, no earlier batch is on its way."""

    @property
    def producer(self) -> Producer:
        """The sequence that this item continues; producer id -1 without idempotence."""
        return self.batches[0][0].producer_id, self.topic_id, self.partition


class StepItem:
    """One epoch of a task: its output, and the progress that is committed with it."""

    __slots__ = ("batches", "bytes", "due_s", "on_done", "step")

    def __init__(
        self,
        step: StepDraft,
        batches: Sequence[tuple[TopicId, int, BatchHeader, Buffer]],
        on_done: OnDone,
        due_s: float,
    ) -> None:
        self.step = step
        self.batches = batches
        self.on_done = on_done
        self.due_s = due_s
        self.bytes = sum(len(view) for *_, view in batches) + sum(len(block) for block in step.state)


class Unit:
    """One proposal of a flush, the items it answers, and the bytes its pointers lead to."""

    __slots__ = ("items", "payload", "proposal")

    def __init__(self, proposal: Append | TaskStep, items: Sequence[Item | StepItem], payload: list[Buffer]) -> None:
        self.proposal = proposal
        self.items = items
        self.payload = payload

    def drop(self, dropped: Sequence[Item]) -> None:
        """Remove appends from the proposal of a unit stored in an object. The positions of the others do not change."""
        if not dropped:
            return
        assert isinstance(self.proposal, Append)
        remaining: list[Item | StepItem] = []
        entries: list[BatchEntry] = []
        start = 0
        for item in self.items:
            count = len(item.batches)
            if item not in dropped:
                remaining.append(item)
                entries += self.proposal.batches[start : start + count]
            start += count
        self.items = remaining
        self.proposal = msgspec.structs.replace(self.proposal, batches=tuple(entries))


class Layout:
    """The layout of a flush: its proposals with positions and bytes, and the rows of the footer."""

    def __init__(self) -> None:
        self.units: list[Unit] = []
        self.rows: list[FooterRow] = []
        self.stamped_ms = -1
        """The LogAppendTime stamped on records, or -1."""


class FlushBuffer:
    """Items in order of arrival, with their total size."""

    def __init__(self) -> None:
        self.items: list[Item | StepItem] = []
        self.bytes = 0

    def add(self, item: Item | StepItem) -> None:
        self.items.append(item)
        self.bytes += item.bytes

    def due_s(self) -> float:
        """When the earliest linger ends; 0 when an item does not linger. The buffer must not be empty."""
        # Without lingers, the usual case on local stores, the first item answers for all.
        first = self.items[0].due_s
        return min(item.due_s for item in self.items) if first else first

    def take(self, bytes_max: int) -> list[Item | StepItem]:
        """Remove items from the front: at most `bytes_max` bytes, but at least one item."""
        if self.bytes <= bytes_max:
            taken, self.items, self.bytes = self.items, [], 0
            return taken
        count = total = 0
        for item in self.items:
            if count and total + item.bytes > bytes_max:
                break
            count, total = count + 1, total + item.bytes
        taken, self.items = self.items[:count], self.items[count:]
        self.bytes -= total
        return taken


def lay_out(items: Sequence[Item | StepItem], now_ms: int, object_id: ObjectId, *, inline: bool) -> Layout:
    """Turn items into proposals: one append for each partition, one step for each task epoch.

    In an object, appends are sorted by topic and partition, so that a merge or a recovery tool reads each partition as
    one range, and positions count from the start of the object. Inline, positions count from the start of each
    proposal's payload: the committer leaves out the payloads of refused proposals, so their final positions are known
    only when the commit is built.
    """
    layout = Layout()
    position = 0
    appends: dict[tuple[TopicId, int], list[Item]] = {}
    steps: list[StepItem] = []
    for item in items:
        if isinstance(item, Item):
            appends.setdefault((item.topic_id, item.partition), []).append(item)
        else:
            steps.append(item)
    for (topic_id, partition), group in sorted(appends.items()) if len(appends) > 1 else appends.items():
        start = 0 if inline else position
        batches = [batch for item in group for batch in _stamped(item, now_ms, layout)]
        append, payload, end = append_of(topic_id, partition, batches, object_id, start)
        if any(item.begins_anywhere for item in group):
            append = _begin_anywhere(append, group)
        layout.units.append(Unit(append, group, payload))
        layout.rows.append(_row(append, start, end))
        position = end
    for step in steps:
        start = 0 if inline else position
        unit, rows, position = _step(step, object_id, start)
        layout.units.append(unit)
        layout.rows += rows
    return layout


def append_of(
    topic_id: TopicId, partition: int, batches: Sequence[tuple[BatchHeader, Buffer]], object_id: ObjectId, position: int
) -> tuple[Append, list[Buffer], int]:
    """The append of batches stored one after another from `position` on, their bytes, and the position after them."""
    entries: list[BatchEntry] = []
    payload: list[Buffer] = []
    for header, view in batches:
        length = len(view)
        entries.append(
            BatchEntry(
                position,
                length,
                header.last_offset_delta + 1,
                header.max_timestamp,
                header.producer_id,
                header.producer_epoch,
                header.base_sequence,
                TRANSACTIONAL_DATA if header.is_transactional else IDEMPOTENT,
            )
        )
        payload.append(view)
        position += length
    return Append(topic_id, partition, object_id, 0, tuple(entries)), payload, position


def _begin_anywhere(append: Append, items: Sequence[Item]) -> Append:
    """The same append, with the batches of items that have been parked for the whole time marked."""
    marks = [item.begins_anywhere for item in items for _ in item.batches]
    entries = [
        msgspec.structs.replace(entry, begins_anywhere=mark)
        for entry, mark in zip(append.batches, marks, strict=True)
    ]
    return msgspec.structs.replace(append, batches=tuple(entries))


def _step(item: StepItem, object_id: ObjectId, position: int) -> tuple[Unit, list[FooterRow], int]:
    grouped: dict[tuple[TopicId, int], list[tuple[BatchHeader, Buffer]]] = {}
    for topic_id, partition, header, view in item.batches:
        grouped.setdefault((topic_id, partition), []).append((header, view))
    appends: list[Append] = []
    pieces: list[Buffer] = []
    rows: list[FooterRow] = []
    for (topic_id, partition), batches in sorted(grouped.items()):
        append, payload, end = append_of(topic_id, partition, batches, object_id, position)
        appends.append(append)
        pieces += payload
        rows.append(_row(append, position, end))
        position = end
    draft = item.step
    added: list[Pointer] = []
    for block in draft.state:
        added.append(Pointer(object_id, position, len(block)))
        pieces.append(block)
        rows.append(FooterRow(NO_TOPIC_ID, draft.task, position, len(block), 0))
        position += len(block)
    proposal = TaskStep(
        name=draft.name,
        generation=draft.generation,
        task=draft.task,
        lease_epoch=draft.lease_epoch,
        inputs=draft.inputs,
        appends=tuple(appends),
        counters=draft.counters,
        progress=draft.progress,
        state_added=tuple(added),
        state_released=draft.state_released,
    )
    return Unit(proposal, [item], pieces), rows, position


def _row(append: Append, start: int, end: int) -> FooterRow:
    records = sum(entry.count for entry in append.batches)
    return FooterRow(append.topic_id, append.partition, start, end - start, records)


def _stamped(item: Item, now_ms: int, layout: Layout) -> Sequence[tuple[BatchHeader, Buffer]]:
    if not item.stamps:
        return item.batches
    layout.stamped_ms = now_ms
    return [
        (msgspec.structs.replace(header, max_timestamp=now_ms), stamp_log_append_time(view, now_ms))
        for header, view in item.batches
    ]
