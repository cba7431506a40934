"""The cache of Metadata rows: valid for one placement, and bounded by the number of topics."""

from higgins.kafka.cluster.metadata_rows import SPARE, MetadataRows
from higgins_protocol.messages.metadata import MetadataResponseTopic
from tests.admin.test_placement import Cluster, Placement, topics


def test_rows_are_kept_until_the_nodes_change() -> None:
    cluster, (topic,) = Cluster(1, 2), topics(1, 1)
    cache, placement = MetadataRows(), Placement(cluster.ledger)
    cache.for_placement(placement, 1)[topic.id, False] = topic, MetadataResponseTopic()
    assert (topic.id, False) in cache.for_placement(placement, 1)
    assert not cache.for_placement(Placement(cluster.ledger), 1)


def test_rows_of_deleted_topics_do_not_fill_the_memory() -> None:
    cache, placement = MetadataRows(), Placement(Cluster(1).ledger)
    for deleted in topics(3 * SPARE, 1):
        rows = cache.for_placement(placement, 0)
        rows[deleted.id, False] = deleted, MetadataResponseTopic()
        assert len(rows) <= SPARE + 1
