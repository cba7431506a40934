"""Tasks: topographies applied whole, steps whose output and progress move together, and the fences around them."""

from typing import Any

import msgspec
import pytest

from higgins.ledger.state.append import INLINE
from higgins.ledger.state.tasks import (
    PROGRESS_BYTES_MAX,
    ApplyTopography,
    AttachTasks,
    InputPosition,
    InputRange,
    TaskStep,
    task_resource,
)
from higgins.ledger.state.topics import CreateTopic, DeleteTopic
from higgins.model.errors import Refused
from higgins.model.names import TopicId
from higgins.model.pointer import Pointer, data_object, inline_payload
from higgins_protocol.errors import ErrorCode
from tests.ledger.chronicle import Chronicle, append, live_of, plain

OTHER = TopicId(b"o" * 16)


@pytest.fixture
def chronicle() -> Chronicle:
    return Chronicle()


class Operator:
    """An operator over a topic of two partitions, with the leases of both tasks."""

    def __init__(self, chronicle: Chronicle) -> None:
        self.chronicle = chronicle
        self.input = chronicle.topic("in", 2)
        self.output = TopicId(b"out".ljust(16, b"."))
        self.attach = AttachTasks("op", 1, (self.input,), (self.output,), b"specification", starts(self.input, 0, 0))
        self.creation = CreateTopic("out", self.output, 2)
        self.version: int = chronicle.one(ApplyTopography(0, (self.creation,), (self.attach,), (), b"document"))
        self.leases = [chronicle.lease(task_resource("op", partition)) for partition in range(2)]

    def step(self, from_offset: int = 0, **changes: object) -> TaskStep:
        step = TaskStep(
            name="op",
            generation=1,
            task=0,
            lease_epoch=self.leases[0],
            inputs=(InputRange(self.input, 0, from_offset, from_offset + 10),),
            appends=(append(self.output, plain(4)),),
            counters=(("kept", 4), ("seen", 10)),
        )
        return msgspec.structs.replace(step, **changes)

    def positions(self) -> list[int]:
        return [each.next_offset for each in self.chronicle.state.tasks.positions("op")]


def starts(topic_id: TopicId, *offsets: int) -> tuple[tuple[InputPosition, ...], ...]:
    """A task for each offset, which begins there in the partition of its own number."""
    return tuple((InputPosition(topic_id, partition, offset),) for partition, offset in enumerate(offsets))


@pytest.fixture
def operator(chronicle: Chronicle) -> Operator:
    return Operator(chronicle)


def test_a_topography_is_applied_whole(operator: Operator) -> None:
    state = operator.chronicle.state
    assert state.tasks.version == operator.version == 1 and state.tasks.document == b"document"
    assert state.topics.by_name["out"].owner == "op"
    assert operator.positions() == [0, 0]


def test_a_topography_that_cannot_be_applied_whole_is_not_applied_at_all(operator: Operator) -> None:
    chronicle = operator.chronicle
    good = CreateTopic("new", OTHER, 1)
    stolen = AttachTasks("thief", 1, (operator.input,), (operator.output,), b"", starts(operator.input, 0, 0))
    for faulty, code in (
        (ApplyTopography(0, (good,), (), (), b""), ErrorCode.INVALID_REQUEST),
        (ApplyTopography(1, (good, good), (), (), b""), ErrorCode.TOPIC_ALREADY_EXISTS),
        (ApplyTopography(1, (good,), (stolen,), (), b""), ErrorCode.POLICY_VIOLATION),
        (ApplyTopography(1, (good,), (), ("nobody",), b""), ErrorCode.RESOURCE_NOT_FOUND),
        (ApplyTopography(1, (good,), (operator.attach,), (), b""), ErrorCode.INVALID_REQUEST),
    ):
        assert chronicle.refusal(faulty) == code
        assert "new" not in chronicle.state.topics.by_name and chronicle.state.tasks.version == 1


def test_output_progress_and_counters_move_together(operator: Operator) -> None:
    chronicle = operator.chronicle
    assert chronicle.one(operator.step(0), payload_bytes=100) == [[0]]
    assert chronicle.one(operator.step(10), payload_bytes=100) == [[4]]
    tasks = chronicle.state.tasks
    assert operator.positions() == [20, 0] and tasks.position("op", 1, operator.input, 1) == 0
    assert tasks.counters("op", 0) == {"kept": 8, "seen": 20}
    assert chronicle.state.runs.high_watermark(operator.output, 0) == 8


