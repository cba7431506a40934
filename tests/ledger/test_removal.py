"""What is added to topics and taken away: partitions, records, committed offsets, groups."""

import msgspec
import pytest

from higgins.ledger.snapshot import digest
from higgins.ledger.state.group_records import ClassicGroupRecord
from higgins.ledger.state.groups import SaveGroup
from higgins.ledger.state.offsets import CommitOffsets, DeleteOffsets, OffsetToCommit, group_resource
from higgins.ledger.state.partitions import AddPartitions, TaskGrowth
from higgins.ledger.state.runs import HIGH_WATERMARK, DeleteRecords
from higgins.ledger.state.tasks import ApplyTopography, AttachTasks, InputPosition
from higgins.ledger.state.topics import PARTITIONS_MAX, CreateTopic, DeleteTopic
from higgins.model.names import TopicId
from higgins.model.pointer import data_object
from higgins_protocol.errors import ErrorCode
from tests.ledger.chronicle import NOON_MS, Chronicle, append, live_of, plain

OTHER = TopicId(b"o" * 16)


@pytest.fixture
def chronicle() -> Chronicle:
    return Chronicle()


# ---- partitions ------------------------------------------------------------------------------------------------------


def test_partitions_are_added_and_never_taken_away(chronicle: Chronicle) -> None:
    topic_id = chronicle.topic("t", 2)
    chronicle.one(AddPartitions(topic_id, 5))
    assert chronicle.state.topics.by_name["t"].partitions == chronicle.state.topics.by_id[topic_id].partitions == 5
    assert chronicle.one(append(topic_id, plain(1), partition=4)) == [0]
    for partitions in (5, 4, 0, -1, PARTITIONS_MAX + 1):
        assert chronicle.refusal(AddPartitions(topic_id, partitions)) == ErrorCode.INVALID_PARTITIONS
    chronicle.one(AddPartitions(topic_id, PARTITIONS_MAX))
    assert chronicle.state.topics.by_name["t"].partitions == PARTITIONS_MAX
    assert chronicle.refusal(AddPartitions(OTHER, 9)) == ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
    assert digest(chronicle.restored().state) == digest(chronicle.state)


def test_of_two_who_add_the_same_partitions_one_does(chronicle: Chronicle) -> None:
    topic_id = chronicle.topic("t")
    first, second = chronicle.commit(AddPartitions(topic_id, 3), AddPartitions(topic_id, 3))
    assert first is None and second.code == ErrorCode.INVALID_PARTITIONS


def positions(topic_id: TopicId, first: int, end: int) -> tuple[tuple[InputPosition, ...], ...]:
    return tuple((InputPosition(topic_id, partition, 0),) for partition in range(first, end))


def apply_chain(chronicle: Chronicle) -> tuple[TopicId, TopicId, TopicId]:
    """source → one → two, each of two partitions."""
    source, one, two = chronicle.topic("source", 2), TopicId(b"1" * 16), TopicId(b"2" * 16)
    attach = (
        AttachTasks("one", 1, (source,), (one,), b"", positions(source, 0, 2)),
        AttachTasks("two", 1, (one,), (two,), b"", positions(one, 0, 2)),
    )
    creations = (CreateTopic("one", one, 2), CreateTopic("two", two, 2))
    chronicle.one(ApplyTopography(0, creations, attach, (), b"document"))
    return source, one, two


def test_what_derives_from_a_topic_grows_with_it(chronicle: Chronicle) -> None:
    source, one, two = apply_chain(chronicle)
    first = TaskGrowth("one", 1, ((one, 4),), positions(source, 2, 4))
    second = TaskGrowth("two", 1, ((two, 4),), positions(one, 2, 4))
    assert chronicle.refusal(AddPartitions(source, 4)) == ErrorCode.INVALID_REQUEST, "its operators do not grow"
    assert chronicle.refusal(AddPartitions(source, 4, (first,))) == ErrorCode.INVALID_REQUEST, "nor does the second"
    changed = msgspec.structs.replace(first, generation=2)
    assert chronicle.refusal(AddPartitions(source, 4, (changed, second))) == ErrorCode.INVALID_REQUEST
    assert chronicle.refusal(AddPartitions(one, 4, (first, second))) == ErrorCode.POLICY_VIOLATION
    chronicle.one(AddPartitions(source, 4, (first, second)))
    state = chronicle.state
    assert [state.topics.by_id[each].partitions for each in (source, one, two)] == [4, 4, 4]
    assert [state.tasks.sets[name].tasks for name in ("one", "two")] == [4, 4]
    assert [(each.partition, each.next_offset) for each in state.tasks.positions("two")] == [(i, 0) for i in range(4)]
    assert digest(chronicle.restored().state) == digest(state)


def test_a_topography_planned_for_fewer_partitions_is_planned_again(chronicle: Chronicle) -> None:
    source, one, two = apply_chain(chronicle)
    before = chronicle.state.tasks.version
    first = TaskGrowth("one", 1, ((one, 3),), positions(source, 2, 3))
    second = TaskGrowth("two", 1, ((two, 3),), positions(one, 2, 3))
    chronicle.one(AddPartitions(source, 3, (first, second)))
    assert chronicle.refusal(ApplyTopography(before, (), (), (), b"")) == ErrorCode.INVALID_REQUEST
    plain_topic, output = chronicle.topic("u", 1), TopicId(b"3" * 16)
    chronicle.one(AddPartitions(plain_topic, 2))
    attach = (AttachTasks("three", 9, (plain_topic,), (output,), b"", positions(plain_topic, 0, 1)),)
    late = ApplyTopography(chronicle.state.tasks.version, (CreateTopic("three", output, 1),), attach, (), b"")
    assert chronicle.refusal(late) == ErrorCode.INVALID_REQUEST


