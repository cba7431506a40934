"""The ledger as the rest of the node sees it: State to read, proposals to make, a barrier to pass.

It is made of components: the tip (State and folding), the committer, the proposer (identities), the barrier, the
follower, the session keeper and the snapshot loop. This facade owns their tasks.
"""

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import structlog
import trio

from higgins.ledger.activity import Activity
from higgins.ledger.barrier import Barrier
from higgins.ledger.commit import Commit
from higgins.ledger.committer import Committer, Done, Outcome
from higgins.ledger.follower import Follower
from higgins.ledger.proposer import Proposer
from higgins.ledger.session_keeper import SessionKeeper
from higgins.ledger.settings import LedgerSettings
from higgins.ledger.snapshot import load_newest
from higgins.ledger.snapshot_loop import SnapshotLoop
from higgins.ledger.state.base import Proposal
from higgins.ledger.state.sessions import Endpoint, Session
from higgins.ledger.state.state import State
from higgins.ledger.tip import DAMAGE_PATIENCE_S, Tip
from higgins.model.errors import Corrupt, StorageUnavailable
from higgins.model.pointer import Buffer
from higgins.runtime import Backoff, Runtime
from higgins.storage.store import Store
from higgins.telemetry.metrics import CommitCounts

log = structlog.get_logger("higgins.ledger")

OPEN_PATIENCE_S = 60.0

OPEN_DAMAGE_PATIENCE_S = 10.0
"""How long a start reads a damaged commit of a remote store again."""

R = TypeVar("R")


