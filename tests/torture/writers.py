"""The roles that write: plain, idempotent and transactional producers that crash, and exactly-once copiers."""

import contextlib
import random
import time

from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition

from tests.torture.clients import Clients

KEYS = 1000
IDEMPOTENT_PATIENCE_MS = 120_000
"""Longer than any fault. When a record times out, librdkafka bumps its epoch and sends the following records again,
even if they were written already, and no broker can recognise these as duplicates."""


class Writers(Clients):
    """Roles that write."""

    def writer(self, base, idem, topic=None, keyed=False):
        """Write to random partitions, or with keys for the client to partition; by default to the plain topic."""
        topic = topic or self.plain
        rng = random.Random(f"{self.a.seed}{base}")
        while self.writers_on:
            p, retries = self.name(base), 2147483647 if idem or rng.random() < 0.5 else 0
            pr = Producer(
                self.conf(
                    **{
                        "acks": "all",
                        "enable.idempotence": idem,
                        "linger.ms": rng.choice((0, 5, 50)),
                        "message.send.max.retries": retries,
                        "delivery.timeout.ms": IDEMPOTENT_PATIENCE_MS if idem else 15000,
                        "retry.backoff.ms": 50,
                        "partitioner": "consistent",
                        "compression.type": rng.choice(("none", "gzip", "lz4", "zstd", "snappy")),
                    }
                )
            )
            self.h.add("producer", p=p, kind="idempotent" if idem else "plain", inorder=idem, retries=retries)
            end, seq = time.time() + rng.expovariate(1 / self.a.crash_every), 0
            while self.writers_on and time.time() < end:
                key = f"key-{rng.randrange(KEYS)}" if keyed else None
                self.send(pr, p, seq, topic, rng.randrange(self.partitions(topic)), rng, key=key)
                seq += 1
                pr.poll(0)
                time.sleep(rng.expovariate(self.a.rate))
            if rng.random() < 0.5 and self.writers_on:  # die with records in flight
                pr.purge(in_queue=True, in_flight=True)
                pr.poll(0)
            else:
                pr.flush(30)
            del pr

    def txn_writer(self, tid):
        rng, n = random.Random(f"{self.a.seed}{tid}"), 0
        while self.writers_on:
            p, seq = self.name(tid), 0
            pr = Producer(
                self.conf(
                    **{"transactional.id": self.a.prefix + tid, "transaction.timeout.ms": 20000, "linger.ms": 5}
                )
            )
            self.h.add("producer", p=p, kind="txn", inorder=True)
            try:
                pr.init_transactions(30)
                end = time.time() + rng.expovariate(1 / self.a.crash_every)
                while self.writers_on and time.time() < end:
                    pr.begin_transaction()
                    x, n = f"{p}#{n}", n + 1
                    self.h.add("txn", x=x, r="begin")
                    for _ in range(rng.randint(1, 20)):
                        self.send(pr, p, seq, self.txn, rng.randrange(self.a.partitions), rng, tx=x)
                        seq += 1
                        time.sleep(rng.expovariate(self.a.rate))
                    if rng.random() < 0.1:
                        break  # leave it open: InitProducerId of the next session must abort it
                    self.finish(pr, x, abort=rng.random() < 0.25)
            except KafkaException as e:
                self.h.add("nemesis", p=p, error=e.args[0].name())
                time.sleep(0.2)
            with contextlib.suppress(KafkaException):  # a fatal error is raised again by every later call
                pr.purge()
                pr.poll(0)
            del pr

    def finish(self, pr, x, abort):
        """Commit (True) or abort (False), and log the outcome. Raises when the producer cannot be used again."""
        if not abort:
            pr.flush(20)
            self.h.add("txn", x=x, r="commit?")
            for _ in range(10):
                try:
                    pr.commit_transaction(10)
                    self.h.add("txn", x=x, r="commit")
                    return True
                except KafkaException as e:
                    err = e.args[0]
                    if err.retriable():
                        continue
                    if not err.txn_requires_abort():
                        self.h.add("txn", x=x, r="unknown", err=err.name())
                        raise
                    break  # not committed: abort it
            else:
                self.h.add("txn", x=x, r="unknown")
                raise KafkaException(KafkaError(KafkaError._TIMED_OUT))
        self.h.add("txn", x=x, r="abort?")
        for _ in range(10):
            try:
                pr.abort_transaction(10)
                self.h.add("txn", x=x, r="abort")
                return False
            except KafkaException as e:
                if not e.args[0].retriable():
                    raise
        raise KafkaException(KafkaError(KafkaError._TIMED_OUT))

    def copier(self, tid):
        """Consume PREFIX-plain and produce PREFIX-eos with the offsets in the transaction: exactly once."""
        rng, n, g = random.Random(f"{self.a.seed}{tid}"), 0, self.a.prefix + "-eos-group"
        while self.writers_on:
            p, c, seq, s = self.name(tid), self.name("c" + tid), 0, [0]
            co = Consumer(
                self.conf(
                    **{
                        "group.id": g,
                        "enable.auto.commit": False,
                        "auto.offset.reset": "earliest",
                        "isolation.level": "read_committed",
                        "session.timeout.ms": 6000,
                        "enable.partition.eof": False,
                    }
                )
            )
            pr = Producer(self.conf(**{"transactional.id": self.a.prefix + tid, "transaction.timeout.ms": 20000}))
            self.h.add("producer", p=p, kind="txn", inorder=False)

            def assigned(cons, tps, c=c, s=s):
                s[0] += 1
                self.h.add("assign", c=c, s=s[0], g=g, k={f"{t.topic}:{t.partition}": None for t in tps})

            try:
                pr.init_transactions(30)
                co.subscribe([self.plain], on_assign=assigned)
                end = time.time() + rng.expovariate(1 / (2 * self.a.crash_every)) + 5
                while self.writers_on and time.time() < end:
                    t0 = self.h.now()
                    ms = [m for m in co.consume(rng.randint(1, 100), 0.5) if not m.error()]
                    if not ms:
                        continue
                    self.polled(c, s[0], "rc", t0, ms)
                    pr.begin_transaction()
                    x, n = f"{p}#{n}", n + 1
                    self.h.add("txn", x=x, r="begin")
                    pos = {}
                    for m in ms:
                        src = f"{m.topic()}:{m.partition()}@{m.offset()}"
                        # no partitions are added to the output
                        self.send(pr, p, seq, self.eos, m.partition() % self.a.partitions, rng, tx=x, src=src)
                        seq += 1
                        pos[m.topic(), m.partition()] = m.offset() + 1
                    if rng.random() < 0.05:
                        break  # crash before the commit
                    oc0, ok = self.h.now(), -1
                    offs = [TopicPartition(t, q, o) for (t, q), o in pos.items()]
                    try:
                        pr.send_offsets_to_transaction(offs, co.consumer_group_metadata(), 10)
                        ok = 1 if self.finish(pr, x, abort=False) else 0
                    except KafkaException as e:
                        if e.args[0].txn_requires_abort():
                            self.finish(pr, x, abort=True)
                        raise
                    finally:
                        self.h.add(
                            "ocommit",
                            g=g,
                            c=c,
                            t0=oc0,
                            ok=ok,
                            k={f"{t.topic}:{t.partition}": t.offset for t in offs},
                        )
                    if ok == 0:
                        break  # aborted: a new session reads the same input again
            except KafkaException as e:
                self.h.add("nemesis", p=p, error=e.args[0].name())
                time.sleep(0.2)
            with contextlib.suppress(KafkaException):
                pr.purge()
                pr.poll(0)
            co.close()
            del pr

