"""The group coordinator of a node: what handlers call.

Requests go through `requests`, reads through `queries`; `leases` knows which groups run here, and `upkeep` looks after
them. Nothing of a group is stored here.
"""

from collections.abc import Awaitable, Sequence
from typing import TypeVar

import trio

from higgins.groups.driver import GroupDriver
from higgins.groups.leases import Leases
from higgins.groups.ledger_access import LedgerPort
from higgins.groups.machine import AuthoriseCommit, RequestEvent
from higgins.groups.pending_commits import PendingCommits
from higgins.groups.queries import CommittedOffsets, Queries, Rest, no_rest
from higgins.groups.registry import PROTOCOLS, Protocols
from higgins.groups.requests import Answer, Requests
from higgins.groups.settings import GroupSettings
from higgins.groups.timers import Timers
from higgins.groups.upkeep import Upkeep
from higgins.groups.views import GroupView
from higgins.ledger.state.offsets import OffsetToCommit
from higgins.ledger.state.sessions import Session
from higgins.ledger.state.topics import Topic
from higgins.runtime import Runtime
from higgins_protocol.errors import ErrorCode

R = TypeVar("R")


class Coordinator:
    """All groups of one node."""

    def __init__(
        self, runtime: Runtime, ledger: LedgerPort, settings: GroupSettings, protocols: Protocols = PROTOCOLS
    ) -> None:
        timers: Timers[GroupDriver] = Timers()
        commits = PendingCommits(ledger)
        self._leases = Leases(runtime, ledger, settings, protocols, timers)
        self._requests = Requests(runtime, self._leases, commits)
        self._queries = Queries(ledger, self._leases, commits, protocols)
        self._upkeep = Upkeep(runtime, ledger, self._leases, protocols, timers)

    def __repr__(self) -> str:
        return f"<Coordinator groups={len(self._leases.drivers)}>"

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Keep the deadlines of groups until cancelled."""
        await self._upkeep.run(task_status=task_status)

    # ---- settings

    @property
    def settings(self) -> GroupSettings:
        """The settings of every group on this node, as of now."""
        return self._leases.settings

    def configure(self, settings: GroupSettings) -> None:
        """Use other settings from now on. Deadlines that are already set stay."""
        self._upkeep.configure(settings)

    # ---- requests

    def new_token(self) -> int:
        """A token for the next request."""
        return self._requests.new_token()

    def request(self, group_id: str, request: RequestEvent[R]) -> Answer[R]:
        """Pass a request to a group: the answer, or a coroutine that waits for it."""
        return self._requests.submit(group_id, request)

    async def commit(
        self, group_id: str, request: AuthoriseCommit, entries: tuple[OffsetToCommit, ...]
    ) -> tuple[ErrorCode, ...] | Awaitable[tuple[ErrorCode, ...]]:
        """Commit offsets if the member may: an error code for each entry, or an awaitable for them."""
        return await self._requests.commit(group_id, request, entries)

    async def delete(self, group_id: str) -> ErrorCode:
        """Delete a group that has no members, with all its committed offsets."""
        return await self._requests.delete(group_id)

    async def delete_offsets(
        self, group_id: str, partitions: Sequence[tuple[Topic, int]]
    ) -> list[ErrorCode] | ErrorCode:
        """Delete committed offsets of topics that no member subscribes to: an error code for each, or one for all."""
        return await self._requests.delete_offsets(group_id, partitions)

    # ---- reads

    def find(self, group_id: str) -> Session | None:
        """The node that coordinates a group; None while no node lives."""
        return self._leases.coordinator_of(group_id)

    async def committed(self, *group_ids: str, rest: Rest = no_rest) -> list[CommittedOffsets] | ErrorCode:
        """The committed offsets of each group as of now; none for a group that does not exist. Any node can tell."""
        return await self._queries.committed(group_ids, rest)

    async def describe(self, *group_ids: str, rest: Rest = no_rest) -> list[GroupView | ErrorCode | None]:
        """Each group, None for one that does not exist, NOT_COORDINATOR for one of another node."""
        return await self._queries.describe(group_ids, rest)

    async def list_all(self, rest: Rest = no_rest) -> list[GroupView] | ErrorCode:
        """Every group that this node coordinates, by name; other nodes list theirs."""
        return await self._queries.list_all(rest)
