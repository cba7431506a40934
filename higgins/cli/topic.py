"""`higgins topic`: create, list, describe and delete topics."""

from collections.abc import Sequence
from typing import Annotated

from cyclopts import App, Parameter

from higgins.cli.common import DEFAULT_BOOTSTRAP, Bootstrap, Json, objects, print_json, print_table, say, with_cluster
from higgins.cli.text.entries import notes_without_effect, parse_entries
from higgins.cli.text.help import examples
from higgins.client import Admin, Cluster
from higgins.client.offsets import EARLIEST, LATEST, list_offsets
from higgins.model.errors import Unfit
from higgins.telemetry.printable import printable

PARTITIONS_MAX = (1 << 31) - 1
REPLICATION_FACTOR_MAX = (1 << 15) - 1
"""The greatest numbers that the protocol can carry; the broker has limits of its own below."""

app = App(
    name="topic",
    help="Create, list, change and delete topics.",
    help_epilogue=examples("higgins topic create orders --partitions 4", "higgins topic list"),
)
app.command("higgins.cli.topic_config:app", name="config", help="Show and change the config entries of a topic.")
app.command(
    "higgins.cli.topic_change:partitions",
    name="partitions",
    help="Increase a topic to COUNT partitions. Streams that operators derive from it get as many.\n\n"
    "Existing records are not moved, so new records of a key may go to another partition than its old ones.",
    help_epilogue=examples("higgins topic partitions orders 8"),
)
app.command(
    "higgins.cli.topic_change:truncate",
    name="truncate",
    help="Delete the records of TOPIC or TOPIC:PARTITION before an offset. This cannot be undone.",
    help_epilogue=examples(
        "higgins topic truncate orders:0 --before 1000", "higgins topic truncate orders --before end"
    ),
)


@app.command(
    help_epilogue=examples(
        "higgins topic create orders", "higgins topic create orders --partitions 4 --config max.message.bytes=2000000"
    )
)
def create(
    name: str,
    *,
    partitions: Annotated[
        int | None,
        Parameter(name=["--partitions", "-p"], help="Number of partitions; the broker's default if not given."),
    ] = None,
    replication_factor: Annotated[int | None, Parameter(name=["--replication-factor", "-r"], show=False)] = None,
    config: Annotated[
        Sequence[str], Parameter(name=["--config", "-c"], help="A topic config as NAME=VALUE; may be repeated.")
    ] = (),
    json: Json = False,
    bootstrap: Bootstrap = DEFAULT_BOOTSTRAP,
) -> int:
    """Create a topic."""

    async def job(cluster: Cluster) -> None:
        configs = parse_entries(config, "--config ")
        await Admin(cluster).create_topic(
            name,
            partitions=_count(partitions, "--partitions", PARTITIONS_MAX),
            replication_factor=_count(replication_factor, "--replication-factor", REPLICATION_FACTOR_MAX),
            configs=configs,
        )
        notes = notes_without_effect(configs)
        document = {"topic": name, "created": True, **({"notes": notes} if notes else {})}
        say(f"Created topic {name}.", document, json=json, notes=notes)

    return with_cluster(bootstrap, job)


@app.command(name="list", help_epilogue=examples("higgins topic list", "higgins topic list --json"))
def list_topics(
    *,
    internal: Annotated[bool, Parameter(negative="", help="Include the cluster's own topics.")] = False,
    json: Json = False,
    bootstrap: Bootstrap = DEFAULT_BOOTSTRAP,
) -> int:
    """List all topics and their number of partitions."""

    async def job(cluster: Cluster) -> None:
        topics = [one for one in await Admin(cluster).topics() if internal or not one.is_internal]
        print_table(("TOPIC", "PARTITIONS"), [(one.name, len(one.leaders)) for one in topics], json=json)

    return with_cluster(bootstrap, job)


@app.command(help_epilogue=examples("higgins topic describe orders"))
def describe(name: str, *, json: Json = False, bootstrap: Bootstrap = DEFAULT_BOOTSTRAP) -> int:
    """Show a topic's id, and each partition's leader and offsets."""

    async def job(cluster: Cluster) -> None:
        topic = await cluster.topic(name)
        partitions = [(name, one) for one in sorted(topic.leaders)]
        starts = await list_offsets(cluster, dict.fromkeys(partitions, EARLIEST))
        ends = await list_offsets(cluster, dict.fromkeys(partitions, LATEST))
        header = ("PARTITION", "LEADER", "START", "END", "RECORDS")
        rows = [
            (one, topic.leaders[one], start, end, end - start)
            for one in sorted(topic.leaders)
            for start, end in [(starts[name, one].offset, ends[name, one].offset)]
        ]
        if json:
            print_json({"topic": name, "id": topic.topic_id.hex(), "partitions": objects(header, rows)})
            return
        print(printable(f"Topic {name}, id {topic.topic_id.hex()}"))
        print_table(header, rows)

    return with_cluster(bootstrap, job)


@app.command(help_epilogue=examples("higgins topic delete orders"))
def delete(name: str, *, json: Json = False, bootstrap: Bootstrap = DEFAULT_BOOTSTRAP) -> int:
    """Delete a topic and its records."""

    async def job(cluster: Cluster) -> None:
        await Admin(cluster).delete_topic(name)
        say(f"Deleted topic {name}.", {"topic": name, "deleted": True}, json=json)

    return with_cluster(bootstrap, job)


def _count(number: int | None, option: str, number_max: int) -> int:
    """A number for CreateTopics, in which -1 stands for the broker's default. Raises: Unfit."""
    if number is None:
        return -1
    if not 1 <= number <= number_max:
        raise Unfit(f"{option} {number}: give a number from 1 to {number_max}.")
    return number
