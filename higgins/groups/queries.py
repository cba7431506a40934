"""What can be read of groups: descriptions, lists and committed offsets.

A description comes from the running machine or, while the group does not run, from a machine that is restored from the
record and thrown away: it shows what the next coordinator will start from.
"""

from collections.abc import Awaitable, Callable, Sequence
from typing import TypeAlias

from higgins.groups.leases import Leases
from higgins.groups.ledger_access import LedgerPort, has_offsets, reach_tip
from higgins.groups.operator_groups import operator_groups, operator_of, operator_offsets, operator_view
from higgins.groups.pending_commits import PendingCommits
from higgins.groups.registry import Protocols
from higgins.groups.views import GroupView
from higgins.ledger.state.offsets import OffsetEntry
from higgins.model.names import TopicId
from higgins_protocol.errors import ErrorCode

CommittedOffsets: TypeAlias = dict[tuple[TopicId, int], OffsetEntry]

Rest: TypeAlias = Callable[[], Awaitable[None]]
"""Awaited between the groups of a request, so that it does not hold the event loop."""


async def no_rest() -> None:
    """For callers that ask for few groups."""


class Queries:
    """Reads of one node. All but `committed` cover only the groups that this node coordinates."""

    def __init__(self, ledger: LedgerPort, leases: Leases, commits: PendingCommits, protocols: Protocols) -> None:
        self._ledger = ledger
        self._leases = leases
        self._commits = commits
        self._protocols = protocols

    async def committed(
        self, group_ids: Sequence[str], rest: Rest = no_rest
    ) -> list[CommittedOffsets] | ErrorCode:
        """The committed offsets of each group as of now; none for a group that does not exist. Works on every node.

        Commits that this node received before are waited for: a connection's requests seem to be done one by one.
        """
        settings = self._leases.settings
        if any(len(group_id) > settings.group_id_characters_max for group_id in group_ids):
            return ErrorCode.INVALID_GROUP_ID
        pending = self._commits.of_groups(group_ids)
        if not await reach_tip(self._ledger, settings.commit_timeout_ms, pending):
            return ErrorCode.COORDINATOR_NOT_AVAILABLE
        known: dict[str, CommittedOffsets] = {}
        for group_id in group_ids:
            if group_id not in known:
                known[group_id] = self._offsets(group_id)
                await rest()
        return [known[group_id] for group_id in group_ids]

    async def describe(
        self, group_ids: Sequence[str], rest: Rest = no_rest
    ) -> list[GroupView | ErrorCode | None]:
        """Each group, None for one that does not exist, NOT_COORDINATOR for one of another node."""
        if not await reach_tip(self._ledger, self._leases.settings.commit_timeout_ms):
            return [ErrorCode.NOT_COORDINATOR] * len(group_ids)
        known: dict[str, GroupView | ErrorCode | None] = {}
        for group_id in group_ids:
            if group_id not in known:
                owned = self._leases.owns(group_id)
                known[group_id] = self._view(group_id) if owned else ErrorCode.NOT_COORDINATOR
                await rest()
        return [known[group_id] for group_id in group_ids]

    async def list_all(self, rest: Rest = no_rest) -> list[GroupView] | ErrorCode:
        """Every group of this node, by name."""
        if not await reach_tip(self._ledger, self._leases.settings.commit_timeout_ms):
            return ErrorCode.COORDINATOR_NOT_AVAILABLE
        state = self._ledger.state
        # A group is not on record yet while its first members wait for the first rebalance to begin.
        forming = {group_id for group_id, driver in self._leases.drivers.items() if driver.machine.has_members}
        group_ids = {*state.groups.names(), *state.offsets.groups(), *operator_groups(state), *forming}
        views: list[GroupView] = []
        for group_id in sorted(group_ids):
            view = self._view(group_id) if self._leases.owns(group_id) else None
            if view is not None:
                views.append(view)
            await rest()
        return views

    def _offsets(self, group_id: str) -> CommittedOffsets:
        operator = operator_of(group_id)
        if operator is not None:
            return operator_offsets(self._ledger.state, operator)
        offsets = self._ledger.state.offsets.of_group(group_id)
        return {(topic_id, partition): entry for topic_id, partition, entry in offsets}

    def _view(self, group_id: str) -> GroupView | None:
        state = self._ledger.state
        operator = operator_of(group_id)
        if operator is not None:
            return operator_view(state, operator)
        driver = self._leases.drivers.get(group_id)
        if driver is not None and (driver.is_known or not driver.is_idle) and self._leases.is_current(driver):
            return driver.machine.view()
        machine = self._protocols.restored(state, group_id)
        if machine is not None:
            return machine.view()
        return GroupView(group_id=group_id, state="Empty") if has_offsets(state, group_id) else None
