"""The log start offsets that deletions have certainly or possibly caused. Standard library only.

A log starts at 0 until a deletion raises its start to exactly the requested offset. A deletion without a response may
have happened at any time since its request; a refused one never happened.
"""

import bisect
import collections
import math

OK, FAIL, INFO = 1, 0, -1
END = -1
"""Used as an offset: delete all records. The new log start is known only from the response."""


class Deletion:
    """One DeleteRecords request for one partition, with its result."""

    __slots__ = ("before", "err", "k", "ok", "start", "t0", "t1")

    def __init__(self, k, before, t0):
        self.k, self.before, self.t0 = k, before, t0
        self.t1, self.ok, self.start, self.err = math.inf, INFO, None, None

    def targets(self):
        """The log starts that this deletion alone may have caused; None means any."""
        if self.ok == FAIL:
            return []
        if self.before != END:
            return [self.before]
        return [self.start] if self.ok == OK else [None]


class Deletions:
    """All deletions of a history."""

    def __init__(self):
        self.by_id = {}
        self.of = collections.defaultdict(list)
        self._acknowledged = {}  # k -> (times, the highest start acknowledged by then)

    def add_request(self, i, k, before, t):
        self.by_id[i] = deletion = Deletion(k, before, t)
        self.of[k].append(deletion)

    def add_response(self, i, ok, start, err, t):
        deletion = self.by_id[i]
        deletion.ok, deletion.start, deletion.err, deletion.t1 = ok, start, err, t

    def acknowledged_start(self, k, t):
        """The highest log start acknowledged before t; 0 if there is none."""
        if k not in self._acknowledged:
            times, starts, top = [], [], 0
            for d in sorted((d for d in self.of.get(k, ()) if d.ok == OK), key=lambda d: d.t1):
                top = max(top, d.start)
                times.append(d.t1)
                starts.append(top)
            self._acknowledged[k] = times, starts
        times, starts = self._acknowledged[k]
        i = bisect.bisect_left(times, t)
        return starts[i - 1] if i else 0

    def highest(self, k, o, t):
        """The highest possible log start up to o at time t."""
        starts = [0]
        for d in self.of.get(k, ()):
            if d.t0 < t:
                starts += [o if s is None else s for s in d.targets()]
        return max(s for s in starts if s <= o)

    def is_possible(self, k, lo, t):
        """Whether `lo` is a possible log start at some time up to t."""
        return self.highest(k, lo, t) == lo
