"""`higgins group`: list and describe consumer groups."""

from cyclopts import App

from higgins.cli.common import DEFAULT_BOOTSTRAP, Bootstrap, Json, objects, print_json, print_table, with_cluster
from higgins.client import Admin, ClientError, Cluster
from higgins.client.assignment import decode_assignment
from higgins.client.cluster import TopicPartition
from higgins.client.offsets import LATEST, list_offsets
from higgins_protocol.messages.describe_groups import DescribedGroup

app = App(
    name="group",
    help="List, describe, reset and delete consumer groups; the progress of operators shows here too.",
)
app.command("higgins.cli.group_change:reset", name="reset", help="Change the committed offsets of a group.")
app.command("higgins.cli.group_change:delete", name="delete", help="Delete a group and its committed offsets.")


@app.command(name="list")
def list_groups(*, json: Json = False, bootstrap: Bootstrap = DEFAULT_BOOTSTRAP) -> int:
    """List all groups."""

    async def job(cluster: Cluster) -> None:
        groups = await Admin(cluster).groups()
        rows = [(one.group_id, one.protocol_type, one.state) for one in groups]
        print_table(("GROUP", "TYPE", "STATE"), rows, json=json)

    return with_cluster(bootstrap, job)


@app.command
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
        print(f"Group {group}: {state}, {len(members)} members")
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
