"""The role that changes configs: it sets an entry to 1, 2, 3, ... through random brokers, and reads it in between.

An acknowledged value must be read from then on, unless a change without a response has replaced it.
"""

import random
import time

from higgins_protocol.messages.describe_configs import DescribeConfigsRequest, DescribeConfigsResource
from higgins_protocol.messages.incremental_alter_configs import (
    IncrementalAlterConfigsRequest,
    IncrementalConfig,
    IncrementalResource,
)
from tests.torture.clients import Clients
from tests.torture.single_request import call_once

TOPIC, SET = 2, 0
DESCRIBE, ALTER = (32, 4), (44, 1)
ENTRY = "retention.ms"
FIRST = 10**12
"""A retention so long that no record is deleted because of it."""
PAUSE_S = 0.2


class Configurer(Clients):
    """The role that changes configs."""

    def configurer(self):
        rng = random.Random(f"{self.a.seed}configs")
        acknowledged, unanswered, number = None, set(), FIRST
        while self.writers_on:
            number += 1
            unanswered.add(str(number))
            if self.change_config(rng, str(number)):
                acknowledged = str(number)
                unanswered.discard(acknowledged)
            value = self.read_config(rng)
            if value is not None and acknowledged is not None and value not in {acknowledged, *unanswered}:
                self.failed.append(f"config-old: {ENTRY} is {value} where {acknowledged} was acknowledged")
            time.sleep(rng.expovariate(1 / PAUSE_S))
        if acknowledged is None:
            self.failed.append("no change of a config was ever acknowledged")

    def change_config(self, rng, value):
        """Whether the change was acknowledged; otherwise it may still take effect."""
        resource = IncrementalResource(TOPIC, self.plain, [IncrementalConfig(ENTRY, SET, value)])
        response = call_once(rng.choice(self.addresses), ALTER, IncrementalAlterConfigsRequest([resource]))
        return response is not None and not response.responses[0].error_code

    def read_config(self, rng):
        """The value that a broker returns, or None without a response."""
        resource = DescribeConfigsResource(TOPIC, self.plain, [ENTRY])
        response = call_once(rng.choice(self.addresses), DESCRIBE, DescribeConfigsRequest([resource]))
        return None if response is None or response.results[0].error_code else response.results[0].configs[0].value
