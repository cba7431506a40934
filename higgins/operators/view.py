"""Operators as an administrator sees them: what each does, how far it has come, and the state of its tasks."""

import msgspec

from higgins.ledger.state.state import State
from higgins.ledger.state.tasks import TaskSet, task_resource
from higgins.operators.engine import Engine
from higgins.operators.specification import decode


class PartitionView(msgspec.Struct, frozen=True):
    """One task.

    `node` is the id of the node that holds its lease, or null. `state` is running, lagging, degraded (with a reason),
    stopped (with a reason), or waiting (no node holds the lease).
    """

    partition: int
    position: int
    high_watermark: int
    lag: int
    node: int | None
    state: str
    reason: str
    counters: dict[str, int]


class OperatorView(msgspec.Struct, frozen=True):
    """One operator with its tasks."""

    name: str
    type: str
    input: str
    output: str
    where: str
    format: str
    generation: int
    partitions: list[PartitionView]


LAGGING_RECORDS = 10_000
"""A task that is at least this many records behind is lagging."""


def operator_views(state: State, engine: Engine) -> list[OperatorView]:
    """All operators, by name. The reason why a task is degraded or stopped is known only to the node that runs it."""
    return [_operator_view(state, engine, state.tasks.sets[name]) for name in sorted(state.tasks.sets)]


def _operator_view(state: State, engine: Engine, tasks: TaskSet) -> OperatorView:
    specification = decode(tasks.specification)
    source, output = state.topics.by_id.get(tasks.inputs[0]), state.topics.by_id.get(tasks.outputs[0])
    return OperatorView(
        name=tasks.name,
        type=str(specification.__struct_config__.tag),
        input=source.name if source else "",
        output=output.name if output else "",
        where=specification.where,
        format=specification.format,
        generation=tasks.generation,
        partitions=[_partition_view(state, engine, tasks, partition) for partition in range(tasks.tasks)],
    )


def _partition_view(state: State, engine: Engine, tasks: TaskSet, partition: int) -> PartitionView:
    position = state.tasks.position(tasks.name, partition, tasks.inputs[0], partition)
    high_watermark = state.runs.high_watermark(tasks.inputs[0], partition)
    lease = state.sessions.leases.get(task_resource(tasks.name, partition))
    holder = state.sessions.live.get(lease.session_epoch) if lease else None
    task = engine.task(tasks.name, partition)
    if task is not None and task.stopped:
        task_state = "stopped"
    elif task is not None and task.trouble:
        task_state = "degraded"
    elif holder is None:
        task_state = "waiting"
    else:
        task_state = "lagging" if high_watermark - position >= LAGGING_RECORDS else "running"
    return PartitionView(
        partition=partition,
        position=position,
        high_watermark=high_watermark,
        lag=high_watermark - position,
        node=holder.node_id if holder else None,
        state=task_state,
        reason=task.trouble if task else "",
        counters=state.tasks.counters(tasks.name, partition),
    )
