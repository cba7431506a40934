"""Reads a history and indexes its events for the checks. Standard library only."""

import collections
import math
from itertools import pairwise

from tests.torture.deletions import FAIL, INFO, OK, Deletions
from tests.torture.group_times import GroupTimes

__all__ = ["FAIL", "INFO", "OK", "Growth", "Observations", "Send", "Txn"]


class Send:
    """One produced record, with its result."""

    __slots__ = ("err", "k", "key", "o", "ok", "p", "seq", "t0", "t1", "tx", "v")

    def __init__(self, p, k, v, tx, t0, key=None):
        self.p, self.k, self.v, self.tx, self.t0, self.key = p, k, v, tx, t0, key
        self.t1, self.ok, self.o, self.err = None, INFO, None, None
        self.seq = int(v.split("<", 1)[0].rsplit("/", 1)[1])


class Txn:
    """A transaction: its sends and its outcome."""

    __slots__ = ("commit0", "commit1", "result", "sends", "x")

    def __init__(self, x):
        self.x, self.sends, self.commit0, self.commit1, self.result = x, [], None, None, "open"


class Growth:
    """One request to add partitions, with its result."""

    __slots__ = ("n", "ok", "t0", "t1")

    def __init__(self, n, t0):
        self.n, self.t0, self.t1, self.ok = n, t0, math.inf, INFO


