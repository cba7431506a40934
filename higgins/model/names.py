"""Identifiers, and the rules for names that users choose."""

import re
from typing import NewType

TopicId = NewType("TopicId", bytes)
"""Sixteen random bytes, never reused: a topic created later under the name of a deleted one has another id."""

NO_TOPIC_ID = TopicId(bytes(16))

LEADER_EPOCH = 0
"""The leader epoch of every partition. It never changes, because any node serves any partition."""

TOPIC_NAME_CHARACTERS_MAX = 249
CLIENT_NAME_CHARACTERS_MAX = 1024

OFFSETS_TOPIC = "__consumer_offsets"
INTERNAL_TOPICS = frozenset({OFFSETS_TOPIC, "__transaction_state"})
"""Kafka's internal topics. Higgins keeps this data in its ledger, and reserves the names because clients know them."""
INTERNAL_PARTITIONS = 1
"""Partitions of an internal topic, as shown to clients. Kafka has 50, to spread groups over brokers."""

_TOPIC_NAME = re.compile(r"[a-zA-Z0-9._-]+")


def error_in_topic_name(name: str) -> str | None:
    """What is wrong with a topic name, as a sentence; None for a valid name. The rules are Kafka's."""
    if not name:
        return "A topic name must not be empty."
    if name in {".", ".."}:
        return f"'{name}' cannot be a topic name, because it names a directory. Choose another name."
    if len(name) > TOPIC_NAME_CHARACTERS_MAX:
        return f"A topic name has at most {TOPIC_NAME_CHARACTERS_MAX} characters; this one has {len(name)}."
    if not _TOPIC_NAME.fullmatch(name):
        return f"Topic name '{name}' may only hold ASCII letters, digits, '.', '_' and '-'."
    return None
