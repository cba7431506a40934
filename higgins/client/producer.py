"""A producer: batches records by partition and reports the result of each.

One task per partition sends the batches of its `PartitionQueue`. The records of all queues share one bounded buffer,
and `send` waits while it is full.
"""

from collections.abc import AsyncIterator
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
    error_code,
    raise_for_error,
)
from higgins.client.in_flight import ResponseFuture
from higgins.client.partition_queue import (
    RECORD_OVERHEAD_BYTES,
    Header,
    PartitionQueue,
    PendingRecord,
    ProducerBatch,
    ProducerIdAndEpoch,
    record_bytes,
)
from higgins.client.partitioner import partition_of_key
from higgins.client.results import SendResult
from higgins.client.settings import ProducerSettings
from higgins.client.tasks import background
from higgins.model.future import Future
from higgins.model.words import counted
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
RESPONSE_GRACE_S = 5.0
"""How much longer than the broker's own timeout the client waits for the response."""


class _StickyPartition(msgspec.Struct):
    """The partition that a topic's records without a key go to, and how many bytes more."""

    partition: int
    remaining_bytes: int


class _PartitionSender(msgspec.Struct, frozen=True):
    """A partition's queue, and where its task sleeps until there is something to send."""

    queue: PartitionQueue
    wakeup: trio.lowlevel.ParkingLot


