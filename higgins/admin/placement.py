"""Which node clients are sent to for a partition. Any node serves any partition; the same node has its caches warm.

Partitions are hashed to slots, and rendezvous hashing assigns the slots to nodes, as it assigns leases. So all nodes
that have folded the same commits name the same node for a partition, and a node that joins or leaves moves only its own
slots. Hashing slots instead of partitions places ten thousand partitions in a few milliseconds. Topic ids are random,
so a part of the id serves as its hash. Placement does not decide who may write: every node may.
"""

from higgins.ledger.ledger import Ledger
from higgins.ledger.state.sessions import Session
from higgins.ledger.state.topics import Topic
from higgins.model.names import TopicId

SLOTS = 2_048


class Placement:
    """The partitions of a cluster on its live nodes, valid while these stay the same (see `is_current`)."""

    def __init__(self, ledger: Ledger) -> None:
        self._nodes, owner = _nodes(ledger), ledger.state.sessions.owner
        if len(self._nodes) == 1:
            self._slots: list[Session | None] = [self._nodes[0]] * SLOTS
        else:
            self._slots = [owner(f"slot/{i}") for i in range(SLOTS)]

    def is_current(self, ledger: Ledger) -> bool:
        """Whether the live nodes are still the same."""
        return _nodes(ledger) == self._nodes

    def leader(self, topic: Topic, partition: int) -> Session | None:
        """The node for one partition; None while no node is alive."""
        return self._slots[(_hash(topic.id) + partition) % SLOTS]

    def leaders(self, topic: Topic) -> list[Session | None]:
        """The node for each of a topic's partitions."""
        slots, first = self._slots, _hash(topic.id)
        return [slots[i % SLOTS] for i in range(first, first + topic.partitions)]


def _hash(topic_id: TopicId) -> int:
    return int.from_bytes(topic_id[:4], "little")


def _nodes(ledger: Ledger) -> tuple[Session, ...]:
    # A node that is alone is named even if its own session has expired while the store did not respond: no other node
    # could serve its clients.
    if ledger.alone and ledger.session is not None:
        return (ledger.session,)
    live = tuple(ledger.state.sessions.live.values())
    stand_in = ledger.stand_in
    return live if stand_in is None else (stand_in,)
