"""Decode and encode whole frames: the header, then the body by the codec of its API and version.

A codec is generated when it is first needed, once for each API, version and direction: declaration, then grammar, then
code. That takes about a millisecond, and a broker that starts generates none.
"""

from collections.abc import Generator
from struct import Struct

import msgspec

from higgins_protocol.apis import API_VERSIONS, APIS, PRIVATE, Api, api_versions_entries
from higgins_protocol.compiler import (
    Decode,
    DecodeInSteps,
    Encode,
    EncodeInSteps,
    compile_decoder,
    compile_decoder_in_steps,
    compile_encoder,
    compile_encoder_in_steps,
)
from higgins_protocol.compiler.decoder import skip_tags
from higgins_protocol.constructs import MessageStruct
from higgins_protocol.errors import DecodeError, EncodeError, UnsupportedApi, UnsupportedVersion
from higgins_protocol.grammar import message_grammar
from higgins_protocol.primitives import STRING_BYTES_MAX, Buffer
from higgins_protocol.schema import Message

__all__ = [
    "APIS",
    "API_VERSIONS",
    "PRIVATE",
    "RequestHeader",
    "api_versions_entries",
    "decode_header",
    "decode_request",
    "decode_request_in_steps",
    "decode_response",
    "encode_request",
    "encode_response",
    "encode_response_in_steps",
]

FRAME_LENGTH_BYTES = 4
FRAME_BYTES_MAX = 2**31 - 1
"""What the length of a frame can say."""


class RequestHeader(msgspec.Struct, frozen=True):
    """The header of a request; the body begins at `position` in the frame."""

    api_key: int
    api_version: int
    correlation_id: int
    client_id: str | None
    position: int


class _Route:
    """One API in one version, with the codecs that have been generated so far."""

    __slots__ = (
        "_decode_request",
        "_decode_request_in_steps",
        "_decode_response",
        "_encode_request",
        "_encode_response",
        "_encode_response_in_steps",
        "api",
        "flexible",
        "version",
    )

    def __init__(self, api: Api, version: int) -> None:
        self.api = api
        self.version = version
        self.flexible = version >= api.flexible_from
        self._decode_request: Decode | None = None
        self._encode_request: Encode | None = None
        self._decode_response: Decode | None = None
        self._encode_response: Encode | None = None
        self._decode_request_in_steps: DecodeInSteps | None = None
        self._encode_response_in_steps: EncodeInSteps | None = None

    @property
    def has_tagged_response_header(self) -> bool:
        # KIP-511: a client must be able to read this response before it knows which versions the broker has.
        return self.flexible and self.api.key != API_VERSIONS

    def _grammar(self, message: type[Message]) -> MessageStruct:
        return message_grammar(message, self.version, flexible=self.flexible)

    def decode_request(self) -> Decode:
        if self._decode_request is None:
            self._decode_request = compile_decoder(self._grammar(self.api.request), bounded=True)
        return self._decode_request

    def decode_response(self) -> Decode:
        if self._decode_response is None:
            self._decode_response = compile_decoder(self._grammar(self.api.response), bounded=False)
        return self._decode_response

    def encode_request(self) -> Encode:
        if self._encode_request is None:
            self._encode_request = compile_encoder(self._grammar(self.api.request))
        return self._encode_request

    def encode_response(self) -> Encode:
        if self._encode_response is None:
            self._encode_response = compile_encoder(self._grammar(self.api.response))
        return self._encode_response

    def decode_request_in_steps(self) -> DecodeInSteps:
        if self._decode_request_in_steps is None:
            self._decode_request_in_steps = compile_decoder_in_steps(self._grammar(self.api.request), bounded=True)
        return self._decode_request_in_steps

    def encode_response_in_steps(self) -> EncodeInSteps:
        if self._encode_response_in_steps is None:
            self._encode_response_in_steps = compile_encoder_in_steps(self._grammar(self.api.response))
        return self._encode_response_in_steps


_ROUTES = {
    (api.key, version): _Route(api, version)
    for api in APIS.values()
    for version in range(api.versions[0], api.versions[1] + 1)
}

_HEADER = Struct(">hhih")
_HEADER_FRONT = Struct(">hhi")
_LENGTH = Struct(">I")
_LENGTH_AND_CORRELATION = Struct(">Ii")


def decode_header(frame: memoryview) -> RequestHeader:
    """The header of a request frame (without its length).

    Raises: UnsupportedApi or UnsupportedVersion where the key, version and correlation id could be read; DecodeError.
    """
    if len(frame) < _HEADER.size:
        raise _short_header(frame)
    api_key, api_version, correlation_id, length = _HEADER.unpack_from(frame)
    route = _ROUTES.get((api_key, api_version))
    if route is None:
        raise _unsupported(api_key, api_version, correlation_id)
    position = _HEADER.size
    client_id = None
    if length >= 0:
        stop = position + length
        if stop > len(frame):
            raise DecodeError("client id is cut off", field="header.client_id", position=position)
        try:
            client_id = str(frame[position:stop], "utf-8")
        except UnicodeDecodeError as error:
            raise DecodeError("not valid UTF-8", field="header.client_id", position=position) from error
        position = stop
    elif length != -1:
        raise DecodeError(f"length {length}", field="header.client_id", position=position)
    if route.flexible:
        position = _skip_header_tags(frame, position)
    return RequestHeader(api_key, api_version, correlation_id, client_id, position)


def decode_request(header: RequestHeader, frame: memoryview) -> Message:
    """The body of a request. Record bytes in it are views into the frame. Raises: DecodeError.

    Bytes after the body are ignored, as Kafka does: librdkafka 2.16 sends three when it requests all topics.
    """
    route = _ROUTES[header.api_key, header.api_version]
    message, _ = route.decode_request()(frame, header.position, len(frame))
    return message


