"""Cases of groups, and of what a cluster without authorizer, quotas or transactions says."""

from compat.compare.script import Script, case
from higgins_protocol.messages.alter_client_quotas import AlterClientQuotasRequest
from higgins_protocol.messages.create_acls import AclCreation, CreateAclsRequest
from higgins_protocol.messages.delete_acls import DeleteAclsFilter, DeleteAclsRequest
from higgins_protocol.messages.delete_groups import DeleteGroupsRequest
from higgins_protocol.messages.describe_acls import DescribeAclsRequest
from higgins_protocol.messages.describe_client_quotas import ComponentData, DescribeClientQuotasRequest
from higgins_protocol.messages.describe_groups import DescribeGroupsRequest
from higgins_protocol.messages.describe_transactions import DescribeTransactionsRequest
from higgins_protocol.messages.describe_user_scram_credentials import DescribeUserScramCredentialsRequest, UserName
from higgins_protocol.messages.find_coordinator import FindCoordinatorRequest
from higgins_protocol.messages.heartbeat import HeartbeatRequest
from higgins_protocol.messages.join_group import JoinGroupRequest, JoinGroupRequestProtocol
from higgins_protocol.messages.leave_group import LeaveGroupRequest, MemberIdentity
from higgins_protocol.messages.list_groups import ListGroupsRequest
from higgins_protocol.messages.list_transactions import ListTransactionsRequest
from higgins_protocol.messages.offset_commit import (
    OffsetCommitRequest,
    OffsetCommitRequestPartition,
    OffsetCommitRequestTopic,
)
from higgins_protocol.messages.offset_delete import (
    OffsetDeleteRequest,
    OffsetDeleteRequestPartition,
    OffsetDeleteRequestTopic,
)
from higgins_protocol.messages.offset_fetch import (
    OffsetFetchRequest,
    OffsetFetchRequestGroup,
    OffsetFetchRequestTopic,
    OffsetFetchRequestTopics,
)
from higgins_protocol.messages.sync_group import SyncGroupRequest, SyncGroupRequestAssignment

PROTOCOLS = [JoinGroupRequestProtocol("range", b"meta")]


def join(group: str, member: str = "", **more: object) -> JoinGroupRequest:
    asked = {"session_timeout_ms": 10_000, "rebalance_timeout_ms": 10_000, "protocol_type": "consumer",
             "protocols": PROTOCOLS, **more}  # fmt: skip
    return JoinGroupRequest(group_id=group, member_id=member, **asked)  # type: ignore[arg-type]


def joined(s: Script, group: str) -> tuple[str, int]:
    """A member that leads a stable group of one: its id and generation."""
    first = s.do(join(group))
    member = first.member_id
    generation = s.do(join(group, member)).generation_id
    assigned = [SyncGroupRequestAssignment(member, b"x")]
    s.do(SyncGroupRequest(group, generation, member, None, "consumer", "range", assigned))
    return member, generation


def committed(group: str, topic: str, offset: int = 5, generation: int = -1, member: str = "") -> OffsetCommitRequest:
    rows = [OffsetCommitRequestTopic(topic, [OffsetCommitRequestPartition(0, offset, -1, "note")])]
    return OffsetCommitRequest(group, generation, member, None, -1, rows)


@case(FindCoordinatorRequest)
def find_coordinator(s: Script) -> None:
    s.group()
    s.transactional_id()
    for kind in (0, 1, 2, 9) if s.version >= 1 else (0,):
        for key in ("", s.name("g")):
            if s.version >= 4:
                s.ask(FindCoordinatorRequest("", kind, [key]), f"kind {kind} key {bool(key)}")
            elif kind < 2:
                s.ask(FindCoordinatorRequest(key, kind), f"kind {kind} key {bool(key)}")


@case(JoinGroupRequest)
def join_group(s: Script) -> None:
    group = s.group()
    s.ask(join("", "m"), "empty group id")
    s.ask(join(group, session_timeout_ms=1), "session timeout too short")
    s.ask(join(group, session_timeout_ms=1 << 30), "session timeout too long")
    s.ask(join(group, "who"), "unknown member")
    s.ask(join(group, protocols=[]), "no protocols")
    s.ask(join(group, protocol_type=""), "no protocol type")
    first = s.ask(join(group), "first")
    member = first.member_id
    if first.error_code:
        s.ask(join(group, member), "with the id that was given")
    s.ask(join(group, member, protocol_type="other"), "another protocol type")
    s.ask(join(group, member, protocols=[JoinGroupRequestProtocol("odd", b"")]), "other protocols, alone")


