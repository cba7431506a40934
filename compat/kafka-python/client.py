"""kafka-python 3."""

from collections.abc import Mapping, Sequence
from typing import Any

from kafka import TopicPartition
from kafka.admin import AlterConfigOp, ConfigResource
from kafka.errors import NoError
from kafka.structs import OffsetAndMetadata
from kafka_python import KafkaPython


class KafkaPython3(KafkaPython):
    """The admin calls of the release. Some raise what a node refuses, some hand it out: here all of it is raised."""

    def create_partitions(self, *, topic: str, count: int) -> None:
        with self.admin() as admin:
            admin.create_partitions({topic: count})

    def describe_configs(self, *, topic: str) -> dict[str, str]:
        with self.admin() as admin:
            described = admin.describe_configs([ConfigResource("TOPIC", topic)], config_filter="all")
        return {name: entry["value"] for name, entry in described["topic"][topic].items()}

    def alter_configs(self, *, topic: str, changed: Mapping[str, str], deleted: Sequence[str]) -> None:
        wanted: dict[str, Any] = {name: (AlterConfigOp.SET, value) for name, value in changed.items()}
        wanted |= dict.fromkeys(deleted, (AlterConfigOp.DELETE, None))
        # What it thinks unknown it would not send at all; the node is to say so.
        with self.admin() as admin:
            altered = admin.alter_configs([ConfigResource("TOPIC", topic, wanted)], raise_on_unknown=False)
        if altered["topic"][topic] != "OK":
            raise RuntimeError(altered["topic"][topic])

    def delete_records(self, *, topic: str, partition: int, before: int) -> int:
        one = TopicPartition(topic, partition)
        with self.admin() as admin:
            first: int = admin.delete_records({one: before})[one]["low_watermark"]
        return first

    def groups(self) -> list[str]:
        with self.admin() as admin:
            return [one["group_id"] for one in admin.list_groups()]

    def describe_group(self, *, group: str) -> tuple[str, int]:
        with self.admin() as admin:
            described = admin.describe_groups([group])[group]
        if described["error"]:
            raise RuntimeError(described["error"])
        return described["group_state"].lower(), len(described["members"])

    def delete_group(self, *, group: str) -> None:
        with self.admin() as admin:
            done = admin.delete_groups([group])[group]
        if done != "OK":
            raise RuntimeError(done)

    def committed(self, *, group: str, topic: str) -> dict[str, int]:
        with self.admin() as admin:
            found = admin.list_group_offsets(group)[group]
        return {str(one.partition): at.offset for one, at in found.items() if one.topic == topic and at.offset >= 0}

    def commit_for(self, *, group: str, topic: str, offsets: Mapping[str, int]) -> None:
        wanted = {TopicPartition(topic, int(one)): OffsetAndMetadata(at, "", -1) for one, at in offsets.items()}
        with self.admin() as admin:
            _check(admin.alter_group_offsets(group, wanted))

    def delete_committed(self, *, group: str, topic: str, partitions: Sequence[int]) -> None:
        with self.admin() as admin:
            _check(admin.delete_group_offsets(group, [TopicPartition(topic, one) for one in partitions]))

    def nodes(self) -> list[str]:
        with self.admin() as admin:
            return [f"{one['host']}:{one['port']}" for one in admin.describe_cluster()["brokers"]]


def _check(outcomes: Mapping[Any, Any]) -> None:
    refused = {one: error.__name__ for one, error in outcomes.items() if error is not NoError}
    if refused:
        raise RuntimeError(str(refused))


def open_client(bootstrap: str) -> KafkaPython3:
    return KafkaPython3(
        bootstrap,
        missing={},
        idempotence={False: {"enable_idempotence": False}, True: {"enable_idempotence": True}},
    )
