"""Fetch: v4-12.

Behaviour: whole batches, beginning with the one that holds the offset. The first batch is returned whole even if it
exceeds every limit. A long poll lasts until `min_bytes` or `max_wait_ms`, and ends early at any partition's error.
Records that are deleted while they are read are out of range, as if the request had come later. read_committed returns
everything, since without transactions the last stable offset is the high watermark. There are no replicas, so a replica
that fetches is refused (NOT_LEADER_OR_FOLLOWER).
Version notes: v5 log start offset; v7 sessions (the response always has session id 0, no session); v9 leader epochs;
v11 rack and preferred replica (-1); v12 flexible.
Not done: fetch sessions (KIP-227); throttling.
"""

from collections.abc import Iterator

import msgspec
import trio

from higgins.kafka.acl import AclOperation, AclResourceType, Permission
from higgins.kafka.api_row import ApiRow, State
from higgins.kafka.context import Call
from higgins.ledger.state.runs import TopicPartition
from higgins.ledger.state.topics import Topic
from higgins.log.reader import Read
from higgins.model.errors import Corrupt, ObjectMissing, StorageUnavailable
from higgins.model.future import Future, completed
from higgins.model.names import LEADER_EPOCH
from higgins_protocol.errors import ErrorCode
from higgins_protocol.messages.fetch import (
    AbortedTransaction,
    FetchableTopicResponse,
    FetchPartition,
    FetchRequest,
    FetchResponse,
    PartitionData,
)

READ_COMMITTED = 1
INITIAL_EPOCH = 0
FINAL_EPOCH = -1
SETTLED = frozenset({ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, ErrorCode.OFFSET_OUT_OF_RANGE})
"""Errors that must not be returned before this node has folded the newest commit."""


def handle(call: Call, request: FetchRequest) -> Future[FetchResponse]:
    # KIP-227: these two epochs request a full fetch, whatever session they name; kafka-go sends -1.
    if request.session_epoch not in {INITIAL_EPOCH, FINAL_EPOCH}:
        return completed(FetchResponse(error_code=ErrorCode.FETCH_SESSION_ID_NOT_FOUND))
    fetch = _Fetch(call, request)
    if fetch.read_nowait() and fetch.is_complete():
        return completed(fetch.respond())
    return call.spawn(fetch.wait)


class _Row(msgspec.Struct):
    """One partition of the request, with its error or the bytes that were read for it."""

    topic: Topic | None
    partition: FetchPartition
    code: ErrorCode = ErrorCode.NONE
    read: Read | None = None


