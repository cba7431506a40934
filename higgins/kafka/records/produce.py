"""Produce: v3-10 (advertised from 0).

Behaviour: every partition is checked, appended and answered independently; the response follows the commit. acks 0 gets
no response, and where there would be an error the connection is closed; acks 1 and all are the same. A duplicate of an
idempotent producer gets its original offset and no error. Every record is validated (see `validation`), also in
compressed batches. Batches are stored as they were sent, except for the max timestamp in their header.
Version notes: v5 log start offset; v7 zstd; v8 error messages; v9 flexible; v10 could name another leader (KIP-951),
but every node accepts every partition. v0-2 are advertised and refused, since librdkafka before 2.11.1 compresses only
for brokers that advertise them (KAFKA-18659).
Not done: transactions; throttling.
"""

from collections.abc import Sequence
from functools import partial

import msgspec

from higgins.admin.configs.live import AppendRules
from higgins.kafka.acl import AclOperation, AclResourceType, Permission
from higgins.kafka.api_row import ApiRow, State
from higgins.kafka.context import Call, Deadline, code_of
from higgins.kafka.records.validation import THREADS, Allowance, RecordsRefused, Validation
from higgins.ledger.state.topics import Topic
from higgins.model.errors import HigginsError, StorageUnavailable
from higgins.model.future import Future, completed
from higgins.model.names import INTERNAL_TOPICS, TopicId, error_in_topic_name
from higgins.model.words import counted
from higgins_protocol.errors import ErrorCode, RecordError
from higgins_protocol.messages.produce import (
    BatchIndexAndErrorMessage,
    PartitionProduceData,
    PartitionProduceResponse,
    ProduceRequest,
    ProduceResponse,
    TopicProduceResponse,
)
from higgins_protocol.records.batch import split
from higgins_protocol.records.compression import Codec

ZSTD_SINCE = 7
ADMIN_CLIENT = "__admin_client"
"""The client id that may write to internal topics, as in Kafka."""
MESSAGES = {
    ErrorCode.UNKNOWN_TOPIC_OR_PARTITION: "There is no such topic or partition.",
    ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER: "A batch before this one is missing.",
    ErrorCode.INVALID_PRODUCER_EPOCH: "A newer instance of this producer has started.",
    ErrorCode.DUPLICATE_SEQUENCE_NUMBER: "This batch was written long ago.",
}


def handle(call: Call, request: ProduceRequest) -> Future[ProduceResponse | None]:
    produce = _Produce(call, request)
    if not produce.knows_all_topics():
        # This node may not know the topic yet. The next request waits, so that its batches do not overtake these.
        call.hold_next(call.spawn(produce.append_all_at_tip))
    elif produce.validate_all():
        produce.append_all()
    else:
        call.hold_next(call.spawn(produce.append_all_offloaded))
    if not request.acks:
        call.hold_order(produce.response)
        return completed(None)
    return produce.response


