"""`higgins group reset` and `higgins group delete`."""

from typing import Annotated

from cyclopts import Parameter

from higgins.cli.common import DEFAULT_BOOTSTRAP, Bootstrap, Json, objects, print_json, print_table, say, with_cluster
from higgins.cli.partitions import parse_topic
from higgins.cli.places import places
from higgins.cli.text.start import HELP, parse_start
from higgins.client import Admin, Cluster
from higgins.telemetry.printable import printable

HEADER = ("TOPIC", "PARTITION", "FROM", "TO")


def reset(
    group: str,
    *,
    topic: Annotated[str, Parameter(name=["--topic", "-t"], help="TOPIC, or TOPIC:PARTITION.")],
    to: Annotated[
        str,
        Parameter(name="--to", allow_leading_hyphen=True, help=f"Where the group continues. {HELP}"),
    ],
    dry_run: Annotated[
        bool, Parameter(name="--dry-run", negative="", help="Show the changes without making them.")
    ] = False,
    json: Json = False,
    bootstrap: Bootstrap = DEFAULT_BOOTSTRAP,
) -> int:
    """Change the committed offsets of a group that has no members."""

    async def job(cluster: Cluster) -> None:
        start = parse_start(to, "--to", cluster.runtime.now_ms())
        chosen = await parse_topic(cluster, topic)
        admin = Admin(cluster)
        before = await admin.committed(group, chosen)
        after = await places(cluster, chosen, start)
        if not dry_run:
            await admin.reset_offsets(group, after)
        rows = [(*key, before.get(key), after[key]) for key in chosen]
        if json:
            print_json({"group": group, "done": not dry_run, "partitions": objects(HEADER, rows)})
            return
        print_table(HEADER, rows)
        print(printable("Nothing was changed: this was a dry run." if dry_run else f"Group {group} was reset."))

    return with_cluster(bootstrap, job)


def delete(group: str, *, json: Json = False, bootstrap: Bootstrap = DEFAULT_BOOTSTRAP) -> int:
    """Delete a group that has no members, with its committed offsets."""

    async def job(cluster: Cluster) -> None:
        await Admin(cluster).delete_group(group)
        say(f"Deleted group {group}.", {"group": group, "deleted": True}, json=json)

    return with_cluster(bootstrap, job)
