"""Mistakes in statements: one is left out, two are in the wrong order, a loop goes on or ends too early."""

import ast
from collections.abc import Iterator
from itertools import pairwise

from tests.mutation.source import Change, Source, is_log_call

WAKE_UPS = {"set", "notify", "notify_all", "cancel", "release", "send_nowait", "put_nowait", "start_soon", "done"}
RESETS = {"clear", "pop", "discard", "remove", "popleft", "reset", "popitem", "difference_update", "subtract"}
SIMPLE = (ast.Expr, ast.Assign, ast.AugAssign, ast.AnnAssign, ast.Delete)


def wake_up(node: ast.AST, _: Source) -> Iterator[Change]:
    """A call that wakes somebody, or a wait, is left out."""
    match node:
        case ast.Expr(value=ast.Call(func=ast.Attribute(attr=name))) if name in WAKE_UPS or "wake" in name:
            yield ((node, "pass"),)
        case ast.Expr(value=ast.Await()):
            yield ((node, "pass"),)


def reset(node: ast.AST, _: Source) -> Iterator[Change]:
    """A reset is left out: an entry stays, a counter is not set back."""
    match node:
        case ast.Delete():
            yield ((node, "pass"),)
        case ast.Expr(value=ast.Call(func=ast.Attribute(attr=name))) if name in RESETS:
            yield ((node, "pass"),)
        case ast.Assign(targets=[ast.Attribute() | ast.Subscript()], value=value) if _is_empty(value):
            yield ((node, "pass"),)


def _is_empty(node: ast.expr) -> bool:
    match node:
        case ast.Constant(value=value):
            return not value
        case ast.List(elts=[]) | ast.Dict(keys=[]) | ast.Tuple(elts=[]):
            return True
        case ast.Call(args=[], keywords=[]):
            return True
    return False


def omission(node: ast.AST, source: Source) -> Iterator[Change]:
    """A statement is left out: a call without a result, or a change of an attribute or an entry."""
    match node:
        case ast.Expr(value=ast.Call(func=ast.Attribute(attr="__init__"))):
            return
        case ast.Expr(value=ast.Call()):
            yield ((node, "pass"),)
        case ast.AugAssign():
            yield ((node, "pass"),)
        case ast.Assign(targets=[ast.Attribute() | ast.Subscript()]) if not _is_in_init(node, source):
            yield ((node, "pass"),)


def _is_in_init(node: ast.AST, source: Source) -> bool:
    """Whether the statement only makes an attribute: without it nothing works, which any test notices."""
    parent = source.parents[node]
    return isinstance(parent, ast.FunctionDef) and parent.name == "__init__"


def sequence(node: ast.AST, source: Source) -> Iterator[Change]:
    """Two statements that follow each other are swapped."""
    if isinstance(node, ast.FunctionDef) and node.name == "__init__":
        return
    for body in (getattr(node, name, None) for name in ("body", "orelse", "finalbody")):
        if isinstance(body, list):
            for first, second in pairwise(body):
                if _may_be_swapped(first, second):
                    yield ((first, source.segment(second)), (second, source.segment(first)))


def _may_be_swapped(first: ast.stmt, second: ast.stmt) -> bool:
    if not (isinstance(first, SIMPLE) and isinstance(second, SIMPLE)):
        return False
    if any(isinstance(each, ast.Expr) and is_log_call(each.value) for each in (first, second)):
        return False
    stored = {each.id for each in ast.walk(first) if isinstance(each, ast.Name) and isinstance(each.ctx, ast.Store)}
    if stored & {each.id for each in ast.walk(second) if isinstance(each, ast.Name)}:
        return False
    return all(_has_effect(each) for each in (first, second)) and any(_calls(each) for each in (first, second))


def _has_effect(node: ast.stmt) -> bool:
    targets = (ast.Attribute, ast.Subscript)
    stores = (n for n in ast.walk(node) if isinstance(n, targets) and not isinstance(n.ctx, ast.Load))
    return _calls(node) or any(stores)


def _calls(node: ast.stmt) -> bool:
    return any(isinstance(each, ast.Call | ast.Await) for each in ast.walk(node))


def jump(node: ast.AST, _: Source) -> Iterator[Change]:
    """`break` or `continue` is left out, or one stands for the other; an early return is left out."""
    if isinstance(node, ast.Break):
        yield ((node, "pass"),)
        yield ((node, "continue"),)
    elif isinstance(node, ast.Continue):
        yield ((node, "pass"),)
        yield ((node, "break"),)
    elif isinstance(node, ast.Return) and node.value is None:
        yield ((node, "pass"),)


def once(node: ast.AST, source: Source) -> Iterator[Change]:
    """A loop is made once instead of as often as needed."""
    if isinstance(node, ast.While | ast.For | ast.AsyncFor) and not isinstance(node.body[-1], ast.Return | ast.Break):
        last = node.body[-1]
        yield ((last, f"{source.segment(last)}\n{' ' * last.col_offset}break"),)


def lock(node: ast.AST, source: Source) -> Iterator[Change]:
    """A lock, a limiter or a scope is not entered."""
    if isinstance(node, ast.With | ast.AsyncWith) and all(item.optional_vars is None for item in node.items):
        lines = source.segment(node).split("\n")
        head = node.body[0].lineno - node.lineno
        yield ((node, "\n".join(["if True:", *lines[head:]])),)


def handler(node: ast.AST, _: Source) -> Iterator[Change]:
    """An exception is not handled any more."""
    match node:
        case ast.ExceptHandler(type=ast.Tuple(elts=elements) as types):
            for at in range(len(elements)):
                yield ((types, ast.unparse(ast.Tuple([*elements[:at], *elements[at + 1 :]], ast.Load()))),)
        case ast.ExceptHandler(type=ast.expr() as type_):
            yield ((type_, "()"),)