@case(SyncGroupRequest)
def sync_group(s: Script) -> None:
    group = s.group()
    member = s.do(join(group)).member_id
    generation = s.do(join(group, member)).generation_id

    def sync(label: str, generation_id: int, member_id: str, *, kind: str = "consumer", name: str = "range") -> None:
        rows = [SyncGroupRequestAssignment(member, b"assigned")]
        s.ask(SyncGroupRequest(group, generation_id, member_id, None, kind, name, rows), label)

    sync("unknown member", generation, "who")
    sync("wrong generation", generation + 3, member)
    if s.version >= 5:
        sync("another type", generation, member, kind="other")
        sync("another name", generation, member, name="other")
    sync("right", generation, member)
    sync("again", generation, member)
    s.ask(SyncGroupRequest(s.name("unknown"), 1, "m", None, None, None, []), "unknown group")
    s.ask(SyncGroupRequest("", 1, "m", None, None, None, []), "empty group id")


@case(HeartbeatRequest)
def heartbeat(s: Script) -> None:
    group = s.group()
    member, generation = joined(s, group)
    s.ask(HeartbeatRequest(group, generation, member), "right")
    s.ask(HeartbeatRequest(group, generation + 1, member), "wrong generation")
    s.ask(HeartbeatRequest(group, generation, "who"), "unknown member")
    s.ask(HeartbeatRequest(s.name("unknown"), 1, "m"), "unknown group")
    s.ask(HeartbeatRequest("", 1, "m"), "empty group id")


@case(LeaveGroupRequest)
def leave_group(s: Script) -> None:
    group = s.group()
    member, _ = joined(s, group)

    def leave(label: str, group_id: str, member_id: str) -> None:
        if s.version >= 3:
            s.ask(LeaveGroupRequest(group_id, members=[MemberIdentity(member_id)]), label)
        else:
            s.ask(LeaveGroupRequest(group_id, member_id), label)

    leave("unknown member", group, "who")
    leave("unknown group", s.name("unknown"), "m")
    leave("empty group id", "", "m")
    leave("right", group, member)
    leave("again", group, member)


@case(OffsetCommitRequest)
def offset_commit(s: Script) -> None:
    group, name = s.group(), s.topic()
    s.ask(committed(group, name), "without a member")
    s.ask(committed(group, s.name("unknown")), "unknown topic")
    s.ask(committed(group, name, generation=3), "a generation without members")
    s.ask(committed("", name), "empty group id")
    s.ask(committed(group, name, offset=-1), "offset of minus one")
    long = OffsetCommitRequestPartition(0, 1, -1, "m" * 5000)
    s.ask(OffsetCommitRequest(group, -1, "", None, -1, [OffsetCommitRequestTopic(name, [long])]), "long metadata")
    bare = OffsetCommitRequestPartition(1, 1, -1, None)
    s.ask(OffsetCommitRequest(group, -1, "", None, -1, [OffsetCommitRequestTopic(name, [bare])]), "null metadata")
    beyond = OffsetCommitRequestPartition(9, 1, -1, None)
    s.ask(OffsetCommitRequest(group, -1, "", None, -1, [OffsetCommitRequestTopic(name, [beyond])]), "unknown partition")
    member, generation = joined(s, group)
    s.ask(committed(group, name, 7, generation, member), "a member")
    s.ask(committed(group, name, 8, generation + 1, member), "wrong generation")
    s.ask(committed(group, name, 8, generation, "who"), "unknown member")
    s.ask(committed(group, name), "without a member while there are some")


@case(OffsetFetchRequest)
def offset_fetch(s: Script) -> None:
    group, name = s.group(), s.topic()

    def look(label: str, group_id: str, partitions: list[int] | None) -> None:
        if s.version >= 8:
            topics = None if partitions is None else [OffsetFetchRequestTopics(name, partitions)]
            s.ask(OffsetFetchRequest(groups=[OffsetFetchRequestGroup(group_id, None, -1, topics)]), label)
        elif partitions is not None or s.version >= 2:
            rows = None if partitions is None else [OffsetFetchRequestTopic(name, partitions)]
            s.ask(OffsetFetchRequest(group_id, rows), label)

    look("unknown group", s.name("unknown"), [0, 1])
    look("all of an unknown group", s.name("unknown"), None)
    s.do(committed(group, name))
    look("some", group, [0, 1])
    look("all", group, None)
    look("unknown partition", group, [9])
    look("empty group id", "", [0])


