"""DescribeUserScramCredentials: v0. Which users have SCRAM credentials (KIP-554).

Version notes: v0 only.
"""

from collections.abc import Sequence

from higgins_protocol.api import Api
from higgins_protocol.primitives import Int8, Int16, Int32, String
from higgins_protocol.schema import Message


class UserName(Message, frozen=True):
    name: String = ""


class DescribeUserScramCredentialsRequest(Message, frozen=True):
    users: Sequence[UserName] | None = []


class CredentialInfo(Message, frozen=True):
    mechanism: Int8 = 0
    iterations: Int32 = 0


class DescribeUserScramCredentialsResult(Message, frozen=True):
    user: String = ""
    error_code: Int16 = 0
    error_message: String | None = ""
    credential_infos: Sequence[CredentialInfo] = []


class DescribeUserScramCredentialsResponse(Message, frozen=True):
    throttle_time_ms: Int32 = 0
    error_code: Int16 = 0
    error_message: String | None = ""
    results: Sequence[DescribeUserScramCredentialsResult] = []


API = Api(
    key=50,
    request=DescribeUserScramCredentialsRequest,
    response=DescribeUserScramCredentialsResponse,
    versions=(0, 0),
    flexible_from=0,
)
