"""What deleting records must be: what was acknowledged stays deleted, and nothing else goes with it."""

import bisect
import collections

from tests.torture.observation import FAIL, OK, Observations

BEYOND_END = "OFFSET_OUT_OF_RANGE"


class DeletionChecks(Observations):
    """Checks of the answers to deletions, of log starts, and of what is read below them."""

    def c_deletions(self):
        """The answers themselves: each start is one that was asked for, far enough up, and never falls."""
        ends = self.acknowledged_ends()
        for k, deletions in self.deletions.of.items():
            for d in deletions:
                if d.ok == OK:
                    self.judge_answer(k, d, ends)
                elif d.ok == FAIL and (d.err != BEYOND_END or d.before <= end_by(ends[k], d.t0)):
                    self.err("delete-refused", k=k, before=d.before, end=end_by(ends[k], d.t0), why=d.err)

    def judge_answer(self, k, d, ends):
        floor = end_by(ends[k], d.t0) if d.before < 0 else d.before
        floor = max(floor, self.deletions.told(k, d.t0))
        f = self.finals.get((k, "ru"))
        if d.start < floor:
            self.err("delete-fell-short", k=k, before=d.before, start=d.start, expected=floor)
        elif not self.deletions.is_possible(k, d.start, d.t1):
            self.err("log-start-unasked", k=k, start=d.start, before=d.before, by="DeleteRecords")
        elif f and f.get("complete") and d.start > f["hi"]:
            self.err("deleted-beyond-end", k=k, before=d.before, start=d.start, end=f["hi"])

    def acknowledged_ends(self):
        """For each partition, when which end was known: [(time, end)], both rising."""
        ends = collections.defaultdict(list)
        sends = [s for s in self.sends.values() if s.ok == OK and s.o is not None and s.o >= 0]
        for s in sorted(sends, key=lambda s: s.t1):
            known = ends[s.k]
            if not known or s.o + 1 > known[-1][1]:
                known.append((s.t1, s.o + 1))
        return ends

    def c_log_starts(self):
        """Where the log starts, as ListOffsets and the last reads have it."""
        for k, watermarks in self.wms.items():
            for t0, t, lo, _hi in watermarks:
                self.judge_log_start(k, lo, t0, t, "ListOffsets")
        for (k, iso), f in self.finals.items():
            if not f.get("complete"):
                continue
            self.judge_log_start(k, f["lo"], f.get("t0", f["t"]), f["t"], "final-" + iso)
            below = [o for o, _ in f["r"] if o < f["lo"]]
            if below:
                self.err("deleted-read", k=k, start=f["lo"], offsets=below[:5], reader="final-" + iso)

    def judge_log_start(self, k, lo, t0, t, by):
        told = self.deletions.told(k, t0)
        if lo < told:
            self.err("stale-log-start", k=k, lo=lo, told=told, by=by)
        elif not self.deletions.is_possible(k, lo, t):
            self.err("log-start-unasked", k=k, start=lo, by=by)

    def c_deleted_reads(self):
        """Who begins to read after a deletion was acknowledged finds nothing below it.

        A client that has fetched ahead may still hand out what was deleted since; so what counts is when it was given
        the partition, and, for a member of a group, which keeps some of its partitions, when it had it first.
        """
        first = {}
        for (c, _s), session in self.sessions.items():
            for k in session["k"]:
                first[c, k] = min(session["t"], first.get((c, k), session["t"]))
        told = {}
        for key, read in self.polls.items():
            c, session = key[0], self.sessions.get(key)
            if session is None:
                continue
            for k, o, _t in read:
                if (key, k) not in told:
                    since = first.get((c, k)) if session.get("g") else session["t"]
                    told[key, k] = 0 if since is None else self.deletions.told(k, since)
                if o < told[key, k]:
                    self.err("deleted-read", c=c, k=k, offset=o, start=told[key, k])


def end_by(ends, t):
    """The end that was known before a time."""
    i = bisect.bisect_left(ends, t, key=lambda x: x[0])
    return ends[i - 1][1] if i else 0
