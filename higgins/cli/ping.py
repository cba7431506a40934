"""`higgins ping`: check whether a broker answers, and whether its store does, for health checks.

It runs every few seconds in every container, so it is two requests over a plain socket: no client, no event loop, no
argument parser, none of which take less than 50 ms to import. The first request is one that every Kafka broker answers;
the second is Higgins' own, and a broker that does not know it is taken to be well.
"""

import json
import os
import socket
import struct
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from higgins.config.addresses import DEFAULT_PORT, Address, parse_addresses

TIMEOUT_S = 5.0
ANSWER_BYTES_MAX = 1 << 20

API_VERSIONS = 18
CORRELATION_ID = 7
# A request without a client id, in the oldest version, which every broker answers.
_REQUEST = struct.pack(">ihhih", 10, API_VERSIONS, 0, CORRELATION_ID, -1)
_ANSWER = struct.Struct(">iih")
# The private call (api key 32000, version 0, flexible): verb "ping", document "{}".
_STANDING = struct.pack(">ihhihb", 20, 32_000, 0, CORRELATION_ID, -1, 0) + b"\x05ping\x03{}\x00"

STORE_FAILS = 3
"""The exit code for a broker that answers while its store fails."""

USAGE = "higgins ping [--bootstrap HOST:PORT] [--timeout SECONDS] [--json]"


def ping(arguments: Sequence[str]) -> int:
    """Returns the exit code: 0 if a broker answers, 1 if it does not, 2 for wrong arguments, 3 if its store fails."""
    try:
        as_json = "--json" in arguments
        addresses, timeout_s = _parse([one for one in arguments if one != "--json"])
    except ValueError as error:
        print(f"higgins: {error}\nUsage: {USAGE}", file=sys.stderr)
        return 2
    code = 0
    for address in addresses:
        try:
            store = _ask(address, timeout_s)
        except (OSError, ValueError) as error:
            if as_json:
                print(json.dumps({"address": str(address), "answers": False, "why": str(error)}))
            print(f"higgins: {address} does not answer: {error}", file=sys.stderr)
            return 1
        if store:
            code = STORE_FAILS
        if as_json:
            print(json.dumps({"address": str(address), "answers": True, **({"store": store} if store else {})}))
        elif store:
            since = f"{datetime.fromtimestamp(store['since_ms'] / 1000, UTC):%Y-%m-%dT%H:%M:%SZ}"
            print(f"{address} answers, but its store fails ({store['operations']}) since {since}: {store['why']}")
        else:
            print(f"{address} answers")
    return code


def _parse(arguments: Sequence[str]) -> tuple[list[Address], float]:
    bootstrap = os.environ.get("HIGGINS_BOOTSTRAP") or f"127.0.0.1:{DEFAULT_PORT}"
    timeout_s = TIMEOUT_S
    rest = [part for one in arguments for part in one.split("=", 1)]
    while rest:
        flag = rest.pop(0)
        if flag not in {"--bootstrap", "-b", "--timeout"}:
            raise ValueError(f"Unknown argument '{flag}'.")
        if not rest:
            raise ValueError(f"{flag} needs a value.")
        value = rest.pop(0)
        if flag == "--timeout":
            timeout_s = float(value)
        else:
            bootstrap = value
    return parse_addresses(bootstrap), timeout_s


def _ask(address: Address, timeout_s: float) -> dict[str, Any] | None:
    """What fails in the broker's store, or None. Raises: OSError, ValueError when no broker answers."""
    with socket.create_connection((address.host, address.port), timeout=timeout_s) as connection:
        connection.settimeout(timeout_s)
        connection.sendall(_REQUEST)
        length, correlation_id, code = _ANSWER.unpack(_receive(connection, _ANSWER.size))
        if not 0 < length <= ANSWER_BYTES_MAX or correlation_id != CORRELATION_ID:
            raise ValueError("what listens there does not speak Kafka's protocol")
        if code:
            raise ValueError(f"it answered with error {code}")
        try:
            _receive(connection, length + 4 - _ANSWER.size)
            connection.sendall(_STANDING)
            (length,) = struct.unpack(">i", _receive(connection, 4))
            if not 0 < length <= ANSWER_BYTES_MAX:
                return None
            answer = _receive(connection, length)
            document = json.loads(answer[answer.index(b"{") : answer.rindex(b"}") + 1])
            store = document.get("store")
            return store if isinstance(store, dict) and store.keys() >= {"operations", "since_ms", "why"} else None
        except (OSError, ValueError):
            return None  # another broker, or an older one


def _receive(connection: socket.socket, length: int) -> bytes:
    """Exactly `length` bytes. Raises: OSError, ValueError."""
    data = b""
    while len(data) < length:
        more = connection.recv(length - len(data))
        if not more:
            raise ValueError("it closed the connection")
        data += more
    return data
