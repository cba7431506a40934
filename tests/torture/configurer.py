"""The torture's administrator: sets a config entry to one number after the other and looks what it is, on any broker.

It speaks in single requests over connections of its own, because a client that asks again by itself cannot tell what a
late first attempt has done. What was acknowledged must be what is told from then on, unless a change without an answer
took its place.
"""

import random
import socket
import time

from higgins_protocol.errors import ProtocolError
from higgins_protocol.messages.describe_configs import DescribeConfigsRequest, DescribeConfigsResource
from higgins_protocol.messages.incremental_alter_configs import (
    IncrementalAlterConfigsRequest,
    IncrementalConfig,
    IncrementalResource,
)
from higgins_protocol.registry import decode_response, encode_request
from tests.torture.clients import Clients

TOPIC, SET = 2, 0
DESCRIBE, ALTER = (32, 4), (44, 1)
ENTRY = "retention.ms"
FIRST = 10**12
"""So long that nothing is ever deleted for it."""
PATIENCE_S = 5.0
PAUSE_S = 0.2


class Configurer(Clients):
    """The role that changes configs."""

    def configurer(self):
        rng = random.Random(f"{self.a.seed}configs")
        stands, open_ended, number = None, set(), FIRST
        while self.writers_on:
            number += 1
            open_ended.add(str(number))
            if self.change_config(rng, str(number)):
                stands = str(number)
                open_ended.discard(stands)
            told = self.look_at_config(rng)
            if told is not None and stands is not None and told not in {stands, *open_ended}:
                self.failed.append(f"config-old: {ENTRY} is {told} where {stands} was acknowledged")
            time.sleep(rng.expovariate(1 / PAUSE_S))
        if stands is None:
            self.failed.append("no change of a config was ever acknowledged")

    def change_config(self, rng, value):
        """Whether it is acknowledged; otherwise it may still take effect."""
        resource = IncrementalResource(TOPIC, self.plain, [IncrementalConfig(ENTRY, SET, value)])
        answer = self.ask_once(rng, ALTER, IncrementalAlterConfigsRequest([resource]))
        return answer is not None and not answer.responses[0].error_code

    def look_at_config(self, rng):
        """What a broker tells; None where it does not."""
        resource = DescribeConfigsResource(TOPIC, self.plain, [ENTRY])
        answer = self.ask_once(rng, DESCRIBE, DescribeConfigsRequest([resource]))
        return None if answer is None or answer.results[0].error_code else answer.results[0].configs[0].value

    def ask_once(self, rng, api, request):
        host, _, port = rng.choice(self.a.bootstrap.split(",")).rpartition(":")
        try:
            with socket.create_connection((host, int(port)), PATIENCE_S) as sock:
                sock.sendall(b"".join(encode_request(*api, 1, "configurer", request)))
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
