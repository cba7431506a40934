"""Operators: their lag, their tasks, and what became of their input records."""

from collections import Counter
from collections.abc import Iterator

from higgins.ledger.state.state import State
from higgins.operators.engine import Engine
from higgins.operators.view import OperatorView, operator_views
from higgins.web.families.family import Family, counters, gauges


def progress(state: State, engine: Engine) -> Iterator[Family]:
    views = operator_views(state, engine)
    yield gauges(
        "higgins_operator_lag",
        "Input records that an operator has not processed yet.",
        ["operator"],
        [(one.name, sum(task.lag for task in one.partitions)) for one in views],
    )
    yield counters(
        "higgins_operator_records_total",
        "Input records by what became of them, over all tasks since the operator began.",
        ["operator", "result"],
        [(one.name, result, n) for one in views for result, n in sorted(_results(one).items())],
    )
    yield gauges(
        "higgins_operator_tasks",
        "Tasks by state; degraded and stopped are reported only by the node that runs the task.",
        ["operator", "state"],
        [(one.name, state, n) for one in views for state, n in _states(one).items()],
    )


def _results(view: OperatorView) -> Counter[str]:
    results: Counter[str] = Counter()
    for task in view.partitions:
        results.update(task.counters)
    return results


def _states(view: OperatorView) -> Counter[str]:
    return Counter(task.state for task in view.partitions)
