"""Produce: v3-10 (advertised from 0).

Behaviour: every partition is checked, appended and answered independently; the response follows the commit. acks 0 gets
no response, and where there would be an error the connection is closed; acks 1 and all are the same. A duplicate of an
idempotent producer gets its original offset and no error. Batches are stored as they were sent.
Version notes: v5 log start offset; v7 zstd; v8 error messages; v9 flexible; v10 could name another leader (KIP-951),
but every node accepts every partition. v0-2 are advertised and refused, since librdkafka before 2.11.1 compresses only
for brokers that advertise them (KAFKA-18659).
Not done: transactions; throttling.
"""

from collections.abc import Sequence
from functools import partial

from higgins.admin.configs.live import AppendRules
from higgins.kafka.acl import AclOperation, AclResourceType, Permission
from higgins.kafka.api_row import ApiRow, State
from higgins.kafka.context import Call, Deadline, code_of
from higgins.ledger.state.topics import Topic
from higgins.model.errors import HigginsError, StorageUnavailable
from higgins.model.future import Future, completed
from higgins.model.names import INTERNAL_TOPICS, TopicId, error_in_topic_name
from higgins_protocol.errors import ErrorCode, RecordError
from higgins_protocol.messages.produce import (
    BatchIndexAndErrorMessage,
    PartitionProduceData,
    PartitionProduceResponse,
    ProduceRequest,
    ProduceResponse,
    TopicProduceResponse,
)
from higgins_protocol.records.batch import BatchHeader, split
from higgins_protocol.records.compression import Codec
from higgins_protocol.records.record import decode_records

ZSTD_SINCE = 7
ADMIN_CLIENT = "__admin_client"
"""The client id that may write to internal topics, as in Kafka."""
RECORDS_NAMED_MAX = 1_000
"""The most invalid records that a response lists; a batch may hold a million."""
MESSAGES = {
    ErrorCode.UNKNOWN_TOPIC_OR_PARTITION: "There is no such topic or partition.",
    ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER: "A batch before this one is missing.",
    ErrorCode.INVALID_PRODUCER_EPOCH: "A newer instance of this producer has started.",
    ErrorCode.DUPLICATE_SEQUENCE_NUMBER: "This batch was written long ago.",
}


def handle(call: Call, request: ProduceRequest) -> Future[ProduceResponse | None]:
    produce = _Produce(call, request)
    if produce.knows_all_topics():
        produce.append_all()
    else:
        # This node may not know the topic yet. The next request waits, so that its batches do not overtake these.
        call.hold_next(call.spawn(produce.append_all_at_tip))
    if not request.acks:
        call.hold_order(produce.response)
        return completed(None)
    return produce.response


