"""One request over a connection of its own, and its answer or none.

A client that asks again by itself cannot tell which node answered, nor what a late first attempt has done.
"""

import socket

from higgins_protocol.errors import ProtocolError
from higgins_protocol.registry import decode_response, encode_request

PATIENCE_S = 5.0


def ask_once(address, api, request):
    """What the broker at an address answers; None where it does not."""
    host, _, port = address.rpartition(":")
    try:
        with socket.create_connection((host, int(port)), PATIENCE_S) as sock:
            sock.sendall(b"".join(encode_request(*api, 1, "torture", request)))
            size = int.from_bytes(_read(sock, 4), "big")
            return decode_response(*api, memoryview(_read(sock, size)))[1]
    except (OSError, ProtocolError):
        return None


def _read(sock, length):
    data = b""
    while len(data) < length:
        piece = sock.recv(length - len(data))
        if not piece:
            raise ConnectionError("the broker closed the connection")
        data += piece
    return data
