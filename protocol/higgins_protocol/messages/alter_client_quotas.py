"""AlterClientQuotas: v0-1. Set and remove quotas (KIP-546).

Version notes: v1 is flexible.
"""

from collections.abc import Sequence

from higgins_protocol.api import Api
from higgins_protocol.primitives import Bool, Float64, Int16, Int32, String
from higgins_protocol.schema import Message


class EntityData(Message, frozen=True):
    entity_type: String = ""
    entity_name: String | None = ""


class OpData(Message, frozen=True):
    key: String = ""
    value: Float64 = 0.0
    remove: Bool = False


class EntryData(Message, frozen=True):
    entity: Sequence[EntityData] = []
    ops: Sequence[OpData] = []


class AlterClientQuotasRequest(Message, frozen=True):
    entries: Sequence[EntryData] = []
    validate_only: Bool = False


class AlteredEntryData(Message, frozen=True):
    error_code: Int16 = 0
    error_message: String | None = ""
    entity: Sequence[EntityData] = []


class AlterClientQuotasResponse(Message, frozen=True):
    throttle_time_ms: Int32 = 0
    entries: Sequence[AlteredEntryData] = []


API = Api(
    key=49,
    request=AlterClientQuotasRequest,
    response=AlterClientQuotasResponse,
    versions=(0, 1),
    flexible_from=1,
)
