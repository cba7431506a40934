"""InitProducerId: v0-4. A producer id and epoch for idempotent or transactional producing.

Version notes: v2 is flexible; v3 adds the current producer id and epoch (KIP-360); v4 may answer PRODUCER_FENCED.
"""

from typing import Annotated

from higgins_protocol.api import Api
from higgins_protocol.primitives import Int16, Int32, Int64, String
from higgins_protocol.schema import Message, since


class InitProducerIdRequest(Message, frozen=True):
    transactional_id: String | None = ""
    transaction_timeout_ms: Int32 = 0
    producer_id: Annotated[Int64, since(3)] = -1
    producer_epoch: Annotated[Int16, since(3)] = -1


class InitProducerIdResponse(Message, frozen=True):
    throttle_time_ms: Int32 = 0
    error_code: Int16 = 0
    producer_id: Int64 = -1
    producer_epoch: Int16 = 0


API = Api(
    key=22,
    request=InitProducerIdRequest,
    response=InitProducerIdResponse,
    versions=(0, 4),
    flexible_from=2,
)
