"""Tasks: topographies applied whole, steps whose output and progress move together, and the fences around them."""

import msgspec
import pytest

from higgins.ledger.state.tasks import ApplyAssembly, AttachTasks, TaskStep, task_resource
from higgins.ledger.state.topics import CreateTopic, DeleteTopic
from higgins.model.errors import Refused
from higgins.model.names import TopicId
from higgins.model.pointer import data_object
from higgins_protocol.errors import ErrorCode
from tests.ledger.chronicle import Chronicle, append, plain

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
        self.attach = AttachTasks("op", 1, self.input, self.output, b"specification")
        self.creation = CreateTopic("out", self.output, 2)
        self.version: int = chronicle.one(ApplyAssembly(0, (self.creation,), (self.attach,), (), b"document"))
        self.leases = [chronicle.lease(task_resource("op", partition)) for partition in range(2)]

    def step(self, from_offset: int = 0, **changes: object) -> TaskStep:
        made = TaskStep(
            name="op",
            generation=1,
            partition=0,
            epoch=self.chronicle.epoch,
            lease_epoch=self.leases[0],
            from_offset=from_offset,
            to_offset=from_offset + 10,
            appends=(append(self.output, plain(4)),),
            counters=(("kept", 4), ("seen", 10)),
        )
        return msgspec.structs.replace(made, **changes)


@pytest.fixture
def operator(chronicle: Chronicle) -> Operator:
    return Operator(chronicle)


def test_a_topography_is_applied_whole(operator: Operator) -> None:
    state = operator.chronicle.state
    assert state.tasks.version == operator.version == 1 and state.tasks.document == b"document"
    assert state.topics.by_name["out"].owner == "op"
    assert [state.tasks.position("op", partition) for partition in range(2)] == [0, 0]


def test_a_topography_that_cannot_be_applied_whole_is_not_applied_at_all(operator: Operator) -> None:
    chronicle = operator.chronicle
    good = CreateTopic("new", OTHER, 1)
    stolen = AttachTasks("thief", 1, operator.input, operator.output, b"")
    for faulty, code in (
        (ApplyAssembly(0, (good,), (), (), b""), ErrorCode.INVALID_REQUEST),
        (ApplyAssembly(1, (good, good), (), (), b""), ErrorCode.TOPIC_ALREADY_EXISTS),
        (ApplyAssembly(1, (good,), (stolen,), (), b""), ErrorCode.POLICY_VIOLATION),
        (ApplyAssembly(1, (good,), (), ("nobody",), b""), ErrorCode.RESOURCE_NOT_FOUND),
        (ApplyAssembly(1, (good,), (operator.attach,), (), b""), ErrorCode.INVALID_REQUEST),
    ):
        assert chronicle.refusal(faulty) == code
        assert "new" not in chronicle.state.topics.by_name and chronicle.state.tasks.version == 1


def test_output_progress_and_counters_move_together(operator: Operator) -> None:
    chronicle = operator.chronicle
    assert chronicle.one(operator.step(0), payload_bytes=100) == [[0]]
    assert chronicle.one(operator.step(10), payload_bytes=100) == [[4]]
    tasks = chronicle.state.tasks
    assert tasks.position("op", 0) == 20 and tasks.position("op", 1) == 0
    assert tasks.counters("op", 0) == {"kept": 8, "seen": 20}
    assert chronicle.state.runs.high_watermark(operator.output, 0) == 8


@pytest.mark.parametrize(
    "changes",
    [{"from_offset": 5}, {"lease_epoch": 1}, {"generation": 2}, {"epoch": 99}, {"name": "nobody"}],
    ids=lambda changes: next(iter(changes)),
)
def test_a_step_that_does_not_fit_leaves_nothing(operator: Operator, changes: dict[str, object]) -> None:
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
    assert chronicle.state.tasks.position("op", 0) == 0


def test_a_step_may_write_several_partitions_of_one_object(operator: Operator) -> None:
    chronicle, shared = operator.chronicle, data_object(1, 5)
    both = tuple(
        append(operator.output, plain(1, 100 * partition), partition=partition, object_id=shared, length=200)
        for partition in range(2)
    )
    assert chronicle.one(operator.step(appends=both)) == [[0], [0]]
    assert chronicle.state.objects.records[shared].live == 2
    chronicle.one(ApplyAssembly(1, (), (), ("op",), b""))
    chronicle.one(DeleteTopic(operator.output))
    assert chronicle.state.objects.records[shared].live == 0


def test_nobody_else_writes_what_an_operator_writes(operator: Operator) -> None:
    chronicle = operator.chronicle
    assert chronicle.one(append(operator.output, plain(1))) == [-ErrorCode.POLICY_VIOLATION]
    for topic_id in (operator.input, operator.output):
        assert chronicle.refusal(DeleteTopic(topic_id)) == ErrorCode.POLICY_VIOLATION
    chronicle.one(ApplyAssembly(1, (), (), ("op",), b""))
    assert chronicle.one(append(operator.output, plain(1))) == [0]
    chronicle.one(DeleteTopic(operator.input))


def test_an_operator_changes_where_it_stands(operator: Operator) -> None:
    chronicle = operator.chronicle
    chronicle.one(operator.step(0), payload_bytes=100)
    changed = msgspec.structs.replace(operator.attach, generation=2, specification=b"other")
    chronicle.one(ApplyAssembly(1, (), (changed,), (), b""))
    assert chronicle.state.tasks.position("op", 0) == 10
    assert chronicle.refusal(operator.step(10)) == ErrorCode.FENCED_LEADER_EPOCH
    chronicle.one(operator.step(10, generation=2), payload_bytes=100)


def test_an_operator_detached_and_attached_again_begins_anew(operator: Operator) -> None:
    chronicle = operator.chronicle
    chronicle.one(operator.step(0), payload_bytes=100)
    again = msgspec.structs.replace(operator.attach, generation=2, start_offsets=(3, 4))
    chronicle.one(ApplyAssembly(1, (), (again,), ("op",), b""))
    assert [chronicle.state.tasks.position("op", partition) for partition in range(2)] == [3, 4]
    assert chronicle.state.tasks.counters("op", 0) == {}
    assert chronicle.state.topics.by_id[operator.output].owner == "op"