class Producer:
    """Created by `open_producer`, which owns its tasks and flushes it at the end."""

    def __init__(self, nursery: trio.Nursery, cluster: Cluster, settings: ProducerSettings) -> None:
        if settings.idempotent and settings.acks != -1:
            raise ValueError("An idempotent producer needs acks = -1 (all). Set idempotent = False to use other acks.")
        self._nursery = nursery
        self._cluster = cluster
        self._settings = settings
        self._senders: dict[TopicPartition, _PartitionSender] = {}
        self._sticky: dict[str, _StickyPartition] = {}
        self._buffered_bytes = 0
        self._progress = trio.lowlevel.ParkingLot()
        """Where tasks sleep until a batch has its result or its record's bytes leave the buffer."""
        self._producer_id: ProducerIdAndEpoch | None = None
        self._producer_id_lock = trio.Lock()

    def __repr__(self) -> str:
        return f"<Producer partitions={len(self._senders)} buffered={self._buffered_bytes}>"

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
    ) -> Future[SendResult]:
        """Queue a record. Waits for room in the buffer, not for the broker; the future has the result.

        The future is completed within the delivery timeout plus one request's timeout.

        Raises: ClientError when the topic does not exist or its leaders are not known.
        """
        metadata = await self._cluster.topic(topic, create=create)
        if partition is None:
            partition = self._choose_partition(topic, key, len(value or b""), len(metadata.leaders))
        elif partition not in metadata.leaders:
            raise BrokerRefused(
                ErrorCode.UNKNOWN_TOPIC_OR_PARTITION,
                f"Topic '{topic}' has no partition {partition}; it has {len(metadata.leaders)}, counted from 0.",
            )
        while self._buffered_bytes >= self._settings.buffer_bytes_max:
            await self._progress.park()
        sender = self._sender(topic, partition)
        size = record_bytes(key, value, headers)
        self._buffered_bytes += size

        def release_buffer(_: Future[SendResult]) -> None:
            self._buffered_bytes -= size
            _wake(self._progress)

        result: Future[SendResult] = Future()
        result.add_done_callback(release_buffer)
        timestamp_ms = self._cluster.runtime.now_ms() if timestamp_ms is None else timestamp_ms
        sender.queue.append(PendingRecord(timestamp_ms, key, value, headers, result), self._monotonic_ms())
        _wake(sender.wakeup)
        return result

    async def produce(
        self, topic: str, value: bytes | None, *, key: bytes | None = None, partition: int | None = None
    ) -> SendResult:
        """Send one record and wait for its result."""
        return await (await self.send(topic, value, key=key, partition=partition)).wait()

    async def flush(self) -> None:
        """Send everything without lingering, and wait until every record sent so far has its result."""
        for sender in self._senders.values():
            sender.queue.flushing = True
            _wake(sender.wakeup)
        while not all(sender.queue.empty for sender in self._senders.values()):
            await self._progress.park()
        for sender in self._senders.values():
            sender.queue.flushing = False

    def abort(self, reason: str) -> None:
        """Give every record without a result one now, without waiting for the broker."""
        for sender in self._senders.values():
            sender.queue.abort(reason)

    def _choose_partition(self, topic: str, key: bytes | None, size: int, partition_count: int) -> int:
        if key is not None:
            return partition_of_key(key, partition_count)
        # KIP-480, KIP-794: records without a key stay with one partition for about one batch, then move to a random
        # one. Spread evenly, they would fill every batch to a fraction. An empty queue gains nothing from staying.
        sticky = self._sticky.get(topic)
        if sticky is None or sticky.remaining_bytes <= 0 or self._sender(topic, sticky.partition).queue.empty:
            partition = self._cluster.runtime.random.randrange(partition_count)
            sticky = self._sticky[topic] = _StickyPartition(partition, self._settings.batch_bytes_max)
        sticky.remaining_bytes -= size + RECORD_OVERHEAD_BYTES
        return sticky.partition

    def _sender(self, topic: str, partition: int) -> _PartitionSender:
        sender = self._senders.get((topic, partition))
        if sender is None:
            if len(self._senders) >= self._settings.partitions_max:
                written = counted(len(self._senders), "partition")
                raise Unreachable(f"This producer already writes to {written}, its limit.")
            queue = PartitionQueue(topic, partition, self._settings, self._cluster.backoff())
            sender = self._senders[topic, partition] = _PartitionSender(queue, trio.lowlevel.ParkingLot())
            self._nursery.start_soon(self._run_partition, sender)
        return sender

    async def _run_partition(self, sender: _PartitionSender) -> None:
        queue = sender.queue
        while True:
            if queue.needs_producer_id and not await self._init_producer_id(queue):
                continue
            batch = queue.take(self._monotonic_ms())
            if batch is None:
                # Batches may have expired in `take`, so a flush may be complete.
                _wake(self._progress)
                await self._wait_for_work(sender)
                continue
            await self._send_batch(sender, batch)

    async def _wait_for_work(self, sender: _PartitionSender) -> None:
        if sender.queue.needs_producer_id:
            return
        now_ms = self._monotonic_ms()
        wake_at_ms = sender.queue.wake_at_ms(now_ms)
        timeout_s = float("inf") if wake_at_ms is None else (wake_at_ms - now_ms) / 1000
        with trio.move_on_after(timeout_s):
            await sender.wakeup.park()

    async def _send_batch(self, sender: _PartitionSender, batch: ProducerBatch) -> None:
        """Submit a batch to the partition's leader. The response is handled by a callback: the next batch may follow
        at once, and pipelining needs no task per request."""
        queue = sender.queue
        try:
            await self._refresh_stale_metadata(queue)
            connection = await self._cluster.leader_connection(queue.topic, queue.partition, "produce")
            await connection.wait_for_room()
            response = connection.submit(
                PRODUCE,
                connection.version(PRODUCE, at_least=3),
                self._request(queue, batch),
                timeout_s=self._settings.request_timeout_ms / 1000 + RESPONSE_GRACE_S,
                expects_response=self._settings.acks != 0,
            )
        except IncompatibleBroker as error:
            queue.on_response(batch, ErrorCode.UNSUPPORTED_VERSION, -1, str(error), self._monotonic_ms())
        except ClientError as error:
            queue.on_not_sent(batch, str(error), self._monotonic_ms())
        else:
            response.add_done_callback(lambda response: self._on_response(sender, batch, response))

    async def _refresh_stale_metadata(self, queue: PartitionQueue) -> None:
        if queue.metadata_stale or self._cluster.metadata.leader(queue.topic, queue.partition) is None:
            await self._cluster.refresh([queue.topic])
            queue.metadata_stale = False

    def _request(self, queue: PartitionQueue, batch: ProducerBatch) -> ProduceRequest:
        data = PartitionProduceData(index=queue.partition, records=memoryview(batch.data))
        return ProduceRequest(
            acks=self._settings.acks,
            timeout_ms=self._settings.request_timeout_ms,
            topic_data=[TopicProduceData(name=queue.topic, partition_data=[data])],
        )

    def _on_response(self, sender: _PartitionSender, batch: ProducerBatch, response: ResponseFuture) -> None:
        queue, now_ms = sender.queue, self._monotonic_ms()
        try:
            partition = _partition_response(response.result())
        except Unreachable as error:
            queue.on_not_sent(batch, str(error), now_ms)
        except ClientError as error:
            queue.on_outcome_unknown(batch, str(error), now_ms)
        else:
            if partition is None:
                queue.on_outcome_unknown(batch, "The broker's response does not contain this partition.", now_ms)
            else:
                code, message = error_code(partition.error_code), partition.error_message or ""
                refused = {one.batch_index: one.batch_index_error_message or "" for one in partition.record_errors}
                queue.on_response(batch, code, partition.base_offset, message, now_ms, refused)
        _wake(sender.wakeup)
        _wake(self._progress)

    async def _init_producer_id(self, queue: PartitionQueue) -> bool:
        """Give the queue a producer id; false when that failed and the queue should look again.

        All partitions share the first one. A partition that has given up on a batch needs a new one, which later
        partitions then share. The lock keeps two partitions from asking at once.
        """
        try:
            async with self._producer_id_lock:
                if self._producer_id is None or queue.producer_id_used_up:
                    self._producer_id = await self._request_producer_id()
                queue.set_producer_id(self._producer_id)
            return True
        except IncompatibleBroker as error:
            queue.abort(str(error), ErrorCode.UNSUPPORTED_VERSION)
        except ClientError as error:
            if isinstance(error, BrokerRefused) and error.code not in RETRIABLE:
                queue.abort(str(error), error.code)
                return False
            queue.on_no_producer_id(str(error), self._monotonic_ms())
            await trio.sleep(self._cluster.settings.backoff_ms_max / 1000)
        _wake(self._progress)
        return False

    async def _request_producer_id(self) -> ProducerIdAndEpoch:
        async def attempt() -> ProducerIdAndEpoch:
            connection = await self._cluster.any_connection("admin")
            response = await connection.call(InitProducerIdRequest(transactional_id=None), InitProducerIdResponse)
            raise_for_error(response.error_code, "The broker refused to allocate a producer id.")
            return ProducerIdAndEpoch(response.producer_id, response.producer_epoch)

        return await self._cluster.retry(attempt, timeout_s=self._cluster.settings.connect_timeout_s)

    def _monotonic_ms(self) -> int:
        return int(self._cluster.runtime.monotonic() * 1000)


def _wake(lot: trio.lowlevel.ParkingLot) -> None:
    # Called several times per record, mostly with no task waiting; unpark_all alone costs 0.7 µs even then.
    if lot:
        lot.unpark_all()


_ACKS_0 = PartitionProduceResponse(base_offset=-1)
"""Stands for the response that a request with acks = 0 does not have."""


def _partition_response(response: object) -> PartitionProduceResponse | None:
    """The part of the one partition that the request wrote to, or None when the response does not contain it."""
    if response is None:
        return _ACKS_0
    assert isinstance(response, ProduceResponse)
    return next((partition for topic in response.responses for partition in topic.partition_responses), None)


@asynccontextmanager
async def open_producer(
    cluster: Cluster, settings: ProducerSettings | None = None
) -> AsyncIterator[Producer]:
    """A producer for the duration of the block. It is flushed at the end, or aborted when the block raises."""
    async with background() as nursery:
        producer = Producer(nursery, cluster, settings or ProducerSettings())
        try:
            yield producer
            await producer.flush()
        finally:
            producer.abort("The producer was closed.")
