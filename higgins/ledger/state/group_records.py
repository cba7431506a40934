"""What is recorded of a consumer group, by protocol: a tagged union, so that a new protocol is a new member.

The ledger stores these records and does not interpret them. A protocol that commits one fact per member stores each
member by itself (`GroupMemberRecord`); the classic protocol stores a whole generation in its group record.
"""

from functools import reduce
from operator import or_
from typing import TYPE_CHECKING, TypeAlias

import msgspec


class GroupRecord(msgspec.Struct, frozen=True, array_like=True):
    """The record of a group; each protocol has a subclass with a tag of its own."""

    changed_ms: int
    """When it was saved, by the clock of the node that saved it. Unused groups are deleted some time after that."""


class GroupMemberRecord(msgspec.Struct, frozen=True, array_like=True):
    """The record of one member, for protocols that commit members one by one; each has a tagged subclass.

    The classic protocol has none.
    """


class ClassicMember(msgspec.Struct, frozen=True, array_like=True):
    """A member of a generation of the classic protocol, and what it was assigned."""

    member_id: str
    instance_id: str | None
    client_id: str
    client_host: str
    rebalance_timeout_ms: int
    session_timeout_ms: int
    subscription: bytes
    assignment: bytes
    silent_ms: int = 0
    """For how long coordinators that took the group over have waited for a first request of this member, in all."""


class ClassicGroupRecord(GroupRecord, frozen=True, array_like=True, tag="classic"):
    """A group of the classic protocol (JoinGroup, SyncGroup) at a generation."""

    protocol_type: str
    generation: int
    protocol: str | None
    leader: str | None
    members: tuple[ClassicMember, ...]


if TYPE_CHECKING:
    AnyGroupRecord: TypeAlias = GroupRecord
    AnyMemberRecord: TypeAlias = GroupMemberRecord
else:
    # msgspec needs the closed union to decode; the type checker needs only the base.
    AnyGroupRecord = reduce(or_, GroupRecord.__subclasses__())
    AnyMemberRecord = reduce(or_, GroupMemberRecord.__subclasses__() or [GroupMemberRecord])
