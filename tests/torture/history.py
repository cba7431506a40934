"""History of a torture run: one JSON object per line, written by clients (real or simulated), read by checker.py.

Every event has "e" (kind) and "t" (monotonic nanoseconds; virtual time in a simulation). Kinds:

 producer  p, kind: plain|idempotent|txn, inorder, retries     declares a producer session (a new name per session)
 send      id, p, k, v, tx|null, key                           invocation: value v ("producer/seq"), k "topic:0"
                                                               ("topic:?" where the client chooses it by the key)
 sent      id, ok: 1 written | 0 certainly not | -1 unknown, o, k completion; o = offset when ok is 1, k = the partition
 txn       x, r: begin|commit?|commit|abort?|abort|unknown     commit? and abort? are invocations
 assign    c, s, g|null, k: {k: start|null}                    a new session s of consumer c (assign, seek or rebalance)
 revoke    c, s, g, k                                          the same, when a rebalance takes partitions from a member
 member    c, g                                                a group member starts
 left      c, g                                                it closes, whether or not a broker hears of it
 poll      c, s, iso: rc|ru, t0, r: [[k, offset, v], ...]      invoked at t0, completed at t
 ocommit   g, c, k: {k: offset}, ok: 1|0|-1, t0
 ofetch    g, k: {k: offset}, t0
 wm        k, lo, hi, t0                                       ListOffsets earliest/latest
 final     k, iso, lo, hi, t0, complete, r: [[offset, v], ...]     the whole partition, read at the end
 delete    id, k: {k: before}                                  invocation of DeleteRecords; -1 for all records
 deleted   id, k: {k: [ok, start|null, err|null]}              its completion, with the new log start
 grow      id, topic, n                                        invocation: increase the topic to n partitions
 grown     id, ok: 1 it has n or more | 0 | -1                 its completion (of the topic's creation too)
 parts     topic, n, node, t0                                  the number of partitions according to one node
 eos       g, in: [topics], out: [topics]                      declares a consume-transform-produce pipeline
 derived   in, out                                             declares a derived topic and its input
 nemesis   ...                                                 free form

A value that copies an input record ends in "<k@offset" (its source). v null = payload failed its own CRC.
"""

import json
import threading
import time


class History:
    def __init__(self, path, clock=time.monotonic_ns):
        self.f = open(path, "a", buffering=1 << 20)  # noqa: SIM115 - held for the whole run
        self.lock, self.clock, self.n = threading.Lock(), clock, 0
        self.dumps = json.JSONEncoder(separators=(",", ":")).encode

    def id(self):
        with self.lock:
            self.n += 1
            return self.n

    def now(self):
        return self.clock()

    def add(self, e, **kw):
        kw["e"] = e
        kw.setdefault("t", self.clock())
        line = self.dumps(kw) + "\n"
        with self.lock:
            self.f.write(line)

    def close(self):
        with self.lock:
            self.f.close()


def load(path):
    with open(path) as f:
        for line in f:
            if line.endswith("\n"):
                yield json.loads(line)
