"""The nine APIs over the wire, through the router, version by version."""

from collections.abc import Awaitable, Callable
from types import SimpleNamespace
from typing import Any, cast

import pytest

from higgins.admin.admin import Admin
from higgins.admin.configs.live import LiveConfigs
from higgins.groups.coordinator import Coordinator
from higgins.groups.settings import GroupSettings
from higgins.kafka.context import Node
from higgins.kafka.router import Router
from higgins.ledger.state.group_records import ClassicGroupRecord
from higgins.ledger.state.tasks import ApplyTopography, AttachTasks, InputPosition
from higgins.ledger.state.topics import CreateTopic, DeleteTopic
from higgins.model.future import Future
from higgins.model.names import TopicId
from higgins.runtime import Runtime
from higgins.server.connection import Connection
from higgins.server.exchange import Exchange
from higgins.server.order import RequestOrder
from higgins.server.session import ConnectionSession
from higgins.server.settings import Listener
from higgins.server.turns import Account, Turns
from higgins.telemetry.metrics import Counts
from higgins_protocol.errors import ErrorCode
from higgins_protocol.messages.describe_groups import DescribeGroupsRequest, DescribeGroupsResponse
from higgins_protocol.messages.find_coordinator import FindCoordinatorRequest, FindCoordinatorResponse
from higgins_protocol.messages.heartbeat import HeartbeatRequest, HeartbeatResponse
from higgins_protocol.messages.join_group import JoinGroupRequest, JoinGroupRequestProtocol, JoinGroupResponse
from higgins_protocol.messages.leave_group import LeaveGroupRequest, LeaveGroupResponse, MemberIdentity
from higgins_protocol.messages.list_groups import ListGroupsRequest, ListGroupsResponse
from higgins_protocol.messages.offset_commit import (
    OffsetCommitRequest,
    OffsetCommitRequestPartition,
    OffsetCommitRequestTopic,
    OffsetCommitResponse,
)
from higgins_protocol.messages.offset_fetch import (
    OffsetFetchRequest,
    OffsetFetchRequestGroup,
    OffsetFetchRequestTopic,
    OffsetFetchRequestTopics,
    OffsetFetchResponse,
)
from higgins_protocol.messages.sync_group import SyncGroupRequest, SyncGroupRequestAssignment, SyncGroupResponse
from higgins_protocol.registry import APIS, decode_response, encode_request
from tests.groups.ledger import FakeBucket, FakeLedger

FIND, JOIN, SYNC, HEARTBEAT, LEAVE, DESCRIBE, LIST, COMMIT, FETCH = 10, 11, 14, 12, 13, 15, 16, 8, 9
TOPIC = TopicId(b"topic-orders-000")
HOST, PORT = "localhost", 9001


def versions(key: int, *, since: int = 0, until: int = 99) -> list[int]:
    lowest, highest = APIS[key].versions
    return list(range(max(lowest, since), min(highest, until) + 1))


class SpokenTo:
    """What the router and the handlers need of a connection."""

    def __init__(self) -> None:
        self.session = ConnectionSession(Listener("main", "localhost", PORT, "localhost", PORT), "10.0.0.1")
        self.order = RequestOrder()
        self.turns = Turns(Runtime.stopwatch)
        self.account = Account()
        self._tasks: list[Awaitable[None]] = []

    def spawn(self, function: Callable[..., Awaitable[None]], *args: object) -> None:
        self._tasks.append(function(*args))

    def hold_next(self, until: Future[None]) -> None:
        pass

    async def run_tasks(self) -> None:
        while self._tasks:
            await self._tasks.pop(0)