class Observations:
    """The indexed events of a history."""

    def __init__(self, max_examples=3, topics_with_gaps=()):
        self.max = max_examples
        self.errors = collections.defaultdict(list)
        self.counts = collections.Counter()
        self.sends, self.by_id, self.txns, self.producers = {}, {}, {}, {}
        self.log = collections.defaultdict(dict)  # k -> offset -> value (first seen)
        self.rc = collections.defaultdict(set)  # k -> offsets seen by read_committed readers
        self.first_seen = {}  # value -> completion time of first poll that returned it
        self.polls = collections.defaultdict(list)  # (c, s) -> [(k, offset, completion time)] in order
        self.sessions, self.iso_of = {}, {}
        self.group_polls = {}  # g -> completion time of its last poll
        self.group_times = collections.defaultdict(GroupTimes)
        self.last_t = 0
        self.group_seen = collections.defaultdict(set)  # (g, k) -> offsets delivered
        self.ocommits, self.ofetches = collections.defaultdict(list), collections.defaultdict(list)
        self.wms = collections.defaultdict(list)
        self.finals, self.eos = {}, []
        self.deletions = Deletions()
        self.growths, self.growth_by_id = collections.defaultdict(list), {}
        self.partition_counts = collections.defaultdict(list)  # topic -> [(invoked, completed, partitions, node)]
        self.derived = {}  # input topic -> derived topic
        self.gaps_ok = set(topics_with_gaps)
        self.rc_reads = []  # (value, completion time, consumer): for G1a and dirty reads
        self.stats = collections.Counter()

    def err(self, name, **example):
        self.counts[name] += 1
        if len(self.errors[name]) < self.max:
            self.errors[name].append(example)

    # ---- reading the history -------------------------------------------------------------------------------------
    def observe(self, k, o, v, who):
        if v is None:
            return self.err("corrupt", k=k, offset=o, reader=who)
        old = self.log[k].setdefault(o, v)
        if old != v:
            self.err("inconsistent-offsets", k=k, offset=o, values=[old, v], reader=who)
        return None

    def feed(self, ev):
        e = ev["e"]
        self.stats[e] += 1
        self.last_t = max(self.last_t, ev["t"])
        f = getattr(self, "on_" + e, None)
        if f:
            f(ev)

    def on_producer(self, ev):
        self.producers[ev["p"]] = ev

    def on_send(self, ev):
        s = Send(ev["p"], ev["k"], ev["v"], ev.get("tx"), ev["t"], ev.get("key"))
        self.sends[s.v] = self.by_id[ev["id"]] = s
        if s.tx:
            self.txns.setdefault(s.tx, Txn(s.tx)).sends.append(s)

    def on_sent(self, ev):
        s = self.by_id[ev["id"]]
        s.t1, s.ok, s.o = ev["t"], ev["ok"], ev.get("o")
        s.k, s.err = ev.get("k", s.k), ev.get("err")
        self.stats[f"sent-{s.ok}"] += 1
        if s.ok == OK and s.o is not None and s.o >= 0:
            self.observe(s.k, s.o, s.v, "ack")

    def on_txn(self, ev):
        x, r = self.txns.setdefault(ev["x"], Txn(ev["x"])), ev["r"]
        if r == "commit?":
            x.commit0 = ev["t"]
            x.result = "unknown"
        elif r == "commit":
            x.commit1, x.result = ev["t"], "commit"
        elif r == "abort":
            x.result = "abort"
        elif r == "unknown":
            x.result = "unknown" if x.commit0 else "open"
        self.stats["txn-" + r] += r in ("commit", "abort", "unknown")

    def on_assign(self, ev):
        self.sessions[ev["c"], ev["s"]] = ev
        if ev["g"]:
            self.group_times[ev["g"]].assign(ev["c"], ev["t"])

    def on_revoke(self, ev):
        self.sessions[ev["c"], ev["s"]] = ev
        self.group_times[ev["g"]].start(ev["c"], ev["t"])

    def on_member(self, ev):
        self.group_times[ev["g"]].start(ev["c"], ev["t"])

    def on_left(self, ev):
        self.group_times[ev["g"]].leave(ev["c"], ev["t"])

    def on_poll(self, ev):
        c, rc, t = ev["c"], ev["iso"] == "rc", ev["t"]
        key, g = (c, ev["s"]), (self.sessions.get((c, ev["s"])) or {}).get("g")
        self.iso_of[key] = ev["iso"]
        seq = self.polls[key]
        if g and ev["r"]:
            self.group_polls[g] = max(t, self.group_polls.get(g, t))
        for k, o, v in ev["r"]:
            self.observe(k, o, v, c)
            if v is None:
                continue
            seq.append((k, o, t))
            if self.is_derived(k):
                if rc:
                    self.rc[k].add(o)
                continue
            self.first_seen.setdefault(v, t)
            if rc:
                self.rc[k].add(o)
                self.rc_reads.append((v, t, c))
            if g:
                self.group_seen[g, k].add(o)
        self.stats["records-read"] += len(ev["r"])

    def on_final(self, ev):
        k, iso = ev["k"], ev["iso"]
        self.finals[k, iso] = ev
        for o, v in ev["r"]:
            self.observe(k, o, v, "final-" + iso)
            if iso == "rc" and v is not None:
                self.rc[k].add(o)
                if not self.is_derived(k):
                    self.rc_reads.append((v, ev["t"], "final"))
        offs = [o for o, _ in ev["r"]]
        if any(b <= a for a, b in pairwise(offs)):
            self.err("nonmonotonic-poll", k=k, reader="final-" + iso)
        self.stats["records-read"] += len(offs)

    def on_ocommit(self, ev):
        for k, o in ev["k"].items():
            self.ocommits[ev["g"], k].append((ev["t0"], ev["t"], o, ev["ok"]))

    def on_ofetch(self, ev):
        for k, o in ev["k"].items():
            self.ofetches[ev["g"], k].append((ev["t0"], ev["t"], o))

    def on_wm(self, ev):
        self.wms[ev["k"]].append((ev["t0"], ev["t"], ev["lo"], ev["hi"]))

    def on_delete(self, ev):
        for k, before in ev["k"].items():
            self.deletions.add_request((ev["id"], k), k, before, ev["t"])

    def on_deleted(self, ev):
        for k, (ok, start, err) in ev["k"].items():
            self.deletions.add_response((ev["id"], k), ok, start, err, ev["t"])

    def on_grow(self, ev):
        growth = self.growth_by_id[ev["id"]] = Growth(ev["n"], ev["t"])
        self.growths[ev["topic"]].append(growth)

    def on_grown(self, ev):
        growth = self.growth_by_id[ev["id"]]
        growth.ok, growth.t1 = ev["ok"], ev["t"]

    def on_parts(self, ev):
        self.partition_counts[ev["topic"]].append((ev["t0"], ev["t"], ev["n"], ev["node"]))

    def on_derived(self, ev):
        self.derived[ev["in"]] = ev["out"]

    def is_derived(self, k):
        return k.rsplit(":", 1)[0] in self.derived.values()

    def on_eos(self, ev):
        self.eos.append(ev)

    # ---- checks --------------------------------------------------------------------------------------------------