@case(DescribeGroupsRequest)
def describe_groups(s: Script) -> None:
    group = s.group()
    s.ask(DescribeGroupsRequest([s.name("unknown")]), "unknown")
    s.ask(DescribeGroupsRequest([""]), "empty group id")
    joined(s, group)
    s.ask(DescribeGroupsRequest([group]), "stable")
    if s.version >= 3:
        s.ask(DescribeGroupsRequest([group], True), "with operations")
    member = s.do(DescribeGroupsRequest([group])).groups[0].members[0].member_id
    s.do(LeaveGroupRequest(group, members=[MemberIdentity(member)]))
    s.ask(DescribeGroupsRequest([group]), "empty")


@case(ListGroupsRequest)
def list_groups(s: Script) -> None:
    if s.version >= 4:
        s.ask(ListGroupsRequest(["NoSuchState"]), "no such state")
    if s.version >= 5:
        s.ask(ListGroupsRequest([], ["share"]), "another type")
        s.ask(ListGroupsRequest([], ["nonsense"]), "no such type")


@case(DeleteGroupsRequest)
def delete_groups(s: Script) -> None:
    group, busy, name = s.group("a"), s.group("b"), s.topic()
    s.do(committed(group, name))
    joined(s, busy)
    s.ask(DeleteGroupsRequest([s.name("unknown")]), "unknown")
    s.ask(DeleteGroupsRequest([busy]), "with members")
    s.ask(DeleteGroupsRequest([group, busy]), "one good, one bad")
    s.ask(DeleteGroupsRequest([group]), "gone")
    s.ask(DeleteGroupsRequest([""]), "empty group id")
    s.ask(DeleteGroupsRequest([]), "nothing")


@case(OffsetDeleteRequest)
def offset_delete(s: Script) -> None:
    group, name = s.group(), s.topic()

    def delete(label: str, group_id: str, topic: str, partition: int) -> None:
        rows = [OffsetDeleteRequestTopic(topic, [OffsetDeleteRequestPartition(partition)])]
        s.ask(OffsetDeleteRequest(group_id, rows), label)

    delete("unknown group", s.name("unknown"), name, 0)
    s.do(committed(group, name))
    delete("one", group, name, 0)
    delete("one that is not there", group, name, 1)
    delete("unknown topic", group, s.name("unknown"), 0)
    delete("unknown partition", group, name, 9)
    delete("empty group id", "", name, 0)


@case(ListTransactionsRequest)
def list_transactions(s: Script) -> None:
    s.ask(ListTransactionsRequest(), "all")
    s.ask(ListTransactionsRequest(["NoSuchState"]), "no such state")


@case(DescribeTransactionsRequest)
def describe_transactions(s: Script) -> None:
    s.ask(DescribeTransactionsRequest([s.name("unknown")]), "unknown")
    s.ask(DescribeTransactionsRequest([]), "nothing")


@case(DescribeAclsRequest)
def describe_acls(s: Script) -> None:
    s.ask(DescribeAclsRequest(1, None, 1, None, None, 1, 1), "all")


@case(CreateAclsRequest)
def create_acls(s: Script) -> None:
    s.ask(CreateAclsRequest([AclCreation(2, "t", 3, "User:a", "*", 3, 3)]), "one")
    s.ask(CreateAclsRequest([]), "nothing")


@case(DeleteAclsRequest)
def delete_acls(s: Script) -> None:
    s.ask(DeleteAclsRequest([DeleteAclsFilter(2, "t", 3, None, None, 1, 1)]), "one")


@case(DescribeClientQuotasRequest)
def describe_client_quotas(s: Script) -> None:
    s.ask(DescribeClientQuotasRequest([], False), "all")
    s.ask(DescribeClientQuotasRequest([ComponentData("user", 0, "nobody")], True), "of one")
    s.ask(DescribeClientQuotasRequest([ComponentData("nonsense", 0, "x")], False), "no such entity")


@case(AlterClientQuotasRequest)
def alter_client_quotas(s: Script) -> None:
    s.ask(AlterClientQuotasRequest([], False), "nothing")


@case(DescribeUserScramCredentialsRequest)
def describe_scram(s: Script) -> None:
    s.ask(DescribeUserScramCredentialsRequest([UserName("nobody")]), "unknown user")
    s.ask(DescribeUserScramCredentialsRequest([UserName("nobody"), UserName("nobody")]), "twice in one")
    s.ask(DescribeUserScramCredentialsRequest(None), "all")
