"""The stories of everyday admin calls: each is done through the client, and what it did is seen through the client."""

import time
from collections.abc import Callable
from functools import partial

from port import Client
from telling import (
    PATIENCE_S,
    POLL_S,
    admin_of,
    new_topic,
    numbers,
    read,
    read_from,
    refused,
    same,
    story,
    values,
    write,
)


@story("admin-nodes", "nodes")
def nodes(client: Client) -> None:
    found = admin_of(client).nodes()
    assert found, "the cluster has no nodes"
    same(len(found), len(set(found)), "every node once")


@story("admin-delete-topic", "delete_topic")
def delete_topic(client: Client) -> None:
    topic = new_topic()
    admin_of(client).delete_topic(name=topic)
    eventually(lambda: topic not in client.topics(), "a deleted topic leaves the client's list")
    refused(partial(admin_of(client).delete_topic, name=f"{topic}-never"), "deleting a topic that never was")


@story("admin-partitions", "create_partitions")
def create_partitions(client: Client) -> None:
    topic = new_topic(2)
    write(client, topic, ["before"])
    admin_of(client).create_partitions(topic=topic, count=5)
    producer = client.producer()
    producer.send(topic, b"after", partition=4)
    producer.flush()
    producer.close()
    found = read_from(client, topic, 2, partitions=5)
    same({(one.partition, one.value) for one in found}, {(0, b"before"), (4, b"after")}, "old and new partitions")
    refused(partial(admin_of(client).create_partitions, topic=topic, count=3), "fewer partitions than there are")


@story("admin-configs", "describe_configs", "alter_configs")
def configs(client: Client) -> None:
    topic = new_topic()
    admin = admin_of(client)
    fresh = admin.describe_configs(topic=topic)
    same((fresh["retention.ms"], fresh["cleanup.policy"]), ("604800000", "delete"), "the defaults")
    admin.alter_configs(topic=topic, changed={"retention.ms": "3600000", "max.message.bytes": "2097152"}, deleted=[])
    admin.alter_configs(topic=topic, changed={"cleanup.policy": "compact"}, deleted=["retention.ms"])
    wanted = {**fresh, "max.message.bytes": "2097152", "cleanup.policy": "compact"}
    eventually(lambda: admin.describe_configs(topic=topic) == wanted, "what was set is there, what was deleted is not")
    refused(partial(admin.alter_configs, topic=topic, changed={"retention.ms": "long"}, deleted=[]), "a time in words")
    refused(partial(admin.alter_configs, topic=topic, changed={"no.such": "1"}, deleted=[]), "a name nobody knows")


@story("admin-message-bytes", "alter_configs")
def message_bytes(client: Client) -> None:
    topic = new_topic()
    admin_of(client).alter_configs(topic=topic, changed={"max.message.bytes": "1000"}, deleted=[])
    refused(partial(write, client, topic, ["x" * 5_000]), "a batch larger than max.message.bytes")
    write(client, topic, ["small"])
    same(values(read_from(client, topic, 1)), ["small"], "what fits")


@story("admin-offsets", "offsets")
def offsets(client: Client) -> None:
    topic = new_topic(2)
    write(client, topic, numbers(0, 7))
    same(tuple(admin_of(client).offsets(topic=topic, partition=0)), (0, 7), "first and next offset")
    same(tuple(admin_of(client).offsets(topic=topic, partition=1)), (0, 0), "those of an empty partition")


@story("admin-delete-records", "delete_records", "offsets")
def delete_records(client: Client) -> None:
    topic = new_topic()
    admin = admin_of(client)
    write(client, topic, numbers(0, 50))
    same(admin.delete_records(topic=topic, partition=0, before=30), 30, "the first offset that is left")
    same(tuple(admin.offsets(topic=topic, partition=0)), (30, 50), "first and next offset")
    same(values(read_from(client, topic, 20)), numbers(30, 50), "what is left")
    refused(partial(admin.delete_records, topic=topic, partition=0, before=51), "deleting what is not there yet")


@story("admin-groups", "groups", "describe_group", "committed", "delete_group")
def groups(client: Client) -> None:
    topic = new_topic(2)
    group = f"group-{topic}"
    admin = admin_of(client)
    write(client, topic, numbers(0, 10))
    member = client.member(group, topic)
    seen: list[str] = []
    deadline = time.monotonic() + PATIENCE_S
    while len(seen) < 10 and time.monotonic() < deadline:
        seen += values(member.poll(POLL_S))
    member.commit()
    assert group in admin.groups(), "a group with a member is not listed"
    same(tuple(admin.describe_group(group=group)), ("stable", 1), "state and members")
    refused(partial(admin.delete_group, group=group), "deleting a group with a member")
    member.close()
    same(tuple(admin.describe_group(group=group)), ("empty", 0), "state and members, after the last has left")
    same(admin.committed(group=group, topic=topic).get("0"), 10, "the committed offset")
    admin.delete_group(group=group)
    assert group not in admin.groups(), "a deleted group is listed"


@story("admin-group-offsets", "commit_for", "committed", "delete_committed")
def group_offsets(client: Client) -> None:
    topic = new_topic(3)
    group = f"group-{topic}"
    admin = admin_of(client)
    write(client, topic, numbers(0, 20))
    admin.commit_for(group=group, topic=topic, offsets={"0": 15, "1": 0, "2": 0})
    same(dict(admin.committed(group=group, topic=topic)), {"0": 15, "1": 0, "2": 0}, "what was set")
    same(values(read(client.member(group, topic), 5)), numbers(15, 20), "where a member begins")
    admin.delete_committed(group=group, topic=topic, partitions=[1, 2])
    same(dict(admin.committed(group=group, topic=topic)), {"0": 15}, "what is left")


def eventually(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline, f"not in {PATIENCE_S:.0f} s: {what}"
        time.sleep(0.1)
