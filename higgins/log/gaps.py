"""Batches that came before their predecessor. It may be on its way through another node, so a gap is refused only
after two commits, or a while without any. Pure: the caller says what time it is."""

from higgins.log.buffer import Item

COMMITS_WAITED = 2


class Gaps:
    """Items that wait for a batch before them."""

    def __init__(self, patience_s: float) -> None:
        self._patience_s = patience_s
        self._parked: list[Item] = []

    def __bool__(self) -> bool:
        return bool(self._parked)

    def park(self, item: Item, now_s: float) -> bool:
        """Take an item just refused as a gap; False when it has waited long enough."""
        if item.gap_until_s is None:
            item.gap_until_s = now_s + self._patience_s
        elif item.gap_commits >= COMMITS_WAITED or item.gap_until_s <= now_s:
            return False
        self._parked.append(item)
        return True

    def after_commit(self) -> list[Item]:
        """All items, to be tried once more: a commit has been folded, and they may fit now."""
        parked, self._parked = self._parked, []
        for item in parked:
            item.gap_commits += 1
        return parked

    def over(self, now_s: float) -> list[Item]:
        """Items whose time is up, to be tried a last time: a refusal has to be given at the tip."""
        over = [item for item in self._parked if item.gap_until_s is not None and item.gap_until_s <= now_s]
        self._parked = [item for item in self._parked if item not in over]
        for item in over:
            item.gap_commits = COMMITS_WAITED
        return over

    def drain(self) -> list[Item]:
        """All items, to be failed."""
        parked, self._parked = self._parked, []
        return parked

    def next_s(self) -> float:
        """When the next item's time is up; infinity when none waits."""
        return min((item.gap_until_s for item in self._parked if item.gap_until_s is not None), default=float("inf"))
