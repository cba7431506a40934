"""Groups as others see them: what DescribeGroups and ListGroups are made of."""

import msgspec

from higgins.groups.classic import ClassicGroup
from higgins.groups.events import Restored
from higgins.groups.member import Member
from higgins.groups.rebalance import GroupState
from higgins.groups.settings import GroupSettings
from higgins.ledger.state.group_records import ClassicGroupRecord


class MemberView(msgspec.Struct, frozen=True, kw_only=True):
    """A member; subscription and assignment only while the group is stable."""

    member_id: str
    client_id: str
    client_host: str
    instance_id: str | None = None
    metadata: bytes = b""
    assignment: bytes = b""


class GroupView(msgspec.Struct, frozen=True, kw_only=True):
    """A group at a moment. `state` is Kafka's name of it."""

    group_id: str
    state: str
    protocol_type: str = ""
    protocol: str = ""
    members: tuple[MemberView, ...] = ()


def view_of(group: ClassicGroup) -> GroupView:
    """What there is to see of a group that runs here."""
    is_stable = group.state is GroupState.STABLE
    return GroupView(
        group_id=group.group_id,
        state=group.state.value,
        protocol_type=group.protocol_type,
        protocol=(group.protocol or "") if is_stable else "",
        members=tuple(_member(member, group.protocol, is_stable=is_stable) for member in group.roster),
    )


def view_of_record(group_id: str, record: ClassicGroupRecord) -> GroupView:
    """What there is to see of a group as last committed: what its next coordinator would make of it."""
    group = ClassicGroup(group_id, GroupSettings())
    group.handle(Restored(record), 0)
    return view_of(group)


def _member(member: Member, protocol: str | None, *, is_stable: bool) -> MemberView:
    return MemberView(
        member_id=member.id,
        client_id=member.client_id,
        client_host=member.client_host,
        instance_id=member.instance_id,
        metadata=member.metadata(protocol) if is_stable else b"",
        assignment=member.assignment if is_stable else b"",
    )
