"""Checks of DeleteRecords: acknowledged deletions are permanent, and no other record disappears."""

import bisect
import collections

from tests.torture.observation import FAIL, OK, Observations

BEYOND_END = "OFFSET_OUT_OF_RANGE"


class DeletionChecks(Observations):
    """Checks of the responses to deletions, of log start offsets, and of reads below them."""

    def c_deletions(self):
        """Each log start in a response was requested, is not lower than requested, and never decreases."""
        ends = self.acknowledged_ends()
        for k, deletions in self.deletions.of.items():
            for d in deletions:
                if d.ok == OK:
                    self.check_response(k, d, ends)
                elif d.ok == FAIL and (d.err != BEYOND_END or d.before <= end_by(ends[k], d.t0)):
                    self.err("delete-refused", k=k, before=d.before, end=end_by(ends[k], d.t0), why=d.err)

    def check_response(self, k, d, ends):
        floor = end_by(ends[k], d.t0) if d.before < 0 else d.before
        floor = max(floor, self.deletions.acknowledged_start(k, d.t0))
        f = self.finals.get((k, "ru"))
        if d.start < floor:
            self.err("delete-start-too-low", k=k, before=d.before, start=d.start, expected=floor)
        elif not self.deletions.is_possible(k, d.start, d.t1):
            self.err("log-start-unrequested", k=k, start=d.start, before=d.before, by="DeleteRecords")
        elif f and f.get("complete") and d.start > f["hi"]:
            self.err("deleted-beyond-end", k=k, before=d.before, start=d.start, end=f["hi"])

    def acknowledged_ends(self):
        """For each partition, the acknowledged end of the log over time: [(time, end)], both increasing."""
        ends = collections.defaultdict(list)
        sends = [s for s in self.sends.values() if s.ok == OK and s.o is not None and s.o >= 0]
        for s in sorted(sends, key=lambda s: s.t1):
            known = ends[s.k]
            if not known or s.o + 1 > known[-1][1]:
                known.append((s.t1, s.o + 1))
        return ends

    def c_log_starts(self):
        """The log start offsets of ListOffsets and of the final reads."""
        for k, watermarks in self.wms.items():
            for t0, t, lo, _hi in watermarks:
                self.check_log_start(k, lo, t0, t, "ListOffsets")
        for (k, iso), f in self.finals.items():
            if not f.get("complete"):
                continue
            self.check_log_start(k, f["lo"], f.get("t0", f["t"]), f["t"], "final-" + iso)
            below = [o for o, _ in f["r"] if o < f["lo"]]
            if below:
                self.err("deleted-read", k=k, start=f["lo"], offsets=below[:5], reader="final-" + iso)

    def check_log_start(self, k, lo, t0, t, by):
        acknowledged = self.deletions.acknowledged_start(k, t0)
        if lo < acknowledged:
            self.err("stale-log-start", k=k, lo=lo, acknowledged=acknowledged, by=by)
        elif not self.deletions.is_possible(k, lo, t):
            self.err("log-start-unrequested", k=k, start=lo, by=by)

    def c_deleted_reads(self):
        """A consumer that starts after a deletion was acknowledged reads no deleted record.

        A client may return records that it fetched before they were deleted. So the time of its assignment counts, and
        for a group member, which keeps partitions through a rebalance, the time of the first one.
        """
        first = {}
        for (c, _s), session in self.sessions.items():
            for k in session["k"]:
                first[c, k] = min(session["t"], first.get((c, k), session["t"]))
        starts = {}
        for key, read in self.polls.items():
            c, session = key[0], self.sessions.get(key)
            if session is None:
                continue
            for k, o, _t in read:
                if (key, k) not in starts:
                    since = first.get((c, k)) if session.get("g") else session["t"]
                    starts[key, k] = 0 if since is None else self.deletions.acknowledged_start(k, since)
                if o < starts[key, k]:
                    self.err("deleted-read", c=c, k=k, offset=o, start=starts[key, k])


def end_by(ends, t):
    """The end of the log that was acknowledged before a time."""
    i = bisect.bisect_left(ends, t, key=lambda x: x[0])
    return ends[i - 1][1] if i else 0
