"""Checks of CreatePartitions: acknowledged partitions never disappear, and clients start to use them."""

import bisect
import collections
import re
import zlib

from tests.torture.observation import OK, Observations

NOTICE_S = 30
"""The time within which every client must use a new partition: clients refresh metadata every two seconds, and brokers
may be stopped or restarting meanwhile."""
NOTICE_NS = NOTICE_S * 1_000_000_000
STALL_S = 60
"""The longest time in which a group with members may have no new assignment: a session timeout (6 s here) several times
over, since a broker that restarts cannot know how long a silent member has been silent."""
STALL_NS = STALL_S * 1_000_000_000
RECORDS_PER_PARTITION = 50
"""With this many keyed records per partition, the probability that one partition gets none is e^-50."""
UNKNOWN_PARTITION = re.compile("UNKNOWN_PARTITION|UNKNOWN_TOPIC")


def partition_of(key, partitions):
    """librdkafka's `consistent` partitioner."""
    return zlib.crc32(key.encode()) % partitions


class GrowthChecks(Observations):
    """Checks of the partition counts of brokers, and of where clients write and read."""

    longest_stall_ns = 0

    def acknowledged_count(self, topic, t):
        """The number of partitions acknowledged before t."""
        return max((g.n for g in self.growths[topic] if g.ok == OK and g.t1 < t), default=0)

    def requested_count(self, topic, t):
        """The highest number of partitions requested before t."""
        return max((g.n for g in self.growths[topic] if g.ok and g.t0 < t), default=0)

    def c_counts(self):
        """A broker never returns more partitions than requested, nor fewer than before or than acknowledged."""
        for topic, counts in self.partition_counts.items():
            if topic not in self.growths:
                continue
            nodes = {node for _t0, _t, _n, node in counts}
            grace = NOTICE_NS if len(nodes) > 1 else 0
            seen = collections.defaultdict(lambda: ([], []))  # node -> times, greatest count by then
            for _t0, t, n, node in sorted(counts, key=lambda x: x[1]):
                times, tops = seen[node]
                times.append(t)
                tops.append(max(n, tops[-1] if tops else 0))
            for t0, t, n, node in counts:
                times, tops = seen[node]
                i = bisect.bisect_left(times, t0)
                before = max(tops[i - 1] if i else 0, self.acknowledged_count(topic, t0 - grace))
                if n < before:
                    self.err("partition-vanished", topic=topic, returned=n, before=before, node=node)
                if n > self.requested_count(topic, t):
                    requested = self.requested_count(topic, t)
                    self.err("growth-unrequested", topic=topic, returned=n, requested=requested, node=node)

    def c_last_counts(self):
        """Every acknowledged partition can be read at the end."""
        for topic in self.growths:
            last = max((f["t"] for f in self.finals.values()), default=0)
            for q in range(self.acknowledged_count(topic, last)):
                f = self.finals.get((f"{topic}:{q}", "ru"))
                if f is not None and not f.get("complete"):
                    self.err("partition-vanished", topic=topic, partition=q, why="it cannot be read to its end")
                elif f is None and self.finals:
                    self.err("partition-vanished", topic=topic, partition=q, why="it could not be read")

    def c_refused_sends(self):
        """A partition that was acknowledged long ago is not refused as unknown."""
        for s in self.sends.values():
            topic, _, q = s.k.rpartition(":")
            if not s.err or not q.isdigit() or topic not in self.growths or not UNKNOWN_PARTITION.search(s.err):
                continue
            if int(q) < self.acknowledged_count(topic, s.t0 - NOTICE_NS):
                self.err("partition-vanished", k=s.k, v=s.v, p=s.p, why=s.err)

    def c_placement(self):
        """A producer distributes its keys over a requested number of partitions, which never decreases."""
        counts = {}  # producer -> the least number that explains its records so far
        for s in self.keyed_sends():
            topic, _, q = s.k.rpartition(":")
            n, most = counts.get(s.p, 1), self.requested_count(topic, s.t1)
            while n <= most and partition_of(s.key, n) != int(q):
                n += 1
            if n > most:
                self.err("misplaced-key", p=s.p, v=s.v, key=s.key, k=s.k, after=counts.get(s.p, 1), requested=most)
            else:
                counts[s.p] = n

    def keyed_sends(self):
        """The sends with a key whose partition is known, in the order of their requests."""
        return sorted((s for s in self.sends.values() if s.key and s.ok == OK), key=lambda s: (s.p, s.seq))

    def c_notice(self):
        """Added partitions are written by producers with keys, and read by groups."""
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
                enough = len(late) > RECORDS_PER_PARTITION * self.requested_count(topic, float("inf"))
                if enough and not any(s.k == k for s in late):
                    self.err("growth-unnoticed", k=k, by="producers", records=len(late))
                for group in (group for group, topics in subscribed.items() if topic in topics):
                    self.notice_of(group, k)

    def notice_of(self, group, k):
        """Only settled time counts. A rebalance that does not end, for example because each restart of a broker
        restarts the session timers of dead members, says nothing about the growth; `c_stalls` judges it."""
        last = self.group_polls.get(group, 0)
        written = [s.t1 for s in self.sends.values() if s.k == k and s.ok == OK]
        if not written or self.group_seen[group, k]:
            return
        if self.group_times[group].settled_ns(min(written), last) > NOTICE_NS:
            self.err("growth-unnoticed", k=k, by=group, records=len(written))

    def c_stalls(self):
        """A rebalance ends within STALL_S, whatever happens to the brokers and to other members."""
        for group, times in self.group_times.items():
            stalled = times.stalled_ns(self.last_t)
            self.longest_stall_ns = max(self.longest_stall_ns, stalled)
            if stalled > STALL_NS:
                self.err("group-stalled", g=group, seconds=round(stalled / 1e9, 1))
