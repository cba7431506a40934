"""ApiVersions: v0-4. The APIs and versions that the broker serves; the first request of a client.

Version notes: v3 is flexible and names the client's software; v4 may list features whose minimum is 0. The response
header is v0 in every version, and an unknown version is answered with error 35 in a v0 body (KIP-511).
"""

from collections.abc import Sequence
from typing import Annotated

from higgins_protocol.api import Api
from higgins_protocol.primitives import Bool, Int16, Int32, Int64, String
from higgins_protocol.schema import Message, ignorable, since, tagged


class ApiVersionsRequest(Message, frozen=True):
    client_software_name: Annotated[String, since(3), ignorable] = ""
    client_software_version: Annotated[String, since(3), ignorable] = ""


class ApiVersion(Message, frozen=True):
    api_key: Int16 = 0
    min_version: Int16 = 0
    max_version: Int16 = 0


class SupportedFeatureKey(Message, frozen=True):
    name: String = ""
    min_version: Int16 = 0
    max_version: Int16 = 0


class FinalizedFeatureKey(Message, frozen=True):
    name: String = ""
    max_version_level: Int16 = 0
    min_version_level: Int16 = 0


class ApiVersionsResponse(Message, frozen=True):
    error_code: Int16 = 0
    api_keys: Sequence[ApiVersion] = []
    throttle_time_ms: Annotated[Int32, since(1), ignorable] = 0
    supported_features: Annotated[Sequence[SupportedFeatureKey], tagged(0), since(3), ignorable] = []
    finalized_features_epoch: Annotated[Int64, tagged(1), since(3), ignorable] = -1
    finalized_features: Annotated[Sequence[FinalizedFeatureKey], tagged(2), since(3), ignorable] = []
    zk_migration_ready: Annotated[Bool, tagged(3), since(3), ignorable] = False


API = Api(
    key=18,
    request=ApiVersionsRequest,
    response=ApiVersionsResponse,
    versions=(0, 4),
    flexible_from=3,
)
