"""Parking of batches that arrive before their predecessor. Pure: the caller passes the time.

An idempotent producer numbers its batches per partition, and a broker must refuse a batch that skips a number
(OUT_OF_ORDER_SEQUENCE_NUMBER). In Kafka one broker leads a partition and sees every batch in order. Here any node
accepts any batch: when a producer moves to another node with requests still in flight, batch 8 may reach node B while
batch 7 is in a flush or a commit of node A. Refusing batch 8 would fail a producer that did nothing wrong.

So a batch with a gap before it is parked and tried again after each commit, of whichever node. It is refused for good
after two of them. The first commit may have been under way already when the batch arrived, without the predecessor;
node A commits whatever it holds with its next one, which is the second. When nothing is committed, the batch is refused
after 100 ms and two lingers (the predecessor may be lingering on its node), so that a producer that really lost a batch
learns of it soon. With many nodes two commits are an estimate; a producer that is refused too early sends again.

A batch whose producer is unknown in the partition is parked for the same reason, but always for the whole time, however
many commits there are: at its end the batch is accepted with whatever sequence it has, and what comes before it is not.
"""

from higgins.log.buffer import Item

COMMITS_MAX = 2
"""Commits after which a gap is refused."""


class Gaps:
    """Parked items: each waits for the batch before it."""

    def __init__(self, timeout_s: float) -> None:
        self._timeout_s = timeout_s
        self._parked: list[Item] = []

    def __bool__(self) -> bool:
        return bool(self._parked)

    def park(self, item: Item, now_s: float, *, is_unknown: bool = False) -> bool:
        """Park an item that was just refused as a gap. False when it has waited long enough: refuse it.

        With `is_unknown` it was refused because its producer is unknown; then only the time counts.
        """
        if item.gap_until_s is None:
            item.gap_until_s = now_s + self._timeout_s
        elif is_unknown:
            if item.begins_anywhere:
                return False
        elif item.gap_commits >= COMMITS_MAX or item.gap_until_s <= now_s:
            return False
        self._parked.append(item)
        return True

    def take_after_commit(self) -> list[Item]:
        """Remove all items, to be tried again: a commit was folded, and it may hold their predecessors."""
        parked = self.take_all()
        for item in parked:
            item.gap_commits += 1
        return parked

    def take_expired(self, now_s: float) -> list[Item]:
        """Remove the items whose timeout has passed, to be tried a last time.

        They are proposed once more instead of refused here, because only a validation at the newest commit can tell
        that the predecessor is still missing.
        """
        expired = [item for item in self._parked if item.gap_until_s is not None and item.gap_until_s <= now_s]
        self._parked = [item for item in self._parked if item not in expired]
        for item in expired:
            item.gap_commits = COMMITS_MAX
            item.begins_anywhere = True
        return expired

    def take_all(self) -> list[Item]:
        """Remove all items."""
        parked, self._parked = self._parked, []
        return parked

    def next_deadline_s(self) -> float:
        """When the next item times out; infinity when none is parked."""
        return min((item.gap_until_s for item in self._parked if item.gap_until_s is not None), default=float("inf"))
