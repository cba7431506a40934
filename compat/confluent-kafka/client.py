"""The adapter to confluent-kafka, which is librdkafka."""

from collections.abc import Mapping, Sequence
from typing import Any

from confluent_kafka import (
    OFFSET_BEGINNING,
    OFFSET_END,
    Consumer,
    ConsumerGroupTopicPartitions,
    KafkaException,
    Message,
    TopicPartition,
)
from confluent_kafka import Producer as LibraryProducer
from confluent_kafka.admin import (
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    NewPartitions,
    NewTopic,
    OffsetSpec,
    ResourceType,
)
from port import Acks, Headers, Record, Start

SEND_S = 60.0
LOOK_UP_S = 20.0
BATCH_RECORDS_MAX = 500


class ConfluentProducer:
    def __init__(self, settings: Mapping[str, Any]) -> None:
        self._producer = LibraryProducer(dict(settings))
        self._failures: list[str] = []

    def send(
        self,
        topic: str,
        value: bytes,
        *,
        partition: int = 0,
        key: bytes | None = None,
        headers: Headers = (),
        timestamp_ms: int | None = None,
    ) -> None:
        stamped: dict[str, Any] = {} if timestamp_ms is None else {"timestamp": timestamp_ms}
        self._producer.produce(
            topic, value, key=key, partition=partition, headers=list(headers), on_delivery=self._delivered, **stamped
        )
        self._producer.poll(0)

    def flush(self) -> None:
        left = self._producer.flush(SEND_S)
        assert not left, f"{left} records are not delivered after {SEND_S:.0f} s"
        assert not self._failures, self._failures[:5]

    def close(self) -> None:
        self.flush()

    def _delivered(self, error: object, message: Message) -> None:
        if error is not None:
            self._failures.append(str(error))


class ConfluentReader:
    def __init__(self, consumer: Consumer) -> None:
        self._consumer = consumer

    def poll(self, timeout_s: float) -> list[Record]:
        return [_record(one) for one in self._consumer.consume(BATCH_RECORDS_MAX, timeout_s) if one.error() is None]

    def close(self) -> None:
        self._consumer.close()


class ConfluentMember(ConfluentReader):
    def assigned(self) -> set[int]:
        return {one.partition for one in self._consumer.assignment()}

    def commit(self) -> None:
        try:
            self._consumer.commit(asynchronous=False)
        except KafkaException:
            pass  # A rebalance has come in between; the records come again to whoever has them now.


