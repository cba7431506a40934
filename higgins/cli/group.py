"""`higgins group`: list and describe consumer groups."""

from cyclopts import App

from higgins.cli.common import DEFAULT_BOOTSTRAP, Bootstrap, Json, objects, print_json, print_table, with_cluster
from higgins.cli.text.help import examples
from higgins.client import Admin, ClientError, Cluster
from higgins.client.assignment import decode_assignment
from higgins.client.cluster import TopicPartition
from higgins.client.offsets import LATEST, list_offsets
from higgins.model.words import counted
from higgins.telemetry.printable import printable
from higgins_protocol.messages.describe_groups import DescribedGroup

app = App(
    name="group",
    help="List, reset and delete consumer groups. The progress of operators shows here too.",
    help_epilogue=examples("higgins group list", "higgins group describe readers"),
)
app.command(
    "higgins.cli.group_change:reset",
    name="reset",
    help="Change the committed offsets of a group that has no members.\n\n"
    "An offset outside a partition becomes the nearest one inside. Where no record is as late as a TIME, the group "
    "goes to the end.",
    help_epilogue=examples(
        "higgins group reset readers --topic orders --to earliest --dry-run",
        "higgins group reset readers --topic orders:0 --to 1000",
        "higgins group reset readers --topic orders --to 2026-01-31T12:00:00Z",
    ),
)
app.command(
    "higgins.cli.group_change:delete",
    name="delete",
    help="Delete a group that has no members, with its committed offsets.",
    help_epilogue=examples("higgins group delete readers"),
)


@app.command(name="list", help_epilogue=examples("higgins group list"))
def list_groups(*, json: Json = False, bootstrap: Bootstrap = DEFAULT_BOOTSTRAP) -> int:
    """List all groups."""

    async def job(cluster: Cluster) -> None:
        groups = await Admin(cluster).groups()
        rows = [(one.group_id, one.protocol_type, one.state) for one in groups]
        print_table(("GROUP", "TYPE", "STATE"), rows, json=json)

    return with_cluster(bootstrap, job)


@app.command(help_epilogue=examples("higgins group describe readers"))
def describe(group: str, *, json: Json = False, bootstrap: Bootstrap = DEFAULT_BOOTSTRAP) -> int:
    """Show a group's state, and the committed offset, lag and member of each partition."""

    async def job(cluster: Cluster) -> None:
        admin = Admin(cluster)
        described = await admin.describe_group(group)
        readers = _readers(described)
        committed = await admin.committed(group)
        partitions = sorted({*committed, *readers})
        ends = await list_offsets(cluster, dict.fromkeys(partitions, LATEST))
        header = ("TOPIC", "PARTITION", "COMMITTED", "END", "LAG", "MEMBER")
        rows = []
        for key in partitions:
            at, end = committed.get(key), ends[key].offset
            rows.append((*key, at, end, None if at is None else end - at, readers.get(key)))
        state, members = described.group_state, [one.member_id for one in described.members]
        if json:
            print_json({"group": group, "state": state, "members": members, "partitions": objects(header, rows)})
            return
        print(printable(f"Group {group}: {state}, {counted(len(members), 'member')}"))
        print_table(header, rows)

    return with_cluster(bootstrap, job)


def _readers(group: DescribedGroup) -> dict[TopicPartition, str]:
    """The member that reads each partition; empty for groups that do not use the consumer protocol."""
    readers: dict[TopicPartition, str] = {}
    if group.protocol_type != "consumer":
        return readers
    for member in group.members:
        try:
            assigned = decode_assignment(member.member_assignment)
        except ClientError:
            continue  # the assignment of another kind of client, in a format of its own
        readers.update(dict.fromkeys(assigned, member.member_id))
    return readers
