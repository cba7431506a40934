"""`higgins consume`: print a topic to standard output, alone or as a member of a group."""

import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Annotated, TypeAlias

from cyclopts import Parameter

from higgins.cli.common import DEFAULT_BOOTSTRAP, Bootstrap, with_cluster
from higgins.cli.io.output import Output
from higgins.cli.places import places
from higgins.cli.progress import Progress
from higgins.cli.text.record_format import Render, json_renderer, parse_format
from higgins.cli.text.start import BEGINNINGS, ENDS, HELP, Start, parse_start
from higgins.client import Cluster, ConsumedRecord, Consumer, GroupConsumer, open_group_consumer
from higgins.client.cluster import TopicPartition
from higgins.client.offsets import EARLIEST, LATEST, list_offsets
from higgins.model.errors import Unfit
from higgins.model.words import counted

POLL_S = 5.0
POLL_TO_END_S = 0.2
"""How long a member waits for records before it looks whether it has reached the end."""
FORMAT = "%v"

Poll: TypeAlias = Callable[[int | None], Awaitable[list[ConsumedRecord] | None]]
"""Returns the next records, at most as many as given; None at the end."""


def consume(
    topic: str,
    *,
    format: Annotated[
        str | None,
        Parameter(
            name=["--format", "-f"],
            help="%v if not given. %k key, %v value, %t topic, %p partition, %o offset, %T timestamp, %h headers, "
            "%K and %V length of key and value, %% percent; \\n, \\t, \\r, \\0, \\xHH.",
        ),
    ] = None,
    json: Annotated[
        bool, Parameter(negative="", help="Print each record as a JSON object on a line, as produce --json reads it.")
    ] = False,
    start: Annotated[
        str | None,
        Parameter(name="--from", allow_leading_hyphen=True, help=f"Where to start; earliest if not given. {HELP}"),
    ] = None,
    tail: Annotated[
        int | None,
        Parameter(
            help="Start at the last N records of each partition, 10 if no number follows; the same as --from -N."
        ),
    ] = None,
    group: Annotated[
        str | None, Parameter(name=["--group", "-g"], help="Join this consumer group, and commit offsets.")
    ] = None,
    partition: Annotated[
        Sequence[int], Parameter(name=["--partition", "-p"], help="Read only this partition; may be repeated.")
    ] = (),
    max: Annotated[
        int | None, Parameter(name=["--max", "-n"], help="Stop after this many records.")
    ] = None,
    until_end: Annotated[
        bool, Parameter(name=["--until-end", "-e"], negative="", help="Stop at the end that the topic has now.")
    ] = False,
    bootstrap: Bootstrap = DEFAULT_BOOTSTRAP,
) -> int:
    """Read a topic and print its records as they arrive."""

    async def job(cluster: Cluster) -> None:
        if json and format is not None:
            raise Unfit("--json and --format cannot be used together.")
        for_terminal = sys.stdout.isatty()
        render = json_renderer(for_terminal) if json else parse_format(format or FORMAT, for_terminal=for_terminal)
        if max is not None and max < 1:
            raise Unfit(f"--max {max}: give a number from 1.")
        where = _start(start, tail, cluster.runtime.now_ms())
        if group is not None:
            _check_group_options(group, partition, where)
        await cluster.topic(topic, create=False)
        if group is None:
            poll, total = await _alone(cluster, topic, list(partition), where, until_end)
            await _print(poll, render, max, total)
            return
        ends = await _ends(cluster, _partitions(cluster, topic, [])) if until_end else None
        async with open_group_consumer(cluster, group, [topic], start=where.position) as member:
            await _print(_as_member(member, ends), render, max)

    return with_cluster(bootstrap, job)


def _start(start: str | None, tail: int | None, now_ms: int) -> Start:
    if tail is None:
        return parse_start(BEGINNINGS[0] if start is None else start, "--from", now_ms)
    if start is not None:
        raise Unfit("--tail and --from cannot be used together.")
    if tail < 0:
        raise Unfit(f"--tail {tail}: give a number from 0.")
    return parse_start(f"-{tail}", "--tail", now_ms)