class _Produce:
    """One request; its partitions are appended and committed independently, and answered together."""

    def __init__(self, call: Call, request: ProduceRequest) -> None:
        self._call = call
        self._request = request
        self.response: Future[ProduceResponse | None] = Future()
        self._rows: list[list[PartitionProduceResponse | None]] = [
            [None] * len(topic.partition_data) for topic in request.topic_data
        ]
        self._pending = 1
        """Partitions without a result, and one more until all of them are appended."""
        for rows in self._rows:
            self._pending += len(rows)
        self._failed = False
        self._deadline: Deadline | None = None

    def knows_all_topics(self) -> bool:
        by_name = self._call.node.state.topics.by_name
        for topic in self._request.topic_data:
            known = by_name.get(topic.name)
            if known is None:
                return False
            for data in topic.partition_data:
                if not 0 <= data.index < known.partitions:
                    return False
        return True

    async def append_all_at_tip(self) -> None:
        try:
            await self._call.node.ledger.barrier()
        except StorageUnavailable as error:
            for t, topic in enumerate(self._request.topic_data):
                for p, data in enumerate(topic.partition_data):
                    self._refuse(t, p, data.index, ErrorCode.KAFKA_STORAGE_ERROR, str(error))
            self._settle_one()
            return
        self.append_all()

    def append_all(self) -> None:
        node = self._call.node
        by_name = node.state.topics.by_name
        valid_acks = self._request.acks in {-1, 0, 1}
        remaining = self._pending - 1
        for t, data in enumerate(self._request.topic_data):
            topic = by_name.get(data.name)
            for p, partition in enumerate(data.partition_data):
                remaining -= 1
                if not valid_acks:
                    self._refuse(t, p, partition.index, ErrorCode.INVALID_REQUIRED_ACKS, "acks is 0, 1 or all (-1).")
                elif topic is None or not 0 <= partition.index < topic.partitions:
                    self._refuse_unknown(t, p, partition.index, data.name)
                elif data.name in INTERNAL_TOPICS and self._call.client_id != ADMIN_CLIENT:
                    message = f"{data.name} is an internal topic; choose another topic."
                    self._refuse(t, p, partition.index, ErrorCode.INVALID_TOPIC_EXCEPTION, message)
                elif topic.owner:
                    self._refuse(t, p, partition.index, ErrorCode.POLICY_VIOLATION, _owned(topic))
                else:
                    self._append(t, p, topic, partition, more=remaining > 0)
        node.writer.flush()
        if self._pending > 1:
            at_s = node.runtime.monotonic() + max(self._request.timeout_ms, 1) / 1000
            self._deadline = Deadline(at_s, self._expire)
            node.deadlines[self._deadline] = None
        self._settle_one()

    def _append(self, t: int, p: int, topic: Topic, data: PartitionProduceData, *, more: bool) -> None:
        rules = self._call.node.append_rules(topic)
        try:
            batches = split(data.records or b"", batch_bytes_max=rules.batch_bytes_max)
            if len(batches) > 1:
                message = f"{len(batches)} batches; a request may hold one for each partition"
                raise RecordError(ErrorCode.INVALID_RECORD, message)
            self._check(batches, rules)
        except _RecordsRefused as refused:
            log_start = self._call.node.state.runs.log_start(topic.id, data.index)
            self._refuse(t, p, data.index, refused.code, str(refused), refused.rows, log_start)
            return
        except RecordError as error:
            self._refuse(t, p, data.index, error.code, error.what)
            return
        self._call.node.writer.append(
            topic.id,
            data.index,
            batches,
            partial(self._settled, t, p, data.index, topic.id),
            stamps=rules.stamps,
            linger_ms=rules.linger_ms,
            more=more,
        )

    def _check(self, batches: Sequence[tuple[BatchHeader, memoryview]], rules: AppendRules) -> None:
        now_ms = 0 if rules.stamps else self._call.node.runtime.now_ms()
        for header, batch in batches:
            if header.codec == Codec.ZSTD and self._call.version < ZSTD_SINCE:
                raise RecordError(
                    ErrorCode.UNSUPPORTED_COMPRESSION_TYPE, f"zstd needs Produce v{ZSTD_SINCE} or later (KIP-110)"
                )
            if not rules.stamps:
                _check_time(header, batch, now_ms, rules)
            if rules.wants_keys:
                _check_keys(batch)

    def _settled(
        self, t: int, p: int, index: int, topic_id: TopicId, result: Sequence[int] | HigginsError, stamped_ms: int
    ) -> None:
        if isinstance(result, HigginsError):
            self._refuse(t, p, index, code_of(result), str(result))
            return
        log_start = self._call.node.state.runs.log_start(topic_id, index)
        worst = min(result)
        if worst < 0:
            code = ErrorCode(-worst)
            self._refuse(t, p, index, code, MESSAGES.get(code, code.name), log_start=log_start)
            return
        self._put(t, p, PartitionProduceResponse(index, 0, result[0], stamped_ms, log_start))

    def _refuse_unknown(self, t: int, p: int, index: int, name: str) -> None:
        # Kafka's clients expect this code for an invalid name, too; the message says more.
        code = ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
        self._refuse(t, p, index, code, error_in_topic_name(name) or MESSAGES[code])

    def _refuse(
        self,
        t: int,
        p: int,
        index: int,
        code: ErrorCode,
        message: str,
        rows: Sequence[BatchIndexAndErrorMessage] = (),
        log_start: int = -1,
    ) -> None:
        self._failed = True
        self._put(
            t,
            p,
            PartitionProduceResponse(
                index=index,
                error_code=code,
                base_offset=-1,
                log_append_time_ms=-1,
                log_start_offset=log_start,
                record_errors=rows,
                error_message=message,
            ),
        )

    def _put(self, t: int, p: int, row: PartitionProduceResponse) -> None:
        if self._rows[t][p] is not None:
            return  # The deadline has expired; the client finds out by its retry.
        self._rows[t][p] = row
        self._settle_one()

    def _settle_one(self) -> None:
        self._pending -= 1
        if self._pending:
            return
        if self._deadline is not None:
            self._call.node.deadlines.pop(self._deadline, None)
            # The deadline refers to this object, too. The cycle would keep the records of the request in memory until
            # the garbage collector runs.
            self._deadline = None
        if not self._request.acks:
            if self._failed:
                self._call.close()
            self.response.set_result(None)
            return
        self.response.set_result(
            ProduceResponse(
                responses=[
                    TopicProduceResponse(topic.name, [row for row in rows if row is not None])
                    for topic, rows in zip(self._request.topic_data, self._rows, strict=True)
                ]
            )
        )

    def _expire(self) -> None:
        message = "The commit takes longer than the timeout of the request; the records may still be written."
        for t, topic in enumerate(self._request.topic_data):
            for p, data in enumerate(topic.partition_data):
                if self._rows[t][p] is None:
                    self._refuse(t, p, data.index, ErrorCode.REQUEST_TIMED_OUT, message)


