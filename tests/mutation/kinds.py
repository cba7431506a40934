"""The classes of mistakes, by name."""

from tests.mutation import conditions, statements, values
from tests.mutation.source import Kind

KINDS: dict[str, Kind] = {
    "comparison": conditions.comparison,
    "chained": conditions.chained,
    "negation": conditions.negation,
    "connective": conditions.connective,
    "guard": conditions.guard,
    "forced": conditions.forced,
    "left-out": conditions.left_out,
    "none": conditions.none_for_empty,
    "quantifier": conditions.quantifier,
    "wake-up": statements.wake_up,
    "reset": statements.reset,
    "omission": statements.omission,
    "sequence": statements.sequence,
    "jump": statements.jump,
    "once": statements.once,
    "lock": statements.lock,
    "handler": statements.handler,
    "extremes": values.extremes,
    "bound": values.bound,
    "constant": values.constant,
    "flag": values.flag,
    "default": values.default,
    "arithmetic": values.arithmetic,
    "division": values.division,
    "order": values.order,
    "keyword": values.keyword,
    "argument": values.argument,
    "copy": values.copy,
}