def _check_group_options(group: str, partition: Sequence[int], start: Start) -> None:
    """A group assigns partitions and keeps the offsets. Raises: Unfit."""
    if not group:
        raise Unfit("--group is empty. Give the name of a group, or leave the option out.")
    if partition:
        raise Unfit("--partition cannot be used with --group: the group assigns the partitions.")
    if start not in (Start(EARLIEST), Start(LATEST)):
        raise Unfit(
            f"With --group, --from must be {', '.join((*BEGINNINGS, *ENDS))}: the group continues at its committed "
            "offsets. To start elsewhere, first run: higgins group reset GROUP --topic TOPIC --to …"
        )


async def _print(poll: Poll, render: Render, records_max: int | None, total: int | None = None) -> None:
    """Print up to `records_max` records, or all. `total` is their number, if it is known.

    Records are written before the next ones are polled for, so a member commits only what was written.
    """
    out = Output()
    goal = min((one for one in (records_max, total) if one), default=0)
    remaining = records_max
    with Progress(
        lambda: progress.records / goal if goal else None, shares_terminal=sys.stdout.isatty()
    ) as progress:
        while remaining is None or remaining > 0:
            records = await poll(remaining)
            if records is None:
                return
            await out.write(b"".join(map(render, records)))
            progress.advance(len(records))
            remaining = None if remaining is None else remaining - len(records)


async def _alone(
    cluster: Cluster, topic: str, chosen: list[int], start: Start, until_end: bool
) -> tuple[Poll, int | None]:
    consumer = Consumer(cluster)
    partitions = _partitions(cluster, topic, chosen)
    consumer.assign(await places(cluster, partitions, start))
    if not until_end:
        return lambda count: consumer.poll(POLL_S, records_max=count), None
    ends = await _ends(cluster, partitions)

    async def poll(count: int | None) -> list[ConsumedRecord] | None:
        if _has_reached(consumer, ends):
            return None
        records = await consumer.poll(POLL_S, records_max=count)
        return [one for one in records if one.offset < ends[one.topic, one.partition]]

    return poll, sum(max(ends[key] - at, 0) for key, at in consumer.positions().items())


def _as_member(member: GroupConsumer, ends: Mapping[TopicPartition, int] | None) -> Poll:
    if ends is None:
        return lambda count: member.poll(POLL_S, records_max=count)

    async def poll(count: int | None) -> list[ConsumedRecord] | None:
        if member.is_joined and _has_reached(member.consumer, ends):
            return None
        records = await member.poll(POLL_TO_END_S, records_max=count)
        kept: list[ConsumedRecord] = []
        behind: dict[TopicPartition, int] = {}
        for one in records:
            if one.offset < ends.get((one.topic, one.partition), 0):
                kept.append(one)
            else:
                behind.setdefault((one.topic, one.partition), one.offset)
        for (topic, partition), offset in behind.items():
            # What is behind the end is not printed, so it must not be committed either.
            member.consumer.seek(topic, partition, offset)
        return kept

    return poll


def _has_reached(consumer: Consumer, ends: Mapping[TopicPartition, int]) -> bool:
    """Whether every assigned partition was read to the end that it had. One that was added since is not read."""
    positions = consumer.positions()
    return all(key in positions and positions[key] >= ends.get(key, 0) for key in consumer.assigned())


async def _ends(cluster: Cluster, partitions: Sequence[TopicPartition]) -> dict[TopicPartition, int]:
    located = await list_offsets(cluster, dict.fromkeys(partitions, LATEST))
    return {key: one.offset for key, one in located.items()}


def _partitions(cluster: Cluster, topic: str, chosen: list[int]) -> list[TopicPartition]:
    known = sorted(cluster.metadata.topics[topic].leaders)
    for one in chosen:
        if one not in known:
            raise Unfit(
                f"Topic '{topic}' has no partition {one}. It has {counted(len(known), 'partition')}, counted from 0."
            )
    return [(topic, one) for one in chosen or known]