class _RecordsRefused(Exception):
    """Some records of a batch are invalid."""

    def __init__(self, code: ErrorCode, message: str, positions: Sequence[int]) -> None:
        super().__init__(message)
        self.code = code
        self.rows = [BatchIndexAndErrorMessage(i, message) for i in positions[:RECORDS_NAMED_MAX]]


def _owned(topic: Topic) -> str:
    return (
        f"Topic '{topic.name}' is written by operator '{topic.owner}' alone; produce to its input, "
        f"or end it with: higgins operator delete {topic.owner}"
    )


def _check_time(header: BatchHeader, batch: memoryview, now_ms: int, rules: AppendRules) -> None:
    earliest, latest = now_ms - rules.timestamp_before_max_ms, now_ms + rules.timestamp_after_max_ms
    if header.max_timestamp <= latest and not 0 <= header.base_timestamp < earliest:
        return
    times = [record.timestamp for record in decode_records(batch)]
    outside = [i for i, at_ms in enumerate(times) if at_ms > latest or 0 <= at_ms < earliest]
    message = (
        f"The batch has timestamps up to {header.max_timestamp}; those from {earliest} to {latest} are accepted "
        "(message.timestamp.before.max.ms and message.timestamp.after.max.ms, by the broker's clock)."
    )
    raise _RecordsRefused(ErrorCode.INVALID_TIMESTAMP, message, outside)


def _check_keys(batch: memoryview) -> None:
    keyless = [i for i, record in enumerate(decode_records(batch)) if record.key is None]
    if keyless:
        message = "A compacted topic (cleanup.policy=compact) accepts only records with a key."
        raise _RecordsRefused(ErrorCode.INVALID_RECORD, message, keyless)


API = ApiRow(
    ProduceRequest,
    handle,
    reads=State.TOPICS | State.CONFIGS | State.PRODUCERS,
    writes=State.RECORDS | State.PRODUCERS,
    requires=Permission(AclOperation.WRITE, AclResourceType.TOPIC),
    # The writer commits a producer's batches in the order it took them, so pipelined produces need not wait.
    overtaken_by=(ProduceRequest,),
)
