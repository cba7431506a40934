"""The edges of facets: the last partition, the first offset, ties of time, what is shared and what is not."""

import msgspec
import pytest

from higgins.ledger.state import append as append_module
from higgins.ledger.state import index as index_module
from higgins.ledger.state import sessions as sessions_module
from higgins.ledger.state.append import INLINE, RUN_BYTES_MAX, BatchEntry
from higgins.ledger.state.index import CHUNK_RUNS, Run, RunIndex
from higgins.ledger.state.offsets import CommitOffsets, DeleteOffsets, OffsetToCommit, group_resource
from higgins.ledger.state.overlay import Overlay
from higgins.ledger.state.partitions import AddPartitions, TaskGrowth
from higgins.ledger.state.producers import GrantProducerIds
from higgins.ledger.state.runs import HIGH_WATERMARK, Append, DeleteRecords, ReplaceRuns
from higgins.ledger.state.sessions import TakeLease
from higgins.ledger.state.tasks import ApplyTopography, AttachTasks, InputPosition, task_resource
from higgins.ledger.state.topics import PARTITIONS_MAX, CreateTopic, DeleteTopic
from higgins.model.names import TopicId
from higgins.model.pointer import data_object
from higgins_protocol.errors import ErrorCode
from tests.ledger.chronicle import NOON_MS, Chronicle, append, idempotent, live_of, plain

UNKNOWN = -ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
OTHER = TopicId(b"o" * 16)


@pytest.fixture
def chronicle() -> Chronicle:
    return Chronicle()


def runs_of(chronicle: Chronicle, topic_id: TopicId, partition: int = 0) -> list[Run]:
    index = chronicle.state.runs.index(topic_id, partition)
    return [] if index is None else index.find(0, 1000, 1 << 40)


# ---- appends --------------------------------------------------------------------------------------------------------


def test_the_partitions_of_a_topic_are_those_below_its_count(chronicle: Chronicle) -> None:
    topic = chronicle.topic("t", 3)
    for partition in range(-2, 5):
        expected = 0 if 0 <= partition < 3 else UNKNOWN
        assert chronicle.one(append(topic, plain(1), plain(1), partition=partition))[0] == expected
        code = chronicle.refusal(DeleteRecords(topic, partition, 99))
        assert code == (ErrorCode.OFFSET_OUT_OF_RANGE if expected == 0 else ErrorCode.UNKNOWN_TOPIC_OR_PARTITION)
    lease = chronicle.lease(group_resource("g"))
    entries = tuple(OffsetToCommit(topic, partition, 1, 0, "") for partition in (-1, 0, 2, 3))
    assert chronicle.one(CommitOffsets("g", lease, entries)) == [-UNKNOWN, 0, 0, -UNKNOWN]


@pytest.mark.parametrize(
    ("lengths", "firsts"),
    [
        ((RUN_BYTES_MAX - 1, 1, 1), [0, 2]),
        ((RUN_BYTES_MAX, 1, 1), [0, 1]),
        ((RUN_BYTES_MAX + 1, RUN_BYTES_MAX, 5), [0, 1, 2]),
        ((1, RUN_BYTES_MAX, 1), [0, 2]),
        ((RUN_BYTES_MAX - 2, 1, 1), [0]),
    ],
)
def test_a_run_ends_with_the_batch_that_reaches_its_length(
    chronicle: Chronicle, lengths: tuple[int, ...], firsts: list[int]
) -> None:
    topic = chronicle.topic("t")
    batches = [plain(1, length=length) for length in lengths]
    chronicle.one(append(topic, *batches, object_id=data_object(1, 1), length=sum(lengths)))
    runs = runs_of(chronicle, topic)
    assert [run.base_offset for run in runs] == firsts
    assert sum(run.length for run in runs) == sum(lengths)
    assert [run.position for run in runs] == [sum(lengths[:first]) for first in firsts]


def test_batches_that_do_not_touch_are_runs_of_their_own(chronicle: Chronicle) -> None:
    # Between the first and the third lies a batch that was refused as a repeat.
    topic = chronicle.topic("t")
    producer_id = chronicle.one(GrantProducerIds(1))
    chronicle.one(append(topic, idempotent(producer_id, 0)))
    first, repeat, last = (
        msgspec.structs.replace(idempotent(producer_id, sequence), position=100 * at)
        for at, sequence in enumerate((1, 0, 2))
    )
    an_object = data_object(1, 1)
    assert chronicle.one(Append(topic, 0, an_object, 300, (first, repeat, last))) == [1, 0, 2]
    assert [(run.base_offset, run.last_offset, run.position, run.length) for run in runs_of(chronicle, topic)[1:]] == [
        (1, 1, 0, 100), (2, 2, 200, 100),
    ]  # fmt: skip
    assert live_of(chronicle, an_object) == 2


