"""The consumer protocol that members of a group speak through opaque bytes, and the range assignor. Pure.

Subscriptions are written in version 1, which every client reads, and read in versions 0 to 3; a field of a later
version is left alone. Assignments are written in version 0.
"""

from collections.abc import Iterable, Mapping, Sequence
from struct import Struct

import msgspec

from higgins.client.errors import IncompatibleBroker
from higgins.client.offsets import by_topic

TopicPartition = tuple[str, int]

_INT16 = Struct(">h")
_INT32 = Struct(">i")
_NAME_BYTES_MIN = 2
_TOPIC_BYTES_MIN = 6


class Subscription(msgspec.Struct, frozen=True):
    """What one member wants, and what it held before."""

    topics: tuple[str, ...]
    owned: tuple[TopicPartition, ...] = ()


class _Reader:
    """A cursor that checks every count against the bytes that remain."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._position = 0

    @property
    def left(self) -> int:
        return len(self._data) - self._position

    def int16(self) -> int:
        return int(_INT16.unpack(self.take(2))[0])

    def int32(self) -> int:
        return int(_INT32.unpack(self.take(4))[0])

    def count(self, element_bytes_min: int) -> int:
        count = self.int32()
        if count < 0 or count * element_bytes_min > self.left:
            raise IncompatibleBroker(f"A member's bytes name {count} elements and have {self.left} bytes left.")
        return count

    def string(self) -> str:
        length = self.int16()
        if length < 0:
            raise IncompatibleBroker("A member's bytes hold a name of negative length.")
        try:
            return self.take(length).decode()
        except UnicodeDecodeError as error:
            raise IncompatibleBroker("A member's bytes hold a name that is not UTF-8.") from error

    def skip_bytes(self) -> None:
        length = self.int32()
        if length > 0:
            self.take(length)

    def take(self, length: int) -> bytes:
        if length > self.left:
            raise IncompatibleBroker(f"A member's bytes end {length - self.left} bytes too soon.")
        self._position += length
        return self._data[self._position - length : self._position]

    def partitions(self) -> tuple[TopicPartition, ...]:
        found: list[TopicPartition] = []
        for _ in range(self.count(_TOPIC_BYTES_MIN)):
            topic = self.string()
            found.extend((topic, self.int32()) for _ in range(self.count(4)))
        return tuple(found)


def encode_subscription(subscription: Subscription) -> bytes:
    """The metadata that a member joins with."""
    topics = b"".join(_string(one) for one in subscription.topics)
    header = _INT16.pack(1) + _INT32.pack(len(subscription.topics))
    return header + topics + _INT32.pack(-1) + _partitions(subscription.owned)


def decode_subscription(data: bytes) -> Subscription:
    """What a member joined with. Raises IncompatibleBroker when the bytes are not a subscription."""
    reader = _Reader(data)
    version = reader.int16()
    topics = tuple(reader.string() for _ in range(reader.count(_NAME_BYTES_MIN)))
    reader.skip_bytes()
    return Subscription(topics, reader.partitions() if version >= 1 and reader.left else ())


def encode_assignment(partitions: Iterable[TopicPartition]) -> bytes:
    """What a leader gives one member."""
    return _INT16.pack(0) + _partitions(partitions) + _INT32.pack(-1)


def decode_assignment(data: bytes) -> tuple[TopicPartition, ...]:
    """What this member was given; no bytes at all mean nothing."""
    if not data:
        return ()
    reader = _Reader(data)
    reader.int16()
    return reader.partitions()


def assign_ranges(
    subscriptions: Mapping[str, Subscription], partitions: Mapping[str, int]
) -> dict[str, list[TopicPartition]]:
    """Give each topic's partitions in consecutive ranges to its subscribers, in the order of their ids.

    The first ones get one more where the count does not divide. Every member is in the result.
    """
    given: dict[str, list[TopicPartition]] = {member: [] for member in subscriptions}
    for topic in sorted({name for one in subscriptions.values() for name in one.topics}):
        members = sorted(member for member, one in subscriptions.items() if topic in one.topics)
        for member, chosen in zip(members, _ranges(partitions.get(topic, 0), len(members)), strict=True):
            given[member].extend((topic, partition) for partition in chosen)
    return given


def _ranges(count: int, parts: int) -> Sequence[range]:
    quotient, rest = divmod(count, parts)
    starts = [index * quotient + min(index, rest) for index in range(parts + 1)]
    return [range(starts[index], starts[index + 1]) for index in range(parts)]


def _string(text: str) -> bytes:
    data = text.encode()
    return _INT16.pack(len(data)) + data


def _partitions(partitions: Iterable[TopicPartition]) -> bytes:
    grouped = by_topic(partitions)
    return _INT32.pack(len(grouped)) + b"".join(
        _string(topic) + _INT32.pack(len(chosen)) + b"".join(map(_INT32.pack, chosen))
        for topic, chosen in grouped.items()
    )
