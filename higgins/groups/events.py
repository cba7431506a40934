"""What a group's machine is told, and what it tells its driver. Values only.

Every event that carries a `token` is answered by exactly one Reply with that token, at once or later. The driver
commits a Persist before it carries out anything that the machine said after it.
"""

from typing import TypeAlias

import msgspec

from higgins.ledger.state.group_records import ClassicGroupRecord
from higgins_protocol.errors import ErrorCode

NO_GENERATION = -1


class MemberProtocol(msgspec.Struct, frozen=True):
    """One way a member can divide the work, by name, with what it has to say about it (opaque here)."""

    name: str
    metadata: bytes


class Join(msgspec.Struct, frozen=True, kw_only=True):
    """A member enters the group (empty `member_id`) or its next generation.

    `fresh_member_id` is the id to give if one has to be given: the machine has no randomness of its own.
    """

    token: int
    fresh_member_id: str
    session_timeout_ms: int
    rebalance_timeout_ms: int
    protocol_type: str
    protocols: tuple[MemberProtocol, ...]
    member_id: str = ""
    instance_id: str | None = None
    client_id: str = ""
    client_host: str = ""
    requires_known_id: bool = False
    """KIP-394: a dynamic member is first only told its id, and comes again with it."""
    can_skip_assignment: bool = False
    """KIP-814: a returning static leader may be told its members without having to assign."""


class Sync(msgspec.Struct, frozen=True, kw_only=True):
    """A member asks for its assignment; the leader's also brings everyone's."""

    token: int
    member_id: str
    generation: int
    instance_id: str | None = None
    protocol_type: str | None = None
    protocol: str | None = None
    assignments: tuple[tuple[str, bytes], ...] = ()


class Heartbeat(msgspec.Struct, frozen=True):
    """A member is alive and wants to know whether it must rejoin."""

    token: int
    member_id: str
    generation: int
    instance_id: str | None = None


class Departure(msgspec.Struct, frozen=True):
    """Who leaves: by member id, or by instance id alone when an administrator says so."""

    member_id: str
    instance_id: str | None = None


class Leave(msgspec.Struct, frozen=True):
    """Members leave of their own accord, or are made to."""

    token: int
    departures: tuple[Departure, ...]


class AuthoriseCommit(msgspec.Struct, frozen=True):
    """May this member commit offsets now? Counts as a sign of life."""

    token: int
    member_id: str
    generation: int
    instance_id: str | None = None


class Delete(msgspec.Struct, frozen=True):
    """Forget the group, if nobody is in it; on demand together with what it has committed."""

    token: int
    with_offsets: bool = False


class Tick(msgspec.Struct, frozen=True):
    """Time has passed; the machine asked for this by a Wake, but any moment is harmless."""


class Stalled(msgspec.Struct, frozen=True):
    """Nobody could be heard for a while through no fault of the members (the node was stopped)."""

    lost_ms: int


class Restored(msgspec.Struct, frozen=True):
    """This node takes the group over, as last committed. Everyone is given a full session to be heard from."""

    record: ClassicGroupRecord


Event: TypeAlias = (
    Join | Sync | Heartbeat | Leave | AuthoriseCommit | Delete | Tick | Stalled | Restored
)
Question: TypeAlias = Join | Sync | Heartbeat | Leave | AuthoriseCommit | Delete


class JoinedMember(msgspec.Struct, frozen=True):
    """What the leader is told of each member."""

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


class SyncResult(msgspec.Struct, frozen=True, kw_only=True):
    """The answer to a Sync."""

    error: ErrorCode = ErrorCode.NONE
    protocol_type: str | None = None
    protocol: str | None = None
    assignment: bytes = b""


class LeaveResult(msgspec.Struct, frozen=True, kw_only=True):
    """The answer to a Leave: an error for the whole, or one for each departure, in the order given."""

    error: ErrorCode = ErrorCode.NONE
    departures: tuple[ErrorCode, ...] = ()


Result: TypeAlias = JoinResult | SyncResult | LeaveResult | ErrorCode
"""An ErrorCode alone answers Heartbeat, AuthoriseCommit and Delete."""


class Persist(msgspec.Struct, frozen=True):
    """Commit the group as it is now (None: that it is no more). The driver stamps `changed_ms`."""

    record: ClassicGroupRecord | None
    with_offsets: bool = False


class Reply(msgspec.Struct, frozen=True):
    """Answer the event that carried this token."""

    token: int
    result: Result


class Wake(msgspec.Struct, frozen=True):
    """Send a Tick at this time or soon after. A later Wake with an earlier time replaces it."""

    at_ms: int


Instruction: TypeAlias = Persist | Reply | Wake


def refusal(question: Question, error: ErrorCode) -> Result:
    """The answer that says only what went wrong, in the form the question expects."""
    match question:
        case Join():
            return JoinResult(error=error, member_id=question.member_id)
        case Sync():
            return SyncResult(error=error)
        case Leave():
            if error is ErrorCode.UNKNOWN_MEMBER_ID:
                return LeaveResult(departures=(error,) * len(question.departures))
            return LeaveResult(error=error)
        case _:
            return error
