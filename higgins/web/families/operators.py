"""Operators: how far they have come, how far behind they are, and what became of their records."""

from collections.abc import Iterator

from higgins.ledger.state.state import State
from higgins.operators.engine import Engine
from higgins.operators.view import OperatorView, operator_views
from higgins.web.exposition import family


def progress(state: State, engine: Engine) -> Iterator[str]:
    views = operator_views(state, engine)
    yield family(
        "higgins_operator_lag",
        "gauge",
        "Input records that an operator has not processed yet.",
        [({"operator": one.name}, sum(task.lag for task in one.partitions)) for one in views],
    )
    yield family(
        "higgins_operator_records_total",
        "counter",
        "Input records by what became of them, over all tasks since the operator began.",
        [
            ({"operator": one.name, "result": result}, n)
            for one in views
            for result, n in sorted(_counters(one).items())
        ],
    )
    yield family(
        "higgins_operator_tasks",
        "gauge",
        "Tasks by state; what ails a task is known on the node that runs it.",
        [({"operator": one.name, "state": state}, n) for one in views for state, n in _states(one).items()],
    )


def _counters(view: OperatorView) -> dict[str, int]:
    found: dict[str, int] = {}
    for task in view.partitions:
        for name, n in task.counters.items():
            found[name] = found.get(name, 0) + n
    return found


def _states(view: OperatorView) -> dict[str, int]:
    found: dict[str, int] = {}
    for task in view.partitions:
        found[task.state] = found.get(task.state, 0) + 1
    return found
