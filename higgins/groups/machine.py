"""The port of a group machine: the requests and events that go in, the instructions that come out.

A machine is one group of one protocol. It is pure: no clock, no I/O, no randomness. Times are milliseconds of any one
clock that never goes back. Its driver (`driver`) passes it requests and events and carries out its instructions; the
registry (`registry`) says which machine to create for which record and which request.

To add a protocol: write its requests, its machine and a `GroupProtocol`, and add that to the registry.
"""

from collections.abc import Callable, Mapping
from collections.abc import Set as AbstractSet
from typing import Any, ClassVar, Generic, Protocol, TypeAlias, TypeVar

import msgspec

from higgins.groups.ledger_access import GroupMemberRecord, GroupRecord
from higgins.groups.settings import GroupSettings
from higgins.groups.views import GroupView
from higgins_protocol.errors import ErrorCode

R = TypeVar("R")

NO_TOKEN = 0
"""The token of a request whose answer is not awaited; tokens that the coordinator gives out start at 1."""


# ---- requests: each is answered


class RequestEvent(msgspec.Struct, Generic[R], frozen=True):
    """A request to one group. The machine answers it with exactly one Reply with its token, at once or later."""

    wrong_protocol_error: ClassVar[ErrorCode] = ErrorCode.GROUP_ID_NOT_FOUND
    """The error when the group exists but uses a protocol that does not know this request."""

    token: int

    @property
    def creates_group(self) -> bool:
        """Whether a group that does not exist yet is created for this request."""
        return False

    @property
    def member_bytes(self) -> int:
        """How much the group will hold more for its members if it accepts the request, at most."""
        return 0

    @property
    def too_large_error(self) -> ErrorCode:
        """The error when the node has no room for these bytes."""
        return ErrorCode.GROUP_MAX_SIZE_REACHED

    def refusal(self, error: ErrorCode) -> R:
        """The answer that carries only an error."""
        raise NotImplementedError


class CodeRequestEvent(RequestEvent[ErrorCode], frozen=True):
    """A request that is answered with an error code alone."""

    def refusal(self, error: ErrorCode) -> ErrorCode:
        return error


class AuthoriseCommit(CodeRequestEvent, frozen=True):
    """Whether this member may commit offsets now. It counts as a sign of life of the member.

    Every protocol answers it. `generation` is the member epoch where the protocol has one (KIP-848); it is negative for
    a consumer that commits without being a member, and then the member id is empty.
    """

    member_id: str
    generation: int
    instance_id: str | None = None

    @property
    def creates_group(self) -> bool:
        return self.generation < 0


class DeleteGroup(CodeRequestEvent, frozen=True):
    """Delete the group if it has no members, together with its committed offsets if `with_offsets`.

    Every protocol answers it.
    """

    with_offsets: bool = False


COMMON_REQUESTS: frozenset[type[RequestEvent[Any]]] = frozenset({AuthoriseCommit, DeleteGroup})
"""The requests that every machine answers."""


# ---- events: without an answer


class Tick(msgspec.Struct, frozen=True):
    """Time has passed. The machine asks for it with Wake, but must accept it at any moment."""


class Stalled(msgspec.Struct, frozen=True):
    """For `lost_ms` members could not reach this node: it was stopped or the store was slow.

    The machine extends its deadlines accordingly.
    """

    lost_ms: int


Event: TypeAlias = RequestEvent[Any] | Tick | Stalled


# ---- instructions


class Persist(msgspec.Struct, frozen=True):
    """Commit the group's record, single member records, or both, in one commit.

    A `record` of None leaves the group's record as it is, so that a protocol can commit one fact for one member without
    writing the whole group. The first Persist of a group must carry a record: its type tells which protocol restores
    the group. The driver sets the record's `changed_ms`; unused groups are deleted some time after that.
    """

    record: GroupRecord | None = None
    members_saved: tuple[tuple[str, GroupMemberRecord], ...] = ()
    members_removed: tuple[str, ...] = ()


class Forget(msgspec.Struct, frozen=True):
    """Remove the group and its members from the ledger, together with its committed offsets if `with_offsets`.

    The driver discards the machine once this is committed. Until then the machine refuses requests with
    COORDINATOR_NOT_AVAILABLE, so that clients retry.
    """

    with_offsets: bool = False


class Reply(msgspec.Struct, frozen=True):
    """Answer the request that carried this token. The driver sends it after every Persist and Forget before it."""

    token: int
    result: Any


class Wake(msgspec.Struct, frozen=True):
    """Send a Tick at this time or soon after. It replaces the group's earlier Wake."""

    at_ms: int


Instruction: TypeAlias = Persist | Forget | Reply | Wake


# ---- the port


class GroupMachine(Protocol):
    """One group of one protocol."""

    def handle(self, event: Event, now_ms: int) -> list[Instruction]:
        """Advance the group. The driver commits every Persist and Forget before it sends a Reply that follows it."""
        ...

    def restore(
        self, record: GroupRecord, members: Mapping[str, GroupMemberRecord], now_ms: int
    ) -> list[Instruction]:
        """Continue from what was committed. Called once, on a new machine, when this node takes the group over.

        Every member gets a full session: when its last request arrived at the former coordinator is unknown.
        """
        ...

    def configure(self, settings: GroupSettings) -> None:
        """Use other settings from now on. Deadlines that are already set stay."""
        ...

    @property
    def has_members(self) -> bool:
        """Whether the group has members."""
        ...

    @property
    def member_bytes(self) -> int:
        """About how much memory the names, subscriptions and assignments of its members take."""
        ...

    @property
    def is_idle(self) -> bool:
        """Whether the machine can be discarded without loss: it has no members and expects none."""
        ...

    @property
    def offset_deletion_error(self) -> ErrorCode | None:
        """Why no committed offset of this group can be deleted now (OffsetDelete), or None."""
        ...

    def subscribed_topics(self) -> AbstractSet[str] | None:
        """The names of the topics that members subscribe to; None where they cannot be known, so that it may be any.

        Offsets of these topics cannot be deleted. A protocol that assigns partitions on the broker (KIP-848) also needs
        to hear of changes to these topics.
        """
        ...

    def view(self) -> GroupView:
        """The group as DescribeGroups and ListGroups show it."""
        ...


class GroupProtocol(msgspec.Struct, frozen=True, kw_only=True):
    """A group protocol as the registry knows it."""

    name: str
    """Kafka's name of the group type, as ListGroups shows it (KIP-848)."""

    record: type[GroupRecord]
    """The type of group record that this protocol writes and restores."""

    machine: Callable[[str, GroupSettings], GroupMachine]
    """Creates the machine of a group that is new, or about to be restored."""

    requests: frozenset[type[RequestEvent[Any]]]
    """The requests that the machine answers, besides the common ones."""

    opened_by: frozenset[type[RequestEvent[Any]]]
    """The requests that create a group of this protocol."""

    count_members: Callable[[GroupRecord, Mapping[str, GroupMemberRecord]], int]
    """How many members a group has, as last committed."""

    def accepts(self, request: RequestEvent[Any]) -> bool:
        """Whether the machine answers this request."""
        return type(request) in self.requests or type(request) in COMMON_REQUESTS
