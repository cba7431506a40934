"""The newest commit this node knows, and the only two ways past it: read the next one, or create it.

All folding happens here, one commit at a time, under one turn. Reading never needs the turn: a miss at N+1 proves that
the tip was N at that moment.
"""

from collections.abc import Callable, Sequence

import trio

from higgins.ledger.commit import COMMITS_PER_FOLDER, Commit, commit_key, decode_commit
from higgins.ledger.state.base import Moment
from higgins.ledger.state.state import State
from higgins.model.errors import Corrupt, HigginsError, ObjectMissing, StorageUnavailable
from higgins.runtime import Runtime
from higgins.storage.store import Store

READ_AHEAD = 64

Listener = Callable[[Commit], None]


class Tip:
    """State at the newest known commit, and the turn of whoever moves it."""

    def __init__(self, runtime: Runtime, store: Store, state: State) -> None:
        self._runtime = runtime
        self._store = store
        self._taken = False
        self._waiting = trio.lowlevel.ParkingLot()
        self._listeners: list[Listener] = []
        self.state = state
        self.seen_at = runtime.monotonic()
        """When this node last knew itself to be at the tip."""

    def subscribe(self, listener: Listener) -> None:
        """Call `listener` with every commit, right after it is folded; it must be quick and must not fail."""
        self._listeners.append(listener)

    async def take_turn(self) -> None:
        """Take the right to fold; give it back in a `finally`."""
        # A flag and not a lock: without contention this must not cost a trip through the scheduler.
        while not self.take_turn_now():
            await self._waiting.park()

    def take_turn_now(self) -> bool:
        """Take the right to fold if nobody has it."""
        if self._taken:
            return False
        self._taken = True
        return True

    def give_turn(self) -> None:
        """Give back the right to fold."""
        self._taken = False
        self._waiting.unpark()

    def fold(self, commit: Commit) -> None:
        """Fold the next commit. Raises: Corrupt when it does not follow the one before (the node must stop)."""
        head, state = commit.head, self.state
        assert head.number == state.number + 1, (head.number, state.number)
        if head.previous != state.hash or (state.number and head.cluster_id != state.cluster_id):
            raise Corrupt(
                f"Commit {head.number} does not follow commit {state.number}: the hash chain is broken. Somebody wrote "
                "to or deleted from the bucket, or two clusters share it; restore it, or start from a copy."
            )
        state.fold(head.facts, Moment(head.number, head.time_ms, head.epoch), head.floor, head.resolved)
        state.hash = commit.hash
        for listener in self._listeners:
            listener(commit)

    async def check(self, *, in_turn: bool = False, ahead: int = 1) -> None:
        """Come to know everything that was committed before this call. `in_turn`: the caller holds the turn.

        `ahead` commits are read at first. Where there is much to read, ever more is read side by side: another node may
        commit as fast as this one reads.

        Raises: StorageUnavailable, Corrupt.
        """
        while True:
            first = self.state.number + 1
            started = self._runtime.monotonic()
            found, at_tip = await self._read_from(first, ahead)
            if found:
                await self._fold_all(found, first, in_turn=in_turn)
            if at_tip:
                self.seen_at = started
                return
            ahead = min(2 * ahead, READ_AHEAD)

    async def _read_from(self, first: int, count: int) -> tuple[list[memoryview], bool]:
        """Up to `count` commits that follow each other, and whether the one after them was not there yet."""
        read: list[memoryview | HigginsError] = await self._read_all(range(first, first + count), settled=True)
        found: list[memoryview] = []
        for each in read:
            if isinstance(each, ObjectMissing):
                return found, True
            if isinstance(each, HigginsError):
                if not found:
                    raise each
                break
            found.append(each)
        return found, False

    async def _read_all(self, numbers: Sequence[int], *, settled: bool) -> list[memoryview | HigginsError]:
        # An error that left a nursery would leave it as a group, which nobody above expects.
        found: dict[int, memoryview | HigginsError] = {}

        async def read(number: int) -> None:
            try:
                found[number] = await self._store.get(commit_key(number), settled=settled)
            except (ObjectMissing, StorageUnavailable) as error:
                found[number] = error

        if len(numbers) == 1:
            await read(numbers[0])
        else:
            async with trio.open_nursery() as nursery:
                for number in numbers:
                    nursery.start_soon(read, number)
        return [found[number] for number in numbers]

    async def _fold_all(self, found: Sequence[memoryview], first: int, *, in_turn: bool) -> None:
        if not in_turn:
            await self.take_turn()
        try:
            for number, data in enumerate(found, first):
                # Somebody else may have folded some of them meanwhile.
                if self.state.number + 1 == number:
                    self.fold(_expect(decode_commit(data), number))
        finally:
            if not in_turn:
                self.give_turn()

    async def catch_up(self) -> None:
        """Read the whole tail, many commits at a time, then what came meanwhile. Raises: as check."""
        await self.take_turn()
        try:
            keys, newest = await self._tail_keys()
            while keys:
                for start in range(0, len(keys), READ_AHEAD):
                    await self._read_ahead(keys[start : start + READ_AHEAD])
                if len(keys) < READ_AHEAD:
                    # What a busy node commits meanwhile is for `check`, which reads past the tip; a list never would.
                    break
                keys, newest = await self._tail_keys()
            if self.state.number:
                # One settled read of the last makes sure of all before it.
                await self._store.get(commit_key(self.state.number), settled=True)
        finally:
            self.give_turn()
        await self.check()
        if self.state.number < newest:
            raise Corrupt(
                f"Commit {self.state.number + 1} is missing, but commit {newest} is there: somebody deleted from the "
                "bucket. Restore it, or start from a copy."
            )

    async def _tail_keys(self) -> tuple[list[int], int]:
        """The numbers that follow without a hole, as far as their folder goes; and the greatest number listed."""
        following = self.state.number + 1
        folder = f"ledger/commits/{following // COMMITS_PER_FOLDER:09d}/"
        rows = await self._store.list(folder, limit=COMMITS_PER_FOLDER)
        numbers = {int(row.key.rpartition("/")[2]) for row in rows}
        found: list[int] = []
        while following in numbers:
            found.append(following)
            following += 1
        return found, max(numbers, default=0)

    async def _read_ahead(self, numbers: list[int]) -> None:
        for number, data in zip(numbers, await self._read_all(numbers, settled=False), strict=True):
            if isinstance(data, HigginsError):
                raise data
            self.fold(_expect(decode_commit(data), number))


def _expect(commit: Commit, number: int) -> Commit:
    if commit.head.number != number:
        raise Corrupt(f"Commit {number} says that it is number {commit.head.number}: somebody changed the bucket.")
    return commit
