"""The ledger as the rest of the node sees it: State to read, proposals to make, a barrier to wait for.

Owns the node's session. Everything that says no, none or unknown, or names a frontier, passes `barrier()` first.
"""

from collections.abc import Callable, Sequence
from functools import partial

import structlog
import trio

from higgins.ledger.commit import Commit
from higgins.ledger.committer import Committer, Done, Outcome
from higgins.ledger.settings import LedgerSettings
from higgins.ledger.snapshot import freeze, load_newest, save
from higgins.ledger.state.base import Proposal, Result
from higgins.ledger.state.sessions import (
    Endpoint,
    FenceSession,
    JoinSession,
    LeaveSession,
    Session,
    SessionEnded,
)
from higgins.ledger.state.state import State
from higgins.ledger.state.validate import FormCluster, Say
from higgins.ledger.tip import Tip
from higgins.model.errors import Corrupt, Fenced, Refused, StorageUnavailable
from higgins.model.pointer import Buffer
from higgins.runtime import Backoff, Runtime
from higgins.storage.store import Store
from higgins.telemetry.metrics import CommitCounts

log = structlog.get_logger("higgins.ledger")

ALONE_FOLLOW_S = 1.0
KEEPER_TICK_S = 0.5
OPEN_PATIENCE_S = 60.0
SNAPSHOT_OWNER = "snapshot"
SNAPSHOT_PATIENCE = 20
"""A snapshot waits at least this many times as long as the last one took."""


class _Question:
    """Somebody waits to be at the tip."""

    __slots__ = ("answered", "error")

    def __init__(self) -> None:
        self.answered = trio.Event()
        self.error: StorageUnavailable | None = None


