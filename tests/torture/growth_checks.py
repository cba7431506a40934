"""What adding partitions must be: those that were promised are there for good, and clients come to use them."""

import bisect
import collections
import re
import zlib

from tests.torture.observation import OK, Observations

NOTICE_S = 30
"""By then a promise must have come to every client: metadata ages two seconds, and the rest is for brokers that are
stopped or started again."""
NOTICE_NS = NOTICE_S * 1_000_000_000
RECORDS_PER_PARTITION = 50
"""So many records with keys, shared out among all partitions, miss one with a chance of e to the minus fifty."""
UNKNOWN_PARTITION = re.compile("UNKNOWN_PARTITION|UNKNOWN_TOPIC")


def partition_of(key, partitions):
    """librdkafka's `consistent` partitioner."""
    return zlib.crc32(key.encode()) % partitions


class GrowthChecks(Observations):
    """Checks of partition counts, as brokers tell them and as clients act on them."""

    def promised(self, topic, t):
        """How many partitions were acknowledged before t."""
        return max((g.n for g in self.growths[topic] if g.ok == OK and g.t1 < t), default=0)

    def asked(self, topic, t):
        """How many may be there at t."""
        return max((g.n for g in self.growths[topic] if g.ok and g.t0 < t), default=0)

    def c_counts(self):
        """What brokers tell: never more than was asked for; on one node never fewer than before, or than promised."""
        for topic, told in self.counts_told.items():
            if topic not in self.growths:
                continue
            nodes = {node for _t0, _t, _n, node in told}
            grace = NOTICE_NS if len(nodes) > 1 else 0
            seen = collections.defaultdict(lambda: ([], []))  # node -> times, greatest count by then
            for _t0, t, n, node in sorted(told, key=lambda x: x[1]):
                times, tops = seen[node]
                times.append(t)
                tops.append(max(n, tops[-1] if tops else 0))
            for t0, t, n, node in told:
                times, tops = seen[node]
                i = bisect.bisect_left(times, t0)
                before = max(tops[i - 1] if i else 0, self.promised(topic, t0 - grace))
                if n < before:
                    self.err("partition-vanished", topic=topic, told=n, before=before, node=node)
                if n > self.asked(topic, t):
                    self.err("growth-unasked", topic=topic, told=n, asked=self.asked(topic, t), node=node)

    def c_last_counts(self):
        """When all is quiet every promised partition can be read."""
        for topic in self.growths:
            last = max((f["t"] for f in self.finals.values()), default=0)
            for q in range(self.promised(topic, last)):
                f = self.finals.get((f"{topic}:{q}", "ru"))
                if f is not None and not f.get("complete"):
                    self.err("partition-vanished", topic=topic, partition=q, why="it cannot be read to its end")
                elif f is None and self.finals:
                    self.err("partition-vanished", topic=topic, partition=q, why="nobody could read it")

    def c_refused_sends(self):
        """A partition that was promised long ago is not refused as unknown."""
        for s in self.sends.values():
            topic, _, q = s.k.rpartition(":")
            if not s.err or not q.isdigit() or topic not in self.growths or not UNKNOWN_PARTITION.search(s.err):
                continue
            if int(q) < self.promised(topic, s.t0 - NOTICE_NS):
                self.err("partition-vanished", k=s.k, v=s.v, p=s.p, why=s.err)

    def c_placement(self):
        """A producer shares its keys out among a number of partitions that was asked for, and that never falls."""
        counts = {}  # producer -> the least number that explains its records so far
        for s in self.keyed_sends():
            topic, _, q = s.k.rpartition(":")
            n, most = counts.get(s.p, 1), self.asked(topic, s.t1)
            while n <= most and partition_of(s.key, n) != int(q):
                n += 1
            if n > most:
                self.err("misplaced-key", p=s.p, v=s.v, key=s.key, k=s.k, after=counts.get(s.p, 1), asked=most)
            else:
                counts[s.p] = n

    def keyed_sends(self):
        """Sends by key whose partition is known, in the order they were made."""
        return sorted((s for s in self.sends.values() if s.key and s.ok == OK), key=lambda s: (s.p, s.seq))

    def c_notice(self):
        """Partitions that were added come to be written by those who write by key, and to be read by groups."""
        keyed = collections.defaultdict(list)
        for s in self.keyed_sends():
            keyed[s.k.rsplit(":", 1)[0]].append(s)
        subscribed = collections.defaultdict(set)
        for session in self.sessions.values():
            if session.get("g"):
                subscribed[session["g"]] |= {k.rsplit(":", 1)[0] for k in session["k"]}
        for topic, growths in self.growths.items():
            first = min(g.n for g in growths)
            for g in growths:
                if g.ok != OK or g.n == first:
                    continue
                k, since = f"{topic}:{g.n - 1}", g.t1 + NOTICE_NS
                late = [s for s in keyed[topic] if s.t0 > since]
                enough = len(late) > RECORDS_PER_PARTITION * self.asked(topic, float("inf"))
                if enough and not any(s.k == k for s in late):
                    self.err("growth-unnoticed", k=k, by="producers", records=len(late))
                for group in (group for group, topics in subscribed.items() if topic in topics):
                    self.notice_of(group, k)

    def notice_of(self, group, k):
        last = self.group_polls.get(group, 0)
        written = [s.t1 for s in self.sends.values() if s.k == k and s.ok == OK]
        if written and min(written) + NOTICE_NS < last and not self.group_seen[group, k]:
            self.err("growth-unnoticed", k=k, by=group, records=len(written))
