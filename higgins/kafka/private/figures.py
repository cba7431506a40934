"""What `higgins top` asks a node: its counters, and the busiest topics, groups and operators. Gives the loop back."""

import trio

from higgins import __version__
from higgins.groups.lag import group_names, member_count, partition_lags
from higgins.kafka.context import Node
from higgins.ledger.state.topics import Topic
from higgins.model.figures import ApiFigures, Figures, GroupFigures, OperatorFigures, TopicFigures
from higgins.operators.view import OperatorView, operator_views
from higgins.telemetry.metrics import OK, StoreCounts, TopicTraffic
from higgins.telemetry.process import process_figures
from higgins_protocol.registry import APIS

ROWS_MAX = 100
"""How many topics, groups and operators are told of, each."""

SLICE_S = 0.002
"""How long the loop is held at once."""

ORDINARY = frozenset({OK, "ObjectMissing", "ObjectExists"})
"""Outcomes that are answers: asking whether another node has committed mostly finds nothing."""


async def figures_of(node: Node) -> Figures:
    """A node's figures now."""
    state, counts = node.state, node.counts
    process = process_figures()
    traffic = list(node.traffic.by_topic.values())
    session = node.ledger.session
    groups = await _groups(node)
    return Figures(
        node_id=-1 if session is None else session.node_id,
        version=__version__,
        at_s=node.runtime.monotonic(),
        connections=counts.connections.open,
        resident_bytes=process.resident_bytes,
        processor_s=process.processor_s,
        commits=node.ledger.counts.won,
        store_operations=sum(one.seconds.count for one in counts.store.by_kind.values()),
        store_failures=_failures(counts.store),
        records_in=sum(one.records_in for one in traffic),
        bytes_in=sum(one.bytes_in for one in traffic),
        bytes_out=sum(one.bytes_out for one in traffic),
        topics_total=len(state.topics.by_id),
        groups_total=len(groups),
        apis=tuple(
            ApiFigures(APIS[key].name, api.seconds.count, api.seconds.total, sum(api.errors.values()))
            for key, api in counts.requests.by_api.items()
            if api.seconds.count
        ),
        topics=_topics(node),
        groups=tuple(sorted(groups, key=lambda one: (-one.lag, one.name))[:ROWS_MAX]),
        operators=tuple(_operator(one) for one in operator_views(state, node.operators)[:ROWS_MAX]),
    )


def _failures(counts: StoreCounts) -> int:
    return sum(
        n for one in counts.by_kind.values() for outcome, n in one.outcomes.items() if outcome not in ORDINARY
    )


def _topics(node: Node) -> tuple[TopicFigures, ...]:
    """The topics with the most traffic here, and after them those without, by name."""
    nothing = TopicTraffic()
    rows = [(node.traffic.by_topic.get(topic.id, nothing), topic) for topic in node.state.topics.by_id.values()]
    rows.sort(key=lambda row: (-row[0].bytes_in - row[0].bytes_out, row[1].name))
    return tuple(
        TopicFigures(
            topic.name, topic.partitions, _records(node, topic), one.records_in, one.bytes_in, one.bytes_out
        )
        for one, topic in rows[:ROWS_MAX]
    )


def _records(node: Node, topic: Topic) -> int:
    runs = node.state.runs
    return sum(runs.high_watermark(topic.id, i) - runs.log_start(topic.id, i) for i in range(topic.partitions))


async def _groups(node: Node) -> list[GroupFigures]:
    found: list[GroupFigures] = []
    clock = node.runtime.stopwatch
    held_since = clock()
    for name in group_names(node.state):
        lags = [one.lag for one in partition_lags(node.state, name)]
        found.append(GroupFigures(name, member_count(node.state, name), len(lags), sum(lags)))
        if clock() - held_since > SLICE_S:
            await trio.lowlevel.checkpoint()
            held_since = clock()
    return found


def _operator(view: OperatorView) -> OperatorFigures:
    counters: dict[str, int] = {}
    for task in view.partitions:
        for name, n in task.counters.items():
            counters[name] = counters.get(name, 0) + n
    return OperatorFigures(
        name=view.name,
        input=view.input,
        output=view.output,
        lag=sum(task.lag for task in view.partitions),
        position=sum(task.position for task in view.partitions),
        counters=counters,
        states=tuple(sorted({task.state for task in view.partitions})),
    )