class Wire:
    """A connection to one node, as bytes."""

    def __init__(self) -> None:
        self.bucket = FakeBucket()
        self.bucket.commit(0, CreateTopic("orders", TOPIC, 2, {}))
        self.ledger: FakeLedger = self.bucket.node(PORT)
        settings = GroupSettings(initial_rebalance_delay_ms=0)
        coordinator = Coordinator(Runtime(), self.ledger, settings)
        unused = cast("Any", None)
        configs = LiveConfigs(cast("Any", self.ledger))
        node = Node(
            runtime=Runtime(),
            ledger=cast("Any", self.ledger),
            writer=unused,
            reader=unused,
            watch=unused,
            producer_ids=unused,
            groups=coordinator,
            configs=configs,
            unsent=unused,
            traffic=unused,
            counts=Counts(APIS),
            admin=Admin(
                runtime=Runtime(),
                ledger=cast("Any", self.ledger),
                configs=configs,
                reader=unused,
                groups=coordinator,
                operators=unused,
                traffic=unused,
                counts=unused,
            ),
            apis=list(APIS.values()),
        )
        self._router = Router(node)
        self._connection = SpokenTo()

    async def ask(self, key: int, version: int, request: Any) -> Any:
        frame = b"".join(encode_request(key, version, 7, "tester", request))
        answers: list[Any] = []
        exchange = cast("Exchange", SimpleNamespace(answer=answers.append, request_bytes=len(frame)))
        assert self._router.dispatch(cast("Connection", self._connection), memoryview(frame)[4:], exchange) is None
        await self._connection.run_tasks()
        reply = b"".join(answers[0])
        assert int.from_bytes(reply[:4], "big") == len(reply) - 4
        correlation_id, response = decode_response(key, version, memoryview(reply)[4:])
        assert correlation_id == 7
        return response

    async def join(self, version: int, group_id: str = "g", member_id: str = "", **fields: Any) -> JoinGroupResponse:
        request = JoinGroupRequest(
            group_id=group_id,
            session_timeout_ms=10_000,
            member_id=member_id,
            protocol_type="consumer",
            protocols=[JoinGroupRequestProtocol(name="range", metadata=b"topics")],
            **fields,
        )
        return cast("JoinGroupResponse", await self.ask(JOIN, version, request))

    async def enter(self, group_id: str = "g", version: int = 3) -> str:
        """A member, alone in its group, in generation 1, assigned `all`; its id."""
        member_id = (await self.join(version, group_id)).member_id
        assignments = [SyncGroupRequestAssignment(member_id=member_id, assignment=b"all")]
        request = SyncGroupRequest(
            group_id=group_id, generation_id=1, member_id=member_id, assignments=assignments
        )
        assert (await self.ask(SYNC, 0, request)).assignment == b"all"
        return member_id

    async def commit(self, version: int, *partitions: OffsetCommitRequestPartition, **fields: Any) -> list[int]:
        topics = [OffsetCommitRequestTopic(name=fields.pop("topic", "orders"), partitions=list(partitions))]
        request = OffsetCommitRequest(**({"group_id": "g", "topics": topics} | fields))
        response: OffsetCommitResponse = await self.ask(COMMIT, version, request)
        return [each.error_code for topic in response.topics for each in topic.partitions]


@pytest.fixture
async def wire() -> Wire:
    return Wire()


def offset(value: int, partition: int = 0, **fields: Any) -> OffsetCommitRequestPartition:
    return OffsetCommitRequestPartition(partition_index=partition, committed_offset=value, **fields)


# ---- FindCoordinator


@pytest.mark.parametrize("version", versions(FIND, until=3))
async def test_a_coordinator_is_found(wire: Wire, version: int) -> None:
    found: FindCoordinatorResponse = await wire.ask(FIND, version, FindCoordinatorRequest(key="g"))
    assert (found.error_code, found.node_id, found.host, found.port) == (0, 1, HOST, PORT)


@pytest.mark.parametrize("version", versions(FIND, since=4))
async def test_many_coordinators_are_found_at_once(wire: Wire, version: int) -> None:
    request = FindCoordinatorRequest(coordinator_keys=["g", "h"])
    found: FindCoordinatorResponse = await wire.ask(FIND, version, request)
    assert [(each.key, each.node_id, each.port) for each in found.coordinators] == [("g", 1, PORT), ("h", 1, PORT)]