class Ledger:
    """Facts in numbered commits, folded into State."""

    def __init__(self, runtime: Runtime, store: Store, settings: LedgerSettings, tip: Tip) -> None:
        """Use `open_ledger`."""
        self._store = store
        self._tip = tip
        activity = Activity(runtime, tip)
        self._committer = Committer(runtime, store, tip, activity, settings)
        self._proposer = Proposer(self._committer, activity)
        self._barrier = Barrier(store, tip)
        self._follower = Follower(runtime, store, tip, activity)
        self._keeper = SessionKeeper(runtime, tip, activity, self._committer, self._proposer, settings)
        self._snapshots = SnapshotLoop(runtime, store, tip, self._proposer, settings)

    @property
    def state(self) -> State:
        """The fold at the newest commit this node knows. Read-only."""
        return self._tip.state

    @property
    def session(self) -> Session | None:
        """This node's own session; None before it has joined and after it was fenced."""
        return self._proposer.session

    @property
    def counts(self) -> CommitCounts:
        """What became of this node's proposals."""
        return self._committer.counts

    @property
    def snapshot(self) -> tuple[int, int] | None:
        """Number and time (ms) of the newest snapshot that this node has loaded or made."""
        return self._snapshots.newest

    @property
    def is_controller(self) -> bool:
        """Whether clients know this node as the controller: the one that acts where a single node must act for all."""
        return self.session is not None and self.state.sessions.controller() is self.session

    @property
    def alone(self) -> bool:
        """Whether no other session is alive."""
        return self._keeper.is_alone

    def in_touch(self) -> bool:
        """Whether the tip was seen within a third of the session timeout: otherwise others may have taken over."""
        return self._keeper.is_in_touch()

    def subscribe(self, listener: Callable[[Commit], None]) -> None:
        """Call `listener` with every commit right after it is folded; it must be quick and must not fail."""
        self._tip.subscribe(listener)

    @property
    def watchers(self) -> int:
        """How many wait for what another node may commit."""
        return self._follower.watchers

    def watch(self) -> None:
        """Register a waiter for commits of other nodes, so that the follower polls faster; `unwatch` removes it."""
        self._follower.watch()

    def unwatch(self) -> None:
        """Remove a waiter."""
        self._follower.unwatch()

    # ---- proposing ----------------------------------------------------------------------------------------------

    def submit(self, proposal: Proposal[Any], done: Done, payload: tuple[Buffer, ...] = ()) -> None:
        """Propose without a task; `done(outcome)` is called in the loop exactly once and must not fail.

        `payload` is stored in the commit if any fact of the proposal is accepted.
        """
        self._proposer.submit_all([(proposal, done, payload)])

    def submit_all(self, proposals: Sequence[tuple[Proposal[Any], Done, tuple[Buffer, ...]]]) -> None:
        """Propose several changes at once, each with its own outcome; mostly one commit."""
        self._proposer.submit_all(proposals)

    async def propose(self, proposal: Proposal[R]) -> R:
        """Commit a proposal and return its result.

        Raises: Refused (at the tip), Fenced, StorageUnavailable (too much is waiting). If the caller is cancelled, the
        outcome is unknown, not undone.
        """
        return await self._proposer.propose(proposal)

    async def propose_all(self, proposals: Sequence[Proposal[Any]]) -> list[Outcome]:
        """Propose several changes, each by itself, and wait for all outcomes; mostly one commit."""
        return await self._proposer.propose_all(proposals)

    async def barrier(self) -> None:
        """After this, State holds all that was committed before the call. Raises: StorageUnavailable, Corrupt."""
        await self._barrier.pass_through()

    # ---- life ---------------------------------------------------------------------------------------------------

    async def join(self, endpoints: tuple[Endpoint, ...], cluster_id: str) -> Session:
        """Begin this node's session and, in an empty bucket, form the cluster. Needs `run` to be running.

        Raises: Refused, StorageUnavailable.
        """
        return await self._keeper.join(endpoints, cluster_id)

    def join_later(self) -> None:
        """Begin the session as soon as the store takes the commit: for a node whose `join` failed at a full store."""
        self._keeper.join_later()

    @property
    def awaits_store(self) -> bool:
        """Whether this node has no session yet because the store takes no writes."""
        return self._keeper.awaits_store

    @property
    def stand_in(self) -> Session | None:
        """What clients are told of this node while it has no session and no node lives: it can still be read from."""
        return self._keeper.stand_in

    async def leave(self) -> None:
        """End the session in an orderly way, so that other nodes take over at once."""
        await self._keeper.leave()

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Commit, follow, keep the session alive, make snapshots. Ends by failing (Corrupt, Fenced, …)."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._committer.run)
            nursery.start_soon(self._barrier.run)
            nursery.start_soon(self._follower.run)
            nursery.start_soon(self._keeper.run)
            if self._store.traits.outlives_process:
                nursery.start_soon(self._snapshots.run)
            task_status.started()


async def open_ledger(runtime: Runtime, store: Store, settings: LedgerSettings) -> Ledger:
    """Load the newest snapshot and the tail, retrying for a while: one lost answer must not end a start.

    Raises: StorageUnavailable (after OPEN_PATIENCE_S), Corrupt.
    """
    patience_until = runtime.monotonic() + OPEN_PATIENCE_S
    backoff = Backoff(runtime.random, first_s=0.05, longest_s=1.0)
    tip: Tip | None = None
    ledger: Ledger | None = None
    while True:
        try:
            if tip is None:
                tip = Tip(runtime, store, await load_newest(runtime, store), settings.session_timeout_ms / 3000)
                tip.damage_patience_s = OPEN_DAMAGE_PATIENCE_S
                ledger = Ledger(runtime, store, settings, tip)
            # What an earlier attempt has folded stays folded.
            await tip.catch_up()
            break
        except StorageUnavailable as error:
            if runtime.monotonic() > patience_until:
                raise
            # Not a warning: the probe says what the start waits for.
            log.debug("ledger.unreachable", why=str(error))
            await backoff.wait()
    assert ledger is not None
    tip.damage_patience_s = DAMAGE_PATIENCE_S
    if tip.state.number and not tip.state.cluster_id:
        raise Corrupt("The ledger does not begin with a cluster: its first commits are missing.")
    return ledger
