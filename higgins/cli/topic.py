"""`higgins topic`: create, list, describe and delete topics."""

from collections.abc import Sequence
from typing import Annotated

from cyclopts import App, Parameter

from higgins.cli.common import DEFAULT_BOOTSTRAP, Bootstrap, Json, objects, print_json, print_table, say, with_cluster
from higgins.client import Admin, Cluster
from higgins.client.offsets import EARLIEST, LATEST, list_offsets
from higgins.model.errors import Unfit

app = App(name="topic", help="Create, list, describe, configure and delete topics.")
app.command("higgins.cli.topic_config:app", name="config", help="Show and change the config entries of a topic.")
app.command("higgins.cli.topic_change:partitions", name="partitions", help="Give a topic more partitions.")
app.command("higgins.cli.topic_change:truncate", name="truncate", help="Delete the records before an offset.")


@app.command
def create(
    name: str,
    *,
    partitions: Annotated[
        int, Parameter(name=["--partitions", "-p"], help="Number of partitions; the broker's default if not given.")
    ] = -1,
    replication_factor: Annotated[int, Parameter(name=["--replication-factor", "-r"], show=False)] = -1,
    config: Annotated[
        Sequence[str], Parameter(name=["--config", "-c"], help="A topic config as NAME=VALUE; may be repeated.")
    ] = (),
    json: Json = False,
    bootstrap: Bootstrap = DEFAULT_BOOTSTRAP,
) -> int:
    """Create a topic."""

    async def job(cluster: Cluster) -> None:
        await Admin(cluster).create_topic(
            name, partitions=partitions, replication_factor=replication_factor, configs=_configs(config)
        )
        say(f"Created topic {name}.", {"topic": name, "created": True}, json=json)

    return with_cluster(bootstrap, job)


@app.command(name="list")
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


@app.command
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
        print(f"Topic {name}, id {topic.topic_id.hex()}")
        print_table(header, rows)

    return with_cluster(bootstrap, job)


@app.command
def delete(name: str, *, json: Json = False, bootstrap: Bootstrap = DEFAULT_BOOTSTRAP) -> int:
    """Delete a topic and its records."""

    async def job(cluster: Cluster) -> None:
        await Admin(cluster).delete_topic(name)
        say(f"Deleted topic {name}.", {"topic": name, "deleted": True}, json=json)

    return with_cluster(bootstrap, job)


def _configs(pairs: Sequence[str]) -> dict[str, str]:
    configs: dict[str, str] = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals or not name:
            raise Unfit(f"--config {pair}: write NAME=VALUE, as in --config max.message.bytes=2000000.")
        configs[name] = value
    return configs