class _Fetch:
    """One request. It is tried immediately, and again whenever one of its partitions has grown."""

    def __init__(self, call: Call, request: FetchRequest) -> None:
        self._node = call.node
        self._request = request
        config, unsent = call.node.config, call.node.unsent.bytes
        room = max(config.unsent_bytes_max - unsent, config.fetch_bytes_min)
        self._bytes_max = min(max(request.max_bytes, 1), config.fetch_bytes_max, room)
        self._rows: list[_Row] = []
        self._total = 0

    def read_nowait(self) -> bool:
        """Read what can be read without waiting; False if a partition cannot."""
        for row, budget in self._budgeted():
            assert row.topic is not None
            partition = row.partition
            row.read = self._node.reader.read_nowait(
                row.topic.id, partition.partition, partition.fetch_offset, budget, first=not self._total
            )
            if row.read is None:
                return False
            self._total += row.read.length
        return True

    def is_complete(self) -> bool:
        """Whether the response can be sent: enough bytes, an error, or nothing to wait for."""
        request = self._request
        if self._needs_tip():
            return False
        failed = any(row.code for row in self._rows)
        return failed or self._total >= request.min_bytes or request.max_wait_ms <= 0 or not self._rows

    async def wait(self) -> FetchResponse:
        """Read, waiting for the store, and sleep until there are enough bytes."""
        wait_s = min(self._request.max_wait_ms, self._node.config.fetch_wait_ms_max) / 1000
        deadline = self._node.runtime.monotonic() + wait_s
        await self._read()
        while not self.is_complete() and not self._needs_tip():
            remaining_s = deadline - self._node.runtime.monotonic()
            if remaining_s <= 0:
                break
            await self._sleep(remaining_s)
            await self._read()
        return self.respond()

    def respond(self) -> FetchResponse:
        rows = iter(self._rows)
        return FetchResponse(
            responses=[
                FetchableTopicResponse(topic.topic, [self._row(next(rows)) for _ in topic.partitions])
                for topic in self._request.topics
            ]
        )

    # ---- internals ----------------------------------------------------------------------------------------------

    def _budgeted(self) -> Iterator[tuple[_Row, int]]:
        """Start over: check every partition, and yield those to read, each with the bytes that it may return."""
        self._rows = [self._check(topic.topic, each) for topic in self._request.topics for each in topic.partitions]
        self._total = 0
        for row in self._rows:
            remaining = self._bytes_max - self._total
            if not row.code and remaining > 0:
                yield row, min(remaining, max(row.partition.partition_max_bytes, 0))

    def _check(self, name: str, partition: FetchPartition) -> _Row:
        topic = self._node.state.topics.by_name.get(name)
        if topic is None or not 0 <= partition.partition < topic.partitions:
            return _Row(None, partition, ErrorCode.UNKNOWN_TOPIC_OR_PARTITION)
        if partition.current_leader_epoch > LEADER_EPOCH:
            return _Row(topic, partition, ErrorCode.UNKNOWN_LEADER_EPOCH)
        if self._request.replica_id >= 0:
            return _Row(topic, partition, ErrorCode.NOT_LEADER_OR_FOLLOWER)
        if partition.last_fetched_epoch > LEADER_EPOCH:
            # KIP-595: the records read last belong to a log that never existed here.
            return _Row(topic, partition, ErrorCode.OFFSET_OUT_OF_RANGE)
        runs = self._node.state.runs
        start, end = runs.log_start(topic.id, partition.partition), runs.high_watermark(topic.id, partition.partition)
        if not start <= partition.fetch_offset <= end:
            return _Row(topic, partition, ErrorCode.OFFSET_OUT_OF_RANGE)
        return _Row(topic, partition)

    async def _read(self) -> None:
        if self._would_need_tip():
            try:
                await self._node.ledger.barrier()
            except StorageUnavailable:
                for row in self._rows:
                    if row.code in SETTLED:
                        row.code = ErrorCode.NOT_LEADER_OR_FOLLOWER
                return
        for row, budget in self._budgeted():
            assert row.topic is not None
            partition = row.partition
            try:
                row.read = await self._node.reader.read(
                    row.topic.id, partition.partition, partition.fetch_offset, budget, first=not self._total
                )
            except (StorageUnavailable, ObjectMissing):
                row.code = ErrorCode.KAFKA_STORAGE_ERROR
                continue
            except Corrupt:
                row.code = ErrorCode.CORRUPT_MESSAGE
                continue
            self._total += row.read.length
        self._drop_deleted()

    def _drop_deleted(self) -> None:
        """Return no records that were deleted while the store was read.

        The log may start in the middle of a batch by now. That batch would be returned for an offset before the log
        start, with deleted records in it.
        """
        for row in self._rows:
            if not row.code and self._is_deleted(row):
                assert row.topic is not None
                exists = row.topic.id in self._node.state.topics.by_id
                row.code = ErrorCode.OFFSET_OUT_OF_RANGE if exists else ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
                row.topic, row.read = row.topic if exists else None, None

    def _needs_tip(self) -> bool:
        return any(row.code in SETTLED for row in self._rows)

    def _would_need_tip(self) -> bool:
        return any(
            self._check(topic.topic, each).code in SETTLED
            for topic in self._request.topics
            for each in topic.partitions
        )

    async def _sleep(self, seconds: float) -> None:
        """Sleep until the partitions have `min_bytes` in all, records of theirs are deleted, or the time is over."""
        watched: list[TopicPartition] = [
            (row.topic.id, row.partition.partition) for row in self._rows if row.topic is not None
        ]
        with trio.move_on_after(seconds):
            while True:
                event = trio.Event()
                self._node.watch.arm(watched, event)
                try:
                    if self._available() >= self._request.min_bytes:
                        return
                    await event.wait()
                finally:
                    self._node.watch.disarm(watched, event)
                if any(self._is_deleted(row) for row in self._rows):
                    return

    def _is_deleted(self, row: _Row) -> bool:
        """Whether the topic was deleted, or its records up to this offset."""
        topic, state = row.topic, self._node.state
        if topic is None:
            return False
        is_gone = topic.id not in state.topics.by_id
        return is_gone or state.runs.log_start(topic.id, row.partition.partition) > row.partition.fetch_offset

    def _available(self) -> int:
        bytes_min = max(self._request.min_bytes, 1)
        total = 0
        for row in self._rows:
            if row.topic is not None:
                index, offset = row.partition.partition, row.partition.fetch_offset
                total += self._node.reader.available(row.topic.id, index, offset, bytes_min)
        return total

    def _row(self, row: _Row) -> PartitionData:
        index = row.partition.partition
        if row.code or row.topic is None:
            # As in Kafka: an empty list for an unknown partition, null for a fetch that failed.
            aborted: list[AbortedTransaction] | None = [] if row.topic is None else None
            return PartitionData(index, row.code, -1, -1, -1, aborted_transactions=aborted)
        if row.read is not None and row.read.length:
            self._node.traffic.of(row.topic.id).bytes_out += row.read.length
        runs = self._node.state.runs
        return PartitionData(
            partition_index=index,
            high_watermark=runs.high_watermark(row.topic.id, index),
            last_stable_offset=runs.last_stable_offset(row.topic.id, index),
            log_start_offset=runs.log_start(row.topic.id, index),
            aborted_transactions=[] if self._request.isolation_level == READ_COMMITTED else None,
            records=row.read.pieces if row.read is not None else b"",
        )


API = ApiRow(
    FetchRequest,
    handle,
    reads=State.TOPICS | State.RECORDS | State.CONFIGS,
    writes=State.NOTHING,
    requires=Permission(AclOperation.READ, AclResourceType.TOPIC),
)
