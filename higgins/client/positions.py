"""Where a consumer stands in each partition, and what it has fetched but not handed out. Pure: no I/O, no clock.

A partition is fetched again only when everything fetched of it has been handed out, so what is held is at most one
answer of each node, plus one decoded batch of each partition.
"""

from collections import deque
from collections.abc import Iterable, Iterator, Mapping

import msgspec

from higgins.client.errors import IncompatibleBroker
from higgins.client.offsets import EARLIEST
from higgins_protocol.errors import ProtocolError
from higgins_protocol.records.batch import read_header, walk
from higgins_protocol.records.crc import crc32c
from higgins_protocol.records.record import Record, decode_records

TopicPartition = tuple[str, int]

# What a batch's checksum covers begins behind base offset, length, leader epoch, magic and the checksum itself.
CRC_COVERS_FROM = 21


class ConsumedRecord(msgspec.Struct, frozen=True):
    """A record as it was read."""

    topic: str
    partition: int
    offset: int
    timestamp_ms: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes | None], ...]


class Place:
    """One assigned partition. `position` is the next offset to hand out, or EARLIEST or LATEST until that is known."""

    def __init__(self, position: int) -> None:
        self.position = position
        self.high_watermark = -1
        self.not_before = 0.0
        self._batches: deque[memoryview] = deque()
        self._decoded: deque[Record] = deque()
        self._next_after_decoded = position

    def __repr__(self) -> str:
        return f"<Place {self.position} of {self.high_watermark} batches={len(self._batches)}>"

    @property
    def located(self) -> bool:
        """Whether the position is an offset."""
        return self.position >= 0

    @property
    def drained(self) -> bool:
        """Whether everything fetched was handed out."""
        return not self._decoded and not self._batches

    def move(self, position: int) -> None:
        """Go elsewhere; what was fetched is dropped."""
        self.position = position
        self._batches.clear()
        self._decoded.clear()

    def take_in(self, pieces: Iterable[memoryview]) -> None:
        """Hold what was fetched from the present position; a batch cut off at the end is left out."""
        for piece in pieces:
            for position, size, *_ in walk(piece, 0):
                self._batches.append(piece[position : position + size])

    def hand_out(self, records_max: int, output_bytes_max: int) -> Iterator[Record]:
        """The next records in order, at most so many, moving the position past each."""
        left = records_max
        while left > 0:
            if not self._decoded and not self._decode_next(output_bytes_max):
                return
            while self._decoded and left > 0:
                record = self._decoded.popleft()
                self.position = record.offset + 1
                left -= 1
                yield record
            if not self._decoded:
                # Behind the last record there may be holes (compaction), so the batch says where it ends.
                self.position = self._next_after_decoded

    def _decode_next(self, output_bytes_max: int) -> bool:
        """Decode batches until there are records at or behind the position; False when none is left."""
        while self._batches:
            batch = self._batches.popleft()
            header = read_header(batch)
            next_offset = header.base_offset + header.last_offset_delta + 1
            if next_offset <= self.position:
                continue
            records: list[Record] = []
            if not header.is_control:
                records = [one for one in _decode(batch, output_bytes_max) if one.offset >= self.position]
            if records:
                self._decoded.extend(records)
                self._next_after_decoded = next_offset
                return True
            self.position = next_offset
        return False


def _decode(batch: memoryview, output_bytes_max: int) -> list[Record]:
    header = read_header(batch)
    if crc32c(batch[CRC_COVERS_FROM:]) != header.crc:
        raise IncompatibleBroker(
            f"The batch at offset {header.base_offset} does not match its checksum: damaged on the way or in the log."
        )
    try:
        return decode_records(batch, output_bytes_max=output_bytes_max)
    except ProtocolError as error:
        raise IncompatibleBroker(f"The batch at offset {header.base_offset} cannot be read: {error}") from error


class Positions:
    """All assigned partitions, handed out in turn so that none starves."""

    def __init__(self) -> None:
        self.places: dict[TopicPartition, Place] = {}
        self._turn: deque[TopicPartition] = deque()

    def assign(self, wanted: Mapping[TopicPartition, int]) -> None:
        """Replace the assignment; a partition kept at its position keeps what was fetched of it."""
        kept = self.places
        self.places = {}
        for key, position in wanted.items():
            place = kept.get(key)
            self.places[key] = place if place is not None and place.position == position else Place(position)
        self._turn = deque(self.places)

    def place(self, key: TopicPartition) -> Place:
        """The place of an assigned partition. Raises KeyError for any other."""
        return self.places[key]

    def to_locate(self) -> dict[TopicPartition, int]:
        """Partitions whose position is still a wish, and the wish."""
        return {key: place.position for key, place in self.places.items() if not place.located}

    def to_fetch(self, now: float) -> dict[TopicPartition, int]:
        """Partitions to fetch next, and from where."""
        return {
            key: place.position
            for key, place in self.places.items()
            if place.located and place.drained and place.not_before <= now
        }

    def earliest_retry(self, now: float) -> float:
        """When a partition that was put off may be fetched again; infinity when none was."""
        return min(
            (place.not_before for place in self.places.values() if place.not_before > now),
            default=float("inf"),
        )

    def hand_out(self, records_max: int, output_bytes_max: int) -> list[ConsumedRecord]:
        """Records of the partitions in turn, at most so many."""
        out: list[ConsumedRecord] = []
        for _ in range(len(self._turn)):
            if len(out) >= records_max:
                break
            topic, partition = key = self._turn[0]
            self._turn.rotate(-1)
            for one in self.places[key].hand_out(records_max - len(out), output_bytes_max):
                out.append(
                    ConsumedRecord(
                        topic, partition, one.offset, one.timestamp, one.key, one.value, tuple(one.headers)
                    )
                )
        return out


def start_position(start: int | str) -> int:
    """An offset, or the wish that 'beginning' and 'earliest', or 'end' and 'latest', stand for."""
    if isinstance(start, int):
        return start
    return EARLIEST if start in {"beginning", "earliest"} else -1
