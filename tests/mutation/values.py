"""Mistakes in values: bounds, constants, arithmetic, order, arguments, defaults."""

import ast
from collections.abc import Iterator

from tests.mutation.conditions import put
from tests.mutation.source import Change, Source

ALWAYS_OPTIONAL = {"shield", "deadline", "reverse", "key", "default", "maxlen", "strict", "timeout"}
OTHER_METHOD = {
    "append": "appendleft",
    "appendleft": "append",
    "popleft": "pop",
    "extendleft": "extend",
    "bisect_left": "bisect_right",
    "bisect_right": "bisect_left",
    "bisect": "bisect_left",
}
OTHER_OPERATOR: dict[type[ast.operator], ast.operator] = {
    ast.Add: ast.Sub(),
    ast.Sub: ast.Add(),
    ast.Mult: ast.FloorDiv(),
    ast.BitAnd: ast.BitOr(),
    ast.BitOr: ast.BitAnd(),
    ast.LShift: ast.RShift(),
    ast.RShift: ast.LShift(),
}


def extremes(node: ast.AST, _: Source) -> Iterator[Change]:
    """`min` for `max`; one of the two bounds is dropped."""
    match node:
        case ast.Call(func=ast.Name(id="min" | "max" as name) as function, args=args):
            yield put(function, ast.Name("max" if name == "min" else "min"))
            if len(args) == 2 and not any(isinstance(each, ast.Starred) for each in args):
                yield put(node, args[0])
                yield put(node, args[1])


def bound(node: ast.AST, _: Source) -> Iterator[Change]:
    """A bound of a range, a slice or a comparison is off by one or dropped."""
    match node:
        case ast.Slice(lower=lower, upper=upper):
            for end, step in ((lower, 1), (upper, -1)):
                if end is not None:
                    yield put(end, _plus(end, step))
            if upper is not None and not isinstance(upper, ast.Constant):
                yield put(upper, ast.Constant(None))
        case ast.Call(func=ast.Name(id="range"), args=args):
            for at, end in enumerate(args[:2]):
                yield put(end, _plus(end, 1 if at == 0 and len(args) > 1 else -1))
        case ast.Compare(ops=[ast.Lt() | ast.LtE() | ast.Gt() | ast.GtE()], comparators=[right]):
            yield put(right, _plus(right, 1))
            yield put(right, _plus(right, -1))


def _plus(node: ast.expr, step: int) -> ast.expr:
    if isinstance(node, ast.Constant) and isinstance(node.value, int):
        return ast.Constant(node.value + step)
    return ast.BinOp(node, ast.Add() if step > 0 else ast.Sub(), ast.Constant(abs(step)))


def constant(node: ast.AST, source: Source) -> Iterator[Change]:
    """A constant is doubled, halved or off by one."""
    match node:
        case ast.Assign(targets=[ast.Name(id=name)], value=value) if name.isupper():
            yield from _other_numbers(value)
        case ast.AnnAssign(value=ast.expr() as value) if isinstance(source.parents[node], ast.ClassDef):
            yield from _other_numbers(value)
        case ast.Subscript(slice=ast.Constant(value=0) as index):
            yield put(index, ast.Constant(-1))
        case ast.Subscript(slice=ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=1)) as index):
            yield put(index, ast.Constant(0))
        case ast.Return(value=ast.Constant() as value) | ast.Assign(value=ast.Constant() as value):
            yield from _other_numbers(value)


def _other_numbers(node: ast.expr) -> Iterator[Change]:
    if isinstance(node, ast.BinOp):
        yield put(node, ast.BinOp(node, ast.Mult(), ast.Constant(2)))
    if not isinstance(node, ast.Constant) or isinstance(node.value, bool):
        return
    if isinstance(node.value, int):
        yield put(node, ast.Constant(node.value + 1))
    if isinstance(node.value, int | float) and node.value:
        yield put(node, ast.Constant(node.value * 2))
        yield put(node, ast.BinOp(node, ast.FloorDiv() if isinstance(node.value, int) else ast.Div(), ast.Constant(2)))


def flag(node: ast.AST, _: Source) -> Iterator[Change]:
    """`True` for `False` where it is returned, assigned, passed or the default."""
    match node:
        case ast.Return(value=ast.Constant(value=bool(value)) as constant_node):
            yield put(constant_node, ast.Constant(not value))
        case ast.Assign(value=ast.Constant(value=bool(value)) as constant_node):
            yield put(constant_node, ast.Constant(not value))
        case ast.AnnAssign(value=ast.Constant(value=bool(value)) as constant_node):
            yield put(constant_node, ast.Constant(not value))
        case ast.keyword(value=ast.Constant(value=bool(value)) as constant_node):
            yield put(constant_node, ast.Constant(not value))
        case ast.Call(args=args):
            for each in args:
                if isinstance(each, ast.Constant) and isinstance(each.value, bool):
                    yield put(each, ast.Constant(not each.value))


