"""Whether the store works, judged by the outcomes of this node's operations.

A store that fails is told once when it begins and once when it works again, however many requests fail in between.
Reads and writes are judged apart: a full disk still reads. While writes fail and nobody writes, a small object is put
now and then, so that the end of the failure is noticed without a client.
"""

import structlog
import trio

from higgins.model.errors import HigginsError, StorageUnavailable
from higgins.model.pointer import ObjectKey
from higgins.runtime import Runtime
from higgins.storage.store import Store
from higgins.telemetry.metrics import StoreCounts, StoreFailure

log = structlog.get_logger("higgins.storage")

FAILURES_MIN = 2
"""Failures in a row that count as a store that fails; a single one may be a lost answer."""

SLOW_S = 2.5
"""A single failure after this time counts too: the store gave no answer."""

RECHECK_S = 2.0
"""How often a store whose writes fail is tried again while nobody writes."""

TOKEN_BYTES = 8


class StoreHealth:
    """Follows reads and writes of one store, and keeps what it finds in the counters of the node."""

    def __init__(self, runtime: Runtime, counts: StoreCounts) -> None:
        self._runtime = runtime
        self._counts = counts
        self._in_a_row = {"reads": 0, "writes": 0}
        self._began_s = 0.0
        self._last_write_s = float("-inf")

    def succeeded(self, *, writes: bool) -> None:
        """An operation had an outcome, be it that an object is missing or exists."""
        kind, failure = self._of(writes)
        if not self._in_a_row[kind]:
            return
        self._in_a_row[kind] = 0
        if not failure.since_ms:
            return
        failure.since_ms, failure.why = 0, ""
        if not self.is_failing:
            seconds = round(self._runtime.monotonic() - self._began_s, 1)
            log.warning("store.works_again", failed_s=seconds)

    def failed(self, error: StorageUnavailable, took_s: float, *, writes: bool) -> None:
        """An operation failed after `took_s`."""
        kind, failure = self._of(writes)
        self._in_a_row[kind] += 1
        if writes:
            self._last_write_s = self._runtime.monotonic()
        if failure.since_ms:
            failure.why = str(error)
            return
        if self._in_a_row[kind] < FAILURES_MIN and took_s < SLOW_S and not (error.certain or error.needs_change):
            return
        was_failing = self.is_failing
        failure.since_ms, failure.why = self._runtime.now_ms(), str(error)
        if not was_failing:
            self._began_s = self._runtime.monotonic()
            log.warning("store.failing", operations=kind, why=str(error))

    @property
    def is_failing(self) -> bool:
        """Whether reads or writes fail at the moment."""
        return bool(self._counts.reads.since_ms or self._counts.writes.since_ms)

    async def recheck(self, store: Store) -> None:
        """Try to write while writes fail and nobody else tries, until cancelled."""
        key = ObjectKey(f"probe/health-{self._runtime.token(TOKEN_BYTES).hex()}")
        while True:
            await trio.sleep(RECHECK_S)
            if not self._counts.writes.since_ms or self._runtime.monotonic() - self._last_write_s < RECHECK_S:
                continue
            try:
                await store.put(key, [b"x"])
                await store.delete(key)
            except HigginsError:
                continue  # counted by the store that this one is wrapped in

    def _of(self, writes: bool) -> tuple[str, StoreFailure]:
        return ("writes", self._counts.writes) if writes else ("reads", self._counts.reads)
