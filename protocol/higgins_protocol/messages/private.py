"""Private: v0. Requests that only Higgins has: a verb with a document, answered with a document.

Behaviour: the documents are opaque here (JSON in practice). The api key is far above Kafka's and is not advertised.
Version notes: v0 is flexible.
"""

from higgins_protocol.api import Api
from higgins_protocol.primitives import Bytes, Int16, String
from higgins_protocol.schema import Message


class PrivateRequest(Message, frozen=True):
    verb: String = ""
    document: Bytes = b""


class PrivateResponse(Message, frozen=True):
    error_code: Int16 = 0
    error_message: String | None = None
    document: Bytes = b""


API = Api(
    key=32_000,
    request=PrivateRequest,
    response=PrivateResponse,
    versions=(0, 0),
    is_private=True,
    flexible_from=0,
)
