"""Roles that delete records from the start of partitions, and that read from random offsets, also deleted ones."""

import random
import time

from confluent_kafka import OFFSET_END, Consumer, KafkaError, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient

from tests.torture.clients import Clients

REFUSED = {
    KafkaError.OFFSET_OUT_OF_RANGE,
    KafkaError.POLICY_VIOLATION,
    KafkaError.UNKNOWN_TOPIC_OR_PART,
    KafkaError.INVALID_REQUEST,
}
"""Errors after which certainly nothing was deleted."""
PAUSE_S = 0.5
ANSWER_S = 5.0
LOOK_S = 2.0
FAR_BEYOND = 1_000_000
TO_THE_END = 0
"""The one partition from which all records are deleted at times. Without a response to such a deletion, its new start
is not known, and the checks are weaker from then on; so the other partitions are never emptied."""


class Deleter(Clients):
    """The roles `deleter` and `trimmed_reader`."""

    def deleter(self, base):
        rng, starts, done = random.Random(f"{self.a.seed}{base}"), {}, 0
        admin = AdminClient(self.conf())
        while self.writers_on:
            time.sleep(rng.expovariate(1 / PAUSE_S))
            count = self.partitions(self.trimmed)
            wanted = rng.sample(range(count), rng.randint(1, count))
            done += self.delete(admin, {q: self.chosen(rng, q, starts.get(q, 0)) for q in wanted}, starts)
        if not done:
            self.failed.append(f"{base}: no deletion of records was ever acknowledged")

    def chosen(self, rng, q, start):
        """The offset to delete to: mostly within the log; sometimes its end, its start, or beyond the end."""
        end, way = self.ends.get(f"{self.trimmed}:{q}", 0), rng.random()
        if q == TO_THE_END and way < 0.1:
            return OFFSET_END
        if way < 0.2:
            return end
        if way < 0.3:
            return end + FAR_BEYOND
        if way < 0.4:
            return rng.randint(0, start)
        return min(end, start + int((end - start) * rng.random() ** 2))

    def delete(self, admin, before, starts):
        """Delete, and return the number of partitions that acknowledged it."""
        i, k, done = self.h.id(), {}, 0
        self.h.add("delete", id=i, k={f"{self.trimmed}:{q}": o for q, o in before.items()})
        offsets = [TopicPartition(self.trimmed, q, o) for q, o in before.items()]
        responses = admin.delete_records(offsets, request_timeout=ANSWER_S, operation_timeout=ANSWER_S)
        for tp, answer in responses.items():
            try:
                start = answer.result(2 * ANSWER_S).low_watermark
                starts[tp.partition] = max(start, starts.get(tp.partition, 0))
                k[f"{tp.topic}:{tp.partition}"], done = [1, start, None], done + 1
            except KafkaException as e:
                error = e.args[0]
                k[f"{tp.topic}:{tp.partition}"] = [0 if error.code() in REFUSED else -1, None, error.name()]
        self.h.add("deleted", id=i, k=k)
        return done

    def trimmed_reader(self, base):
        """Read from random offsets, again and again. Below the log start, the client resets to the start.

        Each time is a new client: librdkafka can use an offset that it was resetting for one assignment in the next one
        (with Apache Kafka too), which looks as if it jumped back to the start.
        """
        rng = random.Random(f"{self.a.seed}{base}")
        while self.readers_on:
            self.read_from_anywhere(self.name(base), rng)

    def read_from_anywhere(self, c, rng):
        iso = rng.choice(("rc", "ru"))
        isolation = "read_committed" if iso == "rc" else "read_uncommitted"
        settings = {"enable.auto.commit": False, "auto.offset.reset": "earliest", "isolation.level": isolation}
        co = Consumer(self.conf(**{"group.id": c, **settings}))
        k = {}
        for q in range(self.partitions(self.trimmed)):
            end = self.ends.get(f"{self.trimmed}:{q}", 0)
            k[q] = rng.choice((0, rng.randint(0, end), max(0, end - rng.randint(0, 200))))
        self.h.add("assign", c=c, s=1, g=None, k={f"{self.trimmed}:{q}": o for q, o in k.items()})
        co.assign([TopicPartition(self.trimmed, q, o) for q, o in k.items()])
        until = time.time() + rng.expovariate(1 / LOOK_S)
        while self.readers_on and time.time() < until:
            t0 = self.h.now()
            ms = [m for m in co.consume(500, 0.2) if not m.error()]
            if ms:
                self.polled(c, 1, iso, t0, ms)
        co.close()
