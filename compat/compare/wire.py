"""One blocking connection on which whole requests are asked in any version that both sides speak."""

import socket
from typing import Any

from higgins_protocol.messages.api_versions import ApiVersionsRequest
from higgins_protocol.registry import APIS, decode_response, encode_request
from higgins_protocol.schema import Message

KEYS: dict[type[Message], int] = {api.request: api.key for api in APIS.values()}
PATIENCE_S = 6

Asked = tuple[int, int]
"""API key and version of a request under way."""


class Wire:
    """A peer by address. Raises: ConnectionError where it closes instead of answering."""

    def __init__(self, address: str) -> None:
        self.address = address
        self._sock: socket.socket | None = None
        self._correlation_id = 0
        rows = self.ask(ApiVersionsRequest(client_software_name="compare", client_software_version="1"), 3).api_keys
        self.versions = {row.api_key: (row.min_version, row.max_version) for row in rows}

    def ask(self, request: Message, version: int) -> Any:
        """The answer to a request."""
        return self.take(self.send(request, version))

    def send(self, request: Message, version: int) -> Asked:
        """Ask without waiting; `take` has the answer."""
        key = KEYS[type(request)]
        self._correlation_id += 1
        self.send_bytes(b"".join(encode_request(key, version, self._correlation_id, "compare", request)))
        return key, version

    def take(self, asked: Asked) -> Any:
        """The answer to what was asked."""
        return decode_response(*asked, memoryview(self.take_bytes()))[1]

    def send_bytes(self, frame: bytes) -> None:
        """A frame as it is, its length in front."""
        try:
            self._connected().sendall(frame)
        except OSError:
            self.close()
            raise

    def take_bytes(self) -> bytes:
        """The next frame that comes, without its length."""
        try:
            sock = self._connected()
            return self._read(sock, int.from_bytes(self._read(sock, 4), "big"))
        except OSError:
            self.close()
            raise

    def close(self) -> None:
        """Hang up; the next request connects again."""
        if self._sock is not None:
            self._sock.close()
            self._sock = None

    def _connected(self) -> socket.socket:
        if self._sock is None:
            host, _, port = self.address.rpartition(":")
            self._sock = socket.create_connection((host, int(port)), timeout=PATIENCE_S)
        return self._sock

    @staticmethod
    def _read(sock: socket.socket, length: int) -> bytes:
        data = b""
        while len(data) < length:
            came = sock.recv(length - len(data))
            if not came:
                raise ConnectionResetError("the peer hung up")
            data += came
        return data
