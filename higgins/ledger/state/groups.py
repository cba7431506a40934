"""Consumer groups as they must survive their coordinator: generation, members, assignments."""

from collections.abc import Iterable, MutableMapping

import msgspec

from higgins.ledger.state.base import Fact, Moment, Proposal
from higgins.ledger.state.overlay import Overlay
from higgins.ledger.state.sessions import Sessions
from higgins.model.errors import Refused
from higgins_protocol.errors import ErrorCode


class MemberRecord(msgspec.Struct, frozen=True, array_like=True):
    """A member of a generation, and what it was assigned."""

    member_id: str
    instance_id: str | None
    client_id: str
    client_host: str
    rebalance_timeout_ms: int
    session_timeout_ms: int
    subscription: bytes
    assignment: bytes


class GroupRecord(msgspec.Struct, frozen=True, array_like=True):
    """A group at a generation."""

    protocol_type: str
    generation: int
    protocol: str | None
    leader: str | None
    members: tuple[MemberRecord, ...]
    changed_ms: int


class SaveGroup(Proposal, frozen=True):
    """Put a group's new generation on record, or forget the group (None). Only under the coordinator's lease.

    `with_offsets` forgets what the group has committed together with it.
    """

    group_id: str
    epoch: int
    lease_epoch: int
    record: GroupRecord | None
    with_offsets: bool = False


class GroupSaved(Fact, frozen=True, tag=50):
    group_id: str
    record: GroupRecord


class GroupForgotten(Fact, frozen=True, tag=51):
    group_id: str


class Groups:
    """The facet of groups."""

    def __init__(self, records: MutableMapping[str, GroupRecord]) -> None:
        self._records = records

    def draft(self) -> "Groups":
        return Groups(Overlay(self._records))

    def get(self, group_id: str) -> GroupRecord | None:
        return self._records.get(group_id)

    def names(self) -> Iterable[str]:
        return self._records.keys()

    def fold(self, fact: GroupSaved | GroupForgotten, moment: Moment) -> None:
        match fact:
            case GroupSaved():
                self._records[fact.group_id] = fact.record
            case GroupForgotten():
                del self._records[fact.group_id]

    def freeze(self) -> list[tuple[str, GroupRecord]]:
        return list(self._records.items())

    @staticmethod
    def restore(frozen: list[tuple[str, GroupRecord]]) -> "Groups":
        return Groups(dict(frozen))


def group_resource(group_id: str) -> str:
    """The name of a group's lease."""
    return f"group/{group_id}"


def save_group(groups: Groups, sessions: Sessions, proposal: SaveGroup) -> list[Fact]:
    """The fact of a generation. Raises: Refused(NOT_COORDINATOR) when the lease has moved."""
    if not sessions.holds(proposal.epoch, group_resource(proposal.group_id), proposal.lease_epoch):
        raise Refused(ErrorCode.NOT_COORDINATOR, f"Group '{proposal.group_id}' has another coordinator by now.")
    if proposal.record is not None:
        return [GroupSaved(proposal.group_id, proposal.record)]
    return [GroupForgotten(proposal.group_id)] if groups.get(proposal.group_id) is not None else []
