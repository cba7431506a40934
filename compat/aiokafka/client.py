"""The adapter to aiokafka: its event loop runs in a thread, and every call waits for what it does there."""

import asyncio
import threading
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from typing import Any, TypeVar

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewPartitions, NewTopic, RecordsToDelete
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import CommitFailedError, for_code
from port import Acks, Headers, Record, Start

T = TypeVar("T")
CALL_S = 90.0
IN_FLIGHT_MAX = 2_000
# Where an entry that was set on the topic itself says that it comes from.
SOURCE_TOPIC = 1


class Loop:
    """An event loop in a thread."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        threading.Thread(target=self._loop.run_forever, daemon=True).start()

    def do(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(CALL_S)


class AiokafkaProducer:
    def __init__(self, loop: Loop, settings: Mapping[str, Any]) -> None:
        self._loop = loop
        self._settings = settings
        self._sent: list[asyncio.Future[Any]] = []
        self._producer = loop.do(self._open())

    async def _open(self) -> AIOKafkaProducer:
        producer = AIOKafkaProducer(max_request_size=2_000_000, **self._settings)
        await producer.start()
        return producer

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
            topic, value, key=key, partition=partition, headers=list(headers), timestamp_ms=timestamp_ms
        )
        self._sent.append(self._loop.do(sent))

    def flush(self) -> None:
        self._loop.do(self._producer.flush())
        sent, self._sent = self._sent, []
        self._loop.do(_gather(sent))

    def close(self) -> None:
        self._loop.do(self._producer.stop())


class AiokafkaReader:
    def __init__(self, loop: Loop, consumer: AIOKafkaConsumer) -> None:
        self._loop = loop
        self._consumer = consumer

    def poll(self, timeout_s: float) -> list[Record]:
        polled = self._loop.do(self._consumer.getmany(timeout_ms=int(timeout_s * 1000)))
        return [
            Record(one.partition, one.offset, one.timestamp, one.key, one.value, tuple(one.headers))
            for records in polled.values()
            for one in records
        ]

    def close(self) -> None:
        self._loop.do(self._consumer.stop())


class AiokafkaMember(AiokafkaReader):
    def assigned(self) -> set[int]:
        return {one.partition for one in self._consumer.assignment()}

    def commit(self) -> None:
        try:
            self._loop.do(self._consumer.commit())
        except CommitFailedError:
            pass  # A rebalance has come in between; the records come again to whoever has them now.


class Aiokafka:
    missing: Mapping[str, str] = {
        "delete_group": "aiokafka cannot delete groups",
        "commit_for": "the admin client of aiokafka neither sets nor deletes a group's offsets",
    }

    def __init__(self, bootstrap: str) -> None:
        self._bootstrap = bootstrap
        self._loop = Loop()

    def topics(self) -> set[str]:
        async def look() -> set[str]:
            consumer = AIOKafkaConsumer(bootstrap_servers=self._bootstrap)
            await consumer.start()
            try:
                return set(await consumer.topics())
            finally:
                await consumer.stop()

        return self._loop.do(look())

    def create_topic(self, name: str, partitions: int) -> None:
        wanted = NewTopic(name, num_partitions=partitions, replication_factor=1)
        self._administer(lambda admin: admin.create_topics([wanted]))

    def delete_topic(self, *, name: str) -> None:
        for topic, code in self._administer(lambda admin: admin.delete_topics([name])).topic_error_codes:
            _check(code, topic)

    def create_partitions(self, *, topic: str, count: int) -> None:
        self._administer(lambda admin: admin.create_partitions({topic: NewPartitions(count)}))

    def describe_configs(self, *, topic: str) -> dict[str, str]:
        return {name: value for name, value, *_ in self._config_entries(topic)}

    def alter_configs(self, *, topic: str, changed: Mapping[str, str], deleted: Sequence[str]) -> None:
        # The client replaces all that is set, so what is to stay goes along.
        kept = {name: value for name, value, _, source, *_ in self._config_entries(topic) if source == SOURCE_TOPIC}
        wanted = {name: value for name, value in kept.items() if name not in deleted} | dict(changed)
        resource = ConfigResource(ConfigResourceType.TOPIC, topic, wanted)
        [answer] = self._administer(lambda admin: admin.alter_configs([resource]))
        for code, message, *_ in answer.resources:
            _check(code, message)

    def delete_records(self, *, topic: str, partition: int, before: int) -> int:
        one = TopicPartition(topic, partition)
        first: int = self._administer(lambda admin: admin.delete_records({one: RecordsToDelete(before)}))[one]
        return first

    def offsets(self, *, topic: str, partition: int) -> tuple[int, int]:
        async def look() -> tuple[int, int]:
            one = TopicPartition(topic, partition)
            async with AIOKafkaConsumer(bootstrap_servers=self._bootstrap) as consumer:
                first, following = await consumer.beginning_offsets([one]), await consumer.end_offsets([one])
            return first[one], following[one]

        return self._loop.do(look())

    def groups(self) -> list[str]:
        return [name for name, *_ in self._administer(lambda admin: admin.list_consumer_groups())]

    def describe_group(self, *, group: str) -> tuple[str, int]:
        [answer] = self._administer(lambda admin: admin.describe_consumer_groups([group]))
        [(code, name, state, _, _, members, *_)] = answer.groups
        _check(code, name)
        return state.lower(), len(members)

    def committed(self, *, group: str, topic: str) -> dict[str, int]:
        found = self._administer(lambda admin: admin.list_consumer_group_offsets(group))
        return {str(one.partition): at.offset for one, at in found.items() if one.topic == topic and at.offset >= 0}

    def nodes(self) -> list[str]:
        described = self._administer(lambda admin: admin.describe_cluster())
        return [f"{one['host']}:{one['port']}" for one in described["brokers"]]

    def producer(self, *, acks: Acks = "all", codec: str = "none", idempotent: bool = False) -> AiokafkaProducer:
        settings = {
            "bootstrap_servers": self._bootstrap,
            "acks": acks if acks == "all" else int(acks),
            "compression_type": None if codec == "none" else codec,
            "enable_idempotence": idempotent,
        }
        return AiokafkaProducer(self._loop, settings)

    def reader(self, topic: str, partitions: Sequence[int], start: Start) -> AiokafkaReader:
        async def open_reader() -> AIOKafkaConsumer:
            consumer = AIOKafkaConsumer(bootstrap_servers=self._bootstrap, auto_offset_reset="earliest")
            await consumer.start()
            assigned = [TopicPartition(topic, one) for one in partitions]
            consumer.assign(assigned)
            await _seek(consumer, assigned, start)
            return consumer

        return AiokafkaReader(self._loop, self._loop.do(open_reader()))

    def member(self, group: str, topic: str) -> AiokafkaMember:
        async def open_member() -> AIOKafkaConsumer:
            consumer = AIOKafkaConsumer(
                topic,
                bootstrap_servers=self._bootstrap,
                group_id=group,
                auto_offset_reset="earliest",
                enable_auto_commit=False,
                session_timeout_ms=6_000,
                heartbeat_interval_ms=500,
            )
            await consumer.start()
            return consumer

        # Starting a member waits for its group, so each has a loop of its own.
        loop = Loop()
        return AiokafkaMember(loop, loop.do(open_member()))

    def _config_entries(self, topic: str) -> list[tuple[Any, ...]]:
        resource = ConfigResource(ConfigResourceType.TOPIC, topic)
        [answer] = self._administer(lambda admin: admin.describe_configs([resource]))
        [(code, message, _, _, entries)] = answer.resources
        _check(code, message)
        return list(entries)

    def _administer(self, call: Callable[[AIOKafkaAdminClient], Awaitable[Any]]) -> Any:
        async def administer() -> Any:
            admin = AIOKafkaAdminClient(bootstrap_servers=self._bootstrap)
            await admin.start()
            try:
                return await call(admin)
            finally:
                await admin.close()

        return self._loop.do(administer())


def _check(code: int, what: str) -> None:
    """Most answers of its admin client are handed out as they come, refusals among them."""
    if code:
        raise for_code(code)(what)


async def _gather(sent: Sequence["asyncio.Future[Any]"]) -> None:
    await asyncio.gather(*sent)


async def _seek(consumer: AIOKafkaConsumer, assigned: Sequence[Any], start: Start) -> None:
    if start.at == "begin":
        await consumer.seek_to_beginning(*assigned)
    elif start.at == "end":
        await consumer.seek_to_end(*assigned)
    elif start.at == "offset":
        for one in assigned:
            consumer.seek(one, start.value)
    else:
        found = await consumer.offsets_for_times(dict.fromkeys(assigned, start.value))
        for one, stamped in found.items():
            if stamped is not None:
                consumer.seek(one, stamped.offset)


def open_client(bootstrap: str) -> Aiokafka:
    return Aiokafka(bootstrap)