@pytest.mark.parametrize(
    ("times", "at"), [((5, 5, 5), 0), ((1, 5, 5), 2), ((1, 5, 7), 4), ((7, 5, 6), 0), ((-1, -1, -1), 0)]
)
def test_the_first_batch_with_the_greatest_time_is_named(
    chronicle: Chronicle, times: tuple[int, ...], at: int
) -> None:
    topic = chronicle.topic("t")
    chronicle.one(append(topic, plain(7)))
    chronicle.one(append(topic, *[plain(2, max_timestamp=each) for each in times]))
    run = runs_of(chronicle, topic)[1]
    assert (run.max_timestamp, run.max_timestamp_offset) == (max(times), 7 + at)


def test_an_append_of_nothing_changes_nothing(chronicle: Chronicle) -> None:
    topic, an_object = chronicle.topic("t"), data_object(1, 1)
    assert chronicle.one(Append(topic, 0, an_object, 100, ())) == []
    refused: BatchEntry = idempotent(1, 0)
    chronicle.one(GrantProducerIds(1))
    again = msgspec.structs.replace(refused, base_sequence=9)
    assert chronicle.one(Append(topic, 0, an_object, 100, (again,))) == [-ErrorCode.UNKNOWN_PRODUCER_ID]
    assert chronicle.state.objects.get(an_object) is None, "an object without pointers was never put"
    assert chronicle.state.objects.lowest_payload() is None


def test_repeats_within_one_append_are_answered_with_the_offsets_they_will_have(chronicle: Chronicle) -> None:
    topic = chronicle.topic("t")
    a, b = chronicle.one(GrantProducerIds(2)), 2
    chronicle.one(append(topic, plain(3)))
    batches = [idempotent(a, 0, 2), idempotent(b, 0), idempotent(a, 2), idempotent(a, 0, 2), idempotent(b, 1), plain(1)]
    assert chronicle.one(append(topic, *batches)) == [3, 5, 6, 3, 7, 8]


# ---- deleting records -----------------------------------------------------------------------------------------------


def test_records_are_deleted_up_to_any_offset_that_exists(chronicle: Chronicle) -> None:
    topic = chronicle.topic("t")
    chronicle.one(append(topic, plain(10)))
    for offset in (-2, 11):
        assert chronicle.refusal(DeleteRecords(topic, 0, offset)) == ErrorCode.OFFSET_OUT_OF_RANGE
    assert [chronicle.one(DeleteRecords(topic, 0, offset)) for offset in (0, 4, 3, 4, 5, 10)] == [0, 4, 4, 4, 5, 10]
    frontiers = chronicle.state.runs.frontiers(topic, 0)
    assert (frontiers.log_start, frontiers.last_stable, frontiers.high_watermark) == (10, 10, 10)
    assert runs_of(chronicle, topic) == [] and chronicle.state.objects.lowest_payload() is None
    chronicle.one(append(topic, plain(2)))
    assert chronicle.one(DeleteRecords(topic, 0, HIGH_WATERMARK)) == 12
    assert chronicle.restored().state.runs.frontiers(topic, 0) == chronicle.state.runs.frontiers(topic, 0)


def test_a_run_stays_while_any_of_its_records_does(chronicle: Chronicle) -> None:
    topic = chronicle.topic("t", 2)
    objects = [data_object(1, i) for i in range(3)]
    for each in objects:
        chronicle.one(append(topic, plain(5), object_id=each, length=100))
    for offset, live in ((4, [1, 1, 1]), (5, [0, 1, 1]), (9, [0, 1, 1]), (10, [0, 0, 1]), (15, [0, 0, 0])):
        chronicle.one(DeleteRecords(topic, 0, offset))
        assert [live_of(chronicle, each) for each in objects] == live
    assert chronicle.state.runs.log_start(topic, 1) == 0


# ---- replacing runs -------------------------------------------------------------------------------------------------


