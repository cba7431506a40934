"""Which node clients are sent to for a partition: any serves any, but the one that is asked again has its caches warm.

Partitions lie in slots, and rendezvous hashing gives slots to nodes, as it gives leases: every node that has seen the
same commits names the same one, and a node that comes or goes moves no slot but its own. Hashing slots instead of
partitions lets ten thousand of these be placed in some milliseconds. Topic ids are drawn at random and serve as hashes
of themselves. Refuses to say who may write.
"""


from higgins.ledger.ledger import Ledger
from higgins.ledger.state.sessions import Session
from higgins.ledger.state.topics import Topic
from higgins.model.names import TopicId
from higgins_protocol.messages.metadata import MetadataResponseTopic

SLOTS = 2_048
SPARE = 1_000


class Placement:
    """The partitions of a cluster on its live nodes, for as long as these stay the same (see `holds_for`)."""

    def __init__(self, ledger: Ledger) -> None:
        self._nodes, owner = _nodes(ledger), ledger.state.sessions.owner
        if len(self._nodes) == 1:
            self._slots: list[Session | None] = [self._nodes[0]] * SLOTS
        else:
            self._slots = [owner(f"slot/{i}") for i in range(SLOTS)]
        self.rows: dict[tuple[TopicId, bool], tuple[Topic, MetadataResponseTopic]] = {}
        """What Metadata has said of topics, each as it was then, with authorized operations or without."""

    def holds_for(self, ledger: Ledger) -> bool:
        """Whether the nodes are the same, and no more rows are kept than there are topics to ask for."""
        return _nodes(ledger) == self._nodes and len(self.rows) <= 2 * len(ledger.state.topics.by_name) + SPARE

    def leader(self, topic: Topic, partition: int) -> Session | None:
        """The node for one partition; None while none lives."""
        return self._slots[(_hash(topic.id) + partition) % SLOTS]

    def leaders(self, topic: Topic) -> list[Session | None]:
        """The node for each of a topic's partitions."""
        slots, first = self._slots, _hash(topic.id)
        return [slots[i % SLOTS] for i in range(first, first + topic.partitions)]


def _hash(topic_id: TopicId) -> int:
    return int.from_bytes(topic_id[:4], "little")


def _nodes(ledger: Ledger) -> tuple[Session, ...]:
    # Whoever is alone is named though its own session has run out while the store was away: nobody else serves.
    if ledger.alone and ledger.session is not None:
        return (ledger.session,)
    return tuple(ledger.state.sessions.live.values())
