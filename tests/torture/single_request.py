"""One request on its own connection, without retries.

A client that retries hides which node answered, and whether an earlier attempt took effect.
"""

import socket

from higgins_protocol.errors import ProtocolError
from higgins_protocol.registry import decode_response, encode_request

TIMEOUT_S = 5.0


def call_once(address, api, request):
    """The response of the broker at an address; None without one."""
    host, _, port = address.rpartition(":")
    try:
        with socket.create_connection((host, int(port)), TIMEOUT_S) as sock:
            sock.sendall(b"".join(encode_request(*api, 1, "torture", request)))
            size = int.from_bytes(_read(sock, 4), "big")
            return decode_response(*api, memoryview(_read(sock, size)))[1]
    except (OSError, ProtocolError):
        return None


def _read(sock, length):
    data = b""
    while len(data) < length:
        chunk = sock.recv(length - len(data))
        if not chunk:
            raise ConnectionError("the broker closed the connection")
        data += chunk
    return data