@pytest.mark.parametrize("version", versions(FIND, since=1, until=3))
async def test_transactional_ids_have_a_coordinator_and_other_kinds_have_none(wire: Wire, version: int) -> None:
    found: FindCoordinatorResponse = await wire.ask(FIND, version, FindCoordinatorRequest(key="t", key_type=1))
    assert (found.error_code, found.port) == (0, PORT)
    refused: FindCoordinatorResponse = await wire.ask(FIND, version, FindCoordinatorRequest(key="t", key_type=9))
    assert refused.error_code == ErrorCode.INVALID_REQUEST
    assert (refused.node_id, refused.host, refused.port) == (-1, "", -1)


@pytest.mark.parametrize("version", versions(FIND))
async def test_without_a_live_node_there_is_no_coordinator(wire: Wire, version: int) -> None:
    wire.ledger.leave()
    request = FindCoordinatorRequest(key="g") if version < 4 else FindCoordinatorRequest(coordinator_keys=["g"])
    response: FindCoordinatorResponse = await wire.ask(FIND, version, request)
    found: Any = response if version < 4 else response.coordinators[0]
    assert found.error_code == ErrorCode.COORDINATOR_NOT_AVAILABLE
    assert (found.node_id, found.host, found.port) == (-1, "", -1)


# ---- JoinGroup, SyncGroup, Heartbeat, LeaveGroup


@pytest.mark.parametrize("version", versions(JOIN))
async def test_a_member_joins(wire: Wire, version: int) -> None:
    joined = await wire.join(version)
    if version >= 4:
        assert joined.error_code == ErrorCode.MEMBER_ID_REQUIRED
        assert joined.protocol_name == (None if version >= 7 else "")
        joined = await wire.join(version, member_id=joined.member_id)
    assert (joined.error_code, joined.generation_id, joined.leader) == (0, 1, joined.member_id)
    assert joined.member_id.startswith("tester-")
    assert joined.protocol_name == "range"
    assert joined.protocol_type == ("consumer" if version >= 7 else None)
    assert [(member.member_id, member.metadata) for member in joined.members] == [(joined.member_id, b"topics")]
    assert not joined.skip_assignment


@pytest.mark.parametrize("version", versions(JOIN))
async def test_a_refused_join_carries_only_its_error(wire: Wire, version: int) -> None:
    refused = await wire.join(version, group_id="")
    assert refused.error_code == ErrorCode.INVALID_GROUP_ID
    assert refused.protocol_name == (None if version >= 7 else "")
    assert (refused.generation_id, refused.leader, refused.members) == (-1, "", [])


async def test_in_v0_the_session_timeout_is_the_rebalance_timeout(wire: Wire) -> None:
    await wire.join(0)
    record = wire.ledger.state.groups.get("g")
    assert isinstance(record, ClassicGroupRecord)
    assert record.members[0].rebalance_timeout_ms == 10_000


@pytest.mark.parametrize("version", versions(JOIN, since=5))
async def test_a_static_member_that_returns_keeps_its_assignment(wire: Wire, version: int) -> None:
    first = await wire.join(version, group_instance_id="till-1")
    assert first.member_id.startswith("till-1-")
    assignment = SyncGroupRequestAssignment(member_id=first.member_id, assignment=b"all")
    await wire.ask(
        SYNC,
        3,
        SyncGroupRequest(
            group_id="g",
            generation_id=1,
            member_id=first.member_id,
            group_instance_id="till-1",
            assignments=[assignment],
        ),
    )
    second = await wire.join(version, group_instance_id="till-1")
    assert (second.error_code, second.generation_id) == (0, 1)
    assert second.member_id != first.member_id
    assert second.skip_assignment == (version >= 9)
    assert second.leader == (second.member_id if version >= 9 else first.member_id)


async def test_an_instance_id_that_is_too_long_is_refused(wire: Wire) -> None:
    assert (await wire.join(9, group_instance_id="x" * 1_025)).error_code == ErrorCode.INVALID_REQUEST


@pytest.mark.parametrize("version", versions(SYNC))
async def test_a_member_gets_its_assignment(wire: Wire, version: int) -> None:
    member_id = await wire.enter()
    request = SyncGroupRequest(
        group_id="g", generation_id=1, member_id=member_id, protocol_type="consumer", protocol_name="range"
    )
    synced: SyncGroupResponse = await wire.ask(SYNC, version, request)
    assert (synced.error_code, synced.assignment) == (0, b"all")
    assert (synced.protocol_type, synced.protocol_name) == (("consumer", "range") if version >= 5 else (None, None))


