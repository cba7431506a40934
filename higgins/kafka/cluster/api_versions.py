"""ApiVersions: v0-4.

Behaviour: what is advertised is derived from the registry. A version not served is answered v0 with error 35 (in the
router, since its body must not be parsed); the connection stays open.
Version notes: v3 flexible, with a client's name and version, which must look like one (INVALID_REQUEST otherwise).
Not done: features; none is finalized, so the epoch stays -1.
"""

import re
from functools import cache

from higgins.kafka.context import Call
from higgins_protocol.errors import ErrorCode
from higgins_protocol.messages.api_versions import ApiVersion, ApiVersionsRequest, ApiVersionsResponse
from higgins_protocol.registry import api_versions_entries

KEY = 18

_SOFTWARE = re.compile(r"[a-zA-Z0-9](?:[a-zA-Z0-9\-.]*[a-zA-Z0-9])?")


def handle(call: Call, request: ApiVersionsRequest) -> ApiVersionsResponse:
    if call.version >= 3 and not (
        _SOFTWARE.fullmatch(request.client_software_name) and _SOFTWARE.fullmatch(request.client_software_version)
    ):
        return ApiVersionsResponse(error_code=ErrorCode.INVALID_REQUEST)
    return ApiVersionsResponse(api_keys=entries())


@cache
def entries() -> list[ApiVersion]:
    """What is advertised, by key."""
    return [ApiVersion(key, lowest, highest) for key, lowest, highest in api_versions_entries()]