class _Checked(msgspec.Struct):
    """One partition of the request whose batch may be appended once it is valid."""

    t: int
    p: int
    topic: Topic
    index: int
    rules: AppendRules
    validation: Validation
    is_valid: bool = False
    error: RecordsRefused | None = None

    def finish(self) -> None:
        """Validate if it is not done yet. The error that is kept has no frames: they would hold decompressed bytes."""
        if self.is_valid or self.error is not None:
            return
        try:
            self.validation.finish()
        except RecordsRefused as refused:
            self.error = RecordsRefused(refused.code, str(refused), refused.indexes)
        else:
            self.is_valid = True


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
        self._checked: list[_Checked] = []

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
        if self.validate_all():
            self.append_all()
        else:
            await self.append_all_offloaded()

    async def append_all_offloaded(self) -> None:
        """Finish the validation in a thread, and append."""
        await self._call.node.runtime.offload(THREADS, _finish_all, self._checked)
        self.append_all()

    def validate_all(self) -> bool:
        """Refuse what cannot be appended. Whether everything else is valid: if not, a thread has to finish."""
        by_name = self._call.node.state.topics.by_name
        valid_acks = self._request.acks in {-1, 0, 1}
        allowance = Allowance()
        is_complete = True
        for t, data in enumerate(self._request.topic_data):
            topic = by_name.get(data.name)
            for p, partition in enumerate(data.partition_data):
                if not valid_acks:
                    self._refuse(t, p, partition.index, ErrorCode.INVALID_REQUIRED_ACKS, "acks is 0, 1 or all (-1).")
                elif topic is None or not 0 <= partition.index < topic.partitions:
                    self._refuse_unknown(t, p, partition.index, data.name)
                elif data.name in INTERNAL_TOPICS and self._call.client_id != ADMIN_CLIENT:
                    message = f"{data.name} is an internal topic; choose another topic."
                    self._refuse(t, p, partition.index, ErrorCode.INVALID_TOPIC_EXCEPTION, message)
                elif topic.owner:
                    self._refuse(t, p, partition.index, ErrorCode.POLICY_VIOLATION, _owned(topic))
                elif not self._validate(t, p, topic, partition, allowance):
                    is_complete = False
        return is_complete

    def _validate(self, t: int, p: int, topic: Topic, data: PartitionProduceData, allowance: Allowance) -> bool:
        """Validate a batch as far as it is cheap; False when a thread has to finish."""
        rules = self._call.node.append_rules(topic)
        try:
            batches = split(data.records or b"", batch_bytes_max=rules.batch_bytes_max)
            if len(batches) > 1:
                message = f"{counted(len(batches), 'batch')}; a request may hold one for each partition"
                raise RecordError(ErrorCode.INVALID_RECORD, message)
            ((header, batch),) = batches
            if header.codec == Codec.ZSTD and self._call.version < ZSTD_SINCE:
                raise RecordError(
                    ErrorCode.UNSUPPORTED_COMPRESSION_TYPE, f"zstd needs Produce v{ZSTD_SINCE} or later (KIP-110)"
                )
        except RecordError as error:
            self._refuse(t, p, data.index, error.code, error.what)
            return True
        now_ms = 0 if rules.stamps else self._call.node.runtime.now_ms()
        checked = _Checked(t, p, topic, data.index, rules, Validation(header, batch, rules, now_ms))
        try:
            checked.is_valid = checked.validation.attempt(allowance)
        except RecordsRefused as refused:
            self._refuse_records(checked, refused)
            return True
        self._checked.append(checked)
        return checked.is_valid

    def append_all(self) -> None:
        """Append what is valid, and refuse the rest."""
        node = self._call.node
        checked, self._checked = self._checked, []
        remaining = len(checked)
        for one in checked:
            remaining -= 1
            if one.error is not None:
                self._refuse_records(one, one.error)
                continue
            node.writer.append(
                one.topic.id,
                one.index,
                (one.validation.result,),
                partial(self._settled, one.t, one.p, one.index, one.topic.id),
                stamps=one.rules.stamps,
                linger_ms=one.rules.linger_ms,
                more=remaining > 0,
            )
        node.writer.flush()
        if self._pending > 1:
            at_s = node.runtime.monotonic() + max(self._request.timeout_ms, 1) / 1000
            self._deadline = Deadline(at_s, self._expire)
            node.deadlines[self._deadline] = None
        self._settle_one()

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

    def _refuse_records(self, checked: _Checked, refused: RecordsRefused) -> None:
        message = str(refused)
        rows = [BatchIndexAndErrorMessage(i, message) for i in refused.indexes]
        log_start = self._call.node.state.runs.log_start(checked.topic.id, checked.index)
        self._refuse(checked.t, checked.p, checked.index, refused.code, message, rows, log_start)

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


def _finish_all(checked: Sequence[_Checked]) -> None:
    for one in checked:
        one.finish()


def _owned(topic: Topic) -> str:
    return (
        f"Topic '{topic.name}' is written by operator '{topic.owner}' alone; produce to its input, "
        f"or end it with: higgins operator delete {topic.owner}"
    )


API = ApiRow(
    ProduceRequest,
    handle,
    reads=State.TOPICS | State.CONFIGS | State.PRODUCERS,
    writes=State.RECORDS | State.PRODUCERS,
    requires=Permission(AclOperation.WRITE, AclResourceType.TOPIC),
    # The writer commits a producer's batches in the order it took them, so pipelined produces need not wait.
    overtaken_by=(ProduceRequest,),
)
