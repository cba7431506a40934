"""The committer: gathers proposals, writes them as one commit, and says what came of each.

One commit is in flight at a time; what arrives meanwhile forms the next (natural batching). An outcome that is not
known is resolved by reading back, comparing the nonce, and repeating the same bytes; never by giving up.
"""

from collections import deque
from collections.abc import Callable, Sequence
from typing import TypeAlias

import msgspec
import trio

from higgins.ledger.commit import (
    FORMAT,
    LEVEL,
    Commit,
    CommitHead,
    commit_key,
    decode_commit,
    encode_commit,
    payload_checksum,
)
from higgins.ledger.settings import LedgerSettings
from higgins.ledger.state.base import Proposal, Result
from higgins.ledger.state.identities import Resolved
from higgins.ledger.state.sessions import JoinSession, Session
from higgins.ledger.state.state import Draft
from higgins.ledger.state.validate import FormCluster, validate
from higgins.ledger.tip import Tip
from higgins.model.errors import Fenced, HigginsError, ObjectExists, ObjectMissing, Refused, StorageUnavailable
from higgins.model.pointer import Buffer
from higgins.runtime import Backoff, Runtime
from higgins.storage.store import Store
from higgins.telemetry.metrics import CommitCounts

NONCE_PREFIX_BYTES = 10
ERA = 1

YIELD_RANGE = (0.2, 1.2)
"""How long a winner gives way, in the store's own measure of how soon news is looked for."""

YIELD_CREATES = 1.5
"""The same, at least, in creates as the last one took; up to YIELD_MAX_S, since one slow answer says little."""

YIELD_MAX_S = 0.2

ALONE_INTERVAL_S = 3.0
"""How often a busy node that knows of no other gives way once."""

CHASE_AHEAD = 4
"""Commits read side by side after a lost race: the winner may have won again while we were learning that we lost."""


class Outcome(msgspec.Struct, frozen=True):
    """What came of a proposal: a result, or the reason why not."""

    result: Result = None
    error: HigginsError | None = None


Done: TypeAlias = Callable[[Outcome], None]


class _Entry:
    """A proposal on its way, with its identity once it has one."""

    __slots__ = ("counter", "done", "payload", "payload_bytes", "proposal")

    def __init__(self, proposal: Proposal, done: Done, payload: tuple[Buffer, ...]) -> None:
        self.proposal = proposal
        self.payload = payload
        self.payload_bytes = len(payload[0]) if len(payload) == 1 else sum(len(piece) for piece in payload)
        self.done = done
        self.counter = 0