def test_runs_that_an_object_shares_are_counted_one_by_one(chronicle: Chronicle) -> None:
    topic, old, new = chronicle.topic("t"), data_object(1, 1), data_object(1, 2)
    for i in range(4):
        chronicle.one(append(topic, plain(2, position=100 * i), object_id=old, length=400))
    replaced = tuple(runs_of(chronicle, topic)[1:3])
    merged = Run(2, 5, new, 0, 150, NOON_MS, 2)
    assert chronicle.one(ReplaceRuns(topic, 0, replaced, (merged,), ((new, 150),)))
    assert (live_of(chronicle, old), live_of(chronicle, new)) == (2, 1)
    assert [run.object_id for run in runs_of(chronicle, topic)] == [old, new, old]
    assert not chronicle.one(ReplaceRuns(topic, 0, replaced, (merged,), ((new, 150),)))
    index = chronicle.state.runs.index(topic, 0)
    assert index is not None and index.bytes == 350


# ---- the index ------------------------------------------------------------------------------------------------------


def run_at(i: int) -> Run:
    return Run(2 * i, 2 * i + 1, data_object(1, 1), 10 * i, 10, NOON_MS + i, 2 * i)


@pytest.mark.parametrize("count", [CHUNK_RUNS - 1, CHUNK_RUNS, CHUNK_RUNS + 1, 2 * CHUNK_RUNS])
def test_an_index_is_whole_around_the_bounds_of_its_chunks(count: int) -> None:
    index = RunIndex()
    for i in range(count):
        index.append(run_at(i))
    assert len(index) == count and index.bytes == 10 * count
    last = count - 1
    for i in (0, CHUNK_RUNS - 2, CHUNK_RUNS - 1, CHUNK_RUNS, last):
        if i < count:
            for offset in (2 * i, 2 * i + 1):
                assert index.find(offset, 2, 1 << 40) == [run_at(each) for each in (i, i + 1) if each < count]
    assert index.find(2 * count, 2, 1 << 40) == []
    assert [len(index.find(0, most, 1 << 40)) for most in (0, 1, 5)] == [0, 1, 5]
    assert [len(index.find(0, 100, most)) for most in (1, 10, 11, 20, 21)] == [1, 1, 2, 2, 3]
    assert index.between(2 * last - 1, 2 * last) == [run_at(last - 1), run_at(last)]
    assert index.between(1, 1) == [run_at(0)] and index.between(2, 3) == [run_at(1)]
    assert index.newest(0) == index.newest(2 * last + 1) == [run_at(last)] and index.newest(2 * count) == []
    assert index.first_not_before(NOON_MS + last, 0) == [run_at(last)]
    assert index.first_not_before(NOON_MS + last + 1, 0) == []
    assert index.first_not_before(NOON_MS, 2 * last + 1) == [run_at(last)]
    assert sum(index.objects().values()) == count


def test_of_equal_times_the_first_run_is_the_newest() -> None:
    index = RunIndex()
    for i in range(CHUNK_RUNS + 3):
        index.append(msgspec.structs.replace(run_at(i), max_timestamp=NOON_MS + (i > 1)))
    assert index.newest(0)[0].base_offset == 4
    assert index.newest(5)[0].base_offset == 4 and index.newest(6)[0].base_offset == 6
    assert index.newest(2 * CHUNK_RUNS)[0].base_offset == 2 * CHUNK_RUNS
    assert index.newest(2 * CHUNK_RUNS - 1)[0].base_offset == 2 * CHUNK_RUNS - 2


def test_what_a_batch_is_and_what_a_run_holds_has_the_same_numbers_for_ever() -> None:
    # They are stored in commits and snapshots.
    kinds = (append_module.IDEMPOTENT, append_module.TRANSACTIONAL_DATA)
    markers = (append_module.COMMIT_MARKER, append_module.ABORT_MARKER)
    assert (*kinds, *markers) == (0, 1, 2, 3)
    assert (index_module.TRANSACTIONAL, index_module.CONTROL, index_module.STORED_OFFSETS) == (1, 2, 4)
    assert (INLINE, append_module.PRODUCER_COLUMNS, index_module.COLUMNS) == (0, 6, 6)


# ---- sessions -------------------------------------------------------------------------------------------------------


def test_a_lease_counts_only_for_its_session_its_epoch_and_while_it_lives(chronicle: Chronicle) -> None:
    sessions = chronicle.state.sessions
    lease, epoch = chronicle.lease("r"), chronicle.epoch
    assert sessions.holds(epoch, "r", lease)
    for other in ((epoch + 1, "r", lease), (epoch, "q", lease), (epoch, "r", lease - 1), (epoch, "r", lease + 1)):
        assert not sessions.holds(*other)
    chronicle.join(9099)
    assert sessions.holds(epoch, "r", lease), "another node's life changes nothing"
    chronicle.leave(epoch)
    assert not sessions.holds(epoch, "r", lease) and sessions.leases == {}


