"""The adapter to kafka-python, all of its releases.

The two folders differ in what their release lacks, and in the admin calls, which have other names and answers in each.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, TopicPartition
from kafka.admin import NewTopic
from kafka.errors import CommitFailedError, KafkaError
from port import Acks, Headers, Record, Start

SEND_S = 60.0
SESSION_MS = 6_000


class KafkaPythonProducer:
    def __init__(self, bootstrap: str, settings: Mapping[str, Any]) -> None:
        self._producer = KafkaProducer(bootstrap_servers=bootstrap, max_request_size=2_000_000, **settings)
        self._sent: list[Any] = []

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
        sent = self._producer.send(
            topic, value, key=key, headers=list(headers), partition=partition, timestamp_ms=timestamp_ms
        )
        self._sent.append(sent)

    def flush(self) -> None:
        self._producer.flush(SEND_S)
        sent, self._sent = self._sent, []
        for each in sent:
            each.get(timeout=SEND_S)

    def close(self) -> None:
        self._producer.close(timeout=SEND_S)


class KafkaPythonReader:
    def __init__(self, consumer: KafkaConsumer) -> None:
        self._consumer = consumer

    def poll(self, timeout_s: float) -> list[Record]:
        polled = self._consumer.poll(timeout_ms=int(timeout_s * 1000))
        return [
            Record(one.partition, one.offset, one.timestamp, one.key, one.value, tuple(one.headers))
            for records in polled.values()
            for one in records
        ]

    def close(self) -> None:
        self._consumer.close()


class KafkaPythonMember(KafkaPythonReader):
    """What its heartbeats meet while a node is away comes out of any call, and is over with the next."""

    def poll(self, timeout_s: float) -> list[Record]:
        try:
            return super().poll(timeout_s)
        except KafkaError as error:
            if not error.retriable:
                raise
            return []

    def assigned(self) -> set[int]:
        return {one.partition for one in self._consumer.assignment()}

    def commit(self) -> None:
        try:
            self._consumer.commit()
        except CommitFailedError:
            pass  # A rebalance has come in between; the records come again to whoever has them now.
        except KafkaError as error:
            if not error.retriable:
                raise


class KafkaPython:
    """kafka-python; `idempotence` says how a producer is asked for it, where the release knows it."""

    def __init__(
        self, bootstrap: str, missing: Mapping[str, str], idempotence: Mapping[bool, Mapping[str, Any]]
    ) -> None:
        self.missing = missing
        self._bootstrap = bootstrap
        self._idempotence = idempotence

    def topics(self) -> set[str]:
        consumer = KafkaConsumer(bootstrap_servers=self._bootstrap)
        try:
            return set(consumer.topics())
        finally:
            consumer.close()

    def create_topic(self, name: str, partitions: int) -> None:
        with self.admin() as admin:
            admin.create_topics([NewTopic(name, num_partitions=partitions, replication_factor=1)])

    def delete_topic(self, *, name: str) -> None:
        with self.admin() as admin:
            admin.delete_topics([name])

    def offsets(self, *, topic: str, partition: int) -> tuple[int, int]:
        consumer = KafkaConsumer(bootstrap_servers=self._bootstrap)
        try:
            one = TopicPartition(topic, partition)
            return consumer.beginning_offsets([one])[one], consumer.end_offsets([one])[one]
        finally:
            consumer.close()

    @contextmanager
    def admin(self) -> Iterator[KafkaAdminClient]:
        """The client's admin, for the calls in which the releases differ."""
        admin = KafkaAdminClient(bootstrap_servers=self._bootstrap)
        try:
            yield admin
        finally:
            admin.close()

    def producer(self, *, acks: Acks = "all", codec: str = "none", idempotent: bool = False) -> KafkaPythonProducer:
        settings = {
            "acks": acks if acks == "all" else int(acks),
            "compression_type": None if codec == "none" else codec,
            "retries": 1_000,
            **self._idempotence[idempotent],
        }
        return KafkaPythonProducer(self._bootstrap, settings)

    def reader(self, topic: str, partitions: Sequence[int], start: Start) -> KafkaPythonReader:
        consumer = KafkaConsumer(bootstrap_servers=self._bootstrap, auto_offset_reset="earliest")
        assigned = [TopicPartition(topic, one) for one in partitions]
        consumer.assign(assigned)
        if start.at == "begin":
            consumer.seek_to_beginning(*assigned)
        elif start.at == "end":
            consumer.seek_to_end(*assigned)
        else:
            for one, offset in self._offsets(consumer, assigned, start).items():
                consumer.seek(one, offset)
        return KafkaPythonReader(consumer)

    def member(self, group: str, topic: str) -> KafkaPythonMember:
        consumer = KafkaConsumer(
            topic,
            bootstrap_servers=self._bootstrap,
            group_id=group,
            auto_offset_reset="earliest",
            enable_auto_commit=False,
            session_timeout_ms=SESSION_MS,
            heartbeat_interval_ms=500,
        )
        return KafkaPythonMember(consumer)

    @staticmethod
    def _offsets(consumer: KafkaConsumer, assigned: Sequence[Any], start: Start) -> dict[Any, int]:
        if start.at == "offset":
            return dict.fromkeys(assigned, start.value)
        found = consumer.offsets_for_times(dict.fromkeys(assigned, start.value))
        return {one: stamped.offset for one, stamped in found.items() if stamped is not None}