# ---- records ---------------------------------------------------------------------------------------------------------


def test_the_log_starts_where_records_were_deleted_up_to(chronicle: Chronicle) -> None:
    topic_id = chronicle.topic("t", 2)
    objects = [data_object(1, number) for number in range(3)]
    for an_object in objects:
        chronicle.one(append(topic_id, plain(10), object_id=an_object, length=100))
    state = chronicle.state
    assert chronicle.one(DeleteRecords(topic_id, 0, 15)) == 15
    index = state.runs.index(topic_id, 0)
    assert index is not None
    assert [run.base_offset for run in index.find(0, 9, 1 << 40)] == [10, 20], "a run it lies in stays whole"
    assert [live_of(chronicle, each) for each in objects] == [0, 1, 1]
    assert (state.runs.log_start(topic_id, 0), state.runs.high_watermark(topic_id, 0)) == (15, 30)
    assert chronicle.one(DeleteRecords(topic_id, 0, 3)) == 15, "it never goes back"
    assert digest(chronicle.restored().state) == digest(state)
    assert chronicle.restored().state.runs.log_start(topic_id, 0) == 15
    assert chronicle.one(DeleteRecords(topic_id, 0, HIGH_WATERMARK)) == 30
    assert [live_of(chronicle, each) for each in objects] == [0, 0, 0]
    assert chronicle.one(append(topic_id, plain(1))) == [30]
    assert state.runs.log_start(topic_id, 1) == 0


def test_what_is_not_there_cannot_be_deleted(chronicle: Chronicle) -> None:
    topic_id = chronicle.topic("t")
    chronicle.one(append(topic_id, plain(4)))
    for offset in (5, -2):
        assert chronicle.refusal(DeleteRecords(topic_id, 0, offset)) == ErrorCode.OFFSET_OUT_OF_RANGE
    for nowhere in (DeleteRecords(topic_id, 1, 0), DeleteRecords(topic_id, -1, 0), DeleteRecords(OTHER, 0, 0)):
        assert chronicle.refusal(nowhere) == ErrorCode.UNKNOWN_TOPIC_OR_PARTITION


def test_all_there_is_means_all_there_is_by_then(chronicle: Chronicle) -> None:
    topic_id = chronicle.topic("t")
    results = chronicle.commit(
        append(topic_id, plain(3)), DeleteRecords(topic_id, 0, HIGH_WATERMARK), DeleteRecords(topic_id, 0, 2),
        append(topic_id, plain(1)), payload_bytes=(100, 0, 0, 100),
    )  # fmt: skip
    assert results == [[0], 3, 3, [3]]


def test_a_log_start_goes_with_its_topic(chronicle: Chronicle) -> None:
    topic_id = chronicle.topic("t")
    chronicle.one(append(topic_id, plain(3)))
    chronicle.one(DeleteRecords(topic_id, 0, 3))
    chronicle.one(DeleteTopic(topic_id))
    assert list(chronicle.state.runs.freeze()) == []


# ---- offsets and groups ----------------------------------------------------------------------------------------------


def committed(chronicle: Chronicle, lease: int, *partitions: tuple[TopicId, int]) -> None:
    entries = tuple(OffsetToCommit(*each, 5, 0, "") for each in partitions)
    assert set(chronicle.one(CommitOffsets("g", lease, entries))) == {0}


def test_offsets_are_taken_back_one_by_one(chronicle: Chronicle) -> None:
    topic_id, lease = chronicle.topic("t", 2), chronicle.lease(group_resource("g"))
    committed(chronicle, lease, (topic_id, 0), (topic_id, 1))
    stale = DeleteOffsets("g", lease - 1, ((topic_id, 0),))
    assert chronicle.refusal(stale) == ErrorCode.NOT_COORDINATOR
    chronicle.one(DeleteOffsets("g", lease, ((topic_id, 0), (OTHER, 7))))
    assert [partition for _, partition, _ in chronicle.state.offsets.of_group("g")] == [1]
    chronicle.one(DeleteOffsets("g", lease, ()))
    assert [partition for _, partition, _ in chronicle.state.offsets.of_group("g")] == [1]
    chronicle.one(DeleteOffsets("g", lease, ((topic_id, 1),)))
    assert list(chronicle.state.offsets.groups()) == []


def test_a_group_is_forgotten_with_what_it_committed_or_without(chronicle: Chronicle) -> None:
    topic_id, lease = chronicle.topic("t"), chronicle.lease(group_resource("g"))
    record = ClassicGroupRecord(NOON_MS, "consumer", 3, None, None, ())
    for with_offsets in (False, True):
        committed(chronicle, lease, (topic_id, 0))
        chronicle.one(SaveGroup("g", lease, record))
        chronicle.one(SaveGroup("g", lease, forgets=True, with_offsets=with_offsets))
        assert chronicle.state.groups.get("g") is None
        assert list(chronicle.state.offsets.groups()) == ([] if with_offsets else ["g"])
