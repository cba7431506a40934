"""Consumer groups: list, describe, delete; read, reset and delete committed offsets; lag.

A group is coordinated by one node, and only that node knows its members. A node that does not coordinate a group
refuses with NOT_COORDINATOR what depends on them; committed offsets and lag can be read from every node. An operator
appears as a group named `higgins.op.NAME`, which can be read but not changed.
"""

from collections.abc import Sequence

import msgspec

from higgins.admin.records import AtTime, Position, RecordAdmin
from higgins.groups.coordinator import Coordinator
from higgins.groups.lag import PartitionLag, partition_lags
from higgins.groups.machine import AuthoriseCommit
from higgins.groups.queries import CommittedOffsets, Rest, no_rest
from higgins.groups.views import GroupView
from higgins.ledger.ledger import Ledger
from higgins.ledger.state.offsets import OffsetToCommit
from higgins.ledger.state.sessions import Session
from higgins.ledger.state.topics import Topic
from higgins.model.errors import Refused
from higgins.model.names import LEADER_EPOCH
from higgins_protocol.errors import ErrorCode

NO_MEMBER_ID, NO_GENERATION = "", -1
"""Of a commit from outside the group, which is accepted while the group has no members."""

MESSAGES = {
    ErrorCode.COORDINATOR_NOT_AVAILABLE: "The store does not respond; try again.",
    ErrorCode.NOT_COORDINATOR: "Another node coordinates group '{group}'; ask that node.",
    ErrorCode.GROUP_ID_NOT_FOUND: "Group '{group}' not found.",
    ErrorCode.NON_EMPTY_GROUP: "Group '{group}' has members; stop its consumers first.",
    # The answer of a group with members to a commit from outside.
    ErrorCode.UNKNOWN_MEMBER_ID: "Group '{group}' has members; stop its consumers first.",
    ErrorCode.GROUP_SUBSCRIBED_TO_TOPIC: "A member of group '{group}' subscribes to the topic; stop it first.",
    ErrorCode.POLICY_VIOLATION: "Group '{group}' shows the progress of an operator and cannot be changed.",
    ErrorCode.INVALID_GROUP_ID: "'{group}' is not a valid group id; it is empty or too long.",
}


class AtOffset(msgspec.Struct, frozen=True):
    """This offset, or the nearest one between the log start offset and the high watermark."""

    offset: int


class Reset(msgspec.Struct, frozen=True):
    """A partition whose committed offset is to be set."""

    topic: str
    partition: int
    target: Position | AtTime | AtOffset


class ResetOffset(msgspec.Struct, frozen=True):
    """The committed offset of a partition before and after a reset; `before` is None where there was none."""

    topic: str
    partition: int
    before: int | None
    after: int


