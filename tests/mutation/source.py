"""One module as text and as a tree, and mistakes in it as small changes of its text.

A mistake replaces the text of one or two nodes and leaves everything else as it is, so that its diff shows nothing but
the mistake.
"""

import ast
import difflib
import hashlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

Located: TypeAlias = ast.expr | ast.stmt | ast.ExceptHandler
Replacement: TypeAlias = tuple[Located, str]
Change: TypeAlias = tuple[Replacement, ...]
"""The nodes that a mistake replaces, each with its new text."""

Kind: TypeAlias = Callable[[ast.AST, "Source"], Iterator[Change]]
"""A class of mistakes: all changes of it that one node allows."""

SKIPPED_FUNCTIONS = {"__repr__", "__str__", "__rich__"}
LOGGERS = {"log", "logger", "warnings"}


@dataclass(frozen=True)
class Mistake:
    """A change of one module that a person could have made."""

    path: str
    """Of the module, relative to the root of the tree."""

    line: int
    function: str
    """The outermost function around it, as Class.method; empty at the level of the module or of a class."""

    first_line: int
    """The first line of that function, where the trace of a call finds it; 0 without a function."""

    kind: str
    before: str = field(repr=False)
    after: str = field(repr=False)

    @property
    def diff(self) -> str:
        """The unified diff of it, with one line of context."""
        before, after = self.before.splitlines(keepends=True), self.after.splitlines(keepends=True)
        return "".join(difflib.unified_diff(before, after, self.path, self.path, n=1))

    def changes_the_program(self) -> bool:
        """Whether it is Python and another program than before."""
        try:
            compile(self.after, self.path, "exec", dont_inherit=True)
        except SyntaxError:
            return False
        return ast.dump(ast.parse(self.after)) != ast.dump(ast.parse(self.before))

    @property
    def identity(self) -> str:
        """Names the same mistake after unrelated changes of the module."""
        lines = [line for line in self.diff.splitlines() if line[:1] in "+- " and line[:3] not in ("+++", "---")]
        content = "\n".join((self.path, self.function, self.kind, *lines))
        return hashlib.sha256(content.encode()).hexdigest()[:16]


class Source:
    """A module that is to get mistakes."""

    def __init__(self, path: str, text: str, optional_keywords: Iterable[str] = ()) -> None:
        """`optional_keywords` are the names of parameters that may be left out in a call."""
        self.path = path
        self.text = text
        self.tree = ast.parse(text)
        self.optional_keywords = frozenset(optional_keywords)
        self.parents = {child: node for node in ast.walk(self.tree) for child in ast.iter_child_nodes(node)}
        self._data = text.encode()
        self._line_starts = [0]
        for line in self._data.splitlines(keepends=True):
            self._line_starts.append(self._line_starts[-1] + len(line))

    def segment(self, node: Located) -> str:
        """The text of a node."""
        start, end = self._span(node)
        return self._data[start:end].decode()

    def mistakes(self, kinds: dict[str, Kind]) -> list[Mistake]:
        """All mistakes of these kinds, in the order of lines, each text once.

        Some of them change nothing or are no Python: see `Mistake.changes_the_program`.
        """
        found: dict[str, Mistake] = {}
        for node, function in _nodes(self.tree, None, ""):
            for name, kind in kinds.items():
                for change in kind(node, self):
                    mistake = self._mistake(change, name, function)
                    found.setdefault(mistake.after, mistake)
        return sorted(found.values(), key=lambda each: (each.line, each.kind, each.after))

    def _mistake(self, change: Change, kind: str, function: "_Function | None") -> Mistake:
        data = self._data
        for node, text in sorted(change, key=lambda each: self._span(each[0]), reverse=True):
            start, end = self._span(node)
            data = data[:start] + text.encode() + data[end:]
        line = min(node.lineno for node, _ in change)
        name, first = (function.name, function.first_line) if function else ("", 0)
        return Mistake(self.path, line, name, first, kind, self.text, data.decode())

    def _span(self, node: Located) -> tuple[int, int]:
        assert node.end_lineno is not None and node.end_col_offset is not None
        return (
            self._line_starts[node.lineno - 1] + node.col_offset,
            self._line_starts[node.end_lineno - 1] + node.end_col_offset,
        )


