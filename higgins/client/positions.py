"""A consumer's position in each partition, and the fetched records not returned yet. Pure: no I/O, no clock.

Kafka's Java client has SubscriptionState and FetchBuffer for this. A partition is fetched again only when everything
fetched of it has been returned, so the memory is bounded by one response per node plus one decoded batch per partition.
"""

from collections import deque
from collections.abc import Iterable, Iterator, Mapping

import msgspec

from higgins.client.cluster import TopicPartition
from higgins.client.errors import IncompatibleBroker
from higgins_protocol.errors import ProtocolError
from higgins_protocol.records.batch import read_header, walk
from higgins_protocol.records.crc import crc32c
from higgins_protocol.records.record import Record, decode_records

CRC_COVERS_FROM = 21
"""A batch's CRC covers everything after base offset, length, leader epoch, magic and the CRC itself."""


class ConsumedRecord(msgspec.Struct, frozen=True):
    """A record that a consumer returns."""

    topic: str
    partition: int
    offset: int
    timestamp_ms: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes | None], ...]


class PartitionPosition:
    """One assigned partition. `position` is the next offset to return, or EARLIEST or LATEST until that is resolved."""

    def __init__(self, position: int) -> None:
        self.position = position
        self.high_watermark = -1
        self.retry_at = 0.0
        """When the partition may be fetched again after an error, in trio's time."""
        self._batches: deque[memoryview] = deque()
        self._records: deque[Record] = deque()
        self._offset_after_records = position

    def __repr__(self) -> str:
        return f"<PartitionPosition {self.position} of {self.high_watermark} batches={len(self._batches)}>"

    @property
    def is_resolved(self) -> bool:
        """Whether the position is an offset."""
        return self.position >= 0

    @property
    def needs_fetch(self) -> bool:
        """Whether everything fetched has been returned."""
        return not self._records and not self._batches

    def seek(self, position: int) -> None:
        """Continue at another position; fetched records are dropped."""
        self.position = position
        self._batches.clear()
        self._records.clear()

    def add_fetched(self, chunks: Iterable[memoryview]) -> None:
        """Add the batches fetched from the current position. A batch cut off at the end is ignored, as in Kafka."""
        for chunk in chunks:
            for position, size, *_ in walk(chunk, 0):
                self._batches.append(chunk[position : position + size])

    def take_records(self, records_max: int, output_bytes_max: int) -> Iterator[Record]:
        """Up to `records_max` records in order; the position moves behind each one as it is yielded."""
        remaining = records_max
        while remaining > 0:
            if not self._records and not self._decode_next(output_bytes_max):
                return
            while self._records and remaining > 0:
                record = self._records.popleft()
                self.position = record.offset + 1
                remaining -= 1
                yield record
            if not self._records:
                # Compaction may have removed the batch's last records, so its header says where the next one begins.
                self.position = self._offset_after_records

    def _decode_next(self, output_bytes_max: int) -> bool:
        """Decode batches until there is a record at or behind the position; False when no batch is left."""
        while self._batches:
            batch = self._batches.popleft()
            header = read_header(batch)
            next_offset = header.base_offset + header.last_offset_delta + 1
            if next_offset <= self.position:
                continue
            records: list[Record] = []
            if not header.is_control:
                # A fetch returns the whole batch that contains the requested offset, so the first one may start early.
                records = [record for record in _decode(batch, output_bytes_max) if record.offset >= self.position]
            if records:
                self._records.extend(records)
                self._offset_after_records = next_offset
                return True
            self.position = next_offset
        return False


def _decode(batch: memoryview, output_bytes_max: int) -> list[Record]:
    header = read_header(batch)
    if crc32c(batch[CRC_COVERS_FROM:]) != header.crc:
        raise IncompatibleBroker(
            f"The checksum of the batch at offset {header.base_offset} is wrong: "
            "it was damaged in transit or in the log."
        )
    try:
        return decode_records(batch, output_bytes_max=output_bytes_max)
    except ProtocolError as error:
        raise IncompatibleBroker(f"The batch at offset {header.base_offset} cannot be decoded: {error}") from error


class Positions:
    """The positions of all assigned partitions."""

    def __init__(self) -> None:
        self.partitions: dict[TopicPartition, PartitionPosition] = {}
        self._rotation: deque[TopicPartition] = deque()

    def assign(self, start: Mapping[TopicPartition, int]) -> None:
        """Replace the assignment. A partition that keeps its position keeps its fetched records."""
        previous = self.partitions
        self.partitions = {}
        for key, position in start.items():
            kept = previous.get(key)
            if kept is None or kept.position != position:
                kept = PartitionPosition(position)
            self.partitions[key] = kept
        self._rotation = deque(self.partitions)

    def unresolved(self) -> dict[TopicPartition, int]:
        """Partitions whose position is still EARLIEST or LATEST, and which of the two."""
        return {key: partition.position for key, partition in self.partitions.items() if not partition.is_resolved}

    def to_fetch(self, now: float) -> dict[TopicPartition, int]:
        """Partitions to fetch now, and their positions."""
        return {
            key: partition.position
            for key, partition in self.partitions.items()
            if partition.is_resolved and partition.needs_fetch and partition.retry_at <= now
        }

    def earliest_retry(self, now: float) -> float:
        """When the first partition that is backing off may be fetched again; infinity when none is."""
        return min(
            (partition.retry_at for partition in self.partitions.values() if partition.retry_at > now),
            default=float("inf"),
        )

    def take_records(self, records_max: int, output_bytes_max: int) -> list[ConsumedRecord]:
        """Up to `records_max` records.

        Each call starts at the partition after the one that the last call ended with, so that a busy partition cannot
        keep the others from being read.
        """
        consumed: list[ConsumedRecord] = []
        for _ in range(len(self._rotation)):
            if len(consumed) >= records_max:
                break
            topic, partition = key = self._rotation[0]
            self._rotation.rotate(-1)
            for record in self.partitions[key].take_records(records_max - len(consumed), output_bytes_max):
                consumed.append(
                    ConsumedRecord(
                        topic,
                        partition,
                        record.offset,
                        record.timestamp,
                        record.key,
                        record.value,
                        tuple(record.headers),
                    )
                )
        return consumed
