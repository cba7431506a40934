"""When a group was settled: each of its members had an assignment. Pure; times are in nanoseconds."""

import math


class GroupTimes:
    """The members of one group: who waits for an assignment, and since when.

    A member waits from its start, or from a revocation, until its next assignment. While one waits, the group is in a
    rebalance that has not ended, so nothing can be said about partitions that it should read. The time in which a
    rebalance does not end is judged by itself, as a stall.
    """

    def __init__(self):
        self.waiting = {}  # member -> since when
        self.assigned = set()
        self.settled = []  # [start, end) of each period in which nobody waits and somebody has an assignment
        self.settled_since = None
        self.stall_since = None  # when a member began to wait, if no member has been assigned anything since
        self.longest_stall = 0

    def start(self, member, t):
        """A member was created, or lost partitions and joins again."""
        self.assigned.discard(member)
        self.waiting.setdefault(member, t)
        self._update(t)

    def assign(self, member, t):
        """A member completed a rebalance, which may have given it no partition."""
        self._end_stall(t)
        self.waiting.pop(member, None)
        self.assigned.add(member)
        self._update(t)

    def leave(self, member, t):
        """A member ended, with or without telling the broker."""
        self.waiting.pop(member, None)
        self.assigned.discard(member)
        self._update(t)

    def settled_ns(self, start, end):
        """The settled time between two moments."""
        periods = self.settled
        if self.settled_since is not None:
            periods = [*periods, (self.settled_since, math.inf)]
        return sum(max(0, min(b, end) - max(a, start)) for a, b in periods)

    def stalled_ns(self, end):
        """The longest time in which members waited and none was assigned anything."""
        return max(self.longest_stall, end - self.stall_since if self.stall_since is not None else 0)

    def _end_stall(self, t):
        if self.stall_since is not None:
            self.longest_stall = max(self.longest_stall, t - self.stall_since)
            self.stall_since = None

    def _update(self, t):
        if not self.waiting:
            self._end_stall(t)
        elif self.stall_since is None:
            self.stall_since = t
        is_settled = bool(self.assigned) and not self.waiting
        if is_settled and self.settled_since is None:
            self.settled_since = t
        elif not is_settled and self.settled_since is not None:
            self.settled.append((self.settled_since, t))
            self.settled_since = None
