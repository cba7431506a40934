"""Operators as an administrator sees them: what each does, how far it has come, and the state of its tasks."""

from collections.abc import Sequence

import msgspec

from higgins.ledger.state.state import State
from higgins.ledger.state.tasks import TaskSet, task_resource
from higgins.model.names import TopicId
from higgins.operators.engine import Engine
from higgins.operators.kinds import decode_specification
from higgins.operators.task import Task


class PartitionView(msgspec.Struct, frozen=True):
    """One task.

    `partition` is its number; a task with several input partitions has their sums in `position`, `high_watermark` and
    `lag`. `node` is the id of the node that holds its lease, or null. `state` is running, lagging, degraded (with a
    reason), stopped (with a reason), or waiting (for a node).
    """

    partition: int
    position: int
    high_watermark: int
    lag: int
    node: int | None
    state: str
    reason: str
    last_failure: str
    """The offset of the record that the task could not process last, and why. Known to the node that runs it."""
    counters: dict[str, int]
    """What became of the records: seen, and of these kept, not_json, failed and dropped; and besides unreadable and
    removed. All of these are there, also where they are 0."""


class OperatorView(msgspec.Struct, frozen=True):
    """One operator with its tasks. `input` and `output` are topic names, separated by commas if there are several."""

    name: str
    type: str
    input: str
    output: str
    where: str
    format: str
    generation: int
    partitions: list[PartitionView]


COUNTERS = ("seen", "kept", "dropped", "not_json", "failed", "unreadable", "removed")
LAGGING_RECORDS = 10_000
"""A task that is at least this many records behind is lagging."""


def operator_views(state: State, engine: Engine) -> list[OperatorView]:
    """All operators, by name. The reason why a task is degraded or stopped is known only to the node that runs it."""
    return [_operator_view(state, engine, state.tasks.sets[name]) for name in sorted(state.tasks.sets)]


def _operator_view(state: State, engine: Engine, tasks: TaskSet) -> OperatorView:
    specification = decode_specification(tasks.specification)
    description = specification.describe()
    return OperatorView(
        name=tasks.name,
        type=str(specification.__struct_config__.tag),
        input=_names(state, tasks.inputs),
        output=_names(state, tasks.outputs),
        where=description.where,
        format=description.format,
        generation=tasks.generation,
        partitions=[_partition_view(state, engine, tasks, number) for number in range(tasks.tasks)],
    )


def _names(state: State, topic_ids: Sequence[TopicId]) -> str:
    topics = [topic for topic_id in topic_ids if (topic := state.topics.by_id.get(topic_id)) is not None]
    return ", ".join(topic.name for topic in topics)


def _partition_view(state: State, engine: Engine, tasks: TaskSet, number: int) -> PartitionView:
    inputs = state.tasks.progress(tasks.name, number).inputs
    position = sum(each.next_offset for each in inputs)
    high_watermark = sum(state.runs.high_watermark(each.topic_id, each.partition) for each in inputs)
    lease = state.sessions.leases.get(task_resource(tasks.name, number))
    holder = state.sessions.live.get(lease.session_epoch) if lease else None
    task = engine.task(tasks.name, number)
    lag = high_watermark - position
    return PartitionView(
        partition=number,
        position=position,
        high_watermark=high_watermark,
        lag=lag,
        node=holder.node_id if holder else None,
        state=_state_of(task, lag, is_leased=holder is not None),
        reason=task.reason if task else "",
        last_failure=task.last_failure if task else "",
        counters=_counters(state.tasks.counters(tasks.name, number)),
    )


def _counters(counted: dict[str, int]) -> dict[str, int]:
    """What a task has counted, and the records that its condition has dropped."""
    counters = dict.fromkeys(COUNTERS, 0) | counted
    if "kept" in counted or "seen" in counted:
        counters["dropped"] = counters["seen"] - counters["kept"] - counters["not_json"] - counters["failed"]
    return counters


def _state_of(task: Task | None, lag: int, *, is_leased: bool) -> str:
    if task is not None and task.stopped:
        return "stopped"
    if task is not None and task.reason:
        return "degraded"
    if not is_leased:
        return "waiting"
    return "lagging" if lag >= LAGGING_RECORDS else "running"
