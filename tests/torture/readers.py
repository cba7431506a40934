"""The roles that read: assigned consumers, group members, probes of watermarks, and the final read of everything."""

import random
import time

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, TopicPartition

from tests.torture.clients import Clients, decode

REFUSALS = {"ILLEGAL_GENERATION", "UNKNOWN_MEMBER_ID", "REBALANCE_IN_PROGRESS", "FENCED_INSTANCE_ID"}
SINGLE_TRY_NS = 50_000_000
"""A commit that is refused after more than this may have been retried: an earlier attempt may have succeeded."""


class Readers(Clients):
    """Roles that read."""

    def assigner(self, base, iso):
        rng = random.Random(f"{self.a.seed}{base}")
        while self.readers_on:
            c = self.name(base)
            co = Consumer(
                self.conf(
                    **{
                        "group.id": c,
                        "enable.auto.commit": False,
                        "auto.offset.reset": "earliest",
                        "isolation.level": "read_committed" if iso == "rc" else "read_uncommitted",
                        "fetch.wait.max.ms": rng.choice((0, 100, 500)),
                        "fetch.max.bytes": rng.choice((2000000, 50000000)),
                    }
                )
            )
            tps = [
                TopicPartition(t, q, OFFSET_BEGINNING)
                for t in self.topics_read()
                for q in range(self.partitions(t))
                if rng.random() < 0.8
            ]
            if not tps:
                continue
            self.h.add("assign", c=c, s=1, g=None, k={f"{t.topic}:{t.partition}": 0 for t in tps})
            co.assign(tps)
            end = time.time() + rng.expovariate(1 / (2 * self.a.crash_every))
            while self.readers_on and time.time() < end:
                t0 = self.h.now()
                ms = [m for m in co.consume(500, 0.5) if not m.error()]
                if ms:
                    self.polled(c, 1, iso, t0, ms)
            co.close()

    def member(self, base):
        rng, g = random.Random(f"{self.a.seed}{base}"), self.a.prefix + "-group"
        while self.readers_on:
            c, s = self.name(base), [0]
            co = Consumer(
                self.conf(
                    **{
                        "group.id": g,
                        "enable.auto.commit": False,
                        "auto.offset.reset": "earliest",
                        "isolation.level": "read_committed",
                        "session.timeout.ms": 6000,
                        "partition.assignment.strategy": self.a.strategy,
                    }
                )
            )

            def change(event, tps, c=c, s=s):
                s[0] += 1
                self.h.add(event, c=c, s=s[0], g=g, k={f"{t.topic}:{t.partition}": None for t in tps})

            self.h.add("member", c=c, g=g)
            co.subscribe(
                self.subscribed(),
                on_assign=lambda _, tps, change=change: change("assign", tps),
                on_revoke=lambda _, tps, change=change: change("revoke", tps),
            )
            end, pos = time.time() + rng.expovariate(1 / (2 * self.a.crash_every)) + 3, {}
            while self.readers_on and time.time() < end:
                t0, before = self.h.now(), s[0]
                ms = [m for m in co.consume(200, 0.5) if not m.error()]
                if s[0] != before:
                    pos.clear()
                if not ms:
                    continue
                self.polled(c, s[0], "rc", t0, ms)
                for m in ms:
                    pos[m.topic(), m.partition()] = m.offset() + 1
                if rng.random() < 0.3:
                    t0, k = self.h.now(), {f"{t}:{q}": o for (t, q), o in pos.items()}
                    try:
                        co.commit(offsets=[TopicPartition(t, q, o) for (t, q), o in pos.items()], asynchronous=False)
                        ok = 1
                    except KafkaException as e:
                        ok = 0 if e.args[0].name() in REFUSALS and self.h.now() - t0 < SINGLE_TRY_NS else -1
                    self.h.add("ocommit", g=g, c=c, k=k, ok=ok, t0=t0)
                    pos.clear()
            self.h.add("left", c=c, g=g)
            co.close()
            self.h.add("left", c=c, g=g)  # again: closing may have called on_revoke

    def subscribed(self):
        """The topics that groups read: those that producers write."""
        return [topic for topic in self.topics_read() if topic in (self.plain, self.txn, self.trimmed)]

    def prober(self):
        """Watermarks and committed offsets, read by a separate client."""
        rng = random.Random(self.a.seed)
        co = Consumer(
            self.conf(
                **{
                    "group.id": self.a.prefix + "-group",
                    "enable.auto.commit": False,
                    "isolation.level": "read_uncommitted",
                }
            )
        )  # else the answer is the last stable offset
        while self.readers_on:
            time.sleep(0.1)
            topic = rng.choice(self.subscribed())
            q = rng.randrange(self.partitions(topic))
            try:
                t0 = self.h.now()
                lo, hi = co.get_watermark_offsets(TopicPartition(topic, q), 5, cached=False)
                self.h.add("wm", k=f"{topic}:{q}", lo=lo, hi=hi, t0=t0)
                self.fetch_offsets(co, self.a.prefix + "-group", self.subscribed())
            except KafkaException:
                pass
        co.close()

    def final(self, topic, q, iso):
        co = Consumer(
            self.conf(
                **{
                    "group.id": "final",
                    "enable.auto.commit": False,
                    "auto.offset.reset": "earliest",
                    "isolation.level": "read_committed" if iso == "rc" else "read_uncommitted",
                    "enable.partition.eof": True,
                }
            )
        )
        deadline, rows, eof = time.time() + self.a.final_timeout, [], False
        lo = hi = None
        t0 = self.h.now()
        while lo is None and time.time() < deadline:
            try:
                lo, hi = co.get_watermark_offsets(TopicPartition(topic, q), 5, cached=False)
            except KafkaException:
                time.sleep(0.2)
        if lo is not None and hi > lo:
            co.assign([TopicPartition(topic, q, OFFSET_BEGINNING)])
            while not eof and time.time() < deadline:
                for m in co.consume(1000, 1):
                    if not m.error():
                        rows.append([m.offset(), decode(m.value())])
                    elif m.error().code() == KafkaError._PARTITION_EOF:
                        eof = m.offset() >= hi  # for rc: the last stable offset must reach the end
        co.close()
        self.h.add(
            "final",
            k=f"{topic}:{q}",
            iso=iso,
            lo=lo or 0,
            hi=hi or 0,
            t0=t0,
            r=rows,
            complete=lo is not None and (eof or hi == lo),
        )
        return eof or hi == lo

    # ---- the run -------------------------------------------------------------------------------------------------
