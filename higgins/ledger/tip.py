"""The newest commit this node knows, and how it advances: by reading or by creating the next one.

All folding happens here, one commit at a time, by the task that holds the turn. Reading needs no turn: if N+1 is
missing, the tip was N at that moment.
"""

from collections.abc import Callable, Sequence

import structlog
import trio

from higgins.ledger.commit import COMMITS_PER_FOLDER, Commit, commit_key, commit_number_in, decode_commit
from higgins.ledger.state.base import Moment
from higgins.ledger.state.state import State
from higgins.model.errors import Corrupt, HigginsError, ObjectMissing, StorageUnavailable
from higgins.model.pointer import ObjectKey
from higgins.runtime import Runtime
from higgins.storage.store import ListedObject, Store

log = structlog.get_logger("higgins.ledger")

READ_AHEAD = 64

DAMAGE_PATIENCE_S = 60.0
"""How long a running node reads a damaged commit of a remote store again before it stops."""

FOREIGN_NAMED_MAX = 100
"""Objects beside the commits that are none: this many are named in the log."""

Listener = Callable[[Commit], None]


class Tip:
    """State at the newest known commit, and the turn: the right to move it."""

    def __init__(self, runtime: Runtime, store: Store, state: State, touch_s: float = float("inf")) -> None:
        """`touch_s`: a node that has not seen the tip for longer than this is out of touch with the cluster."""
        self._runtime = runtime
        self._store = store
        self._taken = False
        self._waiting = trio.lowlevel.ParkingLot()
        self._listeners: list[Listener] = []
        self.state = state
        self.touch_s = touch_s
        self.damage_patience_s = DAMAGE_PATIENCE_S
        self._damaged: tuple[int, float] | None = None
        """The commit that was read damaged last, and since when."""
        self._named: set[ObjectKey] = set()
        """Keys beside the commits that are none, as far as they have been named in the log."""
        self.seen_at = runtime.monotonic()
        """When this node last knew itself to be at the tip."""
        self.in_touch_since = self.seen_at
        """Since when this node has seen the tip again and again, without a gap of more than `touch_s`."""

    def subscribe(self, listener: Listener) -> None:
        """Call `listener` with every commit, right after it is folded; it must be quick and must not fail."""
        self._listeners.append(listener)

    def note_seen(self, at: float) -> None:
        """This node was at the tip at this moment."""
        if at - self.seen_at > self.touch_s:
            self.in_touch_since = at
        self.seen_at = max(self.seen_at, at)

    async def take_turn(self) -> None:
        """Take the right to fold; give it back in a `finally`."""
        # A flag and not a lock: without contention this must not cost a trip through the scheduler.
        while not self.take_turn_nowait():
            await self._waiting.park()

    def take_turn_nowait(self) -> bool:
        """Take the right to fold if it is free."""
        if self._taken:
            return False
        self._taken = True
        return True

    def give_turn(self) -> None:
        """Give back the right to fold."""
        self._taken = False
        if self._waiting:
            self._waiting.unpark()

    async def fold(self, commit: Commit) -> None:
        """Fold the next commit; other tasks get a turn after every thousand facts. Holds the turn.

        Raises: Corrupt when it does not follow the commit before (the node must stop).
        """
        with trio.CancelScope(shield=True):
            # A half-folded State is unusable, so cancellation waits until the end.
            self._check_chain(commit)
            head = commit.head
            moment = Moment(head.number, head.time_ms)
            for _ in self.state.fold_in_slices(moment, head.writer, head.parts, head.facts, head.payload_length):
                await trio.lowlevel.checkpoint()
        self._finish(commit)

    def fold_nowait(self, commit: Commit) -> None:
        """Fold the next commit in one step, for one of at most `FACTS_PER_SLICE` facts. Raises: as `fold`."""
        self._check_chain(commit)
        head = commit.head
        self.state.fold(Moment(head.number, head.time_ms), head.writer, head.parts, head.facts, head.payload_length)
        self._finish(commit)

    def _check_chain(self, commit: Commit) -> None:
        head, state = commit.head, self.state
        assert head.number == state.number + 1, (head.number, state.number)
        if head.previous != state.hash or (state.number and head.cluster_id != state.cluster_id):
            raise Corrupt(
                f"Commit {head.number} does not follow commit {state.number}: the hash chain is broken. Objects of the "
                "bucket were changed or deleted, or two clusters share it. Restore the bucket, or start from a copy."
            )

    def _finish(self, commit: Commit) -> None:
        self.state.hash = commit.hash
        for listener in self._listeners:
            listener(commit)

    async def check(self, *, in_turn: bool = False, ahead: int = 1) -> None:
        """Fold everything that was committed before this call. `in_turn`: the caller holds the turn.

        `ahead` commits are read at first, and twice as many each time until the tip is reached: another node may commit
        as fast as this one reads.

        Raises: StorageUnavailable, Corrupt.
        """
        while True:
            first = self.state.number + 1
            started = self._runtime.monotonic()
            commits, at_tip = await self.read_from(first, ahead)
            if commits:
                await self.fold_all(commits, first, in_turn=in_turn)
            if at_tip:
                self.note_seen(started)
                return
            ahead = min(2 * ahead, READ_AHEAD)

    async def read_from(self, first: int, count: int) -> tuple[list[memoryview], bool]:
        """Up to `count` consecutive commits, and whether the one after them did not exist yet.

        Raises: StorageUnavailable when the first cannot be read.
        """
        commits: list[memoryview] = []
        for result in await self._read_all(range(first, first + count), durable=True):
            if isinstance(result, ObjectMissing):
                return commits, True
            if isinstance(result, HigginsError):
                if not commits:
                    raise result
                break
            commits.append(result)
        return commits, False

    async def _read_all(self, numbers: Sequence[int], *, durable: bool) -> list[memoryview | HigginsError]:
        # Errors are collected: a nursery would raise them as a group, which no caller expects.
        results: dict[int, memoryview | HigginsError] = {}

        async def read(number: int) -> None:
            try:
                results[number] = await self._store.get(commit_key(number), durable=durable)
            except (ObjectMissing, StorageUnavailable) as error:
                results[number] = error

        if len(numbers) == 1:
            await read(numbers[0])
        else:
            async with trio.open_nursery() as nursery:
                for number in numbers:
                    nursery.start_soon(read, number)
        return [results[number] for number in numbers]

    async def fold_all(self, commits: Sequence[memoryview], first: int, *, in_turn: bool) -> None:
        """Fold consecutive commits that were read; those that another task has folded meanwhile are skipped."""
        if not in_turn:
            await self.take_turn()
        try:
            for number, data in enumerate(commits, first):
                # Another task may have folded some of them meanwhile.
                if self.state.number + 1 == number:
                    await self.fold(self.decode(number, data))
        finally:
            if not in_turn:
                self.give_turn()

    async def catch_up(self) -> None:
        """Fold the whole tail, reading many commits at a time, then those committed meanwhile. Raises: as `check`."""
        await self.take_turn()
        try:
            keys, newest = await self._tail_keys()
            while keys:
                for start in range(0, len(keys), READ_AHEAD):
                    await self._read_ahead(keys[start : start + READ_AHEAD])
                if len(keys) < READ_AHEAD:
                    # Commits that a busy node makes meanwhile are left to `check`: listing would never end.
                    break
                keys, newest = await self._tail_keys()
            if self.state.number:
                # A durable read of the last commit proves that all before it are durable.
                await self._store.get(commit_key(self.state.number), durable=True)
        finally:
            self.give_turn()
        await self.check()
        if self.state.number < newest:
            raise Corrupt(
                f"Commit {self.state.number + 1} is missing, but commit {newest} exists: objects of the bucket were "
                "deleted. Restore the bucket, or start from a copy."
            )

    async def _tail_keys(self) -> tuple[list[int], int]:
        """The numbers that follow without a gap, within their folder, and the greatest number listed."""
        following = self.state.number + 1
        folder = f"ledger/commits/{following // COMMITS_PER_FOLDER:09d}/"
        rows = await self._store.list(folder, after=commit_key(self.state.number), limit=COMMITS_PER_FOLDER)
        numbers = set(filter(None, map(self._number_of, rows)))
        consecutive: list[int] = []
        while following in numbers:
            consecutive.append(following)
            following += 1
        return consecutive, max(numbers, default=0)

    def _number_of(self, row: ListedObject) -> int | None:
        """The number of a commit in a listing; None for what somebody else has put there, which is left alone."""
        number = commit_number_in(row.key)
        if number is None and row.key not in self._named and len(self._named) < FOREIGN_NAMED_MAX:
            self._named.add(row.key)
            log.warning("store.foreign_object", key=row.key, why="It is no commit; it is left alone.")
        return number

    async def _read_ahead(self, numbers: list[int]) -> None:
        for number, data in zip(numbers, await self._read_all(numbers, durable=False), strict=True):
            if isinstance(data, HigginsError):
                raise data
            await self.fold(self.decode(number, data))

    def decode(self, number: int, data: memoryview) -> Commit:
        """Commit `number` from the bytes that the store returned for it.

        On a remote store something between may answer with other bytes than are stored, so a damaged commit is read
        again for a while before it ends the node.

        Raises: StorageUnavailable (read it again), Corrupt (it stays damaged, so the ledger is broken).
        """
        try:
            commit = decode_commit(data, number)
        except Corrupt as error:
            now = self._runtime.monotonic()
            first, since = self._damaged or (number, now)
            if first != number:
                since = now
            self._damaged = (number, since)
            if not self._store.traits.is_remote or now - since >= self.damage_patience_s:
                raise
            raise StorageUnavailable(f"{error} It is read again.") from error
        if self._damaged is not None and self._damaged[0] == number:
            self._damaged = None
        return commit