class GroupAdmin:
    """Use cases of groups."""

    def __init__(self, ledger: Ledger, coordinator: Coordinator, records: RecordAdmin) -> None:
        self._ledger = ledger
        self._coordinator = coordinator
        self._records = records

    def coordinator(self, group_id: str) -> Session | None:
        """The node that coordinates a group; None while no node is alive."""
        return self._coordinator.find(group_id)

    async def list_groups(self, rest: Rest = no_rest) -> list[GroupView]:
        """Every group that this node coordinates, by name. Raises: Refused(COORDINATOR_NOT_AVAILABLE)."""
        views = await self._coordinator.list_all(rest)
        if isinstance(views, ErrorCode):
            raise _refusal(views, "")
        return views

    async def describe(self, group_ids: Sequence[str], rest: Rest = no_rest) -> list[GroupView | Refused]:
        """The state and members of each group, in order; GROUP_ID_NOT_FOUND or NOT_COORDINATOR as refusals."""
        views = await self._coordinator.describe(*group_ids, rest=rest)
        return [
            view if isinstance(view, GroupView) else _refusal(view or ErrorCode.GROUP_ID_NOT_FOUND, group_id)
            for group_id, view in zip(group_ids, views, strict=True)
        ]

    async def delete(self, group_ids: Sequence[str]) -> list[Refused | None]:
        """Delete groups without members, and their committed offsets; for each, in order, the refusal, or None."""
        codes = [await self._coordinator.delete(group_id) for group_id in group_ids]
        return [
            None if code is ErrorCode.NONE else _refusal(code, group_id)
            for group_id, code in zip(group_ids, codes, strict=True)
        ]

    # ---- offsets ------------------------------------------------------------------------------------------------

    async def committed(self, group_ids: Sequence[str], rest: Rest = no_rest) -> list[CommittedOffsets]:
        """The committed offsets of each group as of now, in order; empty for an unknown group. Raises: Refused."""
        offsets = await self._coordinator.committed(*group_ids, rest=rest)
        if isinstance(offsets, ErrorCode):
            raise _refusal(offsets, group_ids[0] if len(group_ids) == 1 else "")
        return offsets

    async def delete_offsets(self, group_id: str, partitions: Sequence[tuple[str, int]]) -> list[Refused | None]:
        """Delete committed offsets; for each topic name and partition, in order, the refusal, or None.

        The offsets of topics that members subscribe to stay. A partition without a committed offset is not refused.

        Raises: StorageUnavailable (nothing was deleted), Refused (all of it).
        """
        await self._ledger.barrier()
        topics = [self._find(topic, partition) for topic, partition in partitions]
        known = [(one, index) for one, (_, index) in zip(topics, partitions, strict=True) if isinstance(one, Topic)]
        codes = await self._coordinator.delete_offsets(group_id, known)
        if isinstance(codes, ErrorCode):
            raise _refusal(codes, group_id)
        remaining = iter(codes)
        refusals: list[Refused | None] = []
        for one in topics:
            if isinstance(one, Refused):
                refusals.append(one)
            else:
                code = next(remaining)
                refusals.append(None if code is ErrorCode.NONE else _refusal(code, group_id))
        return refusals

    async def reset_offsets(
        self, group_id: str, resets: Sequence[Reset], *, dry_run: bool = False
    ) -> list[ResetOffset]:
        """Set the committed offsets of a group without members; returns after the commit, all of it or nothing.

        Where no record is as new as a given time, the offset is the high watermark. `dry_run` commits nothing.

        Raises: Refused, StorageUnavailable, ObjectMissing, Corrupt.
        """
        await self._ledger.barrier()
        (offsets,) = await self.committed([group_id])
        rows: list[ResetOffset] = []
        entries: list[OffsetToCommit] = []
        for reset in resets:
            topic = self._records.find_partition(reset.topic, reset.partition)
            before = offsets.get((topic.id, reset.partition))
            after = await self._target(topic, reset)
            rows.append(ResetOffset(reset.topic, reset.partition, None if before is None else before.offset, after))
            entries.append(OffsetToCommit(topic.id, reset.partition, after, LEADER_EPOCH, ""))
        if not dry_run:
            await self._commit(group_id, tuple(entries))
        return rows

    async def _target(self, topic: Topic, reset: Reset) -> int:
        runs = self._ledger.state.runs
        log_start, high_watermark = (
            runs.log_start(topic.id, reset.partition), runs.high_watermark(topic.id, reset.partition)
        )  # fmt: skip
        if isinstance(reset.target, AtOffset):
            return min(max(reset.target.offset, log_start), high_watermark)
        record = await self._records.offset_at(topic, reset.partition, reset.target)
        return high_watermark if record is None else record.offset

    async def _commit(self, group_id: str, entries: tuple[OffsetToCommit, ...]) -> None:
        request = AuthoriseCommit(self._coordinator.new_token(), NO_MEMBER_ID, NO_GENERATION)
        pending = await self._coordinator.commit(group_id, request, entries)
        codes = pending if isinstance(pending, tuple) else await pending
        for code in codes:
            if code is not ErrorCode.NONE:
                raise _refusal(code, group_id)

    def lag(self, group_id: str) -> list[PartitionLag]:
        """The committed offset of each partition, and how many records follow it, as this node knows them."""
        return list(partition_lags(self._ledger.state, group_id))

    def _find(self, name: str, partition: int) -> Topic | Refused:
        try:
            return self._records.find_partition(name, partition)
        except Refused as refusal:
            return refusal


def _refusal(code: ErrorCode, group_id: str) -> Refused:
    message = MESSAGES.get(code, "The group's coordinator refused the request; try again.")
    return Refused(code, message.format(group=group_id))