@pytest.mark.parametrize(
    "changes",
    [
        {"from_offset": 5},
        {"lease_epoch": 1},
        {"generation": 2},
        {"state_released": (Pointer(data_object(1, 1), 0, 9),)},
        {"name": "nobody"},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_a_step_that_does_not_fit_leaves_nothing(operator: Operator, changes: dict[str, Any]) -> None:
    chronicle = operator.chronicle
    assert chronicle.refusal(operator.step(**changes)) == ErrorCode.FENCED_LEADER_EPOCH
    assert chronicle.state.runs.high_watermark(operator.output, 0) == 0


def test_the_same_step_twice_in_one_commit_is_taken_once(operator: Operator) -> None:
    chronicle = operator.chronicle
    first, second = chronicle.commit(operator.step(), operator.step(), payload_bytes=(100, 100))
    assert first == [[0]] and isinstance(second, Refused)
    assert chronicle.state.runs.high_watermark(operator.output, 0) == 4


def test_a_step_whose_output_is_gone_is_refused_whole(operator: Operator) -> None:
    chronicle = operator.chronicle
    step = operator.step(appends=(append(operator.output, plain(1)), append(OTHER, plain(1))))
    assert chronicle.refusal(step) == ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
    assert operator.positions() == [0, 0]


def test_a_step_may_write_several_partitions_of_one_object(operator: Operator) -> None:
    chronicle, shared = operator.chronicle, data_object(1, 5)
    both = tuple(
        append(operator.output, plain(1, 100 * partition), partition=partition, object_id=shared, length=200)
        for partition in range(2)
    )
    assert chronicle.one(operator.step(appends=both)) == [[0], [0]]
    assert live_of(chronicle, shared) == 2
    chronicle.one(ApplyTopography(1, (), (), ("op",), b""))
    chronicle.one(DeleteTopic(operator.output))
    assert live_of(chronicle, shared) == 0


def test_nobody_else_writes_what_an_operator_writes(operator: Operator) -> None:
    chronicle = operator.chronicle
    assert chronicle.one(append(operator.output, plain(1))) == [-ErrorCode.POLICY_VIOLATION]
    for topic_id in (operator.input, operator.output):
        assert chronicle.refusal(DeleteTopic(topic_id)) == ErrorCode.POLICY_VIOLATION
    chronicle.one(ApplyTopography(1, (), (), ("op",), b""))
    assert chronicle.one(append(operator.output, plain(1))) == [0]
    chronicle.one(DeleteTopic(operator.input))


def test_an_operator_changes_where_it_stands(operator: Operator) -> None:
    chronicle = operator.chronicle
    chronicle.one(operator.step(0), payload_bytes=100)
    changed = msgspec.structs.replace(operator.attach, generation=2, specification=b"other", positions=None)
    chronicle.one(ApplyTopography(1, (), (changed,), (), b""))
    assert operator.positions() == [10, 0]
    assert chronicle.refusal(operator.step(10)) == ErrorCode.FENCED_LEADER_EPOCH
    chronicle.one(operator.step(10, generation=2), payload_bytes=100)


def test_an_operator_detached_and_attached_again_begins_anew(operator: Operator) -> None:
    chronicle = operator.chronicle
    chronicle.one(operator.step(0), payload_bytes=100)
    again = msgspec.structs.replace(operator.attach, generation=2, positions=starts(operator.input, 3, 4))
    chronicle.one(ApplyTopography(1, (), (again,), ("op",), b""))
    assert operator.positions() == [3, 4]
    assert chronicle.state.tasks.counters("op", 0) == {}
    assert chronicle.state.topics.by_id[operator.output].owner == "op"


def test_the_epoch_is_that_of_the_proposer_and_not_of_the_writer(operator: Operator) -> None:
    chronicle = operator.chronicle
    own, chronicle.epoch = chronicle.epoch, chronicle.join(9093)
    assert chronicle.refusal(operator.step()) == ErrorCode.FENCED_LEADER_EPOCH
    chronicle.epoch = own
    chronicle.one(operator.step())


def test_a_task_reads_several_inputs_and_all_of_them_move_or_none(chronicle: Chronicle) -> None:
    left, right, output = chronicle.topic("left"), chronicle.topic("right", 2), TopicId(b"joined".ljust(16, b"."))
    positions = ((InputPosition(left, 0, 0), InputPosition(right, 0, 5), InputPosition(right, 1, 7)),)
    attach = AttachTasks("join", 1, (left, right), (output,), b"", positions)
    chronicle.one(ApplyTopography(0, (CreateTopic("joined", output, 1),), (attach,), (), b""))
    lease = chronicle.lease(task_resource("join", 0))
    ranges = (InputRange(left, 0, 0, 3), InputRange(right, 1, 7, 9))
    step = TaskStep("join", 1, 0, lease, ranges, (append(output, plain(1)),), progress=b"watermark 1")
    chronicle.one(step)
    progress = chronicle.state.tasks.progress("join", 0)
    assert [each.next_offset for each in progress.inputs] == [3, 5, 9] and progress.progress == b"watermark 1"
    stale = msgspec.structs.replace(step, inputs=(InputRange(left, 0, 3, 4), InputRange(right, 1, 7, 9)))
    assert chronicle.refusal(stale) == ErrorCode.FENCED_LEADER_EPOCH
    unknown = msgspec.structs.replace(step, inputs=(InputRange(left, 1, 0, 4),))
    assert chronicle.refusal(unknown) == ErrorCode.FENCED_LEADER_EPOCH
    assert chronicle.state.tasks.progress("join", 0) == progress
    assert chronicle.restored().state.tasks.progress("join", 0) == progress


def test_an_input_whose_partitions_are_not_all_read_is_refused(chronicle: Chronicle) -> None:
    source, output = chronicle.topic("source", 3), TopicId(b"out".ljust(16, b"."))
    attach = AttachTasks("op", 1, (source,), (output,), b"", starts(source, 0, 0))
    proposal = ApplyTopography(0, (CreateTopic("out", output, 3),), (attach,), (), b"")
    assert chronicle.refusal(proposal) == ErrorCode.INVALID_REQUEST


def test_state_is_counted_pointers_that_are_released_when_they_are_replaced(operator: Operator) -> None:
    chronicle, first, second = operator.chronicle, data_object(1, 1), data_object(1, 2)
    base, change = Pointer(first, 0, 60), Pointer(first, 60, 40)
    chronicle.one(operator.step(0, appends=(), state_added=(base, change), object_length=100))
    assert live_of(chronicle, first) == 2
    assert chronicle.state.tasks.progress("op", 0).state == (base, change)
    replaced = Pointer(second, 10, 50)
    chronicle.one(
        operator.step(10, appends=(), state_added=(replaced,), state_released=(base, change), object_length=60)
    )
    assert (live_of(chronicle, first), live_of(chronicle, second)) == (0, 1)
    again = chronicle.restored()
    assert again.state.tasks.progress("op", 0).state == (replaced,)
    again.one(ApplyTopography(1, (), (), ("op",), b""))
    assert live_of(again, second) == 0, "the state of a deleted operator is released"


def test_inline_state_lies_behind_the_appends_of_its_step_and_keeps_the_commit(operator: Operator) -> None:
    chronicle = operator.chronicle
    other = chronicle.topic("other")
    step = operator.step(0, state_added=(Pointer(INLINE, 100, 30),))
    chronicle.commit(append(other, plain(1, length=55)), step, payload_bytes=(55, 130))
    here = inline_payload(chronicle.state.number)
    assert chronicle.state.tasks.progress("op", 0).state == (Pointer(here, 155, 30),)
    assert live_of(chronicle, here) == 3
    assert chronicle.state.objects.lowest_payload() == chronicle.state.number


def test_progress_has_a_bound(operator: Operator) -> None:
    step = operator.step(progress=bytes(PROGRESS_BYTES_MAX + 1))
    assert operator.chronicle.refusal(step) == ErrorCode.INVALID_REQUEST
    operator.chronicle.one(operator.step(progress=bytes(PROGRESS_BYTES_MAX)))
