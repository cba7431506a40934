"""The committer: gathers proposals, writes them as one commit, and reports what became of each.

One commit is in flight at a time; proposals that arrive meanwhile form the next one (natural batching). A create whose
outcome is unknown is resolved by reading the number back and comparing nonces, and by repeating the same bytes; it is
never given up.

A proposal arrives as bytes with an identity, so that it may come from this node or, over a peer connection, from any
other. Nothing here depends on whose it is: validation takes the session epoch from the identity, and the commit has a
part for each session.
"""

from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import msgspec
import structlog
import trio

from higgins.ledger.activity import Activity
from higgins.ledger.commit import (
    FORMAT,
    LEVEL,
    Commit,
    CommitHead,
    commit_key,
    encode_commit,
    payload_checksum,
)
from higgins.ledger.settings import LedgerSettings
from higgins.ledger.state.base import Proposal, Result
from higgins.ledger.state.facets import decode_proposal
from higgins.ledger.state.identities import Identity, Part, Resolved
from higgins.ledger.state.state import FACTS_PER_SLICE, Draft
from higgins.ledger.tip import Tip
from higgins.ledger.turns import Turns
from higgins.model.errors import Corrupt, Fenced, HigginsError, ObjectExists, ObjectMissing, Refused, StorageUnavailable
from higgins.model.pointer import Buffer
from higgins.runtime import Backoff, Runtime
from higgins.storage.store import Store
from higgins.telemetry.metrics import CommitCounts

log = structlog.get_logger("higgins.ledger")

NONCE_PREFIX_BYTES = 10
ERA = 1

REFUSAL_PATIENCE_S = 2.0
"""While a store refuses every create of a commit for this long, its proposals fail; see `_create`."""

REFUSED_PAUSE_MAX_S = 0.1
"""Longest pause between two commits while the store refuses every one."""

CHASE_AHEAD = 4
"""Commits read side by side after a lost race: the winner may have won again before we learned that we lost."""


class Outcome(msgspec.Struct, frozen=True):
    """What became of a proposal: its result, or the error that refused it."""

    result: Result = None
    error: HigginsError | None = None


Done: TypeAlias = Callable[[Outcome], None]
"""Called in the loop, exactly once. It must be quick and must not fail."""


class Submission:
    """A proposal on its way to a commit."""

    __slots__ = ("done", "floor", "identity", "payload", "payload_bytes", "proposal")

    def __init__(
        self,
        identity: Identity,
        data: bytes,
        done: Done,
        payload: tuple[Buffer, ...] = (),
        floor: int | None = None,
    ) -> None:
        """`data` is the encoded proposal; `payload` is stored in the commit if any fact of it is accepted.

        All proposals of the same session below `floor` are resolved. None means that all proposals of the session come
        through this committer in the order of their counters: then it knows by itself. Raises: msgspec.MsgspecError.
        """
        self.identity = identity
        self.proposal: Proposal[Any] = decode_proposal(data)
        self.done = done
        self.payload = payload
        self.payload_bytes = len(payload[0]) if len(payload) == 1 else sum(len(piece) for piece in payload)
        self.floor = floor


