"""The cluster: its nodes and their addresses, the sizes of partitions, the figures of a node, and its operators."""

import msgspec
import pytest

from higgins.ledger.state.sessions import Endpoint
from higgins.model.errors import Refused
from higgins.operators.topography.table import TopographyError
from tests.broker.peer import batch

TOPOGRAPHY = '[streams.t]\nformat = "json"\n[streams.large]\nbase = "t"\ntype = "filter"\nwhere = "qty > 5"\n'


async def test_the_nodes_of_a_cluster_and_where_clients_reach_them(autojump_clock, admin):
    (node,) = admin.cluster.nodes
    assert admin.cluster.controller is admin.cluster.any_node is node
    assert admin.cluster.cluster_id
    assert admin.cluster.placement.leader(admin.topics.find("t"), 0) is node
    session = msgspec.structs.replace(node, endpoints=(Endpoint("inside", "in", 1), Endpoint("outside", "out", 2)))
    assert admin.cluster.address(session, "outside") == ("out", 2)
    assert admin.cluster.address(session, "no such listener") == ("in", 1)


async def test_the_sizes_of_the_partitions_that_clients_are_sent_here_for(autojump_clock, house, admin):
    data = batch(b"value")
    await house.connect().produce("t", data)
    sizes = admin.cluster.own_partition_sizes(admin.topics.find("t"), [0, 1, -1])
    assert [(size.partition, size.stored_bytes) for size in sizes] == [(0, len(data))]


async def test_the_figures_of_a_node_count_what_it_has_served(autojump_clock, house, admin):
    await admin.operators.apply(TOPOGRAPHY)
    await house.connect().produce("t", batch(b'{"qty":9}', b'{"qty":1}'))
    figures = await admin.figures.read()
    assert (figures.node_id, figures.topics_total, figures.connections) == (1, 2, 1)
    topic = next(one for one in figures.topics if one.name == "t")
    assert (topic.partitions, topic.records, topic.records_in) == (1, 2, 2)
    (operator,) = figures.operators
    assert (operator.name, operator.input, operator.output) == ("large", "t", "large")
    assert operator.position + operator.lag == 2
    assert any(api.name == "Produce" and api.requests == 1 for api in figures.apis)


async def test_a_topography_is_applied_once_and_its_operator_deleted(autojump_clock, admin):
    applied = await admin.operators.apply(TOPOGRAPHY)
    assert applied.applied and applied.changes
    again = await admin.operators.apply(TOPOGRAPHY)
    assert (again.version, again.changes, again.applied) == (applied.version, (), False)
    assert [view.name for view in await admin.operators.list_operators()] == ["large"]
    await admin.operators.delete("large")
    assert await admin.operators.list_operators() == []
    assert admin.topics.find("large"), "the topic stays"
    with pytest.raises(Refused, match="RESOURCE_NOT_FOUND"):
        await admin.operators.delete("large")


async def test_the_errors_of_a_topography_come_together_and_change_nothing(autojump_clock, admin):
    with pytest.raises(TopographyError) as errors:
        await admin.operators.apply(TOPOGRAPHY.replace("filter", "filtre").replace("> 5", "> (5"))
    assert len(errors.value.problems) == 2
    assert await admin.operators.list_operators() == []


async def test_configs_in_a_topography_are_validated(autojump_clock, admin):
    with pytest.raises(TopographyError) as errors:
        await admin.operators.apply('[streams.s]\nconfig = { "retention.ms" = "soon" }\n')
    assert "'soon' is not a whole number" in str(errors.value.problems[0])