def test_the_node_that_began_first_is_the_controller_until_it_ends(chronicle: Chronicle) -> None:
    sessions = chronicle.state.sessions
    epochs = [chronicle.epoch, chronicle.join(9093), chronicle.join(9094)]
    for epoch in epochs:
        controller = sessions.controller()
        assert controller is not None and controller.epoch == epoch
        chronicle.leave(epoch)
    assert sessions.controller() is None and sessions.owner("r") is None


def test_owners_follow_every_join_and_every_end(
    chronicle: Chronicle, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sessions_module, "OWNERS_CACHED_MAX", 20)
    sessions = chronicle.state.sessions
    names = [f"r{i}" for i in range(50)]

    def owners() -> list[int]:
        found = [sessions.owner(name) for name in names]
        assert len(sessions._owners) <= 21, "the cache is bounded"
        return [owner.node_id for owner in found if owner is not None]

    assert owners() == [1] * 50
    second = chronicle.join(9093)
    both = owners()
    assert set(both) == {1, 2}
    chronicle.leave(second)
    assert owners() == [1] * 50
    chronicle.join(9093)
    assert owners() == both, "the node id decides, not the session"


def test_a_lease_that_is_held_is_not_taken_by_a_second_owner(chronicle: Chronicle) -> None:
    epochs = [chronicle.epoch, chronicle.join(9093)]
    owner = chronicle.state.sessions.owner("r")
    assert owner is not None
    other = next(epoch for epoch in epochs if epoch != owner.epoch)
    chronicle.epoch = owner.epoch
    lease = chronicle.one(TakeLease("r"))
    chronicle.epoch = other
    assert chronicle.refusal(TakeLease("r")) == ErrorCode.NOT_COORDINATOR
    chronicle.leave(owner.epoch)
    assert chronicle.one(TakeLease("r")) > lease


# ---- offsets --------------------------------------------------------------------------------------------------------


def test_offsets_of_other_groups_topics_and_partitions_stay(chronicle: Chronicle) -> None:
    one, two = chronicle.topic("one", 2), chronicle.topic("two", 1)
    offsets = chronicle.state.offsets
    leases = {name: chronicle.lease(group_resource(name)) for name in ("g", "h")}
    keys = [(one, 0), (one, 1), (two, 0)]
    for name, lease in leases.items():
        entries = tuple(OffsetToCommit(topic, partition, 7, 1, name) for topic, partition in keys)
        chronicle.one(CommitOffsets(name, lease, entries))
    chronicle.one(DeleteOffsets("g", leases["g"], ((one, 1),)))
    assert [key[:2] for key in offsets.of_group("g")] == [(one, 0), (two, 0)]
    assert [key[:2] for key in offsets.of_group("h")] == keys
    chronicle.one(DeleteOffsets("g", leases["g"], ()))
    assert len(list(offsets.of_group("g"))) == 2, "no partitions are none, not all"
    chronicle.one(DeleteTopic(one))
    assert [key[:2] for key in offsets.of_group("g")] == [key[:2] for key in offsets.of_group("h")] == [(two, 0)]
    chronicle.one(DeleteOffsets("g", leases["g"], ((two, 0), (two, 0))))
    assert list(offsets.groups()) == ["h"]
    entry = chronicle.restored().state.offsets.get("h", two, 0)
    assert entry is not None and (entry.offset, entry.leader_epoch, entry.metadata) == (7, 1, "h")
    assert chronicle.refusal(DeleteOffsets("h", leases["h"] - 1, ((two, 0),))) == ErrorCode.NOT_COORDINATOR


# ---- more partitions ------------------------------------------------------------------------------------------------


def test_partitions_grow_up_to_the_limit(chronicle: Chronicle) -> None:
    topic = chronicle.topic("t", 2)
    for partitions in (2, 1, 0, PARTITIONS_MAX + 1):
        assert chronicle.refusal(AddPartitions(topic, partitions)) == ErrorCode.INVALID_PARTITIONS
    chronicle.one(AddPartitions(topic, 3))
    chronicle.one(AddPartitions(topic, PARTITIONS_MAX))
    assert chronicle.state.topics.by_id[topic].partitions == PARTITIONS_MAX
    assert chronicle.one(append(topic, plain(1), partition=PARTITIONS_MAX - 1)) == [0]


