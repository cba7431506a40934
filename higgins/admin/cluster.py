"""The cluster: its nodes, its controller, which node clients are sent to, and the figures of this node."""

from collections.abc import Iterable

import msgspec

from higgins.admin.placement import Placement
from higgins.ledger.ledger import Ledger
from higgins.ledger.state.sessions import Session
from higgins.ledger.state.topics import Topic


class PartitionSize(msgspec.Struct, frozen=True):
    """The stored bytes of a partition."""

    partition: int
    stored_bytes: int


class ClusterAdmin:
    """Use cases of the cluster, as this node knows it."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._placement = Placement(ledger)

    @property
    def cluster_id(self) -> str:
        return self._ledger.state.cluster_id

    @property
    def nodes(self) -> list[Session]:
        """The live nodes. A fenced node is not among them."""
        stand_in = self._ledger.stand_in
        return list(self._ledger.state.sessions.live.values()) if stand_in is None else [stand_in]

    @property
    def controller(self) -> Session | None:
        """The node that clients are told is the controller; None while no node is alive.

        Clients send administrative requests to it. Any node can serve those, so nothing else depends on it.
        """
        return self._ledger.state.sessions.controller() or self._ledger.stand_in

    @property
    def placement(self) -> Placement:
        """Which node clients are sent to for a partition, with the nodes that are alive now."""
        if not self._placement.is_current(self._ledger):
            self._placement = Placement(self._ledger)
        return self._placement

    @property
    def any_node(self) -> Session | None:
        """A live node, this one if possible; None while no node is alive."""
        return self._ledger.session or next(iter(self.nodes), None)

    def address(self, session: Session, listener: str) -> tuple[str, int]:
        """The address at which clients of a listener reach a node; its first endpoint if it has no such listener."""
        for endpoint in session.endpoints:
            if endpoint.listener == listener:
                return endpoint.host, endpoint.port
        return session.endpoints[0].host, session.endpoints[0].port

    def own_partition_sizes(self, topic: Topic, partitions: Iterable[int]) -> list[PartitionSize]:
        """The sizes of those partitions that clients are sent to this node for.

        Each partition belongs to one node in this sense, so that the sum over all nodes counts it once.
        """
        own, placement = self._ledger.session, self.placement
        sizes: list[PartitionSize] = []
        for partition in partitions:
            if not 0 <= partition < topic.partitions:
                continue
            leader = placement.leader(topic, partition)
            if own is None or leader is None or leader.epoch != own.epoch:
                continue
            index = self._ledger.state.runs.index(topic.id, partition)
            sizes.append(PartitionSize(partition, 0 if index is None else index.bytes))
        return sizes
