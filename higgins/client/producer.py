"""A producer: takes records, batches them by partition, and tells what became of each.

One task per partition drives its lane; the buffer of all lanes is bounded, and `send` waits when it is full.
"""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import msgspec
import trio

from higgins.client.cluster import Cluster, TopicPartition
from higgins.client.errors import (
    RETRIABLE,
    BrokerRefused,
    ClientError,
    IncompatibleBroker,
    Unreachable,
    check,
    error_code,
)
from higgins.client.lane import RECORD_OVERHEAD_BYTES, Batch, Header, Identity, Lane, Pending, record_bytes
from higgins.client.partitioner import partition_of_key
from higgins.client.pulse import Pulse
from higgins.client.results import Delivery, SendResult
from higgins.client.settings import ProducerSettings
from higgins.client.tasks import background
from higgins.client.wire import Answer
from higgins_protocol.errors import ErrorCode
from higgins_protocol.messages.init_producer_id import InitProducerIdRequest, InitProducerIdResponse
from higgins_protocol.messages.produce import (
    PartitionProduceData,
    PartitionProduceResponse,
    ProduceRequest,
    ProduceResponse,
    TopicProduceData,
)

PRODUCE = 0
# What a request may take beyond the time the broker was given to answer it.
ANSWER_GRACE_S = 5.0


class _Sticky(msgspec.Struct):
    """Where the keyless records of a topic go for now, and how much longer."""

    partition: int
    left_bytes: int


