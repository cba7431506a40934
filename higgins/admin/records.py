"""Records: find offsets, delete records below an offset, describe the producers of partitions."""

from collections.abc import Sequence
from enum import Enum, auto
from typing import assert_never

import msgspec

from higgins.admin.configs.live import LiveConfigs
from higgins.admin.proposals import propose_all
from higgins.config.entries.entry import list_items
from higgins.config.entries.topics import CLEANUP_POLICY
from higgins.ledger.ledger import Ledger
from higgins.ledger.state.runs import DeleteRecords, TopicPartition
from higgins.ledger.state.topics import Topic
from higgins.log.reader import Reader, TimedRecord
from higgins.model.errors import Refused
from higgins_protocol.errors import ErrorCode

DELETE = "delete"


class Position(Enum):
    """A place in a partition that needs no further value."""

    EARLIEST = auto()
    """The log start offset."""
    LATEST = auto()
    """The high watermark."""
    LAST_STABLE = auto()
    """The last stable offset: the end of a partition for consumers that read committed transactions only."""
    MAX_TIMESTAMP = auto()
    """The record with the greatest timestamp."""


class AtTime(msgspec.Struct, frozen=True):
    """The first record whose timestamp is not before this time."""

    timestamp_ms: int


class Deletion(msgspec.Struct, frozen=True):
    """Records of a partition that are to be deleted: those below `offset`; -1 stands for the high watermark."""

    topic: str
    partition: int
    offset: int


class ProducerState(msgspec.Struct, frozen=True):
    """An idempotent producer of a partition, and the last batch that it has written."""

    producer_id: int
    epoch: int
    last_sequence: int
    updated_ms: int


class RecordAdmin:
    """Use cases of records."""

    def __init__(self, ledger: Ledger, configs: LiveConfigs, reader: Reader) -> None:
        self._ledger = ledger
        self._configs = configs
        self._reader = reader

    def find_partition(self, name: str, partition: int) -> Topic:
        """The topic that has this partition. Raises: Refused(UNKNOWN_TOPIC_OR_PARTITION)."""
        topic = self._ledger.state.topics.by_name.get(name)
        if topic is None or not 0 <= partition < topic.partitions:
            raise Refused(
                ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, f"Topic '{name}' does not exist or has no partition {partition}."
            )
        return topic

    async def offset_at(self, topic: Topic, partition: int, target: Position | AtTime) -> TimedRecord | None:
        """The offset at a position or time.

        None where there is no such record. EARLIEST, LATEST and LAST_STABLE may lie at no record: timestamp -1.

        Raises: StorageUnavailable, ObjectMissing, Corrupt.
        """
        runs = self._ledger.state.runs
        match target:
            case Position.EARLIEST:
                return TimedRecord(runs.log_start(topic.id, partition), -1)
            case Position.LATEST:
                return TimedRecord(runs.high_watermark(topic.id, partition), -1)
            case Position.LAST_STABLE:
                return TimedRecord(runs.last_stable_offset(topic.id, partition), -1)
            case Position.MAX_TIMESTAMP:
                return await self._reader.find_newest(topic.id, partition)
            case AtTime():
                return await self._reader.find_by_time(topic.id, partition, target.timestamp_ms)
            case _:
                assert_never(target)

    async def delete(self, deletions: Sequence[Deletion]) -> list[int | Refused]:
        """Move log start offsets up; for each deletion, in order, the log start offset after it, or the refusal.

        An offset at or below the log start offset changes nothing. A topic that is only compacted is refused, as in
        Kafka: its records are deleted by key.

        Raises: StorageUnavailable (nothing was deleted).
        """
        await self._ledger.barrier()
        plans = [self._plan(deletion) for deletion in deletions]
        results = iter(await propose_all(self._ledger, [plan for plan in plans if isinstance(plan, DeleteRecords)]))
        return [plan if isinstance(plan, Refused) else next(results) for plan in plans]

    def _plan(self, deletion: Deletion) -> DeleteRecords | Refused:
        try:
            topic = self.find_partition(deletion.topic, deletion.partition)
        except Refused as refusal:
            return refusal
        policies = list_items(self._configs.topic_value(CLEANUP_POLICY, topic.configs))
        if policies and DELETE not in policies:
            return Refused(
                ErrorCode.POLICY_VIOLATION,
                f"Topic '{topic.name}' is compacted, and its records are not deleted by offset; "
                f"add '{DELETE}' to its {CLEANUP_POLICY} first.",
            )
        return DeleteRecords(topic.id, deletion.partition, deletion.offset)

    def producers(self, partitions: Sequence[TopicPartition]) -> dict[TopicPartition, list[ProducerState]]:
        """The idempotent producers of each partition, collected in one pass over all producers."""
        states: dict[TopicPartition, list[ProducerState]] = {partition: [] for partition in partitions}
        if not states:
            return states
        for (topic_id, partition, producer_id), record in self._ledger.state.producers.records.items():
            rows = states.get((topic_id, partition))
            if rows is not None:
                last = record.batches[-1].last_sequence
                rows.append(ProducerState(producer_id, record.epoch, last, record.updated_ms))
        return states
