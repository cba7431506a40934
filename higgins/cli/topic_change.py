"""`higgins topic partitions` and `topic truncate`: add partitions to a topic, delete records from its start."""

from typing import Annotated

from cyclopts import Parameter

from higgins.cli.common import DEFAULT_BOOTSTRAP, Bootstrap, Json, print_table, say, with_cluster
from higgins.cli.partitions import parse_topic
from higgins.client import Admin, Cluster
from higgins.client.offsets import LATEST
from higgins.model.errors import Unfit

ALL = "end"


def partitions(name: str, count: int, *, json: Json = False, bootstrap: Bootstrap = DEFAULT_BOOTSTRAP) -> int:
    """Increase a topic to COUNT partitions. Streams that operators derive from it get as many.

    Existing records are not moved, so new records of a key may go to another partition than its old ones.
    """

    async def job(cluster: Cluster) -> None:
        await Admin(cluster).add_partitions(name, count)
        say(f"Topic {name} now has {count} partitions.", {"topic": name, "partitions": count}, json=json)

    return with_cluster(bootstrap, job)


def truncate(
    name: str,
    *,
    before: Annotated[str, Parameter(name="--before", help="The first OFFSET to keep, or 'end' to delete all.")],
    json: Json = False,
    bootstrap: Bootstrap = DEFAULT_BOOTSTRAP,
) -> int:
    """Delete the records of TOPIC or TOPIC:PARTITION before an offset. This cannot be undone."""

    async def job(cluster: Cluster) -> None:
        chosen = await parse_topic(cluster, name)
        starts = await Admin(cluster).delete_records(dict.fromkeys(chosen, _offset(before)))
        rows = [(topic, index, starts[topic, index]) for topic, index in chosen]
        print_table(("TOPIC", "PARTITION", "START"), rows, json=json)

    return with_cluster(bootstrap, job)


def _offset(text: str) -> int:
    if text == ALL:
        return LATEST
    if text.isascii() and text.isdigit():
        return int(text)
    raise Unfit(f"--before {text}: give an offset, or 'end' to delete all records.")
