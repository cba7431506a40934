"""`higgins topic partitions` and `topic truncate`: add partitions to a topic, delete records from its start."""

from collections.abc import Sequence
from typing import Annotated

from cyclopts import Parameter

from higgins.cli.common import DEFAULT_BOOTSTRAP, Bootstrap, Json, print_table, say, with_cluster
from higgins.cli.partitions import parse_topic
from higgins.cli.text.start import ENDS, parse_offset
from higgins.client import Admin, Cluster
from higgins.client.cluster import TopicPartition
from higgins.client.offsets import LATEST, list_offsets
from higgins.model.errors import Unfit
from higgins.model.words import counted

COUNT_MAX = (1 << 31) - 1
"""The greatest number that the protocol can carry."""


def partitions(name: str, count: int, *, json: Json = False, bootstrap: Bootstrap = DEFAULT_BOOTSTRAP) -> int:
    """Increase a topic to COUNT partitions."""

    async def job(cluster: Cluster) -> None:
        if not 1 <= count <= COUNT_MAX:
            raise Unfit(f"{count} is no number of partitions; give a number from 1 to {COUNT_MAX}.")
        await Admin(cluster).add_partitions(name, count)
        say(f"Topic {name} now has {counted(count, 'partition')}.", {"topic": name, "partitions": count}, json=json)

    return with_cluster(bootstrap, job)


def truncate(
    name: str,
    *,
    before: Annotated[str, Parameter(name="--before", help="The first OFFSET to keep, or 'end' to delete all.")],
    json: Json = False,
    bootstrap: Bootstrap = DEFAULT_BOOTSTRAP,
) -> int:
    """Delete the records of TOPIC or TOPIC:PARTITION before an offset."""

    async def job(cluster: Cluster) -> None:
        offset = LATEST if before in ENDS else parse_offset(before, "--before", "an offset, or 'end' for all records")
        chosen = await parse_topic(cluster, name)
        if offset != LATEST:
            await _check_ends(cluster, chosen, offset)
        starts = await Admin(cluster).delete_records(dict.fromkeys(chosen, offset))
        rows = [(topic, index, starts[topic, index]) for topic, index in chosen]
        print_table(("TOPIC", "PARTITION", "START"), rows, json=json)

    return with_cluster(bootstrap, job)


async def _check_ends(cluster: Cluster, partitions: Sequence[TopicPartition], offset: int) -> None:
    """Refuse an offset behind the end of any partition, before records of another are deleted. Raises: Unfit."""
    ends = await list_offsets(cluster, dict.fromkeys(partitions, LATEST))
    for topic, index in partitions:
        end = ends[topic, index].offset
        if offset > end:
            raise Unfit(
                f"--before {offset}: {topic} [{index}] ends at offset {end}, its high watermark. Nothing was deleted. "
                f"Give an offset up to {end}, or 'end' to delete all records."
            )