class Ledger:
    """Facts in numbered commits, folded into State."""

    def __init__(
        self, runtime: Runtime, store: Store, settings: LedgerSettings, tip: Tip, committer: Committer
    ) -> None:
        """Use `open_ledger`."""
        self._runtime = runtime
        self._store = store
        self._settings = settings
        self._tip = tip
        self._committer = committer
        self._endpoints: tuple[Endpoint, ...] = ()
        self._asking: list[_Question] = []
        self._asked = trio.Event()
        self._signs: dict[int, tuple[int, float]] = {}
        self._lost: SessionEnded | None = None
        self._watched = trio.Event()
        self.watchers = 0
        """How many wait for something another node may commit; they make the follower look often."""
        self.snapshot: tuple[int, int] | None = None
        """Number and time (ms) of the newest snapshot that this node has loaded or made."""
        tip.subscribe(self._notice)

    @property
    def state(self) -> State:
        """The fold at the newest commit this node knows. Read-only."""
        return self._tip.state

    @property
    def session(self) -> Session | None:
        """This node's own session; None before it has joined and after it was fenced."""
        return self._committer.session

    @property
    def counts(self) -> CommitCounts:
        """What became of this node's proposals."""
        return self._committer.counts

    @property
    def is_spokesman(self) -> bool:
        """Whether this node is the one that speaks where one must speak for all: clients know it as the controller."""
        return self.session is not None and self.state.sessions.eldest() is self.session

    def subscribe(self, listener: Callable[[Commit], None]) -> None:
        """Call `listener` with every commit right after it is folded; it must be quick and must not fail."""
        self._tip.subscribe(listener)

    def watch(self) -> None:
        """Somebody begins to wait for what another node may commit; `unwatch` ends it."""
        self.watchers += 1
        self._watched.set()

    def unwatch(self) -> None:
        """Somebody has ceased to wait."""
        self.watchers -= 1

    def in_touch(self) -> bool:
        """Whether the tip was seen within a third of the session timeout: else others may have moved on."""
        limit_s = self._settings.session_timeout_ms / 3000
        return self.alone or self._runtime.monotonic() - self._tip.seen_at <= limit_s

    @property
    def alone(self) -> bool:
        """Whether no other session lives."""
        return len(self.state.sessions.live) <= 1

    # ---- proposing ----------------------------------------------------------------------------------------------

    def submit(self, proposal: Proposal, done: Done, payload: tuple[Buffer, ...] = ()) -> None:
        """Propose without a task; `done(outcome)` is called in the loop exactly once and must not fail."""
        self._committer.submit(proposal, done, payload)

    def submit_all(self, asked: Sequence[tuple[Proposal, Done, tuple[Buffer, ...]]]) -> None:
        """Propose several things at once, each with its own outcome; mostly one commit."""
        self._committer.submit_all(asked)

    async def propose(self, proposal: Proposal) -> Result:
        """Commit a proposal and return its result.

        Raises: Refused (at the tip), Fenced, StorageUnavailable (too much is waiting). Leaving early (cancellation)
        leaves the outcome unknown, not undone.
        """
        finished = trio.Event()
        outcomes: list[Outcome] = []

        def done(outcome: Outcome) -> None:
            outcomes.append(outcome)
            finished.set()

        self._committer.submit(proposal, done)
        await finished.wait()
        if outcomes[0].error is not None:
            raise outcomes[0].error
        return outcomes[0].result

    async def propose_all(self, proposals: Sequence[Proposal]) -> list[Outcome]:
        """Propose several things, each by itself, and wait for all; mostly one commit."""
        outcomes: list[Outcome | None] = [None] * len(proposals)
        finished = trio.Event()
        left = len(proposals)

        def done(i: int, outcome: Outcome) -> None:
            nonlocal left
            outcomes[i] = outcome
            left -= 1
            if not left:
                finished.set()

        self._committer.submit_all([(proposal, partial(done, i), ()) for i, proposal in enumerate(proposals)])
        if proposals:
            await finished.wait()
        return [outcome for outcome in outcomes if outcome is not None]

    async def barrier(self) -> None:
        """After this, State holds all that was committed before the call. Raises: StorageUnavailable, Corrupt."""
        if self._store.traits.reads_are_direct:
            await self._tip.check()
            return
        question = _Question()
        self._asking.append(question)
        self._asked.set()
        await question.answered.wait()
        if question.error is not None:
            raise StorageUnavailable(
                "The store does not answer, so what is true now is not known; try again."
            ) from question.error

    # ---- life ---------------------------------------------------------------------------------------------------

    async def join(self, endpoints: tuple[Endpoint, ...], cluster_id: str) -> Session:
        """Begin this node's session (and, in an empty bucket, the cluster). Needs `run` to be running.

        Raises: Refused, StorageUnavailable.
        """
        self._endpoints = endpoints
        if not self.state.number:
            await self.propose(FormCluster(cluster_id))
        return await self._join(self._settings.node_id)

    async def leave(self) -> None:
        """End the session in good order, so that others take over at once."""
        session = self.session
        if session is not None:
            try:
                await self.propose(LeaveSession(session.epoch))
            except (Fenced, Refused, StorageUnavailable):
                return

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Commit, follow, keep the session alive, snapshot. Ends by failing (Corrupt, Fenced, …)."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._committer.run)
            nursery.start_soon(self._answer_barriers)
            nursery.start_soon(self._follow)
            nursery.start_soon(self._keep_session)
            if self._store.traits.outlives_process:
                nursery.start_soon(self._snapshot_now_and_then)
            task_status.started()

    async def _join(self, node_id: int | None) -> Session:
        epoch: int = await self.propose(JoinSession(node_id, self._endpoints, self._settings.session_timeout_ms))
        session = self.state.sessions.live.get(epoch)
        if session is None:
            raise Fenced("The session ended as soon as it had begun: another node joins under the same id or address.")
        self._committer.session = session
        return session

    def _notice(self, commit: Commit) -> None:
        own = self.session
        for fact in commit.head.facts:
            if isinstance(fact, SessionEnded):
                self._signs.pop(fact.epoch, None)
                if own is not None and fact.epoch == own.epoch:
                    self._committer.session = None
                    # Who leaves in good order does not come back.
                    self._lost = None if fact.reason == "left" else fact
        if commit.head.epoch and (own is None or commit.head.epoch != own.epoch):
            self._signs[commit.head.epoch] = (commit.head.number, self._runtime.monotonic())

    async def _answer_barriers(self) -> None:
        while True:
            await self._asked.wait()
            self._asked = trio.Event()
            asking, self._asking = self._asking, []
            error: StorageUnavailable | None = None
            try:
                await self._tip.check()
            except StorageUnavailable as failure:
                log.warning("ledger.unreachable", why=str(failure))
                error = failure
            for question in asking:
                question.error = error
                question.answered.set()

    async def _follow(self) -> None:
        backoff = Backoff(self._runtime.random, first_s=0.05, longest_s=2.0)
        follow_s = self._store.traits.follow_ms / 1000
        while True:
            if self.alone:
                await trio.sleep(ALONE_FOLLOW_S)
            else:
                # Who begins to wait in the middle of a pause is not made to wait for its end.
                with trio.move_on_after(0 if self.watchers else ALONE_FOLLOW_S):
                    await self._watched.wait()
                await trio.sleep(follow_s)
            self._watched = trio.Event()
            try:
                await self._tip.check()
                backoff = Backoff(self._runtime.random, first_s=0.05, longest_s=2.0)
            except StorageUnavailable:
                await backoff.wait()

    async def _keep_session(self) -> None:
        while True:
            await trio.sleep(KEEPER_TICK_S)
            if self._lost is not None:
                await self._join_again(self._lost)
            session = self.session
            if session is None or self.alone:
                continue
            try:
                await self._give_sign()
                await self._fence_the_silent(session)
            except (Refused, Fenced, StorageUnavailable):
                continue

    async def _join_again(self, ended: SessionEnded) -> None:
        if ended.reason != "expired":
            raise Fenced(
                "Another node joined with this node's id or address, so this one stops. "
                "Give each node its own --advertise address (and node_id, where set)."
            )
        self._lost = None
        try:
            session = await self._join(None)
            log.info("session.joined_again", epoch=session.epoch, node_id=session.node_id)
        except (Refused, Fenced, StorageUnavailable):
            self._lost = ended

    async def _give_sign(self) -> None:
        quiet_s = self._runtime.monotonic() - self._committer.committed_at
        if quiet_s * 1000 >= self._settings.sign_interval_ms:
            await self.propose(Say())

    async def _fence_the_silent(self, own: Session) -> None:
        now = self._runtime.monotonic()
        for session in list(self.state.sessions.live.values()):
            if session.epoch == own.epoch:
                continue
            number = self.state.sessions.signs[session.epoch]
            seen, since = self._signs.get(session.epoch, (number, now))
            if seen != number:
                since = now
            self._signs[session.epoch] = (number, since)
            # Our own elapsed time since we folded the sign; no other machine's clock is in this.
            if (now - since) * 1000 > session.timeout_ms and self.in_touch():
                log.info("session.fenced", epoch=session.epoch, node_id=session.node_id)
                await self.propose(FenceSession(session.epoch, number))

    async def _snapshot_now_and_then(self) -> None:
        last, took_s = self.state.number, 0.0
        while True:
            await trio.sleep(max(self._settings.snapshot_interval_min_s, SNAPSHOT_PATIENCE * took_s))
            owner = self.state.sessions.owner(SNAPSHOT_OWNER)
            tail = self.state.number - last
            if tail < self._settings.snapshot_commits_min or owner is None or owner != self.session:
                continue
            started, time_ms = self._runtime.monotonic(), self.state.time_ms
            frozen = freeze(self.state)
            try:
                await save(self._runtime, self._store, frozen)
            except StorageUnavailable as error:
                log.warning("snapshot.failed", why=str(error))
                continue
            last, took_s = frozen.number, self._runtime.monotonic() - started
            self.snapshot = last, time_ms
            log.info("snapshot.made", number=last, seconds=round(took_s, 3))


async def open_ledger(runtime: Runtime, store: Store, settings: LedgerSettings) -> Ledger:
    """Load the newest snapshot and the tail, trying again for a while: one lost answer is no reason to give up.

    Raises: StorageUnavailable (after OPEN_PATIENCE_S), Corrupt.
    """
    patience_until = runtime.monotonic() + OPEN_PATIENCE_S
    backoff = Backoff(runtime.random, first_s=0.05, longest_s=1.0)
    tip: Tip | None = None
    loaded: tuple[int, int] | None = None
    while True:
        try:
            if tip is None:
                tip = Tip(runtime, store, await load_newest(runtime, store))
                loaded = (tip.state.number, tip.state.time_ms) if tip.state.number else None
            # What an earlier try has folded stays folded.
            await tip.catch_up()
            break
        except StorageUnavailable as error:
            if runtime.monotonic() > patience_until:
                raise
            log.warning("ledger.unreachable", why=str(error))
            await backoff.wait()
    state = tip.state
    if state.number and not state.cluster_id:
        raise Corrupt("The ledger does not begin with a cluster: its first commits are missing.")
    ledger = Ledger(runtime, store, settings, tip, Committer(runtime, store, tip, settings))
    ledger.snapshot = loaded
    return ledger
