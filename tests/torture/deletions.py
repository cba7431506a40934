"""What deletions of records may have done to where logs start: told for sure, or possible. Standard library only.

A log starts at 0 until a deletion moves it up, to exactly the offset that some deletion asked for. One without an
answer may have happened at any time since it was asked for; one that was refused never did.
"""

import bisect
import collections
import math

OK, FAIL, INFO = 1, 0, -1
END = -1
"""In place of an offset: everything that is there when it happens, so only its answer tells where."""


class Deletion:
    """One DeleteRecords of one partition: what was asked for when, and what came of it."""

    __slots__ = ("before", "err", "k", "ok", "start", "t0", "t1")

    def __init__(self, k, before, t0):
        self.k, self.before, self.t0 = k, before, t0
        self.t1, self.ok, self.start, self.err = math.inf, INFO, None, None

    def targets(self):
        """Where the log may start by this deletion alone; None stands for anywhere."""
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
        self._told = {}  # k -> (times, the greatest start told by then)

    def ask(self, i, k, before, t):
        self.by_id[i] = deletion = Deletion(k, before, t)
        self.of[k].append(deletion)

    def answer(self, i, ok, start, err, t):
        deletion = self.by_id[i]
        deletion.ok, deletion.start, deletion.err, deletion.t1 = ok, start, err, t

    def told(self, k, t):
        """The greatest log start that was acknowledged before t; 0 if none was."""
        if k not in self._told:
            times, starts, top = [], [], 0
            for d in sorted((d for d in self.of.get(k, ()) if d.ok == OK), key=lambda d: d.t1):
                top = max(top, d.start)
                times.append(d.t1)
                starts.append(top)
            self._told[k] = times, starts
        times, starts = self._told[k]
        i = bisect.bisect_left(times, t)
        return starts[i - 1] if i else 0

    def highest(self, k, o, t):
        """The highest offset up to o that the log may have started at by t."""
        starts = [0]
        for d in self.of.get(k, ()):
            if d.t0 < t:
                starts += [o if s is None else s for s in d.targets()]
        return max(s for s in starts if s <= o)

    def is_possible(self, k, lo, t):
        """Whether the log may have started exactly there at some time up to t."""
        return self.highest(k, lo, t) == lo
