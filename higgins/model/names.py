"""Identifiers and the rules for names that people choose."""

import re
from typing import NewType

TopicId = NewType("TopicId", bytes)
"""Sixteen bytes, drawn by whoever proposes the topic; never used again, so a namesake made later is another topic."""

NodeEpoch = NewType("NodeEpoch", int)
"""Which life of which node: granted by a fact, grows by one at every join of any node."""

NO_TOPIC_ID = TopicId(bytes(16))

LEADER_EPOCH = 0
"""Every partition's leader epoch, always: any node serves any partition, so leadership never changes."""

TOPIC_NAME_CHARACTERS_MAX = 249
CLIENT_NAME_CHARACTERS_MAX = 1024

OFFSETS_TOPIC = "__consumer_offsets"
INTERNAL_TOPICS = frozenset({OFFSETS_TOPIC, "__transaction_state"})
"""Names by which Kafka's clients know topics that a cluster keeps for itself."""
INTERNAL_PARTITIONS = 1
"""Of such a topic. Kafka spreads groups over fifty; here nothing is in it."""

_TOPIC_NAME = re.compile(r"[a-zA-Z0-9._-]+")


def fault_in_topic_name(name: str) -> str | None:
    """A sentence saying what is wrong with a topic's name, or None when it is legal (Kafka's rule)."""
    if not name:
        return "A topic name must not be empty."
    if name in {".", ".."}:
        return f"'{name}' cannot be a topic name: it means a folder; choose another."
    if len(name) > TOPIC_NAME_CHARACTERS_MAX:
        return f"A topic name has at most {TOPIC_NAME_CHARACTERS_MAX} characters; this one has {len(name)}."
    if not _TOPIC_NAME.fullmatch(name):
        return f"Topic name '{name}' may only hold ASCII letters, digits, '.', '_' and '-'."
    return None
