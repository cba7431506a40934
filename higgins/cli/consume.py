"""`higgins consume`: print a topic to standard output, alone or as a member of a group."""

import sys
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from typing import Annotated, TypeAlias

import msgspec
from cyclopts import Parameter

from higgins.cli.common import DEFAULT_BOOTSTRAP, Bootstrap, with_cluster
from higgins.cli.progress import Progress
from higgins.cli.record_format import Render, parse_format, render_json
from higgins.client import Cluster, ConsumedRecord, Consumer, ConsumerSettings, open_group_consumer
from higgins.client.cluster import TopicPartition
from higgins.client.offsets import EARLIEST, LATEST, list_offsets
from higgins.model.errors import Unfit

POLL_S = 5.0

Poll: TypeAlias = Callable[[int | None], Awaitable[list[ConsumedRecord] | None]]
"""Returns the next records, at most as many as given; None at the end."""


class Start(msgspec.Struct, frozen=True):
    """Where to start: an offset, EARLIEST or LATEST; or the first record at or after a time."""

    position: int = EARLIEST
    timestamp_ms: int | None = None


def consume(
    topic: str,
    *,
    format: Annotated[
        str,
        Parameter(
            name=["--format", "-f"],
            help="%v if not given. %k key, %v value, %t topic, %p partition, %o offset, %T timestamp, "
            "%h headers, %% percent, \\n, \\t.",
        ),
    ] = "%v",
    json: Annotated[bool, Parameter(negative="", help="Print each record as a JSON object on a line.")] = False,
    start: Annotated[
        str,
        Parameter(
            name="--from",
            help="beginning (if not given), end, an OFFSET, or a TIME such as 2026-01-31T12:00:00Z or @1769860800000.",
        ),
    ] = "beginning",
    group: Annotated[
        str, Parameter(name=["--group", "-g"], help="Join this consumer group, and commit offsets.")
    ] = "",
    partition: Annotated[
        Sequence[int], Parameter(name=["--partition", "-p"], help="Read only this partition; may be repeated.")
    ] = (),
    max: Annotated[
        int, Parameter(name=["--max", "-n"], help="Stop after this many records.")
    ] = 0,
    until_end: Annotated[
        bool, Parameter(name=["--until-end", "-e"], negative="", help="Stop at the end that the topic has now.")
    ] = False,
    bootstrap: Bootstrap = DEFAULT_BOOTSTRAP,
) -> int:
    """Read a topic and print its records as they arrive."""

    async def job(cluster: Cluster) -> None:
        render = render_json if json else parse_format(format)
        where = parse_start(start)
        await cluster.topic(topic, create=False)
        if not group:
            poll, total = await _alone(cluster, topic, list(partition), where, until_end)
            await _print(poll, render, max, total)
            return
        if partition or until_end or where.position >= 0 or where.timestamp_ms is not None:
            raise Unfit(
                "A group assigns partitions and keeps the offsets: with --group, --from must be beginning or end, "
                "and --partition and --until-end cannot be used."
            )
        async with open_group_consumer(cluster, group, [topic], start=where.position) as member:
            await _print(lambda count: member.poll(POLL_S, records_max=count), render, max)

    return with_cluster(bootstrap, job)


def parse_start(text: str) -> Start:
    """Parse the value of `--from`. Raises: ValueError with a message."""
    if text in {"beginning", "end"}:
        return Start(EARLIEST if text == "beginning" else LATEST)
    if text.isascii() and text.isdigit():
        return Start(int(text))
    if text.startswith("@") and text[1:].isascii() and text[1:].isdigit():
        return Start(timestamp_ms=int(text[1:]))
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(
            f"--from {text}: give beginning, end, an offset, or a time such as 2026-01-31T12:00:00Z or @1769860800000."
        ) from None
    return Start(timestamp_ms=int(moment.timestamp() * 1000))


async def _print(poll: Poll, render: Render, records_max: int, total: int | None = None) -> None:
    """Print up to `records_max` records, or all. `total` is their number, if it is known."""
    out = sys.stdout.buffer
    goal = min((one for one in (records_max, total) if one), default=0)
    remaining = records_max or None
    with Progress(
        lambda: progress.records / goal if goal else None, shares_terminal=sys.stdout.isatty()
    ) as progress:
        while remaining is None or remaining > 0:
            records = await poll(remaining)
            if records is None:
                return
            out.write(b"".join(map(render, records)))
            out.flush()
            progress.advance(len(records))
            remaining = None if remaining is None else remaining - len(records)


async def _alone(
    cluster: Cluster, topic: str, chosen: list[int], start: Start, until_end: bool
) -> tuple[Poll, int | None]:
    consumer = Consumer(cluster, ConsumerSettings(reset="error" if start.position >= 0 else "earliest"))
    partitions = _partitions(cluster, topic, chosen)
    consumer.assign(dict.fromkeys(partitions, start.position))
    if start.timestamp_ms is not None:
        await consumer.seek_to_time(start.timestamp_ms)
    await consumer.resolve_positions()
    if not until_end:
        return lambda count: consumer.poll(POLL_S, records_max=count), None
    located = await list_offsets(cluster, dict.fromkeys(partitions, LATEST))
    ends = {key: one.offset for key, one in located.items()}

    async def poll(count: int | None) -> list[ConsumedRecord] | None:
        if all(at >= ends[key] for key, at in consumer.positions().items()):
            return None
        records = await consumer.poll(POLL_S, records_max=count)
        return [one for one in records if one.offset < ends[one.topic, one.partition]]

    return poll, sum(max(ends[key] - at, 0) for key, at in consumer.positions().items())


def _partitions(cluster: Cluster, topic: str, chosen: list[int]) -> list[TopicPartition]:
    known = sorted(cluster.metadata.topics[topic].leaders)
    for one in chosen:
        if one not in known:
            raise Unfit(f"Topic '{topic}' has no partition {one}; it has {known[0]} to {known[-1]}.")
    return [(topic, one) for one in chosen or known]
