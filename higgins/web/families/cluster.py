"""What the whole cluster knows: the ledger, partitions and groups, with the names that kafka_exporter gives them."""

from collections.abc import Iterator
from itertools import islice

from higgins.groups.lag import group_names, member_count, partition_lags
from higgins.ledger.ledger import Ledger
from higgins.ledger.state.state import State
from higgins.web.exposition import escaped, head, single

CHUNK = 500
# Names of topics are legal as they are: letters, digits, dots, dashes and underscores. Those of groups are not.


def ledger(found: Ledger, now_ms: int) -> Iterator[str]:
    state = found.state
    yield single("higgins_ledger_number", "gauge", "The newest commit that this node knows.", state.number)
    yield single("higgins_sessions", "gauge", "Nodes whose sessions live.", len(state.sessions.live))
    yield single("kafka_brokers", "gauge", "Nodes whose sessions live.", len(state.sessions.live))
    if found.snapshot is None:
        return
    number, time_ms = found.snapshot
    yield single(
        "higgins_snapshot_age_seconds",
        "gauge",
        "Age of the newest snapshot that this node has made or loaded.",
        max(now_ms - time_ms, 0) / 1000,
    )
    yield single(
        "higgins_snapshot_commits_behind", "gauge", "Commits that came after that snapshot.", state.number - number
    )


def partitions(state: State) -> Iterator[str]:
    topics = list(state.topics.by_id.values())
    yield head("kafka_topic_partitions", "gauge", "Partitions of a topic.")
    for start in range(0, len(topics), CHUNK):
        some = topics[start : start + CHUNK]
        yield "".join([f'kafka_topic_partitions{{topic="{topic.name}"}} {topic.partitions}\n' for topic in some])
    # The greatest part of the page: a lookup and a line for each partition, and nothing else.
    for name, sentence, offset in (
        ("kafka_topic_partition_current_offset", "The high watermark.", state.runs.high_watermark),
        ("kafka_topic_partition_oldest_offset", "The log start offset.", state.runs.log_start),
    ):
        yield head(name, "gauge", sentence)
        lines: list[str] = []
        for topic in topics:
            topic_id, before = topic.id, f'{name}{{topic="{topic.name}",partition="'
            for start in range(0, topic.partitions, CHUNK):
                numbers = range(start, min(start + CHUNK, topic.partitions))
                lines += [f'{before}{i}"}} {offset(topic_id, i)}\n' for i in numbers]
                if len(lines) >= CHUNK:
                    yield "".join(lines)
                    lines = []
        yield "".join(lines)


def groups(state: State) -> Iterator[str]:
    names = group_names(state)
    yield head("kafka_consumergroup_members", "gauge", "Members of a group's newest generation.")
    for start in range(0, len(names), CHUNK):
        yield "".join(
            [
                f'kafka_consumergroup_members{{consumergroup="{escaped(name)}"}} {member_count(state, name)}\n'
                for name in names[start : start + CHUNK]
            ]
        )
    # Where every group stands is found out once, while the first of three families is told.
    rest = _Lag()
    yield head("kafka_consumergroup_current_offset", "gauge", "The committed offset.")
    for name in names:
        yield from _offsets(state, name, rest)
    yield head("kafka_consumergroup_lag", "gauge", "Records behind the committed offset.")
    yield from rest.chunks
    yield head("kafka_consumergroup_lag_sum", "gauge", "The same, over all partitions of a topic.")
    sums = iter(rest.sums.items())
    while some_sums := list(islice(sums, CHUNK)):
        yield "".join([f"kafka_consumergroup_lag_sum{{{labels}}} {lag}\n" for labels, lag in some_sums])


class _Lag:
    """Lines of lag that are told later, and lag by group and topic."""

    __slots__ = ("chunks", "sums")

    def __init__(self) -> None:
        self.chunks: list[str] = []
        self.sums: dict[str, int] = {}


def _offsets(state: State, group_id: str, rest: _Lag) -> Iterator[str]:
    before = f'consumergroup="{escaped(group_id)}",topic="'
    found = partition_lags(state, group_id)
    while some := list(islice(found, CHUNK)):
        offsets: list[str] = []
        lags: list[str] = []
        for one in some:
            labels = f'{before}{one.topic.name}"'
            offsets.append(
                f'kafka_consumergroup_current_offset{{{labels},partition="{one.partition}"}} {one.offset}\n'
            )
            lags.append(f'kafka_consumergroup_lag{{{labels},partition="{one.partition}"}} {one.lag}\n')
            rest.sums[labels] = rest.sums.get(labels, 0) + one.lag
        rest.chunks.append("".join(lags))
        yield "".join(offsets)
