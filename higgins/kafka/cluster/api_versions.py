"""ApiVersions: v0-4.

Behaviour: the versions of every API that has a row. A version that is not served is answered in v0 with error 35 (by
the router, since its body must not be parsed); the connection stays open.
Version notes: v3 flexible, with a client's name and version, which must look like one (INVALID_REQUEST otherwise).
Not done: features; none is finalized, so the epoch stays -1.
"""

import re
from collections.abc import Iterable

from higgins.kafka.api_row import ApiRow, State
from higgins.kafka.context import Call
from higgins.model.future import Future, completed
from higgins_protocol.apis import Api
from higgins_protocol.errors import ErrorCode
from higgins_protocol.messages.api_versions import ApiVersion, ApiVersionsRequest, ApiVersionsResponse

_SOFTWARE = re.compile(r"[a-zA-Z0-9](?:[a-zA-Z0-9\-.]*[a-zA-Z0-9])?")


def handle(call: Call, request: ApiVersionsRequest) -> Future[ApiVersionsResponse]:
    if call.version >= 3 and not (
        _SOFTWARE.fullmatch(request.client_software_name) and _SOFTWARE.fullmatch(request.client_software_version)
    ):
        return completed(ApiVersionsResponse(error_code=ErrorCode.INVALID_REQUEST))
    return completed(ApiVersionsResponse(api_keys=advertised(call.node.apis)))


def advertised(apis: Iterable[Api]) -> list[ApiVersion]:
    """The versions that clients are told of, by key."""
    rows = [ApiVersion(api.key, *api.advertised) for api in apis if api.advertised is not None]
    return sorted(rows, key=lambda row: row.api_key)


API = ApiRow(
    ApiVersionsRequest,
    handle,
    reads=State.NOTHING,
    writes=State.NOTHING,
    requires=None,  # A client that is not authenticated yet must learn how it may authenticate.
)