def decode_request_in_steps(header: RequestHeader, frame: memoryview) -> Generator[None, None, Message]:
    """The same as a generator that returns the body, for large requests. Each step takes about a millisecond."""
    route = _ROUTES[header.api_key, header.api_version]
    message, _ = yield from route.decode_request_in_steps()(frame, header.position, len(frame))
    return message


def encode_response(api_key: int, version: int, correlation_id: int, response: Message) -> list[Buffer]:
    """The whole frame with its length, in pieces for `sendmsg`. Record bytes are pieces of their own and not copied.

    Raises: EncodeError.
    """
    route = _ROUTES[api_key, version]
    assert type(response) is route.api.response, f"{response!r:.200} is not a {route.api.response.__name__}"
    out = bytearray(9 if route.has_tagged_response_header else 8)
    return _finish(route.encode_response()(response, out), correlation_id)


def encode_response_in_steps(
    api_key: int, version: int, correlation_id: int, response: Message
) -> Generator[int, None, list[Buffer]]:
    """The same as a generator that returns the frame, for large responses. Each step takes about a millisecond.

    It yields how many bytes the step has written, records aside, so that the caller can give up one that grows too
    large. Raises: EncodeError.
    """
    route = _ROUTES[api_key, version]
    assert type(response) is route.api.response, f"{response!r:.200} is not a {route.api.response.__name__}"
    out = bytearray(9 if route.has_tagged_response_header else 8)
    return _finish((yield from route.encode_response_in_steps()(response, out)), correlation_id)


def encode_request(
    api_key: int, version: int, correlation_id: int, client_id: str | None, request: Message
) -> list[Buffer]:
    """The whole frame of a request with its length, in pieces.

    Raises: EncodeError; KeyError for a version that is not served.
    """
    route = _ROUTES[api_key, version]
    assert type(request) is route.api.request, f"{request!r:.200} is not a {route.api.request.__name__}"
    name = b"" if client_id is None else client_id.encode()
    if len(name) > STRING_BYTES_MAX:
        raise EncodeError(f"{len(name)} bytes, at most {STRING_BYTES_MAX}", field="header.client_id")
    out = bytearray(4)
    out += _HEADER.pack(api_key, version, correlation_id, -1 if client_id is None else len(name))
    out += name
    if route.flexible:
        out.append(0)
    pieces = route.encode_request()(request, out)
    length = _body_bytes(pieces)
    if length > FRAME_BYTES_MAX:
        raise EncodeError(f"a frame of {length} bytes, at most {FRAME_BYTES_MAX}", field="frame")
    _LENGTH.pack_into(out, 0, length)
    return pieces


def decode_response(api_key: int, version: int, frame: memoryview) -> tuple[int, Message]:
    """(correlation id, body) of a response frame (without its length). Raises: DecodeError."""
    route = _ROUTES[api_key, version]
    if len(frame) < 4:
        raise DecodeError("cut off", field="header.correlation_id", position=0)
    correlation_id = int.from_bytes(frame[:4], "big", signed=True)
    position = _skip_header_tags(frame, 4) if route.has_tagged_response_header else 4
    message, position = route.decode_response()(frame, position, len(frame))
    if position != len(frame):
        raise _trailing(route.api.response, position, frame)
    return correlation_id, message


def _finish(pieces: list[Buffer], correlation_id: int) -> list[Buffer]:
    head = pieces[0]
    length = _body_bytes(pieces)
    if length > FRAME_BYTES_MAX:
        raise EncodeError(f"a frame of {length} bytes, at most {FRAME_BYTES_MAX}", field="frame")
    _LENGTH_AND_CORRELATION.pack_into(head, 0, length, correlation_id)
    return pieces


def _body_bytes(pieces: list[Buffer]) -> int:
    """The length for the head of the frame. An empty last piece is dropped."""
    if len(pieces) == 1:
        return len(pieces[0]) - FRAME_LENGTH_BYTES
    if not pieces[-1]:
        pieces.pop()
    return sum(map(len, pieces)) - FRAME_LENGTH_BYTES


def _skip_header_tags(frame: memoryview, position: int) -> int:
    if position >= len(frame):
        raise DecodeError("cut off", field="header.tags", position=position)
    count = frame[position]
    if not count:
        return position + 1
    try:
        return skip_tags(frame, position + 1, len(frame), count)
    except IndexError as error:
        raise DecodeError("cut off", field="header.tags", position=position) from error


def _short_header(frame: memoryview) -> Exception:
    """An unknown version may have another header, but the fields that all headers share are enough to answer it."""
    if len(frame) >= _HEADER_FRONT.size:
        api_key, api_version, correlation_id = _HEADER_FRONT.unpack_from(frame)
        if (api_key, api_version) not in _ROUTES:
            return _unsupported(api_key, api_version, correlation_id)
    return DecodeError(f"{len(frame)} bytes are too short for a request header", field="header", position=0)


def _unsupported(api_key: int, api_version: int, correlation_id: int) -> UnsupportedApi | UnsupportedVersion:
    api = APIS.get(api_key)
    if api is None:
        return UnsupportedApi(
            f"api key {api_key} is not served; ApiVersions lists the APIs that are",
            api_key=api_key,
            api_version=api_version,
            correlation_id=correlation_id,
        )
    lo, hi = api.versions
    return UnsupportedVersion(
        f"{api.name} version {api_version} is not served; versions {lo} to {hi} are",
        api_key=api_key,
        api_version=api_version,
        correlation_id=correlation_id,
    )


def _trailing(message: type[Message], position: int, frame: memoryview) -> DecodeError:
    return DecodeError(f"{len(frame) - position} bytes left over", field=f"{message.__name__} end", position=position)
