"""`higgins consume`: a topic to standard output, alone or as a member of a group."""

import sys
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from datetime import datetime
from typing import Annotated

import msgspec
from cyclopts import Parameter

from higgins.cli.common import DEFAULT_BOOTSTRAP, Bootstrap, with_cluster
from higgins.cli.record_format import Render, parse_format, render_json
from higgins.client import Cluster, ConsumedRecord, Consumer, ConsumerSettings, open_group_consumer
from higgins.client.cluster import TopicPartition
from higgins.client.offsets import EARLIEST, LATEST, list_offsets
from higgins.model.errors import Unfit

POLL_S = 5.0


class Start(msgspec.Struct, frozen=True):
    """Where to begin: an offset, EARLIEST or LATEST; or the first record at or after a time."""

    position: int = EARLIEST
    timestamp_ms: int | None = None


def consume(
    topic: str,
    *,
    format: Annotated[
        str,
        Parameter(
            name=["--format", "-f"],
            help="%k key, %v value, %t topic, %p partition, %o offset, %T timestamp, %h headers, %% percent, \\n, \\t.",
        ),
    ] = "%v",
    json: Annotated[bool, Parameter(negative="", help="One JSON object a line, with everything in it.")] = False,
    start: Annotated[
        str,
        Parameter(
            name="--from", help="beginning, end, an OFFSET, or a TIME such as 2026-01-31T12:00:00Z or @1769860800000."
        ),
    ] = "beginning",
    group: Annotated[
        str, Parameter(name=["--group", "-g"], help="Share the topic with this group, and commit what was read.")
    ] = "",
    partition: Annotated[
        Sequence[int], Parameter(name=["--partition", "-p"], help="Only this one; may be repeated.")
    ] = (),
    max: Annotated[
        int, Parameter(name=["--max", "-n"], help="Stop after so many records; 0 for no bound.")
    ] = 0,
    until_end: Annotated[
        bool, Parameter(name=["--until-end", "-e"], negative="", help="Stop where the topic ended when this began.")
    ] = False,
    bootstrap: Bootstrap = DEFAULT_BOOTSTRAP,
) -> int:
    """Read a topic and print its records as they come."""

    async def job(cluster: Cluster) -> None:
        render = render_json if json else parse_format(format)
        where = parse_start(start)
        await cluster.topic(topic, create=False)
        if group:
            if partition or until_end or where.position >= 0 or where.timestamp_ms is not None:
                raise Unfit(
                    "A group decides who reads which partition, and from where: with --group, "
                    "--from is beginning or end, and --partition and --until-end cannot be used."
                )
            batches = _as_member(cluster, topic, group, where.position)
        else:
            batches = _alone(cluster, topic, list(partition), where, until_end)
        async with aclosing(batches) as stream:
            await _print(stream, render, max)

    return with_cluster(bootstrap, job)


def parse_start(text: str) -> Start:
    """Read what `--from` takes. Raises: ValueError with a sentence."""
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


async def _print(
    stream: AsyncGenerator[list[ConsumedRecord], None], render: Render, records_max: int
) -> None:
    out = sys.stdout.buffer
    printed = 0
    async for records in stream:
        chosen = records[: records_max - printed] if records_max else records
        out.write(b"".join(map(render, chosen)))
        out.flush()
        printed += len(chosen)
        if records_max and printed >= records_max:
            return


async def _alone(
    cluster: Cluster, topic: str, chosen: list[int], start: Start, until_end: bool
) -> AsyncGenerator[list[ConsumedRecord], None]:
    consumer = Consumer(cluster, ConsumerSettings(reset="error" if start.position >= 0 else "earliest"))
    partitions = _partitions(cluster, topic, chosen)
    consumer.assign(dict.fromkeys(partitions, start.position))
    if start.timestamp_ms is not None:
        await consumer.seek_to_time(start.timestamp_ms)
    await consumer.locate()
    ends: dict[TopicPartition, int] = {}
    if until_end:
        located = await list_offsets(cluster, dict.fromkeys(partitions, LATEST))
        ends = {key: one.offset for key, one in located.items()}
    while not until_end or any(consumer.positions()[key] < end for key, end in ends.items()):
        records = await consumer.poll(POLL_S)
        yield [one for one in records if not ends or one.offset < ends[one.topic, one.partition]]


async def _as_member(
    cluster: Cluster, topic: str, group: str, start: int
) -> AsyncGenerator[list[ConsumedRecord], None]:
    async with open_group_consumer(cluster, group, [topic], start=start) as member:
        while True:
            yield await member.poll(POLL_S)


def _partitions(cluster: Cluster, topic: str, chosen: list[int]) -> list[TopicPartition]:
    known = sorted(cluster.view.topics[topic].leaders)
    for one in chosen:
        if one not in known:
            raise Unfit(f"Topic '{topic}' has no partition {one}; it has {known[0]} to {known[-1]}.")
    return [(topic, one) for one in chosen or known]
