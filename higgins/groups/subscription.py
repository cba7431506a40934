"""The topics that the members of a group subscribe to, according to the metadata they joined with. Pure.

Only the fields of version 0 are read, which every version of the consumer protocol begins with, as Kafka's broker does.
"""

from collections.abc import Iterable

from higgins_protocol.consumer_protocol import decode_subscription
from higgins_protocol.errors import DecodeError


def subscribed_topics(subscriptions: Iterable[bytes]) -> set[str] | None:
    """The topics in the subscriptions of all members, or None where one is not readable: it may be to any topic."""
    topics: set[str] = set()
    for data in subscriptions:
        try:
            topics.update(decode_subscription(data, last_version=0).topics)
        except DecodeError:
            return None
    return topics