def default(node: ast.AST, _: Source) -> Iterator[Change]:
    """The default of a parameter is another one."""
    if isinstance(node, ast.arguments):
        for each in (*node.defaults, *node.kw_defaults):
            match each:
                case ast.Constant(value=bool(value)):
                    yield put(each, ast.Constant(not value))
                case ast.expr():
                    yield from _other_numbers(each)


def arithmetic(node: ast.AST, _: Source) -> Iterator[Change]:
    """`+` for `-`; `+ 1`, `* 1000` or `% n` is dropped."""
    match node:
        case ast.BinOp(left=ast.Constant(value=str() | bytes())) | ast.BinOp(right=ast.Constant(value=str() | bytes())):
            return
        case ast.BinOp(left=left, op=operator, right=right):
            if type(operator) in OTHER_OPERATOR:
                yield put(node, ast.BinOp(left, OTHER_OPERATOR[type(operator)], right))
            yield put(node, left)
            if isinstance(operator, ast.Add | ast.Mult | ast.BitOr):
                yield put(node, right)
        case ast.AugAssign(target=ast.Name() | ast.Attribute() as target, op=ast.Add() | ast.Sub() as op, value=value):
            other = ast.AugAssign(target, ast.Sub() if isinstance(op, ast.Add) else ast.Add(), value)
            yield ((node, ast.unparse(other)),)
            if isinstance(op, ast.Add):
                yield ((node, f"{ast.unparse(target)} = {ast.unparse(value)}"),)


def division(node: ast.AST, _: Source) -> Iterator[Change]:
    """A division that rounds to the other side, or through a float."""
    match node:
        case ast.BinOp(left=left, op=ast.FloorDiv(), right=right):
            yield put(node, ast.Call(ast.Name("int"), [ast.BinOp(left, ast.Div(), right)], []))
            yield put(node, ast.UnaryOp(ast.USub(), ast.BinOp(ast.UnaryOp(ast.USub(), left), ast.FloorDiv(), right)))
        case ast.UnaryOp(operand=ast.BinOp(left=ast.UnaryOp(operand=left), op=ast.FloorDiv(), right=right)):
            yield put(node, ast.BinOp(left, ast.FloorDiv(), right))


def order(node: ast.AST, _: Source) -> Iterator[Change]:
    """Another order: not sorted, not reversed, put at the other end, taken from the other end."""
    match node:
        case ast.Call(func=ast.Name(id="sorted" | "reversed"), args=[first]):
            yield put(node, ast.Call(ast.Name("list"), [first], []))
        case ast.Call(func=ast.Name(id="heappush"), args=[heap, item]):
            yield put(node, ast.Call(ast.Attribute(heap, "append", ast.Load()), [item], []))
        case ast.Call(func=ast.Name(id="heappop"), args=[heap]):
            yield put(node, ast.Call(ast.Attribute(heap, "pop", ast.Load()), [], []))
        case ast.Call(func=ast.Name(id="heapify" | "bisect_left" | "bisect_right" | "insort" as name) as function):
            if name in OTHER_METHOD:
                yield put(function, ast.Name(OTHER_METHOD[name]))
        case ast.Call(func=ast.Attribute(value=owner, attr="append"), args=[item]):
            yield put(node, ast.Call(ast.Attribute(owner, "insert", ast.Load()), [ast.Constant(0), item], []))
        case ast.Call(func=ast.Attribute(value=owner, attr="pop"), args=[ast.Constant(value=0)]):
            yield put(node, ast.Call(ast.Attribute(owner, "pop", ast.Load()), [], []))
        case ast.Call(func=ast.Attribute(value=owner, attr=name) as function) if name in OTHER_METHOD:
            yield put(function, ast.Attribute(owner, OTHER_METHOD[name], ast.Load()))
        case ast.Expr(value=ast.Call(func=ast.Attribute(attr="sort" | "reverse"))):
            yield ((node, "pass"),)


def keyword(node: ast.AST, source: Source) -> Iterator[Change]:
    """A keyword argument is left out, where the call works without it."""
    if isinstance(node, ast.Call):
        for at, each in enumerate(node.keywords):
            if each.arg in ALWAYS_OPTIONAL or each.arg in source.optional_keywords:
                yield put(node, ast.Call(node.func, node.args, [*node.keywords[:at], *node.keywords[at + 1 :]]))


def argument(node: ast.AST, _: Source) -> Iterator[Change]:
    """Two arguments that follow each other are swapped."""
    if isinstance(node, ast.Call):
        for at, (first, second) in enumerate(zip(node.args, node.args[1:], strict=False)):
            if all(isinstance(each, ast.Name | ast.Attribute) for each in (first, second)):
                args = [*node.args[:at], second, first, *node.args[at + 2 :]]
                yield put(node, ast.Call(node.func, args, node.keywords))


def copy(node: ast.AST, _: Source) -> Iterator[Change]:
    """A copy is not made, so that two places share one value."""
    match node:
        case ast.Call(func=ast.Name(id="list" | "dict" | "set"), args=[value], keywords=[]):
            if isinstance(value, ast.Name | ast.Attribute | ast.Subscript):
                yield put(node, value)
        case ast.Call(func=ast.Attribute(value=owner, attr="copy"), args=[], keywords=[]):
            yield put(node, owner)
