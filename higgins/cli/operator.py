"""`higgins operator`: list and delete operators."""

import msgspec
from cyclopts import App

from higgins.cli.common import DEFAULT_BOOTSTRAP, Bootstrap, Json, print_json, print_table, say, with_cluster
from higgins.cli.text.help import examples
from higgins.cli.topography import Applied, OperatorProgress, TaskProgress, ask
from higgins.client import ClientError, Cluster
from higgins.telemetry.printable import printable

app = App(
    name="operator",
    help="List and delete operators.",
    help_epilogue=examples("higgins operator list", "higgins operator delete large"),
)


@app.command(name="list", help_epilogue=examples("higgins operator list", "higgins operator list --json"))
def list_operators(*, json: Json = False, bootstrap: Bootstrap = DEFAULT_BOOTSTRAP) -> int:
    """List operators with their input, output and lag, and what became of the records of their input.

    kept: passed on. dropped: the condition is false or null. not_json: the value is not JSON. unreadable: the record
    cannot be decoded. failed: processing it raised an error. Why a task does not advance is shown below the table.
    """

    async def job(cluster: Cluster) -> None:
        operators = await _listed(cluster)
        if json:
            print_json([_document(one) for one in operators])
            return
        print_table(
            ("OPERATOR", "INPUT", "OUTPUT", "WHERE", "TASKS", "LAG", "STATE", *(name.upper() for name in _SHOWN)),
            [(*_row(one), *(_total(one, name) for name in _SHOWN)) for one in operators],
        )
        for one in operators:
            for task in one.partitions:
                if task.reason:
                    print(printable(f"{one.name}, task {task.partition} is {task.state}: {task.reason}"))
                if task.last_failure:
                    failure = f"{one.name}, task {task.partition} could not process a record, {task.last_failure}"
                    print(printable(failure))

    return with_cluster(bootstrap, job)


_SHOWN = ("kept", "dropped", "not_json", "unreadable", "failed")
_COUNTERS = ("seen", *_SHOWN, "removed")


async def _listed(cluster: Cluster) -> list[OperatorProgress]:
    """The operators; each task as its own node sees it, because only that node knows why it does not advance."""
    operators = (await ask(cluster, "operators.list", {}, dict[str, list[OperatorProgress]])).get("operators", [])
    nodes = {task.node for one in operators for task in one.partitions if task.node is not None}
    if len(cluster.metadata.nodes) < 2:
        return operators
    views: dict[int, dict[str, OperatorProgress]] = {}
    for node in nodes:
        try:
            answer = await ask(cluster, "operators.list", {}, dict[str, list[OperatorProgress]], node_id=node)
        except ClientError:
            continue  # it has just gone; what the first node said stands
        views[node] = {one.name: one for one in answer.get("operators", [])}
    return [
        msgspec.structs.replace(one, partitions=[_as_its_node_says(views, one, task) for task in one.partitions])
        for one in operators
    ]


def _as_its_node_says(
    views: dict[int, dict[str, OperatorProgress]], one: OperatorProgress, task: TaskProgress
) -> TaskProgress:
    view = views.get(task.node if task.node is not None else -1, {}).get(one.name)
    found = [each for each in view.partitions if each.partition == task.partition] if view else []
    return found[0] if found else task


def _row(one: OperatorProgress) -> tuple[object, ...]:
    states = ", ".join(sorted({task.state for task in one.partitions if task.state})) or None
    lag = sum(task.lag for task in one.partitions)
    return one.name, one.input, one.output, one.where, len(one.partitions), lag, states


def _total(one: OperatorProgress, counter: str) -> int:
    return sum(task.counters.get(counter, 0) for task in one.partitions)


def _document(one: OperatorProgress) -> dict[str, object]:
    """An operator as JSON: the columns of the table, all counters, and its tasks."""
    names = ("operator", "input", "output", "where", "tasks", "lag", "state")
    document: dict[str, object] = dict(zip(names, _row(one), strict=True))
    document |= {counter: _total(one, counter) for counter in _COUNTERS}
    document["partitions"] = msgspec.to_builtins(one.partitions)
    return document


@app.command(help_epilogue=examples("higgins operator delete large"))
def delete(name: str, *, json: Json = False, bootstrap: Bootstrap = DEFAULT_BOOTSTRAP) -> int:
    """Delete an operator. Its output stays, as an ordinary topic."""

    async def job(cluster: Cluster) -> None:
        deleted = await ask(cluster, "operators.delete", {"name": name}, Applied)
        say(f"Deleted operator {name}; its topic stays.", {"operator": name, "deleted": True}, json=json)
        if not json:
            for hint in deleted.changes[1:]:
                print(printable(hint))

    return with_cluster(bootstrap, job)
