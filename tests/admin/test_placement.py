"""Placement: every partition on one node, evenly, and moved only by the coming or going of its own."""

import random
from collections import Counter
from types import SimpleNamespace
from typing import Any

import pytest

from higgins.admin.placement import Placement
from higgins.ledger.state.base import Moment, fold_fact
from higgins.ledger.state.sessions import SessionEnded, SessionJoined
from higgins.ledger.state.state import State
from higgins.ledger.state.topics import Topic
from higgins.model.names import TopicId

MOMENT = Moment(1, 0)


class Cluster:
    """A ledger as far as placement looks at it."""

    def __init__(self, *node_ids: int) -> None:
        self._facets = State()
        self.sessions = self._facets.sessions
        for node_id in node_ids:
            self.join(node_id)
        self.session = next(iter(self.sessions.live.values()), None)
        self.alone = False
        self.stand_in = None
        self.state = SimpleNamespace(sessions=self.sessions, topics=SimpleNamespace(by_name={}))

    def join(self, node_id: int) -> None:
        fold_fact(self._facets, SessionJoined(node_id, node_id, (), 10_000), MOMENT)

    def leave(self, node_id: int) -> None:
        fold_fact(self._facets, SessionEnded(node_id, "left"), MOMENT)

    @property
    def ledger(self) -> Any:
        return self


def topics(count: int, partitions: int) -> list[Topic]:
    draw = random.Random(count)
    return [Topic(TopicId(draw.randbytes(16)), f"t{i}", partitions, {}, "", 1) for i in range(count)]


def nodes_of(cluster: Cluster, *topics: Topic) -> list[int | None]:
    placement = Placement(cluster.ledger)
    placed = [node for topic in topics for node in placement.leaders(topic)]
    assert placed == [placement.leader(topic, i) for topic in topics for i in range(topic.partitions)]
    return [None if node is None else node.node_id for node in placed]


@pytest.mark.parametrize("shape", [(6_000, 1), (60, 100), (1, 6_000)])
@pytest.mark.parametrize("nodes", [(1, 2), (1, 2, 3), (7, 100, 3, 4, 5)])
def test_partitions_are_spread_evenly(nodes: tuple[int, ...], shape: tuple[int, int]) -> None:
    counted = Counter(nodes_of(Cluster(*nodes), *topics(*shape)))
    assert counted.keys() == set(nodes)
    even = 6_000 / len(nodes)
    assert all(0.8 * even < count < 1.2 * even for count in counted.values()), counted


def test_only_what_a_node_had_moves_when_it_goes_and_comes_back_with_it() -> None:
    cluster, some = Cluster(1, 2, 3), topics(50, 20)
    before = nodes_of(cluster, *some)
    cluster.leave(2)
    for was, now in zip(before, nodes_of(cluster, *some), strict=True):
        assert now == was if was != 2 else now in {1, 3}
    cluster.join(2)
    assert nodes_of(cluster, *some) == before


def test_every_node_names_the_same_whatever_the_order_it_learned_them_in() -> None:
    some = topics(20, 20)
    assert nodes_of(Cluster(1, 2, 3), *some) == nodes_of(Cluster(3, 1, 2), *some)


def test_a_topic_that_grew_keeps_its_first_partitions() -> None:
    (topic,) = topics(1, 4)
    grown = Topic(topic.id, topic.name, 40, {}, "", 1)
    cluster = Cluster(1, 2)
    assert nodes_of(cluster, grown)[:4] == nodes_of(cluster, topic) and len(nodes_of(cluster, grown)) == 40


def test_who_is_alone_has_everything_and_who_has_nobody_nothing() -> None:
    cluster, (topic,) = Cluster(1, 2), topics(1, 40)
    assert set(nodes_of(cluster, topic)) == {1, 2}
    cluster.alone = True
    assert nodes_of(cluster, topic) == [1] * 40
    assert nodes_of(Cluster(), topic) == [None] * 40


def test_it_is_current_while_the_nodes_are_the_same() -> None:
    cluster = Cluster(1, 2)
    placement = Placement(cluster.ledger)
    assert placement.is_current(cluster.ledger)
    cluster.join(3)
    assert not placement.is_current(cluster.ledger)
    cluster.leave(3)
    assert placement.is_current(cluster.ledger)