async def test_a_sync_for_another_protocol_is_refused(wire: Wire) -> None:
    member_id = await wire.enter()
    request = SyncGroupRequest(
        group_id="g", generation_id=1, member_id=member_id, protocol_type="consumer", protocol_name="sticky"
    )
    assert (await wire.ask(SYNC, 5, request)).error_code == ErrorCode.INCONSISTENT_GROUP_PROTOCOL


@pytest.mark.parametrize("version", versions(HEARTBEAT))
async def test_a_heartbeat_is_answered(wire: Wire, version: int) -> None:
    member_id = await wire.enter()
    request = HeartbeatRequest(group_id="g", generation_id=1, member_id=member_id)
    answered: HeartbeatResponse = await wire.ask(HEARTBEAT, version, request)
    assert answered.error_code == ErrorCode.NONE
    late = HeartbeatRequest(group_id="g", generation_id=0, member_id=member_id)
    assert (await wire.ask(HEARTBEAT, version, late)).error_code == ErrorCode.ILLEGAL_GENERATION


@pytest.mark.parametrize("version", versions(LEAVE, until=2))
async def test_when_one_member_leaves_its_error_is_that_of_the_response(wire: Wire, version: int) -> None:
    member_id = await wire.enter()
    left: LeaveGroupResponse = await wire.ask(LEAVE, version, LeaveGroupRequest(group_id="g", member_id=member_id))
    assert left.error_code == ErrorCode.NONE
    again = await wire.ask(LEAVE, version, LeaveGroupRequest(group_id="g", member_id=member_id))
    assert again.error_code == ErrorCode.UNKNOWN_MEMBER_ID


@pytest.mark.parametrize("version", versions(LEAVE, since=3))
async def test_many_members_leave_each_with_its_error(wire: Wire, version: int) -> None:
    member_id = await wire.enter()
    members = [MemberIdentity(member_id="ghost"), MemberIdentity(member_id=member_id)]
    left: LeaveGroupResponse = await wire.ask(LEAVE, version, LeaveGroupRequest(group_id="g", members=members))
    assert left.error_code == ErrorCode.NONE
    assert [(each.member_id, each.group_instance_id, each.error_code) for each in left.members] == [
        ("ghost", None, ErrorCode.UNKNOWN_MEMBER_ID),
        (member_id, None, ErrorCode.NONE),
    ]


# ---- DescribeGroups, ListGroups


@pytest.mark.parametrize("version", versions(DESCRIBE))
async def test_groups_are_described(wire: Wire, version: int) -> None:
    member_id = await wire.enter()
    request = DescribeGroupsRequest(groups=["g", "nobody"], include_authorized_operations=version >= 3)
    described: DescribeGroupsResponse = await wire.ask(DESCRIBE, version, request)
    known, unknown = described.groups
    assert (known.group_state, known.protocol_type, known.protocol_data) == ("Stable", "consumer", "range")
    assert [
        (each.member_id, each.client_id, each.client_host, each.member_metadata, each.member_assignment)
        for each in known.members
    ] == [(member_id, "tester", "/10.0.0.1", b"topics", b"all")]
    assert known.authorized_operations == (3400 if version >= 3 else -0x80000000)
    assert (unknown.group_id, unknown.group_state, unknown.members) == ("nobody", "Dead", [])
    assert unknown.error_code == (ErrorCode.GROUP_ID_NOT_FOUND if version >= 6 else ErrorCode.NONE)
    assert (unknown.error_message is None) == (version < 6)


async def test_authorized_operations_are_listed_only_on_request(wire: Wire) -> None:
    described = await wire.ask(DESCRIBE, 5, DescribeGroupsRequest(groups=["g"]))
    assert described.groups[0].authorized_operations == -0x80000000