@dataclass(frozen=True)
class _Function:
    name: str
    first_line: int


def _nodes(node: ast.AST, function: _Function | None, scope: str) -> Iterator[tuple[ast.AST, _Function | None]]:
    """Every node in which a mistake would change behaviour, with the outermost function around it."""
    for child in ast.iter_child_nodes(node):
        if _is_skipped(child, node):
            continue
        inner, inner_scope = function, scope
        if isinstance(child, ast.ClassDef):
            inner_scope = f"{scope}{child.name}."
        elif isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef) and function is None:
            first = min([child.lineno, *(each.lineno for each in child.decorator_list)])
            inner = _Function(f"{scope}{child.name}", first)
        yield child, inner
        yield from _nodes(child, inner, inner_scope)


def _is_skipped(node: ast.AST, parent: ast.AST) -> bool:
    """Whether it is text, types or an assertion: a mistake there changes no behaviour, or only a message."""
    match node:
        case ast.Assert() | ast.JoinedStr() | ast.Import() | ast.ImportFrom():
            return True
        case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
            return name in SKIPPED_FUNCTIONS
        case ast.Expr(value=ast.Constant()):
            return True
        case ast.Expr(value=value) if is_log_call(value):
            return True
        case ast.If(test=ast.Name(id="TYPE_CHECKING")):
            return True
        case ast.AnnAssign(annotation=ast.Name(id="TypeAlias")):
            return True
        case ast.Assign(targets=[ast.Name(id=name)]) if name.startswith("__"):
            return True
        case ast.Assign(value=ast.Call(func=ast.Name(id="NewType" | "TypeVar" | "ParamSpec"))):
            return True
    match parent:
        case ast.Raise():
            return True
        case ast.AnnAssign(annotation=annotation) | ast.arg(annotation=annotation) if annotation is node:
            return True
        case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
            # Decorators, bases, options of classes and types of results.
            return isinstance(node, ast.expr | ast.keyword)
    return False


def is_log_call(node: ast.AST) -> bool:
    """Whether it only writes a line of the log."""
    match node:
        case ast.Await(value=value):
            return is_log_call(value)
        case ast.Call(func=ast.Attribute(value=ast.Name(id=name))):
            return name in LOGGERS
        case ast.Call(func=ast.Attribute(value=ast.Attribute(attr="_log" | "log"))):
            return True
    return False


def optional_keywords(trees: Iterable[ast.AST]) -> set[str]:
    """The names of all parameters and fields that have a default somewhere in these modules."""
    names: set[str] = set()
    for tree in trees:
        for node in ast.walk(tree):
            match node:
                case ast.arguments(posonlyargs=first, args=args, defaults=defaults):
                    positional = [*first, *args]
                    names |= {each.arg for each in positional[len(positional) - len(defaults) :]}
                    names |= {a.arg for a, d in zip(node.kwonlyargs, node.kw_defaults, strict=True) if d is not None}
                case ast.ClassDef(body=body):
                    names |= {
                        each.target.id
                        for each in body
                        if isinstance(each, ast.AnnAssign) and each.value and isinstance(each.target, ast.Name)
                    }
    return names


def read_modules(root: Path, room: str) -> list[Source]:
    """The modules of a room: a folder or one file, relative to the root. Raises: FileNotFoundError."""
    target = root / room
    paths = [target] if target.is_file() else sorted(target.rglob("*.py"))
    if not paths:
        raise FileNotFoundError(f"{room} has no modules.")
    product = [*(root / "higgins").rglob("*.py"), *(root / "protocol").rglob("*.py"), *paths]
    optional = optional_keywords(ast.parse(path.read_text()) for path in dict.fromkeys(product))
    return [Source(str(path.relative_to(root)), path.read_text(), optional) for path in paths]
