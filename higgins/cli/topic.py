"""`higgins topic`: create, list, describe, delete."""

from collections.abc import Sequence
from typing import Annotated

from cyclopts import App, Parameter

from higgins.cli.common import DEFAULT_BOOTSTRAP, Bootstrap, print_table, with_cluster
from higgins.client import Admin, Cluster
from higgins.client.offsets import EARLIEST, LATEST, list_offsets
from higgins.model.errors import Unfit

app = App(name="topic", help="Create, list, describe and delete topics.")


@app.command
def create(
    name: str,
    *,
    partitions: Annotated[
        int, Parameter(name=["--partitions", "-p"], help="How many; the broker's default if not given.")
    ] = -1,
    replication_factor: Annotated[int, Parameter(name=["--replication-factor", "-r"], show=False)] = -1,
    config: Annotated[
        Sequence[str], Parameter(name=["--config", "-c"], help="A topic config as NAME=VALUE; may be repeated.")
    ] = (),
    bootstrap: Bootstrap = DEFAULT_BOOTSTRAP,
) -> int:
    """Create a topic."""

    async def job(cluster: Cluster) -> None:
        await Admin(cluster).create_topic(
            name, partitions=partitions, replication_factor=replication_factor, configs=_configs(config)
        )
        print(f"Created topic {name}.")

    return with_cluster(bootstrap, job)


@app.command(name="list")
def list_topics(*, bootstrap: Bootstrap = DEFAULT_BOOTSTRAP) -> int:
    """List all topics and how many partitions each has."""

    async def job(cluster: Cluster) -> None:
        topics = await Admin(cluster).topics()
        print_table(("TOPIC", "PARTITIONS"), [(one.name, len(one.leaders)) for one in topics])

    return with_cluster(bootstrap, job)


@app.command
def describe(name: str, *, bootstrap: Bootstrap = DEFAULT_BOOTSTRAP) -> int:
    """Show a topic's id, and each partition's leader and offsets."""

    async def job(cluster: Cluster) -> None:
        topic = await cluster.topic(name)
        partitions = [(name, one) for one in sorted(topic.leaders)]
        starts = await list_offsets(cluster, dict.fromkeys(partitions, EARLIEST))
        ends = await list_offsets(cluster, dict.fromkeys(partitions, LATEST))
        print(f"Topic {name}, id {topic.topic_id.hex()}")
        print_table(
            ("PARTITION", "LEADER", "START", "END", "RECORDS"),
            [
                (one, topic.leaders[one], start, end, end - start)
                for one in sorted(topic.leaders)
                for start, end in [(starts[name, one].offset, ends[name, one].offset)]
            ],
        )

    return with_cluster(bootstrap, job)


@app.command
def delete(name: str, *, bootstrap: Bootstrap = DEFAULT_BOOTSTRAP) -> int:
    """Delete a topic and its records."""

    async def job(cluster: Cluster) -> None:
        await Admin(cluster).delete_topic(name)
        print(f"Deleted topic {name}.")

    return with_cluster(bootstrap, job)


def _configs(pairs: Sequence[str]) -> dict[str, str]:
    configs: dict[str, str] = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals or not name:
            raise Unfit(f"--config {pair}: write NAME=VALUE, as in --config max.message.bytes=2000000.")
        configs[name] = value
    return configs