async def test_a_node_without_a_session_describes_nothing(wire: Wire) -> None:
    wire.ledger.leave()
    described = await wire.ask(DESCRIBE, 5, DescribeGroupsRequest(groups=["g"]))
    assert described.groups[0].error_code == ErrorCode.NOT_COORDINATOR


@pytest.mark.parametrize("version", versions(LIST))
async def test_groups_are_listed(wire: Wire, version: int) -> None:
    await wire.enter()
    await wire.commit(2, offset(1), group_id="plain")
    listed: ListGroupsResponse = await wire.ask(LIST, version, ListGroupsRequest())
    expected = [("g", "consumer", "Stable"), ("plain", "", "Empty")]
    assert [(each.group_id, each.protocol_type) for each in listed.groups] == [each[:2] for each in expected]
    if version >= 4:
        assert [each.group_state for each in listed.groups] == [each[2] for each in expected]
    if version >= 5:
        assert {each.group_type for each in listed.groups} == {"classic"}


@pytest.mark.parametrize(
    ("states", "types", "found"),
    [
        (["stable"], [], ["g"]),
        (["EMPTY"], [], ["plain"]),
        (["Dead"], [], []),
        ([], ["Classic", "Consumer"], ["g", "plain"]),
        ([], ["Consumer"], []),
        (["Empty", "Stable"], ["classic"], ["g", "plain"]),
    ],
)
async def test_filters_ignore_case(wire: Wire, states: list[str], types: list[str], found: list[str]) -> None:
    await wire.enter()
    await wire.commit(2, offset(1), group_id="plain")
    request = ListGroupsRequest(states_filter=states, types_filter=types)
    listed: ListGroupsResponse = await wire.ask(LIST, 5, request)
    assert [each.group_id for each in listed.groups] == found


# ---- OffsetCommit, OffsetFetch


@pytest.mark.parametrize("version", versions(COMMIT))
async def test_each_partition_of_a_commit_has_its_error(wire: Wire, version: int) -> None:
    long = offset(1, committed_metadata="x" * 4_097)
    codes = await wire.commit(version, offset(5), offset(6, partition=2), long, offset(7, partition=1))
    assert codes == [
        ErrorCode.NONE,
        ErrorCode.UNKNOWN_TOPIC_OR_PARTITION,
        ErrorCode.OFFSET_METADATA_TOO_LARGE,
        ErrorCode.NONE,
    ]
    assert await wire.commit(version, offset(1), topic="none") == [ErrorCode.UNKNOWN_TOPIC_OR_PARTITION]


@pytest.mark.parametrize("version", versions(COMMIT))
async def test_only_members_can_commit(wire: Wire, version: int) -> None:
    member_id = await wire.enter()
    member = {"member_id": member_id, "generation_id_or_member_epoch": 1}
    assert await wire.commit(version, offset(5), **member) == [ErrorCode.NONE]
    assert await wire.commit(version, offset(6)) == [ErrorCode.UNKNOWN_MEMBER_ID]
    ahead = {"member_id": member_id, "generation_id_or_member_epoch": 2}
    assert await wire.commit(version, offset(6), **ahead) == [ErrorCode.ILLEGAL_GENERATION]


@pytest.mark.parametrize("version", versions(FETCH, until=7))
async def test_offsets_come_back_as_committed(wire: Wire, version: int) -> None:
    commit_version = 6
    await wire.commit(commit_version, offset(5, committed_leader_epoch=3, committed_metadata="why"))
    topic = OffsetFetchRequestTopic(name="orders", partition_indexes=[0, 1])
    none = OffsetFetchRequestTopic(name="none", partition_indexes=[0])
    request = OffsetFetchRequest(group_id="g", topics=[topic, none])
    fetched: OffsetFetchResponse = await wire.ask(FETCH, version, request)
    epoch = 3 if version >= 5 else -1
    partitions = fetched.topics[0].partitions
    found = [(each.committed_offset, each.committed_leader_epoch, each.metadata) for each in partitions]
    assert found == [(5, epoch, "why"), (-1, -1, "")]
    unknown = fetched.topics[1].partitions[0]
    assert (unknown.committed_offset, unknown.error_code, fetched.error_code) == (-1, 0, 0)