class Committer:
    """The one task of a node that writes commits."""

    def __init__(self, runtime: Runtime, store: Store, tip: Tip, settings: LedgerSettings) -> None:
        self._runtime = runtime
        self._store = store
        self._tip = tip
        self._settings = settings
        self.counts = CommitCounts()
        self._queue: deque[_Entry] = deque()
        self._wake = trio.Event()
        self._next_counter = 1
        # A prefix nobody else has drawn and a count: as unique as fresh chance each time, and no system call a commit.
        self._nonce_prefix = runtime.token(NONCE_PREFIX_BYTES)
        self._nonces = 0
        self._commits_at_once = store.traits.reads_are_direct
        self.session: Session | None = None
        self.committed_at = runtime.monotonic()
        """When this node last won a commit."""
        self._busy = False
        """Whether a commit is in flight."""
        self._won_number = 0
        self._gave_way_at = runtime.monotonic()
        self._create_s = 0.0
        self._yield_s = store.traits.follow_ms / 1000
        tip.subscribe(self._notice)

    def submit(self, proposal: Proposal, done: Done, payload: tuple[Buffer, ...] = ()) -> None:
        """Queue a proposal; `done` is called in the loop once its outcome is known, and must not fail.

        `payload` rides in the commit when anything of the proposal is accepted.
        """
        self.submit_all([(proposal, done, payload)])

    def submit_all(self, asked: Sequence[tuple[Proposal, Done, tuple[Buffer, ...]]]) -> None:
        """Queue several at once, to go into one commit where they fit."""
        if len(self._queue) + len(asked) > self._settings.queue_max:
            for _, done, _ in asked:
                done(Outcome(error=StorageUnavailable("Too many proposals wait for the store; try again.")))
            return
        self._queue += [_Entry(*each) for each in asked]
        if not self._commits_at_once or not self._commit_now():
            self._wake.set()

    def _commit_now(self) -> bool:
        """Commit what is queued without a trip through the scheduler; False where it takes the long way.

        Only on a store whose creates do not wait, and only while nobody else folds.
        """
        if self._busy or not self._tip.take_turn_now():
            return False
        # Busy while callbacks run, too: what they submit forms the next commit, by way of the task.
        self._busy = True
        try:
            try:
                entries, outcomes = self._win_now()
            finally:
                self._tip.give_turn()
            for entry, outcome in zip(entries, outcomes, strict=True):
                entry.done(outcome)
        finally:
            self._busy = False
        return bool(outcomes) and not self._queue

    def _win_now(self) -> tuple[list[_Entry], list[Outcome]]:
        """Entries with their outcomes; none, and everything still queued, where it takes the long way."""
        begun = self._runtime.stopwatch()
        entries = self._take_queued()
        draft, outcomes, payload = self._draft(entries)
        if draft.facts:
            commit, pieces = self._assemble(draft, entries, outcomes, payload)
            if self._store.create_now(commit_key(commit.head.number), pieces):
                self._won(commit)
                self._count(outcomes, begun)
                return entries, outcomes
        self._queue.extendleft(reversed(entries))
        return [], []

    async def run(self) -> None:
        """Commit for ever."""
        while True:
            if not self._queue:
                self._wake = trio.Event()
                await self._wake.wait()
                continue
            self._busy = True
            await self._give_way()
            await self.commit_queued()
            self._busy = False

    async def _give_way(self) -> None:
        """Whoever has just won lets others try first: else the node nearest to the store wins every time, and the
        farthest never says a word until it is taken for dead. A node that seems to be alone does so now and then,
        since one that wants to join is not known of before it has won a commit."""
        state = self._tip.state
        if state.number != self._won_number:
            return
        now = self._runtime.monotonic()
        if len(state.sessions.live) > 1 or now - self._gave_way_at >= ALONE_INTERVAL_S:
            self._gave_way_at = now
            # They need the time of a read and a create to get in, however slow the store is just now.
            needed_s = max(self._yield_s, min(YIELD_CREATES * self._create_s, YIELD_MAX_S))
            others_first_s = needed_s * self._runtime.random.uniform(*YIELD_RANGE)
            await trio.sleep_until(self.committed_at + others_first_s)

    async def commit_queued(self) -> None:
        """One commit of what is queued now. A commit once begun is not cancelled: its outcome would be unknown."""
        entries = self._take_queued()
        begun = self._runtime.stopwatch()
        await self._tip.take_turn()
        try:
            outcomes = await self._commit(entries)
        finally:
            self._tip.give_turn()
        self._count(outcomes, begun)
        for entry, outcome in zip(entries, outcomes, strict=True):
            entry.done(outcome)

    async def _commit(self, entries: list[_Entry]) -> list[Outcome]:
        has_looked = False
        while True:
            draft, outcomes, payload = self._draft(entries)
            number = self._tip.state.number
            if draft.facts:
                commit, pieces = self._assemble(draft, entries, outcomes, payload)
                if await self._create(commit, pieces):
                    return outcomes
            elif has_looked:
                return outcomes
            # Nothing to write: no commit proves that these answers were given at the tip, so look. A lost race: others
            # may be many commits ahead, and whoever only tries the next number would never catch up with them.
            await self._look(lost=bool(draft.facts))
            has_looked = True
            if not draft.facts and self._tip.state.number == number:
                return outcomes

    async def _look(self, *, lost: bool) -> None:
        """Come to the tip, however long the store takes to show it. Holds the turn."""
        backoff = Backoff(self._runtime.random, first_s=0.05, longest_s=2.0)
        while True:
            try:
                await self._tip.check(in_turn=True, ahead=CHASE_AHEAD if lost else 1)
            except StorageUnavailable:
                await backoff.wait()
                continue
            return

    def _take_queued(self) -> list[_Entry]:
        count = min(len(self._queue), self._settings.proposals_per_commit_max)
        entries = [self._queue.popleft() for _ in range(count)]
        for entry in entries:
            if not entry.counter:
                entry.counter = self._next_counter
                self._next_counter += 1
        return entries

    def _draft(self, entries: list[_Entry]) -> tuple[Draft, list[Outcome], list[Buffer]]:
        epoch = self.session.epoch if self.session is not None else 0
        draft = self._tip.state.draft(epoch, self._runtime.now_ms())
        outcomes, payload = self._judge(draft, entries, epoch)
        return draft, outcomes, payload

    def _judge(self, draft: Draft, entries: list[_Entry], epoch: int) -> tuple[list[Outcome], list[Buffer]]:
        outcomes: list[Outcome] = []
        payload: list[Buffer] = []
        identities = self._tip.state.identities
        for entry in entries:
            if not epoch and not isinstance(entry.proposal, JoinSession | FormCluster):
                outcomes.append(Outcome(error=Fenced("This node has no session; it joins again, try again shortly.")))
                continue
            known, result = identities.result(epoch, entry.counter)
            if known:
                outcomes.append(Outcome(result))
                continue
            before = draft.payload_bytes
            try:
                result = validate(draft, entry.proposal, entry.payload_bytes)
            except Refused as refusal:
                outcomes.append(Outcome(error=refusal))
                continue
            outcomes.append(Outcome(result))
            if draft.payload_bytes > before:
                payload += entry.payload
        return outcomes, payload

    def _assemble(
        self, draft: Draft, entries: list[_Entry], outcomes: list[Outcome], payload: list[Buffer]
    ) -> tuple[Commit, list[Buffer]]:
        state = self._tip.state
        moment = draft.moment
        resolved = tuple(
            [
                Resolved(entry.counter, outcome.result)
                for entry, outcome in zip(entries, outcomes, strict=True)
                if outcome.error is None
            ]
        )
        head = CommitHead(
            format=FORMAT,
            level=LEVEL,
            era=ERA,
            cluster_id=state.cluster_id,
            number=moment.number,
            previous=state.hash,
            epoch=moment.epoch,
            nonce=self._next_nonce(),
            time_ms=moment.time_ms,
            # One commit is in flight, so whatever came before these is resolved.
            floor=entries[0].counter,
            resolved=resolved if moment.epoch else (),
            facts=tuple(draft.facts),  # type: ignore[arg-type]
            payload_length=draft.payload_bytes,
            payload_crc=payload_checksum(payload),
        )
        return encode_commit(head, tuple(payload))

    def _next_nonce(self) -> bytes:
        self._nonces += 1
        return self._nonce_prefix + self._nonces.to_bytes(8, "big")

    async def _create(self, commit: Commit, pieces: Sequence[Buffer]) -> bool:
        """Win the number or learn who did, and fold the winner. Repeats the same bytes while the outcome is unknown."""
        key = commit_key(commit.head.number)
        backoff = Backoff(self._runtime.random, first_s=0.05, longest_s=2.0)
        while True:
            begun = self._runtime.monotonic()
            try:
                await self._store.create(key, pieces)
            except (ObjectExists, StorageUnavailable):
                winner = await self._read_back(commit)
                if winner is None:
                    await backoff.wait()
                    continue
                self._tip.fold(winner)
                self.counts.lost_races += winner is not commit
                return winner is commit
            self._create_s = self._runtime.monotonic() - begun
            self._won(commit)
            return True

    async def _read_back(self, commit: Commit) -> Commit | None:
        """Who won this number: our own commit, another, or None while that is not known."""
        try:
            found = decode_commit(await self._store.get(commit_key(commit.head.number), settled=True))
        except (ObjectMissing, StorageUnavailable):
            return None
        if self.is_ours(found, commit):
            self._note_win()
            return commit
        return found

    @staticmethod
    def is_ours(found: Commit, commit: Commit) -> bool:
        """Whether a commit read back is the one we wrote; nonces tell, since contents may well be equal."""
        return found.head.nonce == commit.head.nonce

    def _won(self, commit: Commit) -> None:
        self._note_win()
        self._tip.fold(commit)

    def _notice(self, commit: Commit) -> None:
        if commit.head.nonce.startswith(self._nonce_prefix):
            self._won_number = commit.head.number

    def _count(self, outcomes: Sequence[Outcome], begun: float) -> None:
        counts = self.counts
        counts.seconds.observe(self._runtime.stopwatch() - begun)
        counts.proposals.observe(len(outcomes))
        for outcome in outcomes:
            if outcome.error is not None:
                counts.refusals += 1

    def _note_win(self) -> None:
        self.counts.won += 1
        self.committed_at = self._tip.seen_at = self._runtime.monotonic()
