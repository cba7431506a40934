"""`higgins ping`: check whether a broker answers, for health checks.

It runs every few seconds in every container, so it is one request over a plain socket: no client, no event loop, no
argument parser, none of which take less than 50 ms to import.
"""

import json
import os
import socket
import struct
import sys
from collections.abc import Sequence

from higgins.config.addresses import DEFAULT_PORT, Address, parse_addresses

TIMEOUT_S = 5.0
ANSWER_BYTES_MAX = 1 << 20

API_VERSIONS = 18
CORRELATION_ID = 7
# A request without a client id, in the oldest version, which every broker answers.
_REQUEST = struct.pack(">ihhih", 10, API_VERSIONS, 0, CORRELATION_ID, -1)
_ANSWER = struct.Struct(">iih")

USAGE = "higgins ping [--bootstrap HOST:PORT] [--timeout SECONDS] [--json]"


def ping(arguments: Sequence[str]) -> int:
    """Returns the exit code: 0 if a broker answers, 1 if it does not, 2 for wrong arguments."""
    try:
        as_json = "--json" in arguments
        addresses, timeout_s = _parse([one for one in arguments if one != "--json"])
    except ValueError as error:
        print(f"higgins: {error}\nUsage: {USAGE}", file=sys.stderr)
        return 2
    for address in addresses:
        try:
            _ask(address, timeout_s)
        except (OSError, ValueError) as error:
            if as_json:
                print(json.dumps({"address": str(address), "answers": False, "why": str(error)}))
            print(f"higgins: {address} does not answer: {error}", file=sys.stderr)
            return 1
        print(json.dumps({"address": str(address), "answers": True}) if as_json else f"{address} answers")
    return 0


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


def _ask(address: Address, timeout_s: float) -> None:
    with socket.create_connection((address.host, address.port), timeout=timeout_s) as connection:
        connection.settimeout(timeout_s)
        connection.sendall(_REQUEST)
        data = b""
        while len(data) < _ANSWER.size:
            more = connection.recv(_ANSWER.size - len(data))
            if not more:
                raise ValueError("it closed the connection")
            data += more
    length, correlation_id, code = _ANSWER.unpack(data)
    if not 0 < length <= ANSWER_BYTES_MAX or correlation_id != CORRELATION_ID:
        raise ValueError("what listens there does not speak Kafka's protocol")
    if code:
        raise ValueError(f"it answered with error {code}")