class Confluent:
    missing: Mapping[str, str] = {"delete_committed": "confluent-kafka has no call that deletes committed offsets"}

    def __init__(self, bootstrap: str) -> None:
        self._bootstrap: dict[str, str | int | float | bool] = {"bootstrap.servers": bootstrap}

    def topics(self) -> set[str]:
        return set(AdminClient(self._bootstrap).list_topics(timeout=LOOK_UP_S).topics)

    def create_topic(self, name: str, partitions: int) -> None:
        admin = AdminClient(self._bootstrap)
        admin.create_topics([NewTopic(name, partitions, 1)])[name].result(LOOK_UP_S)

    def delete_topic(self, *, name: str) -> None:
        admin = AdminClient(self._bootstrap)
        admin.delete_topics([name])[name].result(LOOK_UP_S)

    def create_partitions(self, *, topic: str, count: int) -> None:
        admin = AdminClient(self._bootstrap)
        admin.create_partitions([NewPartitions(topic, count)])[topic].result(LOOK_UP_S)

    def describe_configs(self, *, topic: str) -> dict[str, str]:
        admin = AdminClient(self._bootstrap)
        resource = ConfigResource(ResourceType.TOPIC, topic)
        entries = admin.describe_configs([resource])[resource].result(LOOK_UP_S)
        return {name: entry.value for name, entry in entries.items()}

    def alter_configs(self, *, topic: str, changed: Mapping[str, str], deleted: Sequence[str]) -> None:
        admin = AdminClient(self._bootstrap)
        wanted = [
            *(ConfigEntry(*one, incremental_operation=AlterConfigOpType.SET) for one in changed.items()),
            *(ConfigEntry(one, None, incremental_operation=AlterConfigOpType.DELETE) for one in deleted),
        ]
        resource = ConfigResource(ResourceType.TOPIC, topic, incremental_configs=wanted)
        admin.incremental_alter_configs([resource])[resource].result(LOOK_UP_S)

    def delete_records(self, *, topic: str, partition: int, before: int) -> int:
        admin = AdminClient(self._bootstrap)
        one = TopicPartition(topic, partition, before)
        first: int = admin.delete_records([one])[one].result(LOOK_UP_S).low_watermark
        return first

    def offsets(self, *, topic: str, partition: int) -> tuple[int, int]:
        admin = AdminClient(self._bootstrap)
        one = TopicPartition(topic, partition)
        first, following = (
            admin.list_offsets({one: spec})[one].result(LOOK_UP_S).offset
            for spec in (OffsetSpec.earliest(), OffsetSpec.latest())
        )
        return first, following

    def groups(self) -> list[str]:
        admin = AdminClient(self._bootstrap)
        listed = admin.list_consumer_groups().result(LOOK_UP_S)
        if listed.errors:
            raise listed.errors[0]
        return [one.group_id for one in listed.valid]

    def describe_group(self, *, group: str) -> tuple[str, int]:
        admin = AdminClient(self._bootstrap)
        described = admin.describe_consumer_groups([group])[group].result(LOOK_UP_S)
        return described.state.name.lower().replace("_", ""), len(described.members)

    def delete_group(self, *, group: str) -> None:
        admin = AdminClient(self._bootstrap)
        admin.delete_consumer_groups([group])[group].result(LOOK_UP_S)

    def committed(self, *, group: str, topic: str) -> dict[str, int]:
        admin = AdminClient(self._bootstrap)
        found = admin.list_consumer_group_offsets([ConsumerGroupTopicPartitions(group)])[group].result(LOOK_UP_S)
        return {
            str(one.partition): one.offset for one in found.topic_partitions if one.topic == topic and one.offset >= 0
        }

    def commit_for(self, *, group: str, topic: str, offsets: Mapping[str, int]) -> None:
        admin = AdminClient(self._bootstrap)
        wanted = [TopicPartition(topic, int(one), offset) for one, offset in offsets.items()]
        altered = admin.alter_consumer_group_offsets([ConsumerGroupTopicPartitions(group, wanted)])
        for one in altered[group].result(LOOK_UP_S).topic_partitions:
            if one.error is not None:
                raise KafkaException(one.error)

    def nodes(self) -> list[str]:
        admin = AdminClient(self._bootstrap)
        return [f"{one.host}:{one.port}" for one in admin.describe_cluster().result(LOOK_UP_S).nodes]

    def producer(self, *, acks: Acks = "all", codec: str = "none", idempotent: bool = False) -> ConfluentProducer:
        settings = {
            **self._bootstrap,
            "acks": acks,
            "compression.type": codec,
            "message.max.bytes": 2_000_000,
            "max.in.flight.requests.per.connection": 5 if idempotent else 1,
            "enable.idempotence": idempotent,
        }
        return ConfluentProducer(settings)

    def reader(self, topic: str, partitions: Sequence[int], start: Start) -> ConfluentReader:
        consumer = Consumer(
            {**self._bootstrap, "group.id": "none", "enable.auto.commit": False, "auto.offset.reset": "earliest"}
        )
        given = {"begin": OFFSET_BEGINNING, "end": OFFSET_END}.get(start.at, start.value)
        assigned = [TopicPartition(topic, one, given) for one in partitions]
        if start.at == "time":
            assigned = consumer.offsets_for_times(assigned, LOOK_UP_S)
        consumer.assign(assigned)
        return ConfluentReader(consumer)

    def member(self, group: str, topic: str) -> ConfluentMember:
        consumer = Consumer(
            {
                **self._bootstrap,
                "group.id": group,
                "enable.auto.commit": False,
                "auto.offset.reset": "earliest",
                "session.timeout.ms": 6_000,
                "heartbeat.interval.ms": 500,
            }
        )
        consumer.subscribe([topic])
        return ConfluentMember(consumer)


def _record(message: Message) -> Record:
    _, timestamp_ms = message.timestamp()
    partition, offset = message.partition(), message.offset()
    assert partition is not None and offset is not None, "a message that was consumed has both"
    headers: Any = tuple(message.headers() or ())
    return Record(partition, offset, timestamp_ms, message.key(), message.value(), headers)


def open_client(bootstrap: str) -> Confluent:
    return Confluent(bootstrap)
