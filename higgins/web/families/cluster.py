"""What the whole cluster knows: the ledger, partitions and groups, under the names that kafka_exporter uses."""

from collections.abc import Iterator
from itertools import islice

from higgins.groups.lag import group_names, member_count, partition_lags
from higgins.ledger.ledger import Ledger
from higgins.ledger.state.state import State
from higgins.web.families.family import Family, gauge, gauges

CHUNK = 500
"""Rows between two yields; reading them takes well under a millisecond."""


def ledger(source: Ledger, now_ms: int) -> Iterator[Family]:
    state = source.state
    yield gauge("higgins_ledger_number", "The newest commit that this node knows.", state.number)
    yield gauge("higgins_sessions", "Nodes whose sessions live.", len(state.sessions.live))
    yield gauge("kafka_brokers", "Nodes whose sessions live.", len(state.sessions.live))
    if source.snapshot is None:
        return
    number, time_ms = source.snapshot
    yield gauge(
        "higgins_snapshot_age_seconds",
        "Age of the newest snapshot that this node has made or loaded.",
        max(now_ms - time_ms, 0) / 1000,
    )
    yield gauge("higgins_snapshot_commits_behind", "Commits that came after that snapshot.", state.number - number)


def partitions(state: State) -> Iterator[Family]:
    topics = list(state.topics.by_id.values())
    counts = gauges("kafka_topic_partitions", "Partitions of a topic.", ["topic"])
    yield counts
    for start in range(0, len(topics), CHUNK):
        some = topics[start : start + CHUNK]
        counts.extend([topic.name for topic in some], values=[topic.partitions for topic in some])
        yield counts
    # Most of the page is made of these two: a lookup for each partition, and little else.
    for family, offset in (
        (
            gauges("kafka_topic_partition_current_offset", "The high watermark.", ["topic", "partition"]),
            state.runs.high_watermark,
        ),
        (
            gauges("kafka_topic_partition_oldest_offset", "The log start offset.", ["topic", "partition"]),
            state.runs.log_start,
        ),
    ):
        yield family
        unyielded = 0
        for topic in topics:
            topic_id, name = topic.id, topic.name
            for start in range(0, topic.partitions, CHUNK):
                indexes = range(start, min(start + CHUNK, topic.partitions))
                family.extend([name] * len(indexes), indexes, values=[offset(topic_id, i) for i in indexes])
                unyielded += len(indexes)
                if unyielded >= CHUNK:
                    yield family
                    unyielded = 0


def groups(state: State) -> Iterator[Family]:
    names = group_names(state)
    members = gauges("kafka_consumergroup_members", "Members of a group's newest generation.", ["consumergroup"])
    yield members
    for start in range(0, len(names), CHUNK):
        chunk = names[start : start + CHUNK]
        members.extend(chunk, values=[member_count(state, name) for name in chunk])
        yield members
    by_partition = ["consumergroup", "topic", "partition"]
    offsets = gauges("kafka_consumergroup_current_offset", "The committed offset.", by_partition)
    lags = gauges(
        "kafka_consumergroup_lag",
        "Records from the committed offset to the high watermark: not consumed yet.",
        by_partition,
    )
    yield offsets
    yield lags
    sums: dict[tuple[str, str], int] = {}
    for name in names:
        unread = partition_lags(state, name)
        while some := list(islice(unread, CHUNK)):
            labels = [name] * len(some), [one.topic.name for one in some], [one.partition for one in some]
            offsets.extend(*labels, values=[one.offset for one in some])
            lags.extend(*labels, values=[one.lag for one in some])
            for one in some:
                key = name, one.topic.name
                sums[key] = sums.get(key, 0) + one.lag
            yield lags
    totals = gauges(
        "kafka_consumergroup_lag_sum",
        "Records not consumed yet, over all partitions of a topic.",
        ["consumergroup", "topic"],
    )
    yield totals
    unread_sums = iter(sums.items())
    while rows := list(islice(unread_sums, CHUNK)):
        totals.extend([key[0] for key, _ in rows], [key[1] for key, _ in rows], values=[lag for _, lag in rows])
        yield totals
