"""What the whole cluster knows: the ledger, partitions and groups, with the names that kafka_exporter gives them."""

from collections.abc import Iterator, Sequence
from itertools import islice

from higgins.groups.lag import Standing, group_names, members_of, standings
from higgins.ledger.ledger import Ledger
from higgins.ledger.state.state import State
from higgins.ledger.state.topics import Topic
from higgins.web.exposition import escaped, head, single

CHUNK = 500


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
    yield from _by_topic("kafka_topic_partitions", "Partitions of a topic.", topics)
    # The greatest part of the page: two lookups and a line for each partition, and nothing else.
    runs = state.runs
    for name, sentence, offset in (
        ("kafka_topic_partition_current_offset", "The high watermark.", runs.next_offset),
        ("kafka_topic_partition_oldest_offset", "The log start offset.", runs.log_start),
    ):
        yield head(name, "gauge", sentence)
        lines: list[str] = []
        for topic in topics:
            before = f'{name}{{topic="{escaped(topic.name)}",partition="'
            for start in range(0, topic.partitions, CHUNK):
                numbers = range(start, min(start + CHUNK, topic.partitions))
                lines += [f'{before}{i}"}} {offset(topic.id, i)}\n' for i in numbers]
                if len(lines) >= CHUNK:
                    yield "".join(lines)
                    lines = []
        yield "".join(lines)


def _by_topic(name: str, sentence: str, topics: Sequence[Topic]) -> Iterator[str]:
    yield head(name, "gauge", sentence)
    for start in range(0, len(topics), CHUNK):
        some = topics[start : start + CHUNK]
        yield "".join([f'{name}{{topic="{escaped(topic.name)}"}} {topic.partitions}\n' for topic in some])


def groups(state: State) -> Iterator[str]:
    names = group_names(state)
    yield head("kafka_consumergroup_members", "gauge", "Members of a group's newest generation.")
    for start in range(0, len(names), CHUNK):
        yield "".join(
            [
                f'kafka_consumergroup_members{{consumergroup="{escaped(name)}"}} {members_of(state, name)}\n'
                for name in names[start : start + CHUNK]
            ]
        )
    sums: dict[tuple[str, str], int] = {}
    yield from _group_lines(state, names, "kafka_consumergroup_current_offset", "The committed offset.")
    yield from _group_lines(state, names, "kafka_consumergroup_lag", "Records behind the committed offset.", sums)
    yield head("kafka_consumergroup_lag_sum", "gauge", "The same, over all partitions of a topic.")
    rows = iter(sums.items())
    while some_rows := list(islice(rows, CHUNK)):
        yield "".join(
            [
                f'kafka_consumergroup_lag_sum{{consumergroup="{group}",topic="{topic}"}} {lag}\n'
                for (group, topic), lag in some_rows
            ]
        )


def _group_lines(
    state: State, names: Sequence[str], name: str, sentence: str, sums: dict[tuple[str, str], int] | None = None
) -> Iterator[str]:
    """A line for each partition of each group. With `sums` it is lag, which is summed up there by group and topic."""
    yield head(name, "gauge", sentence)
    lines: list[str] = []
    for group_id in names:
        group = escaped(group_id)
        found = standings(state, group_id)
        while some := list(islice(found, CHUNK)):
            lines += [_line(name, group, one, one.offset if sums is None else one.lag) for one in some]
            if sums is not None:
                for one in some:
                    key = group, escaped(one.topic.name)
                    sums[key] = sums.get(key, 0) + one.lag
            if len(lines) >= CHUNK:
                yield "".join(lines)
                lines = []
    yield "".join(lines)


def _line(name: str, group: str, one: Standing, value: int) -> str:
    topic = escaped(one.topic.name)
    return f'{name}{{consumergroup="{group}",topic="{topic}",partition="{one.partition}"}} {value}\n'
