"""The snapshot loop: one node makes a snapshot whenever the tail of commits has grown."""

import structlog
import trio

from higgins.ledger.proposer import Proposer
from higgins.ledger.settings import LedgerSettings
from higgins.ledger.snapshot import freeze_at_tip, save
from higgins.ledger.tip import Tip
from higgins.model.errors import StorageUnavailable
from higgins.runtime import Runtime
from higgins.storage.store import Store

log = structlog.get_logger("higgins.ledger")

OWNER = "snapshot"
"""The resource whose rendezvous owner makes snapshots. It needs no lease: two snapshots of a commit are equal."""

PATIENCE = 20
"""The pause between snapshots is at least this many times as long as the last one took."""


class SnapshotLoop:
    """Makes snapshots while this node is the owner."""

    def __init__(self, runtime: Runtime, store: Store, tip: Tip, proposer: Proposer, settings: LedgerSettings) -> None:
        self._runtime = runtime
        self._store = store
        self._tip = tip
        self._proposer = proposer
        self._settings = settings
        state = tip.state
        self.newest: tuple[int, int] | None = (state.number, state.time_ms) if state.number else None
        """Number and time (ms) of the newest snapshot that this node has loaded or made."""

    async def run(self) -> None:
        """Make snapshots until cancelled."""
        last, took_s = self._tip.state.number, 0.0
        while True:
            await trio.sleep(max(self._settings.snapshot_interval_min_s, PATIENCE * took_s))
            state = self._tip.state
            owner = state.sessions.owner(OWNER)
            if owner is None or owner != self._proposer.session:
                continue
            if state.number - last < self._settings.snapshot_commits_min:
                continue
            started = self._runtime.monotonic()
            frozen = await freeze_at_tip(self._tip)
            try:
                await save(self._runtime, self._store, frozen, self._settings.snapshot_part_bytes_max)
            except StorageUnavailable as error:
                log.warning("snapshot.failed", why=str(error))
                continue
            last, took_s = frozen.number, self._runtime.monotonic() - started
            self.newest = frozen.number, frozen.time_ms
            log.info("snapshot.made", number=last, seconds=round(took_s, 3))
