"""The requests of the classic protocol and their answers, in the terms of the machine instead of the wire.

Common requests (commits, deletion), events and instructions are in `higgins.groups.machine`.
"""

from typing import ClassVar

import msgspec

from higgins.groups.machine import CodeRequestEvent, RequestEvent
from higgins_protocol.errors import ErrorCode

NO_GENERATION = -1
NAMES_BYTES = 1_024
"""Counted for the names of a member, or for a member id that is not used yet; each name has a limit of its own."""
PROTOCOL_BYTES = 64
"""Counted for a protocol of a member, beside its name and metadata."""


class MemberProtocol(msgspec.Struct, frozen=True):
    """An assignment protocol that a member supports, with the member's metadata for it, which is opaque here."""

    name: str
    metadata: bytes


def protocol_bytes(protocol: MemberProtocol) -> int:
    """What a protocol of a member takes."""
    return PROTOCOL_BYTES + len(protocol.name) + len(protocol.metadata)


# ---- JoinGroup


class JoinedMember(msgspec.Struct, frozen=True):
    """A member as the leader learns of it."""

    member_id: str
    instance_id: str | None
    metadata: bytes


class JoinResult(msgspec.Struct, frozen=True, kw_only=True):
    """The answer to a Join. `members` is for the leader only; `protocol` is None where there is none."""

    error: ErrorCode = ErrorCode.NONE
    member_id: str = ""
    generation: int = NO_GENERATION
    protocol_type: str | None = None
    protocol: str | None = None
    leader: str = ""
    members: tuple[JoinedMember, ...] = ()
    skip_assignment: bool = False


class Join(RequestEvent[JoinResult], frozen=True, kw_only=True):
    """A member joins the group (empty `member_id`) or its next generation."""

    wrong_protocol_error: ClassVar[ErrorCode] = ErrorCode.INCONSISTENT_GROUP_PROTOCOL

    new_member_id: str
    """The member id to use if the member has none: the machine has no source of randomness."""
    session_timeout_ms: int
    rebalance_timeout_ms: int
    protocol_type: str
    protocols: tuple[MemberProtocol, ...]
    member_id: str = ""
    instance_id: str | None = None
    client_id: str = ""
    client_host: str = ""
    requires_member_id: bool = False
    """KIP-394: a dynamic member without an id only gets its id, and joins again with it."""
    supports_skipping_assignment: bool = False
    """KIP-814: a static leader that returns may get the list of members without having to assign."""

    @property
    def creates_group(self) -> bool:
        return not self.member_id

    @property
    def member_bytes(self) -> int:
        return NAMES_BYTES + sum(map(protocol_bytes, self.protocols))

    def refusal(self, error: ErrorCode) -> JoinResult:
        return JoinResult(error=error, member_id=self.member_id)


# ---- SyncGroup


class SyncResult(msgspec.Struct, frozen=True, kw_only=True):
    """The answer to a Sync."""

    error: ErrorCode = ErrorCode.NONE
    protocol_type: str | None = None
    protocol: str | None = None
    assignment: bytes = b""


class Sync(RequestEvent[SyncResult], frozen=True, kw_only=True):
    """A member fetches its assignment; the leader's request also carries those of all members."""

    wrong_protocol_error: ClassVar[ErrorCode] = ErrorCode.UNKNOWN_MEMBER_ID

    member_id: str
    generation: int
    instance_id: str | None = None
    protocol_type: str | None = None
    protocol: str | None = None
    assignments: tuple[tuple[str, bytes], ...] = ()

    @property
    def member_bytes(self) -> int:
        return sum(len(assignment) for _, assignment in self.assignments)

    @property
    def too_large_error(self) -> ErrorCode:
        # Kafka answers the same when a generation is too large to be written; there is no better error code.
        return ErrorCode.UNKNOWN_SERVER_ERROR

    def refusal(self, error: ErrorCode) -> SyncResult:
        return SyncResult(error=error)


# ---- Heartbeat


class Heartbeat(CodeRequestEvent, frozen=True):
    """A member is alive and learns whether it must rejoin."""

    wrong_protocol_error: ClassVar[ErrorCode] = ErrorCode.UNKNOWN_MEMBER_ID

    member_id: str
    generation: int
    instance_id: str | None = None


# ---- LeaveGroup


class LeavingMember(msgspec.Struct, frozen=True):
    """A member that leaves, by member id, or by instance id alone when an administrator removes it (KIP-345)."""

    member_id: str
    instance_id: str | None = None


class LeaveResult(msgspec.Struct, frozen=True, kw_only=True):
    """The answer to a Leave: an error for the request, or one for each member, in the request's order."""

    error: ErrorCode = ErrorCode.NONE
    members: tuple[ErrorCode, ...] = ()


class Leave(RequestEvent[LeaveResult], frozen=True):
    """Members leave, or are removed."""

    wrong_protocol_error: ClassVar[ErrorCode] = ErrorCode.UNKNOWN_MEMBER_ID

    members: tuple[LeavingMember, ...]

    def refusal(self, error: ErrorCode) -> LeaveResult:
        if error is ErrorCode.UNKNOWN_MEMBER_ID:
            return LeaveResult(members=(error,) * len(self.members))
        return LeaveResult(error=error)
