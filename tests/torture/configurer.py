"""The torture's administrator: sets a config entry to one number after the other and looks what it is, on any broker.

What was acknowledged must be what is told from then on, unless a change without an answer took its place.
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
from tests.torture.single import ask_once

TOPIC, SET = 2, 0
DESCRIBE, ALTER = (32, 4), (44, 1)
ENTRY = "retention.ms"
FIRST = 10**12
"""So long that nothing is ever deleted for it."""
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
        answer = ask_once(rng.choice(self.addresses), ALTER, IncrementalAlterConfigsRequest([resource]))
        return answer is not None and not answer.responses[0].error_code

    def look_at_config(self, rng):
        """What a broker tells; None where it does not."""
        resource = DescribeConfigsResource(TOPIC, self.plain, [ENTRY])
        answer = ask_once(rng.choice(self.addresses), DESCRIBE, DescribeConfigsRequest([resource]))
        return None if answer is None or answer.results[0].error_code else answer.results[0].configs[0].value
