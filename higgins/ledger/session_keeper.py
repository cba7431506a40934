"""The session keeper: joins, keeps this node's session alive, and fences sessions that have expired."""

import structlog
import trio

from higgins.ledger.activity import Activity
from higgins.ledger.commit import LEVEL, Commit
from higgins.ledger.committer import Committer
from higgins.ledger.proposer import Proposer
from higgins.ledger.settings import LedgerSettings
from higgins.ledger.state.cluster import FormCluster
from higgins.ledger.state.sessions import (
    EXPIRED,
    LEFT,
    Endpoint,
    FenceSession,
    JoinSession,
    LeaveSession,
    Session,
    SessionEnded,
    SignalLiveness,
)
from higgins.ledger.tip import Tip
from higgins.model.errors import Fenced, Refused, StorageUnavailable
from higgins.runtime import Runtime

log = structlog.get_logger("higgins.ledger")

TICK_S = 0.25

FIRST_NODE_ID = 1
"""The id that a node gets in a cluster without live nodes."""


class SessionKeeper:
    """The life of one node in the ledger."""

    def __init__(
        self,
        runtime: Runtime,
        tip: Tip,
        activity: Activity,
        committer: Committer,
        proposer: Proposer,
        settings: LedgerSettings,
    ) -> None:
        self._runtime = runtime
        self._tip = tip
        self._activity = activity
        self._committer = committer
        self._proposer = proposer
        self._settings = settings
        self._endpoints: tuple[Endpoint, ...] = ()
        self._ended: SessionEnded | None = None
        """How this node's session ended, if it did and the node has not joined again."""
        self._joins_later = False
        """Whether the first join failed and is tried again."""
        tip.subscribe(self._notice)

    @property
    def is_alone(self) -> bool:
        """Whether no other session is alive."""
        return len(self._tip.state.sessions.live) <= 1

    def is_in_touch(self) -> bool:
        """Whether the tip was seen within a third of the session timeout: otherwise others may have taken over."""
        return self.is_alone or self._runtime.monotonic() - self._tip.seen_at <= self._tip.touch_s

    async def join(self, endpoints: tuple[Endpoint, ...], cluster_id: str) -> Session:
        """Begin this node's session and, in an empty ledger, form the cluster. Raises: Refused, StorageUnavailable."""
        self._endpoints = endpoints
        if not self._tip.state.number:
            await self._proposer.propose(FormCluster(cluster_id))
        return await self._join(self._settings.node_id)

    def join_later(self) -> None:
        """Try again, in `run`, a `join` that failed because the store takes no writes."""
        self._joins_later = True

    @property
    def awaits_store(self) -> bool:
        """Whether this node has no session yet because the store takes no writes."""
        return self._joins_later

    @property
    def stand_in(self) -> Session | None:
        """The session that this node is going to have, while it waits for it and no node lives."""
        if not self._joins_later or self._tip.state.sessions.live:
            return None
        settings = self._settings
        node_id = FIRST_NODE_ID if settings.node_id is None else settings.node_id
        return Session(0, node_id, self._endpoints, settings.session_timeout_ms, 0, LEVEL)

    async def leave(self) -> None:
        """End the session in an orderly way, so that other nodes take over at once."""
        if self._proposer.session is not None:
            try:
                await self._proposer.propose(LeaveSession())
            except (Fenced, Refused, StorageUnavailable):
                return

    async def run(self) -> None:
        """Keep the session until cancelled. Raises: Fenced when another node has taken this node's id or address."""
        while True:
            await trio.sleep(TICK_S)
            if self._joins_later:
                await self._join_late()
            if self._ended is not None:
                await self._join_again(self._ended)
            session = self._proposer.session
            if session is None or self.is_alone:
                continue
            try:
                await self._signal_liveness()
                await self._fence_expired()
            except (Refused, Fenced, StorageUnavailable):
                continue

    async def _join(self, node_id: int | None) -> Session:
        epoch = await self._proposer.propose(
            JoinSession(node_id, self._endpoints, self._settings.session_timeout_ms, LEVEL)
        )
        session = self._tip.state.sessions.live.get(epoch)
        if session is None:
            raise Fenced("The session was replaced at once: another node is joining with the same id or address.")
        self._proposer.session = session
        return session

    async def _join_late(self) -> None:
        try:
            session = await self._join(self._settings.node_id)
        except StorageUnavailable:
            return
        self._joins_later = False
        log.warning("session.joined_late", epoch=session.epoch, node_id=session.node_id)

    async def _join_again(self, ended: SessionEnded) -> None:
        if ended.reason != EXPIRED:
            raise Fenced(
                "Another node joined with this node's id or address, so this one stops. "
                "Give each node its own --advertise address (and node_id, where set)."
            )
        self._ended = None
        try:
            session = await self._join(None)
            log.info("session.joined_again", epoch=session.epoch, node_id=session.node_id)
        except (Refused, Fenced, StorageUnavailable):
            self._ended = ended

    def _notice(self, commit: Commit) -> None:
        own = self._proposer.session
        for fact in commit.head.facts:
            if isinstance(fact, SessionEnded) and own is not None and fact.epoch == own.epoch:
                self._proposer.session = None
                # A node that leaves in an orderly way does not join again.
                self._ended = None if fact.reason == LEFT else fact

    async def _signal_liveness(self) -> None:
        quiet_s = self._runtime.monotonic() - self._committer.committed_at
        if quiet_s * 1000 >= self._settings.sign_interval_ms:
            await self._proposer.propose(SignalLiveness())

    async def _fence_expired(self) -> None:
        """Fence the sessions that have committed nothing for their timeout while this node was in touch.

        A wrong guess is harmless: the fenced node notices at its next commit, and joins again.
        """
        for epoch in self._activity.others():
            session = self._tip.state.sessions.live.get(epoch)
            if session is None or self._activity.silent_s(epoch) * 1000 <= session.timeout_ms or not self.is_in_touch():
                continue
            await self._proposer.propose(FenceSession(epoch, self._tip.state.sessions.signs[epoch]))
            log.info("session.fenced", epoch=epoch, node_id=session.node_id)
