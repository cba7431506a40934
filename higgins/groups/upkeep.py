"""What happens to the groups of a node with time: deadlines, stalls, moved leases, unused groups, changed settings."""

import trio

from higgins.groups.driver import GroupDriver
from higgins.groups.leases import Leases
from higgins.groups.ledger_access import LedgerPort, group_record, has_offsets, reach_tip
from higgins.groups.machine import NO_TOKEN, DeleteGroup, Stalled, Tick
from higgins.groups.registry import Protocols
from higgins.groups.settings import GroupSettings
from higgins.groups.timers import Timers, monotonic_ms
from higgins.runtime import Runtime
from higgins_protocol.errors import ErrorCode

REVIEW_MS = 1_000
"""How often groups are reviewed: whose lease has moved, whose commit hangs, which are unused."""

STALL_MS = 1_000
"""A timer that fires later than this means that the node was stopped or cut off; no member is to blame."""


class Upkeep:
    """The tasks that look after the groups of one node."""

    def __init__(
        self,
        runtime: Runtime,
        ledger: LedgerPort,
        leases: Leases,
        protocols: Protocols,
        timers: Timers[GroupDriver],
    ) -> None:
        self._runtime = runtime
        self._ledger = ledger
        self._leases = leases
        self._protocols = protocols
        self._timers = timers
        self._in_touch_ms = monotonic_ms(runtime)

    def configure(self, settings: GroupSettings) -> None:
        """Use other settings from now on. Deadlines that are already set stay."""
        self._leases.settings = settings
        for driver in self._leases.drivers.values():
            driver.machine.configure(settings)

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Look after the groups until cancelled."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._delete_unused)
            task_status.started()
            await self._keep_time()

    # ---- deadlines

    async def _keep_time(self) -> None:
        while True:
            due_ms = self._next_due_ms()
            with trio.move_on_at(float("inf") if due_ms is None else due_ms / 1_000):
                await self._timers.wait_changed()
            if due_ms is not None and self._now_ms() >= due_ms:
                await self._handle_due(due_ms)

    def _next_due_ms(self) -> int | None:
        if not self._leases.drivers:
            return None
        review_ms = self._now_ms() + REVIEW_MS
        deadline_ms = self._timers.next_ms()
        return review_ms if deadline_ms is None else min(deadline_ms, review_ms)

    async def _handle_due(self, due_ms: int) -> None:
        """Review the groups, report a stall, and send the ticks that are due.

        No tick is sent while this node is out of touch with the ledger: it has refused all requests of members
        meanwhile (`Leases.current`), and would otherwise remove them for being silent.
        """
        self._review()
        silent_since_ms = due_ms
        has_due = (self._timers.next_ms() or due_ms + 1) <= self._now_ms()
        if has_due and not self._ledger.in_touch():
            while not await reach_tip(self._ledger, self._leases.settings.commit_timeout_ms):
                silent_since_ms = self._in_touch_ms
                await trio.sleep(REVIEW_MS / 1_000)
                self._review()
            self._review()
        stall_ms = self._now_ms() - silent_since_ms
        if stall_ms > STALL_MS:
            for driver in list(self._leases.drivers.values()):
                driver.handle(Stalled(stall_ms), self._now_ms())
        while (due := self._timers.pop_due(self._now_ms())) is not None:
            due.handle(Tick(), self._now_ms())

    def _review(self) -> None:
        """Close groups whose lease has moved, whose commit hangs, or that are idle for long."""
        now_ms = self._now_ms()
        if self._ledger.in_touch():
            self._in_touch_ms = now_ms
        settings = self._leases.settings
        idle_since_ms = now_ms - settings.idle_group_ms
        hung_since_ms = now_ms - settings.commit_timeout_ms
        for driver in list(self._leases.drivers.values()):
            is_hung = driver.saving_since_ms is not None and driver.saving_since_ms < hung_since_ms
            is_unused = driver.is_idle and driver.last_request_ms < idle_since_ms
            if is_hung or is_unused or not self._leases.is_current(driver):
                driver.close(ErrorCode.NOT_COORDINATOR)

    # ---- unused groups

    async def _delete_unused(self) -> None:
        """Delete groups that have neither members nor offsets. Consumers with random group ids leave many of them."""
        while True:
            await trio.sleep(self._leases.settings.empty_group_retention_ms / 1_000)
            for group_id in list(self._ledger.state.groups.names()):
                if self._is_unused(group_id):
                    driver = await self._leases.obtain(group_id)
                    if isinstance(driver, GroupDriver) and driver.is_idle:
                        driver.handle(DeleteGroup(NO_TOKEN), self._now_ms())

    def _is_unused(self, group_id: str) -> bool:
        state = self._ledger.state
        record = group_record(state, group_id)
        if record is None or self._protocols.count_members(state, group_id) or not self._leases.owns(group_id):
            return False
        # The ledger's time, not this machine's, which may be wrong. It stands still while nothing is committed; groups
        # are then only kept longer.
        is_old = state.time_ms - record.changed_ms >= self._leases.settings.empty_group_retention_ms
        return is_old and not has_offsets(state, group_id)

    def _now_ms(self) -> int:
        return monotonic_ms(self._runtime)
