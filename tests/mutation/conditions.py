"""Mistakes in conditions: bounds, comparisons, negations, guards."""

import ast
from collections.abc import Iterator

from tests.mutation.source import Change, Source

COMPARISONS: dict[type[ast.cmpop], ast.cmpop] = {
    ast.Lt: ast.LtE(),
    ast.LtE: ast.Lt(),
    ast.Gt: ast.GtE(),
    ast.GtE: ast.Gt(),
    ast.Eq: ast.NotEq(),
    ast.NotEq: ast.Eq(),
    ast.In: ast.NotIn(),
    ast.NotIn: ast.In(),
    ast.Is: ast.IsNot(),
    ast.IsNot: ast.Is(),
}
OPPOSITE: dict[type[ast.cmpop], ast.cmpop] = {
    ast.Lt: ast.Gt(),
    ast.Gt: ast.Lt(),
    ast.LtE: ast.GtE(),
    ast.GtE: ast.LtE(),
}
JUMPS = (ast.Return, ast.Continue, ast.Break, ast.Raise)


def put(node: ast.expr, new: ast.expr) -> Change:
    """Replace one expression by another."""
    text = ast.unparse(new)
    is_atom = isinstance(new, ast.Name | ast.Attribute | ast.Call | ast.Constant | ast.Subscript | ast.List | ast.Dict)
    return ((node, text if is_atom else f"({text})"),)


def comparison(node: ast.AST, _: Source) -> Iterator[Change]:
    """`<` for `<=`, `==` for `!=`, `in` for `not in`; `<` for `>`."""
    if isinstance(node, ast.Compare):
        for table in (COMPARISONS, OPPOSITE):
            for at, operator in enumerate(node.ops):
                if type(operator) in table:
                    ops = [*node.ops[:at], table[type(operator)], *node.ops[at + 1 :]]
                    yield put(node, ast.Compare(node.left, ops, node.comparators))


def chained(node: ast.AST, _: Source) -> Iterator[Change]:
    """One end of `low <= value < high` is not checked."""
    if isinstance(node, ast.Compare) and len(node.ops) == 2:
        yield put(node, ast.Compare(node.left, node.ops[:1], node.comparators[:1]))
        yield put(node, ast.Compare(node.comparators[0], node.ops[1:], node.comparators[1:]))


def negation(node: ast.AST, _: Source) -> Iterator[Change]:
    """A `not` is dropped."""
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
        yield put(node, node.operand)


def connective(node: ast.AST, _: Source) -> Iterator[Change]:
    """`and` for `or`; one of several conditions is dropped."""
    if isinstance(node, ast.BoolOp):
        yield put(node, ast.BoolOp(ast.Or() if isinstance(node.op, ast.And) else ast.And(), node.values))
        for at in range(len(node.values)):
            rest = [*node.values[:at], *node.values[at + 1 :]]
            yield put(node, rest[0] if len(rest) == 1 else ast.BoolOp(node.op, rest))


def guard(node: ast.AST, _: Source) -> Iterator[Change]:
    """A guard is removed: an `if` whose body ends in return, raise, continue or break."""
    if isinstance(node, ast.If) and not node.orelse and isinstance(node.body[-1], JUMPS):
        yield ((node, "pass"),)


def forced(node: ast.AST, _: Source) -> Iterator[Change]:
    """A condition is always true or always false."""
    if isinstance(node, ast.If | ast.IfExp) and not isinstance(node.test, ast.Constant):
        yield put(node.test, ast.Constant(True))
        yield put(node.test, ast.Constant(False))


def left_out(node: ast.AST, _: Source) -> Iterator[Change]:
    """The condition of a comprehension is dropped."""
    if isinstance(node, ast.comprehension):
        for test in node.ifs:
            yield put(test, ast.Constant(True))


def none_for_empty(node: ast.AST, _: Source) -> Iterator[Change]:
    """`if x` where `if x is not None` is meant."""
    match node:
        case ast.Compare(left=left, ops=[ast.IsNot()], comparators=[ast.Constant(value=None)]):
            yield put(node, ast.Call(ast.Name("bool"), [left], []))
        case ast.Compare(left=left, ops=[ast.Is()], comparators=[ast.Constant(value=None)]):
            yield put(node, ast.UnaryOp(ast.Not(), left))


def quantifier(node: ast.AST, _: Source) -> Iterator[Change]:
    """`any` for `all`."""
    match node:
        case ast.Call(func=ast.Name(id="any" | "all" as name) as function):
            yield put(function, ast.Name("all" if name == "any" else "any"))