def test_growth_that_does_not_fit_its_operator_is_refused(chronicle: Chronicle) -> None:
    source, output = chronicle.topic("in", 1), TopicId(b"out".ljust(16, b"."))
    attach = AttachTasks("op", 1, (source,), (output,), b"", ((InputPosition(source, 0, 5),),))
    chronicle.one(ApplyTopography(0, (CreateTopic("out", output, 1),), (attach,), (), b""))
    more = ((InputPosition(source, 1, 0),),)
    good = TaskGrowth("op", 1, ((output, 2),), more)
    for growth in (
        (),
        (msgspec.structs.replace(good, generation=2),),
        (msgspec.structs.replace(good, name="other"),),
        (msgspec.structs.replace(good, outputs=((source, 2),)),),
        (msgspec.structs.replace(good, outputs=((output, 1),)),),
        (msgspec.structs.replace(good, outputs=((OTHER, 2),)),),
    ):
        assert chronicle.refusal(AddPartitions(source, 2, growth)) == ErrorCode.INVALID_REQUEST
    assert chronicle.refusal(AddPartitions(output, 2)) == ErrorCode.POLICY_VIOLATION
    chronicle.one(AddPartitions(source, 2, (good,)))
    tasks = chronicle.state.tasks
    assert [(each.partition, each.next_offset) for each in tasks.positions("op")] == [(0, 5), (1, 0)]
    assert tasks.sets["op"].tasks == 2 and chronicle.state.topics.by_id[output].partitions == 2
    assert chronicle.lease(task_resource("op", 1))
    assert tasks.user_of_topic(source) == tasks.user_of_topic(output) == "op"
    assert tasks.user_of_topic(OTHER) == "" and [each.name for each in tasks.readers_of(source)] == ["op"]
    assert tasks.readers_of(output) == []


def test_an_inline_append_beside_one_in_an_object_counts_only_its_own(chronicle: Chronicle) -> None:
    topic, an_object = chronicle.topic("t", 2), data_object(1, 1)
    chronicle.commit(
        append(topic, plain(1), object_id=an_object, length=100),
        append(topic, plain(1), plain(1), partition=1, object_id=INLINE),
    )
    assert live_of(chronicle, an_object) == 1
    assert chronicle.state.objects.lowest_payload() == chronicle.state.number
    record = chronicle.state.objects.get(runs_of(chronicle, topic, 1)[0].object_id)
    assert record is not None and (record.length, record.live) == (200, 1)


def test_what_is_deleted_in_an_overlay_is_there_below_only() -> None:
    below = {"a": 1, "b": 2}
    overlay: Overlay[str, int] = Overlay(below)
    del overlay["a"]
    with pytest.raises(KeyError):
        overlay["a"]
    with pytest.raises(KeyError):
        overlay["nothing"]
    assert "a" not in overlay and overlay.get("a") is None and overlay.get("a", 7) == 7
    assert list(overlay.items()) == [("b", 2)] and len(overlay) == 1
    overlay["a"] = 3
    assert overlay["a"] == 3 and dict(overlay) == {"a": 3, "b": 2} and below == {"a": 1, "b": 2}


def test_an_operator_owns_all_topics_that_it_writes_until_it_ends(chronicle: Chronicle) -> None:
    source = chronicle.topic("in", 1)
    outputs = tuple(TopicId(name.encode().ljust(16, b".")) for name in ("one", "two", "three"))
    creations = tuple(CreateTopic(f"out{i}", output, 1) for i, output in enumerate(outputs))
    attach = AttachTasks("op", 1, (source,), outputs, b"", ((InputPosition(source, 0, 0),),))
    chronicle.one(ApplyTopography(0, creations, (attach,), (), b""))
    topics = chronicle.state.topics.by_id
    assert [topics[output].owner for output in outputs] == ["op"] * 3 and topics[source].owner == ""
    for output in outputs:
        assert chronicle.one(append(output, plain(1))) == [-ErrorCode.POLICY_VIOLATION]
        assert chronicle.refusal(DeleteTopic(output)) == ErrorCode.POLICY_VIOLATION
    chronicle.one(ApplyTopography(1, (), (), ("op",), b""))
    assert [topics[output].owner for output in outputs] == [""] * 3
    assert [chronicle.one(append(output, plain(1))) for output in outputs] == [[0]] * 3
