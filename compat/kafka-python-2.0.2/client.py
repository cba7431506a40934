"""kafka-python 2.0.2, which knows no idempotence and fetches with a version in which Kafka has no zstd."""

from collections.abc import Mapping, Sequence
from typing import Any

from kafka.admin import ConfigResource, NewPartitions
from kafka.errors import NoError, for_code
from kafka_python import KafkaPython

# Where an entry that was set on the topic itself says that it comes from.
SOURCE_TOPIC = 1


class KafkaPython202(KafkaPython):
    """The admin calls of the release, most of whose answers are tuples as they stand on the wire."""

    def create_partitions(self, *, topic: str, count: int) -> None:
        with self.admin() as admin:
            admin.create_partitions({topic: NewPartitions(count)})

    def describe_configs(self, *, topic: str) -> dict[str, str]:
        return {name: value for name, value, *_ in self._config_entries(topic)}

    def alter_configs(self, *, topic: str, changed: Mapping[str, str], deleted: Sequence[str]) -> None:
        # The release replaces all that is set, so what is to stay goes along.
        kept = {name: value for name, value, _, source, *_ in self._config_entries(topic) if source == SOURCE_TOPIC}
        wanted = {name: value for name, value in kept.items() if name not in deleted} | dict(changed)
        with self.admin() as admin:
            answer = admin.alter_configs([ConfigResource("TOPIC", topic, wanted)])
        for code, message, *_ in answer.resources:
            _check(for_code(code), message)

    def groups(self) -> list[str]:
        with self.admin() as admin:
            return [name for name, _ in admin.list_consumer_groups()]

    def describe_group(self, *, group: str) -> tuple[str, int]:
        with self.admin() as admin:
            described = admin.describe_consumer_groups([group])[0]
        return described.state.lower(), len(described.members)

    def delete_group(self, *, group: str) -> None:
        with self.admin() as admin:
            for name, error in admin.delete_consumer_groups([group]):
                _check(error, name)

    def committed(self, *, group: str, topic: str) -> dict[str, int]:
        with self.admin() as admin:
            found = admin.list_consumer_group_offsets(group)
        return {str(one.partition): at.offset for one, at in found.items() if one.topic == topic and at.offset >= 0}

    def nodes(self) -> list[str]:
        with self.admin() as admin:
            return [f"{one['host']}:{one['port']}" for one in admin.describe_cluster()["brokers"]]

    def _config_entries(self, topic: str) -> list[tuple[Any, ...]]:
        with self.admin() as admin:
            [(code, message, _, _, entries)] = admin.describe_configs([ConfigResource("TOPIC", topic)])[0].resources
        _check(for_code(code), message)
        return list(entries)


def _check(error: type[Exception], what: str) -> None:
    if error is not NoError:
        raise error(what)


def open_client(bootstrap: str) -> KafkaPython202:
    # One request in flight keeps the order of a producer that repeats itself.
    plain = {"max_in_flight_requests_per_connection": 1}
    return KafkaPython202(
        bootstrap,
        missing={
            "idempotence": "kafka-python 2.0.2 has no idempotent producer",
            "delete_records": "kafka-python 2.0.2 cannot delete records",
            "commit_for": "the admin client of kafka-python 2.0.2 neither sets nor deletes a group's offsets",
        },
        idempotence={False: plain},
    )
