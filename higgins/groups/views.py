"""Groups as clients see them: what DescribeGroups and ListGroups show."""

import msgspec


class MemberView(msgspec.Struct, frozen=True, kw_only=True):
    """A member. Metadata and assignment are empty while the group is not stable."""

    member_id: str
    client_id: str
    client_host: str
    instance_id: str | None = None
    metadata: bytes = b""
    assignment: bytes = b""


class GroupView(msgspec.Struct, frozen=True, kw_only=True):
    """A group at one moment. `state` and `group_type` are Kafka's names."""

    group_id: str
    state: str
    group_type: str = "classic"
    protocol_type: str = ""
    protocol: str = ""
    members: tuple[MemberView, ...] = ()