class Committer:
    """The one task of a node that writes commits."""

    def __init__(
        self, runtime: Runtime, store: Store, tip: Tip, activity: Activity, settings: LedgerSettings
    ) -> None:
        self._runtime = runtime
        self._store = store
        self._tip = tip
        self._settings = settings
        self.counts = CommitCounts()
        self._queue: deque[Submission] = deque()
        self._wake = trio.Event()
        # A random prefix and a count are as unique as fresh random bytes, and cost no system call for each commit.
        self._nonce_prefix = runtime.token(NONCE_PREFIX_BYTES)
        self._nonces = 0
        traits = store.traits
        self._commits_at_once = traits.reads_are_direct
        self._linger_s = (traits.linger_ms if settings.linger_ms is None else settings.linger_ms) / 1000
        self.epoch = 0
        """The session epoch of this node, which signs the commits it writes; 0 without a session."""
        self.committed_at = runtime.monotonic()
        """When this node last won a commit."""
        self._busy = False
        """Whether a commit is in flight."""
        self._turns = Turns(runtime, tip, activity, settings, traits.follow_ms / 1000)
        self._refused_since_s: float | None = None
        """Since when the store has refused every create; None while it has not."""
        tip.subscribe(self._notice)

    def propose(
        self,
        identity: Identity,
        data: bytes,
        done: Done,
        payload: tuple[Buffer, ...] = (),
        floor: int | None = None,
    ) -> None:
        """Queue an encoded proposal; `done` is called once its outcome is known. Arguments as of `Submission`.

        A proposal may be repeated, here or on any node, with the same identity: it takes effect once, and a repeat is
        answered with the first result.
        """
        self.propose_all([Submission(identity, data, done, payload, floor)])

    def propose_all(self, submissions: Sequence[Submission]) -> None:
        """Queue several proposals at once, to go into one commit where they fit."""
        if len(self._queue) + len(submissions) > self._settings.queue_max:
            busy = StorageUnavailable("Too many proposals are waiting for the store; try again.")
            for submission in submissions:
                submission.done(Outcome(error=busy))
            return
        self._queue += submissions
        if not self._commits_at_once or not self._commit_nowait():
            self._wake.set()

    def _commit_nowait(self) -> bool:
        """Commit the queue without a trip through the scheduler; False if that is not possible.

        It is possible on a store whose creates do not wait, while no other task folds.
        """
        if self._busy or not self._tip.take_turn_nowait():
            return False
        # Busy while callbacks run, too: what they propose forms the next commit, through the task.
        self._busy = True
        try:
            try:
                submissions, outcomes = self._win_nowait()
            finally:
                self._tip.give_turn()
            for submission, outcome in zip(submissions, outcomes, strict=True):
                submission.done(outcome)
        finally:
            self._busy = False
        return bool(outcomes) and not self._queue

    def _win_nowait(self) -> tuple[list[Submission], list[Outcome]]:
        """The submissions with their outcomes; none, and everything still queued, if it was not possible."""
        begun = self._runtime.stopwatch()
        submissions = self._take_queued()
        draft, outcomes, payload = self._draft(submissions)
        if draft.facts and len(draft.facts) <= FACTS_PER_SLICE:
            commit, pieces = self._assemble(draft, submissions, outcomes, payload)
            if self._store.create_nowait(commit_key(commit.head.number), pieces):
                self._note_win()
                self._tip.fold_nowait(commit)
                self._count(outcomes, begun)
                return submissions, outcomes
        self._queue.extendleft(reversed(submissions))
        return [], []

    async def run(self) -> None:
        """Commit until cancelled."""
        while True:
            self._wake = trio.Event()
            if not self._queue:
                await self._wake.wait()
                continue
            if self._linger_s and await self._linger():
                continue
            self._busy = True
            await self._turns.let_others_commit()
            await self.commit_queued()
            self._busy = False

    async def _linger(self) -> bool:
        """Wait for more proposals, if every queued one may linger; whether one arrived.

        The linger counts from the last commit of this node, so that a lone consumer's commit never waits.
        """
        due = self.committed_at + self._linger_s
        if due <= self._runtime.monotonic() or not all(each.proposal.lingers for each in self._queue):
            return False
        with trio.move_on_at(due):
            await self._wake.wait()
            return True
        return False

    async def commit_queued(self) -> None:
        """Write one commit of what is queued. A commit once begun is not cancelled: its outcome would be unknown."""
        submissions = self._take_queued()
        begun = self._runtime.stopwatch()
        await self._tip.take_turn()
        try:
            outcomes = await self._commit(submissions)
        finally:
            self._tip.give_turn()
        self._count(outcomes, begun)
        for submission, outcome in zip(submissions, outcomes, strict=True):
            submission.done(outcome)

    async def _commit(self, submissions: list[Submission]) -> list[Outcome]:
        has_looked = False
        while True:
            draft, outcomes, payload = self._draft(submissions)
            number = self._tip.state.number
            if draft.facts:
                commit, pieces = self._assemble(draft, submissions, outcomes, payload)
                try:
                    if await self._create(commit, pieces):
                        return outcomes
                except StorageUnavailable as error:
                    # Nothing was written, so nothing was decided, the refusals of this draft included.
                    return [Outcome(error=error)] * len(submissions)
                # A race was lost, and everything up to the tip is folded.
                has_looked = True
                continue
            if has_looked:
                return outcomes
            # With nothing to write, no commit proves that the answers were given at the tip, so read it.
            await self._look()
            has_looked = True
            if self._tip.state.number == number:
                return outcomes

    async def _look(self, ahead: int = 1) -> None:
        """Fold up to the tip, however long the store takes to show it. Holds the turn."""
        backoff = Backoff(self._runtime.random, first_s=0.05, longest_s=2.0)
        while True:
            try:
                await self._tip.check(in_turn=True, ahead=ahead)
            except StorageUnavailable:
                await backoff.wait()
                continue
            return

    def _take_queued(self) -> list[Submission]:
        count = min(len(self._queue), self._settings.proposals_per_commit_max)
        return [self._queue.popleft() for _ in range(count)]

    def _draft(self, submissions: list[Submission]) -> tuple[Draft, list[Outcome], list[Buffer]]:
        draft = self._tip.state.draft(self._runtime.now_ms())
        payload: list[Buffer] = []
        outcomes = [self._validate(draft, submission, payload) for submission in submissions]
        return draft, outcomes, payload

    def _validate(self, draft: Draft, submission: Submission, payload: list[Buffer]) -> Outcome:
        """The outcome that a submission will have if this commit is won; its payload is added if it is stored."""
        state, identity = self._tip.state, submission.identity
        if identity.epoch not in state.sessions.live and (identity.epoch or submission.proposal.needs_session):
            return Outcome(error=Fenced("This node's session has ended; it joins again, try again shortly."))
        if state.identities.is_known(identity):
            return Outcome(state.identities.result(identity))
        before = draft.payload_bytes
        try:
            result = draft.validate(submission.proposal, identity.epoch, submission.payload_bytes)
        except Refused as refusal:
            return Outcome(error=refusal)
        if draft.payload_bytes > before:
            payload += submission.payload
        return Outcome(result)

    def _assemble(
        self, draft: Draft, submissions: list[Submission], outcomes: list[Outcome], payload: list[Buffer]
    ) -> tuple[Commit, list[Buffer]]:
        state = self._tip.state
        moment = draft.moment
        head = CommitHead(
            format=FORMAT,
            level=LEVEL,
            era=ERA,
            cluster_id=state.cluster_id,
            number=moment.number,
            previous=state.hash,
            writer=self.epoch,
            nonce=self._next_nonce(),
            time_ms=moment.time_ms,
            parts=_parts(submissions, outcomes),
            facts=tuple(draft.facts),
            payload_length=draft.payload_bytes,
            payload_crc=payload_checksum(payload),
        )
        return encode_commit(head, tuple(payload))

    def _next_nonce(self) -> bytes:
        self._nonces += 1
        return self._nonce_prefix + self._nonces.to_bytes(8, "big")

    async def _create(self, commit: Commit, pieces: Sequence[Buffer]) -> bool:
        """Win the number, or learn who did and fold everything up to the tip.

        Repeats the same bytes while the outcome is unknown.

        Raises: StorageUnavailable when every attempt was refused, so that none can take effect, and the store has
        refused everything for a while. Those who wait then learn it at once, not when their patience ends; what they
        send next fails after one attempt, until one succeeds.
        """
        key = commit_key(commit.head.number)
        refused_only = True
        backoff = Backoff(self._runtime.random, first_s=0.05, longest_s=2.0)
        while True:
            begun = self._runtime.monotonic()
            try:
                await self._store.create(key, pieces)
            except (ObjectExists, StorageUnavailable) as error:
                refused_only = refused_only and isinstance(error, StorageUnavailable) and error.certain
                ahead = CHASE_AHEAD if isinstance(error, ObjectExists) else 0
                winner, following, at_tip = await self._read_race(commit, ahead)
                if winner is None:
                    # Not a warning: the health of the store is told once, when it changes.
                    log.debug("commit.create_failed", number=commit.head.number, why=str(error))
                    now = self._runtime.monotonic()
                    self._refused_since_s = self._refused_since_s or now
                    pause_s = backoff.next_s()
                    if refused_only and isinstance(error, StorageUnavailable):
                        left_s = self._refused_since_s + REFUSAL_PATIENCE_S - now
                        if left_s <= 0:
                            # The pause keeps clients that try again at once from making as many requests.
                            await trio.sleep(min(pause_s, REFUSED_PAUSE_MAX_S))
                            raise error
                        pause_s = min(pause_s, left_s)
                    await trio.sleep(pause_s)
                    continue
                self._refused_since_s = None
                await self._tip.fold(winner)
                if winner is commit:
                    return True
                self.counts.lost_races += 1
                await self._tip.fold_all(following, winner.head.number + 1, in_turn=True)
                if not at_tip:
                    # The others may be many commits ahead: trying number after number would never catch up.
                    await self._look(2 * CHASE_AHEAD)
                return False
            self._turns.create_s = self._runtime.monotonic() - begun
            self._refused_since_s = None
            self._note_win()
            await self._tip.fold(commit)
            return True

    async def _read_race(self, commit: Commit, ahead: int) -> tuple[Commit | None, list[memoryview], bool]:
        """Who won this number, if that is known, up to `ahead` commits after it, and whether the tip is behind them.

        All are read side by side: a loser must not be slower than the winner, who only creates.
        """
        winner: Commit | None = None
        damage: Corrupt | None = None
        following: list[memoryview] = []
        at_tip = False
        started = self._runtime.monotonic()

        async def read_following() -> None:
            nonlocal following, at_tip
            try:
                following, at_tip = await self._tip.read_from(commit.head.number + 1, ahead)
            except StorageUnavailable:
                return

        async def read_winner() -> None:
            nonlocal winner, damage
            try:
                winner = await self._read_back(commit)
            except Corrupt as error:  # a nursery would raise it as a group, which no caller expects
                damage = error

        async with trio.open_nursery() as nursery:
            nursery.start_soon(read_following)
            nursery.start_soon(read_winner)
        if damage is not None:
            raise damage
        if winner is not None and at_tip:
            self._tip.note_seen(started)
        return winner, following, at_tip

    async def _read_back(self, commit: Commit) -> Commit | None:
        """Who won this number: our own commit, another, or None while that is not known."""
        try:
            number = commit.head.number
            winner = self._tip.decode(number, await self._store.get(commit_key(number), durable=True))
        except (ObjectMissing, StorageUnavailable):
            return None
        if self.is_ours(winner, commit):
            self._note_win()
            return commit
        return winner

    @staticmethod
    def is_ours(winner: Commit, commit: Commit) -> bool:
        """Whether a commit read back is the one we wrote. Only nonces tell: two nodes may well write equal facts."""
        return winner.head.nonce == commit.head.nonce

    def _notice(self, commit: Commit) -> None:
        if commit.head.nonce.startswith(self._nonce_prefix):
            self._turns.won_number = commit.head.number

    def _count(self, outcomes: Sequence[Outcome], begun: float) -> None:
        counts = self.counts
        counts.seconds.observe(self._runtime.stopwatch() - begun)
        counts.proposals.observe(len(outcomes))
        for outcome in outcomes:
            if outcome.error is not None:
                counts.refusals += 1

    def _note_win(self) -> None:
        self.counts.won += 1
        self.committed_at = self._turns.won_at = self._runtime.monotonic()
        self._tip.note_seen(self.committed_at)


def _parts(submissions: Sequence[Submission], outcomes: Sequence[Outcome]) -> tuple[Part, ...]:
    """A part for each session with its floor and its accepted proposals; none for proposals without a session."""
    parts: dict[int, tuple[int, list[Resolved]]] = {}
    for submission, outcome in zip(submissions, outcomes, strict=True):
        identity, error = submission.identity, outcome.error
        if not identity.epoch or isinstance(error, Fenced):
            continue
        part = parts.get(identity.epoch)
        if part is None:
            # Only one commit is in flight, so with proposals in order, all before the first one here are resolved.
            floor = identity.counter if submission.floor is None else submission.floor
            part = parts[identity.epoch] = (floor, [])
        if error is None:
            part[1].append(Resolved(identity.counter, outcome.result))
    return tuple([Part(epoch, floor, tuple(resolved)) for epoch, (floor, resolved) in parts.items()])
