"""The figures of a node for `higgins top`: its counters, and its busiest topics, groups and operators."""

import trio

from higgins import __version__
from higgins.groups.lag import group_names, member_count, partition_lags
from higgins.ledger.ledger import Ledger
from higgins.ledger.state.topics import Topic
from higgins.log.traffic import Traffic
from higgins.model.figures import ApiFigures, Figures, GroupFigures, OperatorFigures, TopicFigures
from higgins.operators.engine import Engine
from higgins.operators.view import OperatorView, operator_views
from higgins.runtime import Runtime
from higgins.telemetry.metrics import OK, Counts, StoreCounts, TopicTraffic
from higgins.telemetry.process import process_figures
from higgins_protocol.registry import APIS

ROWS_MAX = 100
"""Largest number of topics, of groups and of operators in the figures."""

SLICE_S = 0.002
"""How long the computation holds the loop before other tasks get their turn."""

NOT_FAILURES = frozenset({OK, "ObjectMissing", "ObjectExists"})
"""Outcomes of store operations that are not failures: asking for the next commit usually finds no object."""


class NodeFigures:
    """The figures of one node. They are read from memory, so they can lag behind other nodes' commits."""

    def __init__(
        self, runtime: Runtime, ledger: Ledger, engine: Engine, traffic: Traffic, counts: Counts
    ) -> None:
        self._runtime = runtime
        self._ledger = ledger
        self._engine = engine
        self._traffic = traffic
        self._counts = counts

    async def read(self) -> Figures:
        """The figures now."""
        state, counts, session = self._ledger.state, self._counts, self._ledger.session
        process = process_figures()
        traffic = list(self._traffic.by_topic.values())
        groups = await self._groups()
        return Figures(
            node_id=-1 if session is None else session.node_id,
            version=__version__,
            at_s=self._runtime.monotonic(),
            connections=counts.connections.open,
            resident_bytes=process.resident_bytes,
            processor_s=process.processor_s,
            commits=self._ledger.counts.won,
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
            topics=self._topics(),
            groups=tuple(sorted(groups, key=lambda one: (-one.lag, one.name))[:ROWS_MAX]),
            operators=tuple(_operator(one) for one in operator_views(state, self._engine)[:ROWS_MAX]),
        )

    def _topics(self) -> tuple[TopicFigures, ...]:
        """The topics with the most traffic on this node first, those without traffic after them by name."""
        nothing = TopicTraffic()
        topics = self._ledger.state.topics.by_id.values()
        rows = [(self._traffic.by_topic.get(topic.id, nothing), topic) for topic in topics]
        rows.sort(key=lambda row: (-row[0].bytes_in - row[0].bytes_out, row[1].name))
        return tuple(
            TopicFigures(
                topic.name, topic.partitions, self._records(topic), one.records_in, one.bytes_in, one.bytes_out
            )
            for one, topic in rows[:ROWS_MAX]
        )

    def _records(self, topic: Topic) -> int:
        runs = self._ledger.state.runs
        return sum(runs.high_watermark(topic.id, i) - runs.log_start(topic.id, i) for i in range(topic.partitions))

    async def _groups(self) -> list[GroupFigures]:
        figures: list[GroupFigures] = []
        state, clock = self._ledger.state, self._runtime.stopwatch
        slice_start = clock()
        for name in group_names(state):
            lags = [one.lag for one in partition_lags(state, name)]
            figures.append(GroupFigures(name, member_count(state, name), len(lags), sum(lags)))
            if clock() - slice_start > SLICE_S:
                await trio.lowlevel.checkpoint()
                slice_start = clock()
        return figures


def _failures(counts: StoreCounts) -> int:
    return sum(
        n for one in counts.by_kind.values() for outcome, n in one.outcomes.items() if outcome not in NOT_FAILURES
    )


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
