"""Subscriptions and assignments of consumer groups as this client writes and reads them, and the range assignor. Pure.

Subscriptions are written in version 1, the first one with owned partitions, and assignments in version 0, which has all
fields: every client reads these.
"""

from collections.abc import Iterable, Mapping, Sequence

import msgspec

from higgins.client.cluster import TopicPartition
from higgins.client.errors import IncompatibleBroker
from higgins.client.offsets import by_topic
from higgins_protocol import consumer_protocol
from higgins_protocol.consumer_protocol import (
    ConsumerProtocolAssignment,
    ConsumerProtocolSubscription,
    TopicPartitions,
)
from higgins_protocol.errors import DecodeError

_SUBSCRIPTION_VERSION = 1
_ASSIGNMENT_VERSION = 0


class Subscription(msgspec.Struct, frozen=True):
    """The topics that a member wants, and the partitions it owned before."""

    topics: tuple[str, ...]
    owned: tuple[TopicPartition, ...] = ()


def encode_subscription(subscription: Subscription) -> bytes:
    """The metadata that a member joins with."""
    message = ConsumerProtocolSubscription(topics=subscription.topics, owned_partitions=_grouped(subscription.owned))
    return consumer_protocol.encode_subscription(message, version=_SUBSCRIPTION_VERSION)


def decode_subscription(data: bytes) -> Subscription:
    """The metadata that a member joined with. Raises: IncompatibleBroker where the bytes are not a subscription."""
    try:
        message = consumer_protocol.decode_subscription(data)
    except DecodeError as error:
        raise IncompatibleBroker(f"The subscription of a group member cannot be read: {error}.") from error
    return Subscription(tuple(message.topics), _pairs(message.owned_partitions))


def encode_assignment(partitions: Iterable[TopicPartition]) -> bytes:
    """The assignment that a leader sends for one member."""
    message = ConsumerProtocolAssignment(assigned_partitions=_grouped(partitions))
    return consumer_protocol.encode_assignment(message, version=_ASSIGNMENT_VERSION)


def decode_assignment(data: bytes) -> tuple[TopicPartition, ...]:
    """The partitions assigned to a member; no bytes mean none. Raises: IncompatibleBroker for any other bytes."""
    try:
        message = consumer_protocol.decode_assignment(data)
    except DecodeError as error:
        raise IncompatibleBroker(f"The assignment of a group member cannot be read: {error}.") from error
    return _pairs(message.assigned_partitions)


def assign_ranges(
    subscriptions: Mapping[str, Subscription], partitions: Mapping[str, int]
) -> dict[str, list[TopicPartition]]:
    """Assign each topic's partitions in consecutive ranges to its subscribers, in the order of the member ids.

    Where the partitions cannot be divided equally, the first members get one more. Every member is in the result.
    """
    assigned: dict[str, list[TopicPartition]] = {member: [] for member in subscriptions}
    for topic in sorted({name for subscription in subscriptions.values() for name in subscription.topics}):
        members = sorted(member for member, subscription in subscriptions.items() if topic in subscription.topics)
        for member, numbers in zip(members, _ranges(partitions.get(topic, 0), len(members)), strict=True):
            assigned[member].extend((topic, number) for number in numbers)
    return assigned


def _ranges(count: int, parts: int) -> Sequence[range]:
    quotient, remainder = divmod(count, parts)
    starts = [index * quotient + min(index, remainder) for index in range(parts + 1)]
    return [range(starts[index], starts[index + 1]) for index in range(parts)]


def _grouped(partitions: Iterable[TopicPartition]) -> list[TopicPartitions]:
    return [TopicPartitions(topic, numbers) for topic, numbers in by_topic(partitions).items()]


def _pairs(grouped: Iterable[TopicPartitions]) -> tuple[TopicPartition, ...]:
    return tuple((topic.topic, number) for topic in grouped for number in topic.partitions)