class Producer:
    """Made by `open_producer`, which owns its tasks and flushes it at the end."""

    def __init__(self, nursery: trio.Nursery, cluster: Cluster, settings: ProducerSettings) -> None:
        if settings.idempotent and settings.acks != -1:
            raise ValueError("An idempotent producer needs acks = -1 (all): set idempotent = False for fewer.")
        self._nursery = nursery
        self._cluster = cluster
        self._settings = settings
        self._lanes: dict[TopicPartition, tuple[Lane, Pulse]] = {}
        self._sticky: dict[str, _Sticky] = {}
        self._buffered_bytes = 0
        self._changed = Pulse()
        self._identity: Identity | None = None
        self._identifying = trio.Lock()

    def __repr__(self) -> str:
        return f"<Producer lanes={len(self._lanes)} buffered={self._buffered_bytes}>"

    async def send(
        self,
        topic: str,
        value: bytes | None,
        *,
        key: bytes | None = None,
        headers: tuple[Header, ...] = (),
        partition: int | None = None,
        timestamp_ms: int | None = None,
        create: bool = False,
    ) -> Delivery:
        """Hand over a record; waits for room in the buffer, not for the broker.

        Raises: ClientError when the topic cannot be found. What happens later is told by the delivery.
        """
        view = await self._cluster.topic(topic, create=create)
        if partition is None:
            partition = self._choose(topic, key, len(value or b""), len(view.leaders))
        elif partition not in view.leaders:
            raise BrokerRefused(
                ErrorCode.UNKNOWN_TOPIC_OR_PARTITION,
                f"Topic '{topic}' has no partition {partition}; it has {len(view.leaders)}, counted from 0.",
            )
        while self._buffered_bytes >= self._settings.buffer_bytes_max:
            await self._changed.wait()
        lane, bell = self._lane(topic, partition)
        size = record_bytes(key, value, headers)
        self._buffered_bytes += size
        delivery = Delivery(self._releaser(size))
        timestamp_ms = self._cluster.runtime.now_ms() if timestamp_ms is None else timestamp_ms
        lane.append(Pending(timestamp_ms, key, value, headers, delivery.resolve), self._now_ms())
        bell.ring()
        return delivery

    async def produce(
        self, topic: str, value: bytes | None, *, key: bytes | None = None, partition: int | None = None
    ) -> SendResult:
        """Send one record and wait for what becomes of it."""
        delivery = await self.send(topic, value, key=key, partition=partition)
        return await delivery.wait()

    async def flush(self) -> None:
        """Wait until everything handed over so far has its result; lingers are cut short."""
        for lane, bell in self._lanes.values():
            lane.flushing = True
            bell.ring()
        while not all(lane.empty for lane, _ in self._lanes.values()):
            await self._changed.wait()
        for lane, _ in self._lanes.values():
            lane.flushing = False

    def abandon(self, why: str) -> None:
        """Settle everything still under way without waiting."""
        for lane, _ in self._lanes.values():
            lane.abandon(why)

    def _choose(self, topic: str, key: bytes | None, size: int, partitions: int) -> int:
        if key is not None:
            return partition_of_key(key, partitions)
        # Keyless records stay with one partition for about a batch, so that batches are full, and then move on.
        current = self._sticky.get(topic)
        if current is None or current.left_bytes <= 0 or self._lane(topic, current.partition)[0].empty:
            drawn = self._cluster.runtime.random.randrange(partitions)
            current = self._sticky[topic] = _Sticky(drawn, self._settings.batch_bytes_max)
        current.left_bytes -= size + RECORD_OVERHEAD_BYTES
        return current.partition

    def _lane(self, topic: str, partition: int) -> tuple[Lane, Pulse]:
        found = self._lanes.get((topic, partition))
        if found is None:
            if len(self._lanes) >= self._settings.partitions_max:
                raise Unreachable(f"This producer already writes to {len(self._lanes)} partitions, its limit.")
            found = (Lane(topic, partition, self._settings, self._cluster.backoff()), Pulse())
            self._lanes[topic, partition] = found
            self._nursery.start_soon(self._drive, *found)
        return found

    async def _drive(self, lane: Lane, bell: Pulse) -> None:
        while True:
            if lane.needs_identity and not await self._identify(lane):
                continue
            batch = lane.take(self._now_ms())
            if batch is None:
                self._changed.ring()
                await self._rest(lane, bell)
                continue
            await self._dispatch(lane, bell, batch)

    async def _rest(self, lane: Lane, bell: Pulse) -> None:
        if lane.needs_identity:
            return
        now_ms = self._now_ms()
        wake_at_ms = lane.wake_at_ms(now_ms)
        timeout_s = float("inf") if wake_at_ms is None else (wake_at_ms - now_ms) / 1000
        with trio.move_on_after(timeout_s):
            await bell.wait()

    async def _dispatch(self, lane: Lane, bell: Pulse, batch: Batch) -> None:
        try:
            await self._renew_view(lane)
            connection = await self._cluster.leader_connection(lane.topic, lane.partition, "produce")
            await connection.room()
            connection.submit(
                PRODUCE,
                connection.version(PRODUCE, at_least=3),
                self._request(lane, batch),
                done=self._settler(lane, bell, batch),
                timeout_s=self._settings.request_timeout_ms / 1000 + ANSWER_GRACE_S,
                answered=self._settings.acks != 0,
            )
        except IncompatibleBroker as error:
            lane.answered(batch, ErrorCode.UNSUPPORTED_VERSION, -1, str(error), self._now_ms())
        except ClientError as error:
            lane.unsent(batch, str(error), self._now_ms())

    async def _renew_view(self, lane: Lane) -> None:
        if lane.stale or self._cluster.view.leader(lane.topic, lane.partition) is None:
            await self._cluster.refresh([lane.topic])
            lane.stale = False

    def _request(self, lane: Lane, batch: Batch) -> ProduceRequest:
        data = PartitionProduceData(index=lane.partition, records=memoryview(batch.data))
        return ProduceRequest(
            acks=self._settings.acks,
            timeout_ms=self._settings.request_timeout_ms,
            topic_data=[TopicProduceData(name=lane.topic, partition_data=[data])],
        )

    def _settler(self, lane: Lane, bell: Pulse, batch: Batch) -> Callable[[Answer], None]:
        def settle(answer: Answer) -> None:
            now_ms = self._now_ms()
            if isinstance(answer, Unreachable):
                lane.unsent(batch, str(answer), now_ms)
            elif isinstance(answer, ClientError):
                lane.lost(batch, str(answer), now_ms)
            elif answer is None:
                lane.answered(batch, ErrorCode.NONE, -1, "", now_ms)
            else:
                assert isinstance(answer, ProduceResponse)
                told = _partition_answer(answer)
                if told is None:
                    lane.lost(batch, "The broker's answer left this partition out.", now_ms)
                else:
                    code, message = error_code(told.error_code), told.error_message or ""
                    lane.answered(batch, code, told.base_offset, message, now_ms)
            bell.ring()
            self._changed.ring()

        return settle

    async def _identify(self, lane: Lane) -> bool:
        """Give the lane a producer id: the shared one at first, a fresh one once it has left that."""
        try:
            async with self._identifying:
                if self._identity is None or lane.left_identity:
                    self._identity = await self._new_identity()
                lane.adopt(self._identity)
            return True
        except IncompatibleBroker as error:
            lane.abandon(str(error), ErrorCode.UNSUPPORTED_VERSION)
        except ClientError as error:
            if isinstance(error, BrokerRefused) and error.code not in RETRIABLE:
                lane.abandon(str(error), error.code)
                return False
            lane.without_identity(str(error), self._now_ms())
            await trio.sleep(self._cluster.settings.backoff_ms_max / 1000)
        self._changed.ring()
        return False

    async def _new_identity(self) -> Identity:
        async def attempt() -> Identity:
            connection = await self._cluster.any_connection("admin")
            answer = await connection.call(InitProducerIdRequest(transactional_id=None), InitProducerIdResponse)
            check(answer.error_code, "The broker gives no producer id.")
            return Identity(answer.producer_id, answer.producer_epoch)

        return await self._cluster.retrying(attempt, timeout_s=self._cluster.settings.connect_timeout_s)

    def _releaser(self, size: int) -> Callable[[], None]:
        def release() -> None:
            self._buffered_bytes -= size
            self._changed.ring()

        return release

    def _now_ms(self) -> int:
        return int(self._cluster.runtime.monotonic() * 1000)


def _partition_answer(answer: ProduceResponse) -> PartitionProduceResponse | None:
    for topic in answer.responses:
        for partition in topic.partition_responses:
            return partition
    return None


@asynccontextmanager
async def open_producer(
    cluster: Cluster, settings: ProducerSettings | None = None
) -> AsyncIterator[Producer]:
    """A producer for as long as the block lasts; leaving the block well flushes, leaving it badly abandons."""
    async with background() as nursery:
        producer = Producer(nursery, cluster, settings or ProducerSettings())
        try:
            yield producer
            await producer.flush()
        finally:
            producer.abandon("The producer was closed.")
