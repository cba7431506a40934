"""`higgins group reset` and `higgins group delete`."""

from collections.abc import Mapping
from typing import Annotated

from cyclopts import Parameter

from higgins.cli.common import DEFAULT_BOOTSTRAP, Bootstrap, Json, objects, print_json, print_table, say, with_cluster
from higgins.cli.consume import Start, parse_start
from higgins.cli.partitions import parse_topic
from higgins.client import Admin, Cluster
from higgins.client.cluster import TopicPartition
from higgins.client.offsets import EARLIEST, LATEST, list_offsets

HEADER = ("TOPIC", "PARTITION", "FROM", "TO")


def reset(
    group: str,
    *,
    topic: Annotated[str, Parameter(name=["--topic", "-t"], help="TOPIC, or TOPIC:PARTITION.")],
    to: Annotated[
        str,
        Parameter(
            name="--to",
            help="earliest, latest, an OFFSET, or a TIME such as 2026-01-31T12:00:00Z or @1769860800000.",
        ),
    ],
    dry_run: Annotated[
        bool, Parameter(name="--dry-run", negative="", help="Show the changes without making them.")
    ] = False,
    json: Json = False,
    bootstrap: Bootstrap = DEFAULT_BOOTSTRAP,
) -> int:
    """Change the committed offsets of a group that has no members.

    An offset outside a partition becomes the nearest one inside. Where no record is as late as TIME, the group goes
    to the end.
    """

    async def job(cluster: Cluster) -> None:
        start = parse_to(to)
        chosen = await parse_topic(cluster, topic)
        admin = Admin(cluster)
        before = await admin.committed(group, chosen)
        after = await _places(cluster, dict.fromkeys(chosen, start))
        if not dry_run:
            await admin.reset_offsets(group, after)
        rows = [(*key, before.get(key), after[key]) for key in chosen]
        if json:
            print_json({"group": group, "done": not dry_run, "partitions": objects(HEADER, rows)})
            return
        print_table(HEADER, rows)
        print("Nothing was changed: this was a dry run." if dry_run else f"Group {group} was reset.")

    return with_cluster(bootstrap, job)


def delete(group: str, *, json: Json = False, bootstrap: Bootstrap = DEFAULT_BOOTSTRAP) -> int:
    """Delete a group that has no members, with its committed offsets."""

    async def job(cluster: Cluster) -> None:
        await Admin(cluster).delete_group(group)
        say(f"Deleted group {group}.", {"group": group, "deleted": True}, json=json)

    return with_cluster(bootstrap, job)


def parse_to(text: str) -> Start:
    """Parse the value of `--to`. Raises: ValueError with a message."""
    if text in {"earliest", "latest"}:
        return Start(EARLIEST if text == "earliest" else LATEST)
    try:
        return parse_start(text)
    except ValueError:
        raise ValueError(
            f"--to {text}: give earliest, latest, an offset, or a time such as 2026-01-31T12:00:00Z or @1769860800000."
        ) from None


async def _places(cluster: Cluster, wanted: Mapping[TopicPartition, Start]) -> dict[TopicPartition, int]:
    """The offset that each start means."""
    firsts = await list_offsets(cluster, dict.fromkeys(wanted, EARLIEST))
    ends = await list_offsets(cluster, dict.fromkeys(wanted, LATEST))
    times = {key: start.timestamp_ms for key, start in wanted.items() if start.timestamp_ms is not None}
    timed = await list_offsets(cluster, times)
    places: dict[TopicPartition, int] = {}
    for key, start in wanted.items():
        first, end = firsts[key].offset, ends[key].offset
        if key in timed:
            places[key] = timed[key].offset if timed[key].offset >= 0 else end
        elif start.position == LATEST:
            places[key] = end
        else:
            places[key] = min(max(start.position, first), end)
    return places
