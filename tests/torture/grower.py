"""Roles that add partitions to a topic in use, and that ask every node for the number of partitions."""

import random
import time

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient, NewPartitions

from higgins_protocol.messages.metadata import MetadataRequest, MetadataRequestTopic
from tests.torture.clients import Clients
from tests.torture.single_request import call_once

METADATA = (3, 9)
PARTITIONS_MAX = 12
GROWTHS = 8
"""The approximate number of additions in a run."""
ANSWER_S = 5.0
PAUSE_S = 0.1
REFUSED = {KafkaError.POLICY_VIOLATION, KafkaError.INVALID_REQUEST, KafkaError.INVALID_REPLICA_ASSIGNMENT}


class Grower(Clients):
    """The roles `grower` and `counter`."""

    def grower(self):
        rng, admin, wanted = random.Random(f"{self.a.seed}growth"), AdminClient(self.conf()), self.a.partitions
        while self.writers_on and self.partitions(self.plain) < PARTITIONS_MAX:
            self.rest(rng.expovariate(GROWTHS / self.a.seconds))
            if not self.writers_on:
                break
            if wanted == self.partitions(self.plain):  # otherwise there was no response, and it is repeated
                wanted = min(PARTITIONS_MAX, wanted + rng.choice((1, 1, 2)))
            if self.grow(admin, wanted):
                self.counts[self.plain] = wanted
        if self.plain not in self.counts:
            self.failed.append("no partition was ever added")

    def rest(self, seconds):
        end = time.time() + seconds
        while self.writers_on and time.time() < end:
            time.sleep(0.1)

    def grow(self, admin, n):
        """Whether the topic has `n` partitions now.

        librdkafka retries by itself. If its second attempt fails because nothing is to be added, the first succeeded.
        """
        i, ok, err = self.h.id(), 1, None
        self.h.add("grow", id=i, topic=self.plain, n=n)
        try:
            response = admin.create_partitions([NewPartitions(self.plain, n)], request_timeout=ANSWER_S)
            response[self.plain].result(2 * ANSWER_S)
        except KafkaException as e:
            err = e.args[0].name()
            if e.args[0].code() in REFUSED:
                ok = 0
                self.failed.append(f"{n} partitions were refused: {e.args[0].str()}")
            elif e.args[0].code() != KafkaError.INVALID_PARTITIONS:
                ok = -1
        self.h.add("grown", id=i, ok=ok, **({"err": err} if err else {}))
        return ok == 1

    def counter(self):
        rng = random.Random(f"{self.a.seed}counts")
        while self.readers_on:
            self.count(rng.choice(self.addresses))
            time.sleep(rng.expovariate(1 / PAUSE_S))

    def count(self, address):
        """The number of partitions according to the node at an address; None without a response."""
        t0 = self.h.now()
        request = MetadataRequest([MetadataRequestTopic(name=self.plain)], allow_auto_topic_creation=False)
        response = call_once(address, METADATA, request)
        if response is None or response.topics[0].error_code:
            return None
        n = len(response.topics[0].partitions)
        self.h.add("parts", topic=self.plain, n=n, node=address, t0=t0)
        return n

    def count_finally(self):
        """Ask every node until it responses, so that partitions added without a response are read at the end, too."""
        for address in self.addresses:
            deadline = time.time() + self.a.final_timeout
            while (n := self.count(address)) is None and time.time() < deadline:
                time.sleep(0.2)
            if n is None:
                self.failed.append(f"{address} does not tell how many partitions there are")
            else:
                self.counts[self.plain] = max(n, self.partitions(self.plain))
