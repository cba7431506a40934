"""Topics, runs, objects, groups, offsets, sessions, leases, identities: what may be, and what State says then."""

import pytest

from higgins.ledger.state.append import RUN_BYTES_MAX
from higgins.ledger.state.base import Moment
from higgins.ledger.state.cluster import FormCluster
from higgins.ledger.state.group_records import ClassicGroupRecord, ClassicMember, GroupMemberRecord
from higgins.ledger.state.groups import (
    GroupForgotten,
    GroupMemberForgotten,
    GroupMemberSaved,
    Groups,
    GroupSaved,
    SaveGroup,
)
from higgins.ledger.state.identities import Identity
from higgins.ledger.state.index import Run
from higgins.ledger.state.objects import ObjectRecord
from higgins.ledger.state.offsets import CommitOffsets, OffsetToCommit, group_resource
from higgins.ledger.state.sessions import FenceSession, JoinSession, LeaveSession, SignalLiveness, TakeLease
from higgins.ledger.state.state import State
from higgins.ledger.state.topics import PARTITIONS_MAX, CreateTopic, DeleteTopic
from higgins.model.errors import Refused
from higgins.model.names import TopicId
from higgins.model.pointer import data_object, inline_payload
from higgins_protocol.errors import ErrorCode
from tests.ledger.chronicle import NOON_MS, Chronicle, append, live_of, plain

OTHER = TopicId(b"o" * 16)
MEMBER = ClassicMember("m", None, "c", "h", 1, 2, b"s", b"a")
RECORD = ClassicGroupRecord(NOON_MS, "consumer", 3, "range", "m", (MEMBER,))


@pytest.fixture
def chronicle() -> Chronicle:
    return Chronicle()


# ---- topics ---------------------------------------------------------------------------------------------------------


def test_a_name_belongs_to_one_topic_at_a_time(chronicle: Chronicle) -> None:
    first = chronicle.topic("t")
    assert chronicle.refusal(CreateTopic("t", OTHER, 1)) == ErrorCode.TOPIC_ALREADY_EXISTS
    chronicle.one(DeleteTopic(first))
    chronicle.one(CreateTopic("t", OTHER, 2))
    assert chronicle.state.topics.by_name["t"].id == OTHER
    assert chronicle.refusal(DeleteTopic(first)) == ErrorCode.UNKNOWN_TOPIC_ID


def test_of_two_namesakes_in_one_commit_the_first_is_made(chronicle: Chronicle) -> None:
    made, refused = chronicle.commit(CreateTopic("t", OTHER, 1), CreateTopic("t", TopicId(b"x" * 16), 1))
    assert made is None and isinstance(refused, Refused)
    assert chronicle.state.topics.by_name["t"].id == OTHER


@pytest.mark.parametrize("partitions", [0, -1, PARTITIONS_MAX + 1])
def test_a_topic_needs_a_possible_number_of_partitions(chronicle: Chronicle, partitions: int) -> None:
    assert chronicle.refusal(CreateTopic("t", OTHER, partitions)) == ErrorCode.INVALID_PARTITIONS


@pytest.mark.parametrize("partitions", [1, PARTITIONS_MAX])
def test_a_topic_can_have_as_many_partitions_as_the_limit_says(chronicle: Chronicle, partitions: int) -> None:
    chronicle.one(CreateTopic("t", OTHER, partitions))
    assert chronicle.state.topics.by_name["t"].partitions == partitions


@pytest.mark.parametrize("name", ["", ".", "..", "a b", "é", "x" * 250])
def test_a_topic_needs_a_legal_name(chronicle: Chronicle, name: str) -> None:
    assert chronicle.refusal(CreateTopic(name, OTHER, 1)) == ErrorCode.INVALID_TOPIC_EXCEPTION


def test_a_batch_on_its_way_to_a_deleted_topic_does_not_land_in_its_namesake(chronicle: Chronicle) -> None:
    first = chronicle.topic("t")
    late = append(first, plain(1))
    assert chronicle.commit(DeleteTopic(first), CreateTopic("t", OTHER, 1), late)[2] == [
        -ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
    ]
    assert chronicle.state.runs.high_watermark(OTHER, 0) == 0


def test_a_cluster_is_formed_once(chronicle: Chronicle) -> None:
    chronicle.one(FormCluster("another"))
    assert chronicle.state.cluster_id == "cluster"


# ---- runs and objects -----------------------------------------------------------------------------------------------


