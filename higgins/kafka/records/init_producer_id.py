"""InitProducerId: v0-4.

Behaviour: a new producer id with epoch 0, which no node has assigned before. A producer without transactions receives a
new one even if it names the id that it had (v3), as in Kafka. An id without an epoch, or an epoch without an id, is
INVALID_REQUEST.
Version notes: v2 flexible; v3 producer id and epoch (KIP-360); v4 PRODUCER_FENCED, which is not used here.
Not done: transactions. A transactional id is refused with INVALID_REQUEST, and the log says why.
"""

from higgins.kafka.acl import AclOperation, AclResourceType, Permission
from higgins.kafka.api_row import ApiRow, State
from higgins.kafka.context import Call, log
from higgins.model.errors import Fenced, StorageUnavailable
from higgins.model.future import Future, completed
from higgins_protocol.errors import ErrorCode
from higgins_protocol.messages.init_producer_id import InitProducerIdRequest, InitProducerIdResponse


def handle(call: Call, request: InitProducerIdRequest) -> Future[InitProducerIdResponse]:
    if request.transactional_id is not None:
        log.warning(
            "init_producer_id.refused",
            transactional_id=request.transactional_id,
            why="transactions are not supported", fix="leave transactional.id unset",
        )
        return completed(InitProducerIdResponse(error_code=ErrorCode.INVALID_REQUEST, producer_epoch=-1))
    if (request.producer_id == -1) != (request.producer_epoch == -1):
        return completed(InitProducerIdResponse(error_code=ErrorCode.INVALID_REQUEST, producer_epoch=-1))
    producer_id = call.node.producer_ids.take_nowait()
    if producer_id is None:
        return call.spawn(_after_grant, call)
    return completed(InitProducerIdResponse(producer_id=producer_id))


async def _after_grant(call: Call) -> InitProducerIdResponse:
    try:
        return InitProducerIdResponse(producer_id=await call.node.producer_ids.take())
    except (Fenced, StorageUnavailable):
        return InitProducerIdResponse(error_code=ErrorCode.COORDINATOR_NOT_AVAILABLE, producer_epoch=-1)


# Nothing shows an id before its first batch is written.
API = ApiRow(
    InitProducerIdRequest,
    handle,
    reads=State.NOTHING,
    writes=State.NOTHING,
    requires=Permission(AclOperation.IDEMPOTENT_WRITE, AclResourceType.CLUSTER),
)
