"""Fetch: v4-12.

Behaviour: whole batches from the one that holds the offset; the first batch whole even past every bound; a long poll
until `min_bytes` or `max_wait_ms`, cut short by any partition's error. Records that are deleted while they are read
are out of range, as if they had been asked for afterwards. read_committed sees all there is, since without transactions
the last stable offset is the high watermark. There are no replicas, so none is answered (NOT_LEADER_OR_FOLLOWER).
Version notes: v5 log start offset; v7 sessions (always answered with session id 0: none); v9 leader epochs; v11 rack
and preferred replica (-1); v12 flexible.
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
"""Refusals that must be given at the tip."""


def handle(call: Call, request: FetchRequest) -> Future[FetchResponse]:
    # KIP-227: these two epochs ask for everything anew, whatever session they name; kafka-go names -1.
    if request.session_epoch not in {INITIAL_EPOCH, FINAL_EPOCH}:
        return completed(FetchResponse(error_code=ErrorCode.FETCH_SESSION_ID_NOT_FOUND))
    fetch = _Fetch(call, request)
    if fetch.read_nowait() and fetch.is_complete():
        return completed(fetch.respond())
    return call.spawn(fetch.wait)


class _Wanted(msgspec.Struct):
    """One partition of the request, and what was found for it."""

    topic: Topic | None
    asked: FetchPartition
    code: ErrorCode = ErrorCode.NONE
    read: Read | None = None


class _Fetch:
    """One request; tried at once, and again whenever something it waits for has grown."""

    def __init__(self, call: Call, request: FetchRequest) -> None:
        self._node = call.node
        self._request = request
        config, unsent = call.node.config, call.node.unsent.bytes
        room = max(config.unsent_bytes_max - unsent, config.fetch_bytes_min)
        self._bytes_max = min(max(request.max_bytes, 1), config.fetch_bytes_max, room)
        self._rows: list[_Wanted] = []
        self._total = 0

    def read_nowait(self) -> bool:
        """Read all that can be read without waiting; False when something cannot."""
        for row, budget in self._budgeted():
            assert row.topic is not None
            asked = row.asked
            row.read = self._node.reader.read_nowait(
                row.topic.id, asked.partition, asked.fetch_offset, budget, first=not self._total
            )
            if row.read is None:
                return False
            self._total += row.read.length
        return True

    def is_complete(self) -> bool:
        """Whether the answer may go: enough bytes, a failure, or nothing to wait for."""
        request = self._request
        if any(row.code in SETTLED for row in self._rows):
            return False
        failed = any(row.code for row in self._rows)
        return failed or self._total >= request.min_bytes or request.max_wait_ms <= 0 or not self._rows

    async def wait(self) -> FetchResponse:
        """Read with waiting, at the tip where a refusal wants it, and sleep until there is enough."""
        wait_s = min(self._request.max_wait_ms, self._node.config.fetch_wait_ms_max) / 1000
        deadline = self._node.runtime.monotonic() + wait_s
        await self._read()
        while not self.is_complete() and not self._is_refused():
            left_s = deadline - self._node.runtime.monotonic()
            if left_s <= 0:
                break
            await self._sleep(left_s)
            await self._read()
        return self.respond()

    def respond(self) -> FetchResponse:
        found = iter(self._rows)
        return FetchResponse(
            responses=[
                FetchableTopicResponse(topic.topic, [self._row(next(found)) for _ in topic.partitions])
                for topic in self._request.topics
            ]
        )

    # ---- within -------------------------------------------------------------------------------------------------

    def _budgeted(self) -> Iterator[tuple[_Wanted, int]]:
        """Start over: judge every partition, and yield those to read, each with what the ones before it left over."""
        self._rows = [self._judge(topic.topic, asked) for topic in self._request.topics for asked in topic.partitions]
        self._total = 0
        for row in self._rows:
            left = self._bytes_max - self._total
            if not row.code and left > 0:
                yield row, min(left, max(row.asked.partition_max_bytes, 0))

    def _judge(self, name: str, asked: FetchPartition) -> _Wanted:
        topic = self._node.state.topics.by_name.get(name)
        if topic is None or not 0 <= asked.partition < topic.partitions:
            return _Wanted(None, asked, ErrorCode.UNKNOWN_TOPIC_OR_PARTITION)
        if asked.current_leader_epoch > LEADER_EPOCH:
            return _Wanted(topic, asked, ErrorCode.UNKNOWN_LEADER_EPOCH)
        if self._request.replica_id >= 0:
            return _Wanted(topic, asked, ErrorCode.NOT_LEADER_OR_FOLLOWER)
        if asked.last_fetched_epoch > LEADER_EPOCH:
            # KIP-595: what was read last belongs to no log there ever was here.
            return _Wanted(topic, asked, ErrorCode.OFFSET_OUT_OF_RANGE)
        runs = self._node.state.runs
        start, end = runs.log_start(topic.id, asked.partition), runs.high_watermark(topic.id, asked.partition)
        if not start <= asked.fetch_offset <= end:
            return _Wanted(topic, asked, ErrorCode.OFFSET_OUT_OF_RANGE)
        return _Wanted(topic, asked)

    async def _read(self) -> None:
        if self._is_refused_now():
            try:
                await self._node.ledger.barrier()
            except StorageUnavailable:
                for row in self._rows:
                    if row.code in SETTLED:
                        row.code = ErrorCode.NOT_LEADER_OR_FOLLOWER
                return
        for row, budget in self._budgeted():
            assert row.topic is not None
            asked = row.asked
            try:
                row.read = await self._node.reader.read(
                    row.topic.id, asked.partition, asked.fetch_offset, budget, first=not self._total
                )
            except (StorageUnavailable, ObjectMissing):
                row.code = ErrorCode.KAFKA_STORAGE_ERROR
                continue
            except Corrupt:
                row.code = ErrorCode.CORRUPT_MESSAGE
                continue
            self._total += row.read.length
        self._give_up_deleted()

    def _give_up_deleted(self) -> None:
        """What was deleted while the store was read is not handed out: a batch that holds the new start would come in
        answer to the old one, with the deleted records in it that lie before the start."""
        for row in self._rows:
            if not row.code and self._is_lost(row):
                assert row.topic is not None
                is_there = row.topic.id in self._node.state.topics.by_id
                row.code = ErrorCode.OFFSET_OUT_OF_RANGE if is_there else ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
                row.topic, row.read = row.topic if is_there else None, None

    def _is_refused(self) -> bool:
        return any(row.code in SETTLED for row in self._rows)

    def _is_refused_now(self) -> bool:
        return any(
            self._judge(topic.topic, asked).code in SETTLED
            for topic in self._request.topics
            for asked in topic.partitions
        )

    async def _sleep(self, seconds: float) -> None:
        """Until something asked for has grown to `min_bytes` in all, or the time is over."""
        waited: list[TopicPartition] = [
            (row.topic.id, row.asked.partition) for row in self._rows if row.topic is not None
        ]
        with trio.move_on_after(seconds):
            while True:
                event = trio.Event()
                self._node.watch.arm(waited, event)
                try:
                    if self._available() >= self._request.min_bytes:
                        return
                    await event.wait()
                finally:
                    self._node.watch.disarm(waited, event)
                if any(self._is_lost(row) for row in self._rows):
                    return

    def _is_lost(self, row: _Wanted) -> bool:
        """What is waited for has been deleted: the whole topic, or the records from here on up."""
        topic, state = row.topic, self._node.state
        if topic is None:
            return False
        is_gone = topic.id not in state.topics.by_id
        return is_gone or state.runs.log_start(topic.id, row.asked.partition) > row.asked.fetch_offset

    def _available(self) -> int:
        wanted = max(self._request.min_bytes, 1)
        total = 0
        for row in self._rows:
            if row.topic is not None:
                total += self._node.reader.available(row.topic.id, row.asked.partition, row.asked.fetch_offset, wanted)
        return total

    def _row(self, row: _Wanted) -> PartitionData:
        index = row.asked.partition
        if row.code or row.topic is None:
            # As Kafka has it: an empty list for what is not known, null for a fetch that went wrong.
            nothing: list[AbortedTransaction] | None = [] if row.topic is None else None
            return PartitionData(index, row.code, -1, -1, -1, aborted_transactions=nothing)
        if row.read is not None and row.read.length:
            self._node.traffic.of(row.topic.id).bytes_out += row.read.length
        runs = self._node.state.runs
        high_watermark = runs.high_watermark(row.topic.id, index)
        return PartitionData(
            partition_index=index,
            high_watermark=high_watermark,
            last_stable_offset=high_watermark,
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
