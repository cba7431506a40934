"""Rates of a cluster from the difference of two readings. Pure."""

from collections.abc import Iterable, Mapping, Sequence

import msgspec

from higgins.model.figures import ApiFigures, Figures, GroupFigures, TopicFigures

Look = Mapping[int, Figures]
"""A reading of the figures of every node that answered, by node id."""


class NodeRates(msgspec.Struct, frozen=True):
    """One node. Rates are per second; `processor` is 1.0 for one core kept busy."""

    node: int
    version: str
    connections: int
    resident_bytes: int
    processor: float
    requests: float
    commits: float
    store_operations: float
    store_failures: int


class ApiRates(msgspec.Struct, frozen=True):
    """One API over all nodes. The mean time is null if there were no requests."""

    api: str
    requests: float
    mean_ms: float | None
    errors: float


class TopicRates(msgspec.Struct, frozen=True):
    """One topic over all nodes."""

    topic: str
    partitions: int
    records: int
    records_in: float
    bytes_in: float
    bytes_out: float


class OperatorRates(msgspec.Struct, frozen=True):
    """One operator."""

    operator: str
    input: str
    output: str
    records: float
    lag: int
    state: str


class Rates(msgspec.Struct, frozen=True):
    """A cluster between two readings."""

    seconds: float
    records_in: float
    bytes_in: float
    bytes_out: float
    requests: float
    errors: float
    commits: float
    connections: int
    lag: int
    """Of all groups in `groups`; operators are among them."""
    topics_total: int
    groups_total: int
    nodes: list[NodeRates]
    apis: list[ApiRates]
    topics: list[TopicRates]
    groups: list[GroupFigures]
    operators: list[OperatorRates]


class _Step:
    """The rate of change of a counter. A node that was restarted counts from zero again."""

    def __init__(self, seconds: float) -> None:
        self._seconds = max(seconds, 1e-3)

    def rate(self, before: float, after: float) -> float:
        grown = after - before if after >= before else after
        return grown / self._seconds


def _tidy(value: float) -> float:
    return round(value, 3)


def between(before: Look, after: Look) -> Rates:
    """The rates between two readings. A node that is only in one does not count in totals. `after` is never empty."""
    pairs = [(before[node_id], one) for node_id, one in after.items() if node_id in before]
    seconds = max((new.at_s - old.at_s for old, new in pairs), default=0.0)
    step = _Step(seconds)
    nodes = [_node(before.get(one.node_id, one), one) for _, one in sorted(after.items())]
    apis = _apis(pairs, step)
    topics = _topics(pairs, after.values(), step)
    # Every node reports the same groups and operators.
    latest = max(after.values(), key=lambda one: one.groups_total)
    return Rates(
        seconds=_tidy(seconds),
        records_in=_tidy(sum(step.rate(old.records_in, new.records_in) for old, new in pairs)),
        bytes_in=_tidy(sum(step.rate(old.bytes_in, new.bytes_in) for old, new in pairs)),
        bytes_out=_tidy(sum(step.rate(old.bytes_out, new.bytes_out) for old, new in pairs)),
        requests=_tidy(sum(one.requests for one in apis)),
        errors=_tidy(sum(one.errors for one in apis)),
        commits=_tidy(sum(step.rate(old.commits, new.commits) for old, new in pairs)),
        connections=sum(one.connections for one in nodes),
        lag=sum(one.lag for one in latest.groups),
        topics_total=latest.topics_total,
        groups_total=latest.groups_total,
        nodes=nodes,
        apis=sorted(apis, key=lambda one: (-one.requests, one.api)),
        topics=sorted(topics, key=lambda one: (-one.bytes_in - one.bytes_out, one.topic)),
        groups=list(latest.groups),
        operators=_operators(pairs, latest, step),
    )


def _node(old: Figures, new: Figures) -> NodeRates:
    step = _Step(new.at_s - old.at_s)
    return NodeRates(
        node=new.node_id,
        version=new.version,
        connections=new.connections,
        resident_bytes=new.resident_bytes,
        processor=_tidy(step.rate(old.processor_s, new.processor_s)),
        requests=_tidy(step.rate(sum(one.requests for one in old.apis), sum(one.requests for one in new.apis))),
        commits=_tidy(step.rate(old.commits, new.commits)),
        store_operations=_tidy(step.rate(old.store_operations, new.store_operations)),
        store_failures=new.store_failures,
    )


def _apis(pairs: Sequence[tuple[Figures, Figures]], step: _Step) -> list[ApiRates]:
    requests: dict[str, float] = {}
    seconds: dict[str, float] = {}
    errors: dict[str, float] = {}
    for old, new in pairs:
        known = {one.name: one for one in old.apis}
        for one in new.apis:
            was = known.get(one.name, ApiFigures(one.name))
            for sums, a, b in (
                (requests, was.requests, one.requests),
                (seconds, was.seconds, one.seconds),
                (errors, was.errors, one.errors),
            ):
                sums[one.name] = sums.get(one.name, 0.0) + step.rate(a, b)
    return [
        ApiRates(name, _tidy(rate), _tidy(1000 * seconds[name] / rate) if rate else None, _tidy(errors[name]))
        for name, rate in requests.items()
    ]


def _topics(
    pairs: Sequence[tuple[Figures, Figures]], after: Iterable[Figures], step: _Step
) -> list[TopicRates]:
    sums: dict[str, TopicRates] = {
        one.name: TopicRates(one.name, one.partitions, one.records, 0, 0, 0) for node in after for one in node.topics
    }
    for old, new in pairs:
        known = {one.name: one for one in old.topics}
        for one in new.topics:
            was = known.get(one.name, TopicFigures(one.name))
            sofar = sums[one.name]
            sums[one.name] = TopicRates(
                topic=one.name,
                partitions=one.partitions,
                records=max(one.records, sofar.records),
                records_in=_tidy(sofar.records_in + step.rate(was.records_in, one.records_in)),
                bytes_in=_tidy(sofar.bytes_in + step.rate(was.bytes_in, one.bytes_in)),
                bytes_out=_tidy(sofar.bytes_out + step.rate(was.bytes_out, one.bytes_out)),
            )
    return list(sums.values())


def _operators(
    pairs: Sequence[tuple[Figures, Figures]], latest: Figures, step: _Step
) -> list[OperatorRates]:
    known = {one.name: one for old, new in pairs if new is latest for one in old.operators}
    # A node that joined between the readings reports positions, but there is nothing to compare them with.
    return [
        OperatorRates(
            operator=one.name,
            input=one.input,
            output=one.output,
            records=_tidy(step.rate(known.get(one.name, one).position, one.position)),
            lag=one.lag,
            state=", ".join(one.states) or "-",
        )
        for one in latest.operators
    ]
