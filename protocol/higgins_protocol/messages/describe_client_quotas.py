"""DescribeClientQuotas: v0-1. Quotas that a filter matches (KIP-546).

Version notes: v1 is flexible.
"""

from collections.abc import Sequence

from higgins_protocol.api import Api
from higgins_protocol.primitives import Bool, Float64, Int8, Int16, Int32, String
from higgins_protocol.schema import Message


class ComponentData(Message, frozen=True):
    entity_type: String = ""
    match_type: Int8 = 0
    match: String | None = ""


class DescribeClientQuotasRequest(Message, frozen=True):
    components: Sequence[ComponentData] = []
    strict: Bool = False


class EntityData(Message, frozen=True):
    entity_type: String = ""
    entity_name: String | None = ""


class ValueData(Message, frozen=True):
    key: String = ""
    value: Float64 = 0.0


class EntryData(Message, frozen=True):
    entity: Sequence[EntityData] = []
    values: Sequence[ValueData] = []


class DescribeClientQuotasResponse(Message, frozen=True):
    throttle_time_ms: Int32 = 0
    error_code: Int16 = 0
    error_message: String | None = ""
    entries: Sequence[EntryData] | None = []


API = Api(
    key=48,
    request=DescribeClientQuotasRequest,
    response=DescribeClientQuotasResponse,
    versions=(0, 1),
    flexible_from=1,
)
