"""What waits for a flush, and how a flush is laid out. Pure: no clock, no I/O; the caller passes the time."""

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

Settled: TypeAlias = Callable[[Sequence[int] | HigginsError, int], None]
"""Called once with a base offset (or minus an error code) for each batch, or the failure of them all; and the time
stamped on the records, or -1."""


Producer: TypeAlias = tuple[int, TopicId, int]
"""Producer id, topic id, partition: who counts one sequence."""


class StepDraft(msgspec.Struct, frozen=True):
    """What a task wants committed together with its output."""

    name: str
    generation: int
    task: int
    lease_epoch: int
    inputs: tuple[InputRange, ...]
    counters: tuple[tuple[str, int], ...] = ()
    progress: bytes | None = None
    """The operator's own progress; None leaves the committed one as it is."""
    state: tuple[Buffer, ...] = ()
    """New state, as blocks that are stored beside the output; the ledger keeps a pointer to each."""
    state_released: tuple[Pointer, ...] = ()
    """Pointers to state that the new state replaces."""


class Item:
    """Batches of one partition that somebody waits for."""

    __slots__ = (
        "batches", "bytes", "due_s", "gap_commits", "gap_until_s", "partition", "settled", "stamps", "topic_id",
    )  # fmt: skip

    def __init__(
        self,
        topic_id: TopicId,
        partition: int,
        batches: Sequence[tuple[BatchHeader, Buffer]],
        settled: Settled,
        *,
        stamps: bool = False,
        due_s: float = 0.0,
    ) -> None:
        self.topic_id = topic_id
        self.partition = partition
        self.batches = batches
        self.settled = settled
        self.stamps = stamps
        """LogAppendTime: the records are stamped when they are flushed."""
        self.due_s = due_s
        self.bytes = len(batches[0][1]) if len(batches) == 1 else sum(len(view) for _, view in batches)
        self.gap_commits = 0
        self.gap_until_s: float | None = None

    @property
    def producer(self) -> Producer:
        """Whose sequence this continues, and where; producer id -1 for plain producers."""
        return self.batches[0][0].producer_id, self.topic_id, self.partition


class StepItem:
    """One epoch of a task with its output."""

    __slots__ = ("batches", "bytes", "due_s", "settled", "step")

    def __init__(
        self,
        step: StepDraft,
        batches: Sequence[tuple[TopicId, int, BatchHeader, Buffer]],
        settled: Settled,
        due_s: float,
    ) -> None:
        self.step = step
        self.batches = batches
        self.settled = settled
        self.due_s = due_s
        self.bytes = sum(len(view) for *_, view in batches) + sum(len(block) for block in step.state)


class Unit:
    """One proposal of a flush, whom it answers, and the bytes it needs."""

    __slots__ = ("items", "payload", "proposal")

    def __init__(self, proposal: Append | TaskStep, items: Sequence[Item | StepItem], payload: list[Buffer]) -> None:
        self.proposal = proposal
        self.items = items
        self.payload = payload

    def drop(self, dropped: Sequence[Item]) -> None:
        """Leave some appends of a unit in an object out of its proposal; the positions of the others stay."""
        if not dropped:
            return
        assert isinstance(self.proposal, Append)
        kept: list[Item | StepItem] = []
        entries: list[BatchEntry] = []
        start = 0
        for item in self.items:
            count = len(item.batches)
            if item not in dropped:
                kept.append(item)
                entries += self.proposal.batches[start : start + count]
            start += count
        self.items = kept
        self.proposal = msgspec.structs.replace(self.proposal, batches=tuple(entries))


class Layout:
    """A flush laid out: proposals with their positions, the bytes, the footer's rows, and the time stamped."""

    def __init__(self) -> None:
        self.units: list[Unit] = []
        self.rows: list[FooterRow] = []
        self.stamped_ms = -1


class FlushBuffer:
    """Items in the order of their arrival, and how many bytes they hold."""

    def __init__(self) -> None:
        self.items: list[Item | StepItem] = []
        self.bytes = 0

    def add(self, item: Item | StepItem) -> None:
        self.items.append(item)
        self.bytes += item.bytes

    def due_s(self) -> float:
        """When the first item wants to leave. The buffer must not be empty."""
        first = self.items[0].due_s
        return min(item.due_s for item in self.items) if first else first

    def take(self, bytes_max: int) -> list[Item | StepItem]:
        """Items from the front, at most `bytes_max` bytes of them but at least one."""
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
    """Turn items into proposals: one append a partition, one step a task epoch.

    In an object, appends are sorted by topic and partition and positions count through; inline, positions count
    from the start of each proposal's own payload, since a refused proposal's bytes are left out.
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
    """An append of batches that lie side by side from `position` on, their bytes, and the position behind them."""
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
