"""AlterUserScramCredentials: v0. Set and delete SCRAM credentials (KIP-554).

Version notes: v0 only.
"""

from collections.abc import Sequence

from higgins_protocol.api import Api
from higgins_protocol.primitives import Bytes, Int8, Int16, Int32, String
from higgins_protocol.schema import Message


class ScramCredentialDeletion(Message, frozen=True):
    name: String = ""
    mechanism: Int8 = 0


class ScramCredentialUpsertion(Message, frozen=True):
    name: String = ""
    mechanism: Int8 = 0
    iterations: Int32 = 0
    salt: Bytes = b""
    salted_password: Bytes = b""


class AlterUserScramCredentialsRequest(Message, frozen=True):
    deletions: Sequence[ScramCredentialDeletion] = []
    upsertions: Sequence[ScramCredentialUpsertion] = []


class AlterUserScramCredentialsResult(Message, frozen=True):
    user: String = ""
    error_code: Int16 = 0
    error_message: String | None = ""


class AlterUserScramCredentialsResponse(Message, frozen=True):
    throttle_time_ms: Int32 = 0
    results: Sequence[AlterUserScramCredentialsResult] = []


API = Api(
    key=51,
    request=AlterUserScramCredentialsRequest,
    response=AlterUserScramCredentialsResponse,
    versions=(0, 0),
    flexible_from=0,
)