@pytest.mark.parametrize("version", versions(FETCH, since=2, until=7))
async def test_null_topics_mean_all(wire: Wire, version: int) -> None:
    await wire.commit(2, offset(5), offset(6, partition=1, committed_metadata=None))
    fetched: OffsetFetchResponse = await wire.ask(FETCH, version, OffsetFetchRequest(group_id="g", topics=None))
    assert [(topic.name, [each.committed_offset for each in topic.partitions]) for topic in fetched.topics] == [
        ("orders", [5, 6])
    ]
    assert fetched.topics[0].partitions[1].metadata == ""


@pytest.mark.parametrize("version", versions(FETCH, since=8))
async def test_many_groups_are_fetched_at_once(wire: Wire, version: int) -> None:
    await wire.commit(2, offset(5))
    topics = [OffsetFetchRequestTopics(name="orders", partition_indexes=[0])]
    groups = [
        OffsetFetchRequestGroup(group_id="g", topics=topics),
        OffsetFetchRequestGroup(group_id="g", topics=None),
        OffsetFetchRequestGroup(group_id="nobody", topics=topics),
        OffsetFetchRequestGroup(group_id="nobody", topics=None),
    ]
    request = OffsetFetchRequest(groups=groups, require_stable=True)
    fetched: OffsetFetchResponse = await wire.ask(FETCH, version, request)
    found = [[each.committed_offset for topic in group.topics for each in topic.partitions] for group in fetched.groups]
    assert found == [[5], [5], [-1], []]
    assert {group.error_code for group in fetched.groups} == {0}


@pytest.mark.parametrize("version", versions(FETCH))
async def test_a_node_that_cannot_reach_the_store_answers_with_an_error(wire: Wire, version: int) -> None:
    wire.ledger.is_cut_off = True
    if version >= 8:
        group = OffsetFetchRequestGroup(group_id="g", topics=None)
        many: OffsetFetchResponse = await wire.ask(FETCH, version, OffsetFetchRequest(groups=[group]))
        assert many.groups[0].error_code == ErrorCode.COORDINATOR_NOT_AVAILABLE
        return
    topic = OffsetFetchRequestTopic(name="orders", partition_indexes=[0])
    single: OffsetFetchResponse = await wire.ask(FETCH, version, OffsetFetchRequest(group_id="g", topics=[topic]))
    code = single.error_code if version >= 2 else single.topics[0].partitions[0].error_code
    assert code == ErrorCode.COORDINATOR_NOT_AVAILABLE


async def test_offsets_of_a_deleted_topic_are_gone(wire: Wire) -> None:
    await wire.commit(2, offset(5))
    wire.bucket.commit(0, DeleteTopic(TOPIC))
    wire.bucket.commit(0, CreateTopic("orders", TopicId(b"topic-orders-001"), 2, {}))
    fetched = await wire.ask(FETCH, 7, OffsetFetchRequest(group_id="g", topics=None))
    assert fetched.topics == []


async def test_an_operators_progress_is_fetched_like_a_groups(wire: Wire) -> None:
    out = TopicId(b"topic-large-0000")
    positions = tuple((InputPosition(TOPIC, partition, offset),) for partition, offset in enumerate((3, 4)))
    attach = AttachTasks("large", 1, (TOPIC,), (out,), b"", positions)
    wire.bucket.commit(0, ApplyTopography(0, (CreateTopic("large", out, 2, {}),), (attach,), (), b""))
    request = OffsetFetchRequest(group_id="higgins.op.large", topics=None)
    fetched: OffsetFetchResponse = await wire.ask(FETCH, 7, request)
    assert [each.committed_offset for each in fetched.topics[0].partitions] == [3, 4]
    assert await wire.commit(2, offset(9), group_id="higgins.op.large") == [ErrorCode.POLICY_VIOLATION]
    listed: ListGroupsResponse = await wire.ask(LIST, 5, ListGroupsRequest())
    assert [(each.group_id, each.protocol_type) for each in listed.groups] == [("higgins.op.large", "higgins")]
