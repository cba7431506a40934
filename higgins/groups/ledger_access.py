"""What groups need of the ledger: its port, the group records in its state, and the proposals that groups make.

No other module of this room builds a proposal or knows what a group record consists of, except the protocol that
writes it.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import msgspec
import trio

from higgins.ledger.committer import Done
from higgins.ledger.state.base import Proposal
from higgins.ledger.state.group_records import ClassicGroupRecord, ClassicMember, GroupMemberRecord, GroupRecord
from higgins.ledger.state.groups import SaveGroup
from higgins.ledger.state.offsets import CommitOffsets, DeleteOffsets, OffsetToCommit, group_resource
from higgins.ledger.state.sessions import Lease, Session, TakeLease
from higgins.ledger.state.state import State
from higgins.model.errors import StorageUnavailable
from higgins.model.future import Future
from higgins.model.names import TopicId

__all__ = ["ClassicGroupRecord", "ClassicMember", "GroupMemberRecord", "GroupRecord", "Lease", "LedgerPort"]

class LedgerPort(Protocol):
    """The part of the ledger that groups use."""

    @property
    def state(self) -> State: ...

    @property
    def session(self) -> Session | None: ...

    def in_touch(self) -> bool: ...

    async def barrier(self) -> None: ...

    def submit(self, proposal: Proposal[Any], done: Done) -> None: ...


async def reach_tip(ledger: LedgerPort, timeout_ms: int, after: Sequence[Future[Any]] = ()) -> bool:
    """Learn every commit there is, once `after` are done; False if the store cannot be reached in time."""
    with trio.move_on_after(timeout_ms / 1_000):
        for future in after:
            await future.wait()
        try:
            await ledger.barrier()
        except StorageUnavailable:
            return False
        return True
    return False


# ---- state


def group_record(state: State, group_id: str) -> GroupRecord | None:
    """The group as last committed."""
    return state.groups.get(group_id)


def group_members(state: State, group_id: str) -> Mapping[str, GroupMemberRecord]:
    """The group's single member records, by member id, as last committed."""
    return state.groups.members(group_id)


def has_offsets(state: State, group_id: str) -> bool:
    """Whether the group has committed offsets."""
    return any(True for _ in state.offsets.of_group(group_id))


def holds_lease(state: State, group_id: str, lease: Lease) -> bool:
    """Whether the group is still coordinated under this lease."""
    return state.sessions.holds(lease.session_epoch, group_resource(group_id), lease.lease_epoch)


def owner_of(state: State, group_id: str) -> Session | None:
    """The node that coordinates the group, or may (rendezvous hashing); None while no node lives."""
    return state.sessions.holder_or_owner(group_resource(group_id))


# ---- proposals


def take_lease(group_id: str) -> Proposal[int]:
    """Coordinate a group from now on; the result is the lease epoch."""
    return TakeLease(group_resource(group_id), stays=True)


def save_group(
    group_id: str,
    lease: Lease,
    *,
    record: GroupRecord | None,
    members_saved: tuple[tuple[str, GroupMemberRecord], ...] = (),
    members_removed: tuple[str, ...] = (),
    now_ms: int,
) -> Proposal[None]:
    """Save the group's record (None: it stays as it is) and single member records.

    `now_ms` becomes the record's `changed_ms`.
    """
    if record is not None:
        record = msgspec.structs.replace(record, changed_ms=now_ms)
    return SaveGroup(group_id, lease.lease_epoch, record, members_saved, members_removed)


def forget_group(group_id: str, lease: Lease, *, with_offsets: bool) -> Proposal[None]:
    """Remove the group's record and member records, and on demand its committed offsets."""
    return SaveGroup(group_id, lease.lease_epoch, forgets=True, with_offsets=with_offsets)


def commit_offsets(group_id: str, lease: Lease, entries: tuple[OffsetToCommit, ...]) -> Proposal[list[int]]:
    """Commit offsets; the result is an error code for each entry."""
    return CommitOffsets(group_id, lease.lease_epoch, entries)


def delete_offsets(group_id: str, lease: Lease, partitions: tuple[tuple[TopicId, int], ...]) -> Proposal[None]:
    """Delete the committed offsets of some partitions."""
    return DeleteOffsets(group_id, lease.lease_epoch, partitions)