def runs_of(chronicle: Chronicle, topic_id: TopicId, partition: int = 0) -> list[Run]:
    index = chronicle.state.runs.index(topic_id, partition)
    return [] if index is None else index.find(0, 1000, 1 << 40)


def test_batches_side_by_side_are_one_run(chronicle: Chronicle) -> None:
    topic_id, an_object = chronicle.topic("t"), data_object(1, 1)
    batches = [plain(count, max_timestamp=NOON_MS + late) for count, late in ((3, 0), (2, 9), (1, 1))]
    assert chronicle.one(append(topic_id, *batches, object_id=an_object, length=300)) == [0, 3, 5]
    assert runs_of(chronicle, topic_id) == [Run(0, 5, an_object, 0, 300, NOON_MS + 9, max_timestamp_offset=3)]
    assert chronicle.state.runs.high_watermark(topic_id, 0) == 6


def test_a_run_is_closed_once_it_is_long(chronicle: Chronicle) -> None:
    topic_id = chronicle.topic("t")
    half = plain(1, length=RUN_BYTES_MAX // 2)
    chronicle.one(append(topic_id, *[half] * 5, object_id=data_object(1, 1), length=5 * half.length))
    assert [run.base_offset for run in runs_of(chronicle, topic_id)] == [0, 2, 4]


def test_inline_payloads_of_one_commit_lie_behind_each_other(chronicle: Chronicle) -> None:
    one, two = chronicle.topic("one"), chronicle.topic("two")
    refused = append(OTHER, plain(1))
    chronicle.commit(append(one, plain(1), plain(1)), refused, append(two, plain(1)), payload_bytes=(200, 100, 100))
    here = inline_payload(chronicle.state.number)
    assert runs_of(chronicle, one) == [Run(0, 1, here, 0, 200, NOON_MS, 0)]
    assert runs_of(chronicle, two) == [Run(0, 0, here, 200, 100, NOON_MS, 0)]
    assert chronicle.state.objects.get(here) == ObjectRecord(300, 2), "every run counts, inline payloads included"


def test_an_object_lives_while_a_run_points_into_it(chronicle: Chronicle) -> None:
    one, two, shared = chronicle.topic("one"), chronicle.topic("two", 2), data_object(1, 1)

    def live() -> int:
        return live_of(chronicle, shared)

    chronicle.commit(
        append(one, plain(1), object_id=shared, length=300),
        append(two, plain(1, 100), object_id=shared, length=300),
        append(two, plain(1, 200), object_id=shared, length=300, partition=1),
    )
    assert live() == 3 and dict(chronicle.state.objects.data())[shared].length == 300
    chronicle.one(DeleteTopic(two))
    assert live() == 1
    chronicle.one(DeleteTopic(one))
    assert live() == 0


def test_an_append_nobody_may_make_changes_nothing(chronicle: Chronicle) -> None:
    topic_id = chronicle.topic("t")
    unknown = [-ErrorCode.UNKNOWN_TOPIC_OR_PARTITION]
    for partition in (-1, 1):
        assert chronicle.one(append(topic_id, plain(1), partition=partition, object_id=data_object(1, 1))) == unknown
    assert list(chronicle.state.objects.data()) == []


# ---- sessions and leases --------------------------------------------------------------------------------------------


def test_every_join_is_a_new_epoch_and_a_free_id(chronicle: Chronicle) -> None:
    second, third = chronicle.join(9093), chronicle.join(9094)
    live = chronicle.state.sessions.live
    assert [live[epoch].node_id for epoch in (chronicle.epoch, second, third)] == [1, 2, 3]
    chronicle.leave(second)
    fourth = chronicle.join(9095)
    assert fourth > third and live[fourth].node_id == 2


def test_who_joins_again_takes_the_place_of_its_former_life(chronicle: Chronicle) -> None:
    first = chronicle.join(9093)
    again = chronicle.join(9093)
    live = chronicle.state.sessions.live
    assert first not in live and live[again].node_id == 2


def test_who_joins_under_a_taken_id_replaces_its_holder(chronicle: Chronicle) -> None:
    chronicle.join(9093, node_id=7)
    again = chronicle.join(9999, node_id=7)
    assert [session.epoch for session in chronicle.state.sessions.live.values() if session.node_id == 7] == [again]


def test_a_session_is_fenced_only_while_it_is_silent(chronicle: Chronicle) -> None:
    other = chronicle.join(9093)
    seen = chronicle.state.sessions.signs[other]
    observer, chronicle.epoch = chronicle.epoch, other
    chronicle.one(SignalLiveness())
    chronicle.epoch = observer
    assert chronicle.refusal(FenceSession(other, seen)) == ErrorCode.INVALID_REQUEST
    chronicle.one(FenceSession(other, chronicle.state.sessions.signs[other]))
    assert other not in chronicle.state.sessions.live
    assert chronicle.refusal(FenceSession(other, seen)) == ErrorCode.INVALID_REQUEST


def test_of_two_observers_in_one_commit_one_fences(chronicle: Chronicle) -> None:
    other = chronicle.join(9093)
    fence = FenceSession(other, chronicle.state.sessions.signs[other])
    first, second = chronicle.commit(fence, fence)
    assert first is None and isinstance(second, Refused)


def test_only_the_owner_may_take_a_lease_and_it_keeps_it(chronicle: Chronicle) -> None:
    chronicle.join(9093)
    sessions = chronicle.state.sessions
    owners = {sessions.owner(f"group/{i}").epoch for i in range(50)}  # type: ignore[union-attr]
    assert owners == set(sessions.live)
    for i in range(50):
        owner = sessions.owner(f"group/{i}")
        assert owner is not None
        for epoch in list(sessions.live):
            chronicle.epoch = epoch
            if epoch == owner.epoch:
                lease_epoch = chronicle.one(TakeLease(f"group/{i}"))
                assert chronicle.one(TakeLease(f"group/{i}")) == lease_epoch
                assert sessions.holds(epoch, f"group/{i}", lease_epoch)
            else:
                assert chronicle.refusal(TakeLease(f"group/{i}")) == ErrorCode.NOT_COORDINATOR


def test_a_new_node_takes_only_its_share_and_a_gone_one_leaves_only_its_own(chronicle: Chronicle) -> None:
    chronicle.join(9093)
    names = [f"task/{i}" for i in range(200)]

    def owners() -> dict[str, int]:
        return {name: chronicle.state.sessions.owner(name).epoch for name in names}  # type: ignore[union-attr]

    before = owners()
    third = chronicle.join(9094)
    assert all(owner in {before[name], third} for name, owner in owners().items())
    chronicle.leave(third)
    assert owners() == before


def test_leases_end_with_their_session_and_lease_epochs_only_grow(chronicle: Chronicle) -> None:
    first = chronicle.lease("group/g")
    former = chronicle.epoch
    chronicle.epoch = chronicle.join(9092)
    assert former not in chronicle.state.sessions.live and "group/g" not in chronicle.state.sessions.leases
    assert chronicle.lease("group/g") > first


# ---- groups and offsets ---------------------------------------------------------------------------------------------


def test_a_group_is_saved_under_its_lease_only(chronicle: Chronicle) -> None:
    lease = chronicle.lease(group_resource("g"))
    chronicle.one(SaveGroup("g", lease, RECORD))
    assert chronicle.state.groups.get("g") == RECORD
    forget = SaveGroup("g", lease, forgets=True)
    assert chronicle.refusal(SaveGroup("g", lease - 1, forgets=True)) == ErrorCode.NOT_COORDINATOR
    own, chronicle.epoch = chronicle.epoch, chronicle.join(9093)
    assert chronicle.refusal(forget) == ErrorCode.NOT_COORDINATOR, "the epoch is that of the proposer"
    chronicle.leave(chronicle.epoch)
    chronicle.epoch = own
    chronicle.epoch = chronicle.join(9092)
    assert chronicle.refusal(forget) == ErrorCode.NOT_COORDINATOR
    assert chronicle.state.groups.get("g") == RECORD
    chronicle.one(SaveGroup("g", chronicle.lease(group_resource("g")), forgets=True))
    assert chronicle.state.groups.get("g") is None and list(chronicle.state.groups.names()) == []


class ToyMember(GroupMemberRecord, frozen=True, array_like=True, tag="toy"):
    """The member record of a protocol that commits one fact for each member."""

    topics: tuple[str, ...]


def test_a_protocol_may_commit_one_member_without_rewriting_the_group() -> None:
    groups, moment, state = Groups(), Moment(1, NOON_MS), State()
    groups._save(GroupSaved("g", RECORD), moment, state)
    for member in ("a", "b"):
        groups._save_member(GroupMemberSaved("g", member, ToyMember((member,))), moment, state)
    draft = groups.draft()
    draft._save_member(GroupMemberSaved("g", "a", ToyMember(("changed",))), moment, state)
    draft._forget_member(GroupMemberForgotten("g", "b"), moment, state)
    assert dict(draft.members("g")) == {"a": ToyMember(("changed",))}
    assert dict(groups.members("g")) == {"a": ToyMember(("a",)), "b": ToyMember(("b",))}, "a draft changes nothing"
    again = Groups()
    for rows in groups.freeze():
        again.restore(1, rows)
    assert (again.get("g"), dict(again.members("g"))) == (RECORD, dict(groups.members("g")))
    groups._forget(GroupForgotten("g"), moment, state)
    assert groups.get("g") is None and not groups.members("g")


def test_members_are_saved_and_removed_under_the_groups_lease(chronicle: Chronicle) -> None:
    lease = chronicle.lease(group_resource("g"))
    draft = chronicle.state.draft(NOON_MS)
    draft.validate(SaveGroup("g", lease, RECORD, (("a", ToyMember(())), ("b", ToyMember(())))), chronicle.epoch)
    draft.validate(SaveGroup("g", lease, members_saved=(("c", ToyMember(())),)), chronicle.epoch)
    draft.validate(SaveGroup("g", lease, members_removed=("a", "nobody")), chronicle.epoch)
    assert [type(fact).__name__ for fact in draft.facts] == [
        "GroupSaved", "GroupMemberSaved", "GroupMemberSaved", "GroupMemberSaved", "GroupMemberForgotten",
    ]  # fmt: skip
    with pytest.raises(Refused) as refusal:
        draft.validate(SaveGroup("g", lease - 1, members_removed=("b",)), chronicle.epoch)
    assert refusal.value.code == ErrorCode.NOT_COORDINATOR


def test_offsets_are_committed_for_what_exists_and_under_the_lease(chronicle: Chronicle) -> None:
    topic_id, lease = chronicle.topic("t", 2), chronicle.lease(group_resource("g"))
    entries = (
        OffsetToCommit(topic_id, 0, 5, 1, "note"),
        OffsetToCommit(topic_id, 2, 5, 1, ""),
        OffsetToCommit(OTHER, 0, 5, 1, ""),
    )
    unknown = ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
    assert chronicle.one(CommitOffsets("g", lease, entries)) == [ErrorCode.NONE, unknown, unknown]
    entry = chronicle.state.offsets.get("g", topic_id, 0)
    assert entry is not None and (entry.offset, entry.leader_epoch, entry.metadata) == (5, 1, "note")
    assert entry.commit_ms == chronicle.state.time_ms
    stale = CommitOffsets("g", lease - 1, entries[:1])
    assert chronicle.refusal(stale) == ErrorCode.NOT_COORDINATOR


def test_a_committed_offset_may_go_back_and_goes_with_its_topic(chronicle: Chronicle) -> None:
    topic_id, lease = chronicle.topic("t"), chronicle.lease(group_resource("g"))
    for offset in (9, 3):
        chronicle.one(CommitOffsets("g", lease, (OffsetToCommit(topic_id, 0, offset, -1, ""),)))
    assert [entry.offset for _, _, entry in chronicle.state.offsets.of_group("g")] == [3]
    chronicle.one(DeleteTopic(topic_id))
    assert chronicle.state.offsets.get("g", topic_id, 0) is None


# ---- identities -----------------------------------------------------------------------------------------------------


def test_the_results_of_a_node_are_known_until_its_floor_passes_them(chronicle: Chronicle) -> None:
    identities = chronicle.state.identities
    chronicle.commit(SignalLiveness(), CreateTopic("t", OTHER, 1))
    last = chronicle.counter
    assert identities.is_known(Identity(chronicle.epoch, last))
    assert not identities.is_known(Identity(chronicle.epoch, last + 1))
    assert not identities.is_known(Identity(chronicle.epoch + 1, last))
    chronicle.one(SignalLiveness())
    assert identities.is_known(Identity(chronicle.epoch, last)), "below the floor everything is resolved"
    assert [row.results for row in next(identities.freeze())] == [[(last + 1, None)]]


def test_nothing_is_kept_of_sessions_that_ended(chronicle: Chronicle) -> None:
    for _ in range(5):
        chronicle.epoch = chronicle.join(9092)
        chronicle.one(LeaveSession())
    chronicle.epoch = 0
    chronicle.one(JoinSession(None, (), 10_000))
    assert {row.epoch for row in next(chronicle.state.identities.freeze())} <= set(chronicle.state.sessions.live)
