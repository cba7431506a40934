"""Which groups this node coordinates: taking leases and losing them.

A group that nobody coordinates runs on the node that rendezvous hashing names. That node takes the group's lease with a
commit and restores the machine from what was last committed. It keeps the group as long as its session lives: each move
interrupts the members, so a group does not move because a node has joined. Every other node answers NOT_COORDINATOR,
but only after it has made sure that it knows the newest commit; so does a node that has lost touch with the ledger.
"""

from functools import partial
from typing import Any

import trio

from higgins.groups.driver import GroupDriver
from higgins.groups.ledger_access import (
    Lease,
    LedgerPort,
    group_members,
    group_record,
    has_offsets,
    holds_lease,
    owner_of,
    reach_tip,
    take_lease,
)
from higgins.groups.machine import RequestEvent
from higgins.groups.registry import Protocols
from higgins.groups.settings import GroupSettings
from higgins.groups.timers import Timers
from higgins.ledger.committer import Outcome
from higgins.ledger.state.sessions import Session
from higgins.model.future import Future
from higgins.runtime import Runtime
from higgins_protocol.errors import ErrorCode


class Leases:
    """The groups of one node, each with its driver and the lease it runs under."""

    def __init__(
        self,
        runtime: Runtime,
        ledger: LedgerPort,
        settings: GroupSettings,
        protocols: Protocols,
        timers: Timers[GroupDriver],
    ) -> None:
        self._runtime = runtime
        self._ledger = ledger
        self._protocols = protocols
        self._timers = timers
        self._taking: dict[str, Future[None]] = {}
        self.settings = settings
        """The settings of every group on this node."""
        self.drivers: dict[str, GroupDriver] = {}
        """The groups that run here, by group id. Their leases may have moved since."""
        self.member_bytes = 0
        """About how much memory the members of all groups take."""

    def coordinator_of(self, group_id: str) -> Session | None:
        """The node that coordinates a group; None while no node lives."""
        return owner_of(self._ledger.state, group_id)

    def owns(self, group_id: str) -> bool:
        """Whether this node is the one that coordinates a group."""
        session, owner = self._ledger.session, self.coordinator_of(group_id)
        return session is not None and owner is not None and owner.epoch == session.epoch

    def is_current(self, driver: GroupDriver) -> bool:
        """Whether the driver's lease is still held, and should be."""
        return holds_lease(self._ledger.state, driver.group_id, driver.lease) and self.owns(driver.group_id)

    def current(self, group_id: str) -> GroupDriver | None:
        """The group's driver, if requests can be passed to it without a look at the ledger. No I/O: the hot path."""
        driver = self.drivers.get(group_id)
        if driver is None or not self._ledger.in_touch() or not self.is_current(driver):
            return None
        return driver

    def exists(self, group_id: str) -> bool:
        """Whether there is such a group, as far as this node knows."""
        driver = self.drivers.get(group_id)
        if driver is not None and (driver.is_known or not driver.is_idle) and self.is_current(driver):
            return True
        state = self._ledger.state
        return group_record(state, group_id) is not None or has_offsets(state, group_id)

    async def obtain(
        self, group_id: str, *, opened_by: type[RequestEvent[Any]] | None = None
    ) -> GroupDriver | ErrorCode:
        """The group's driver, as of the newest commit; takes the lease and restores the group if need be.

        A group that does not exist is created only for a request that opens one. Otherwise the answer is
        UNKNOWN_MEMBER_ID and no lease is taken: requests for deleted groups must not cause commits.
        """
        if not await reach_tip(self._ledger, self.settings.commit_timeout_ms):
            return ErrorCode.NOT_COORDINATOR
        driver = self.drivers.get(group_id)
        if driver is not None and not self.is_current(driver):
            driver.close(ErrorCode.NOT_COORDINATOR)
            driver = None
        if driver is not None:
            return driver
        if not self.owns(group_id):
            return ErrorCode.NOT_COORDINATOR
        if opened_by is None and not self.exists(group_id):
            return ErrorCode.UNKNOWN_MEMBER_ID
        if len(self.drivers) + len(self._taking) >= self.settings.groups_max:
            return ErrorCode.COORDINATOR_NOT_AVAILABLE
        await self._take(group_id, opened_by)
        driver = self.drivers.get(group_id)
        return driver if driver is not None and self.is_current(driver) else ErrorCode.NOT_COORDINATOR

    def change_protocol(self, driver: GroupDriver, request: RequestEvent[Any]) -> bool:
        """Give the group the protocol that this request opens groups with; False if that is not possible.

        As in Kafka (KIP-848), a group without members takes the protocol of the next member.
        """
        protocol = self._protocols.opened_by(type(request))
        if not (request.creates_group and driver.is_idle and protocol.accepts(request)):
            return False
        driver.change_protocol(protocol, protocol.machine(driver.group_id, self.settings))
        return True

    async def _take(self, group_id: str, opened_by: type[RequestEvent[Any]] | None) -> None:
        """Take the lease, once for all requests that wait for the group; one that is cancelled stops no other."""
        taken = self._taking.get(group_id)
        if taken is None:
            taken = self._taking[group_id] = Future()
            session = self._ledger.session
            assert session is not None
            self._ledger.submit(take_lease(group_id), partial(self._taken, group_id, session, opened_by))
        with trio.move_on_after(self.settings.commit_timeout_ms / 1_000):
            await taken.wait()

    def _taken(
        self, group_id: str, session: Session, opened_by: type[RequestEvent[Any]] | None, outcome: Outcome
    ) -> None:
        if outcome.error is None:
            self._start(group_id, Lease(session.epoch, outcome.result), opened_by)
        self._taking.pop(group_id).set_result(None)

    def _start(self, group_id: str, lease: Lease, opened_by: type[RequestEvent[Any]] | None) -> None:
        assert group_id not in self.drivers
        state = self._ledger.state
        record = group_record(state, group_id)
        protocol = self._protocols.opened_by(opened_by) if record is None else self._protocols.of_record(record)
        driver = self.drivers[group_id] = GroupDriver(
            group_id,
            protocol=protocol,
            machine=protocol.machine(group_id, self.settings),
            lease=lease,
            runtime=self._runtime,
            ledger=self._ledger,
            timers=self._timers,
            on_changed=self.count_members,
            on_closed=self._remove,
        )
        if record is not None:
            driver.restore(record, group_members(state, group_id))
        # Even a group without deadlines is looked at regularly, to notice that its lease has moved.
        self._timers.notify()

    def count_members(self, driver: GroupDriver) -> None:
        """Count what the members of a group take now. Called after each event that may change it."""
        if self.drivers.get(driver.group_id) is driver:
            held = driver.machine.member_bytes
            self.member_bytes += held - driver.counted_bytes
            driver.counted_bytes = held

    def _remove(self, driver: GroupDriver) -> None:
        self.member_bytes -= driver.counted_bytes
        del self.drivers[driver.group_id]
