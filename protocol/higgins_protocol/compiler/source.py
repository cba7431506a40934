"""The source text of one generated function, written line by line, with the field of the message that each line is for.

What is compiled and executed here consists of names and numbers from our own declarations; nothing in it comes from the
wire.
"""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from struct import Struct
from typing import Any

import msgspec


class Source:
    """One function in the making: its lines, the label of each line, and the constants and helpers it uses."""

    def __init__(self, header: str) -> None:
        self._lines = [header]
        self._indent = 1
        self._counters: dict[str, int] = {}
        self.labels: dict[int, str] = {}
        self.names: dict[str, Any] = {}
        self.label = ""

    @contextmanager
    def labelled(self, label: str) -> Iterator[None]:
        """Lines written inside have this label."""
        outer, self.label = self.label, label
        yield
        self.label = outer

    def member(self, name: str) -> AbstractContextManager[None]:
        """Lines written inside are labelled with this member of the field that is the current label."""
        return self.labelled(f"{self.label}.{name}" if self.label else name)

    def line(self, text: str) -> None:
        self._lines.append("    " * self._indent + text)
        self.labels[len(self._lines)] = self.label

    @contextmanager
    def block(self, head: str) -> Iterator[None]:
        self.line(head)
        self._indent += 1
        yield
        self._indent -= 1

    def fresh(self, stem: str) -> str:
        """A local name that is not in use yet."""
        number = self._counters.get(stem, 0)
        self._counters[stem] = number + 1
        return f"{stem}_{number}"

    def constant(self, stem: str, value: object) -> str:
        """The name under which the function can use this object."""
        for name, known in self.names.items():
            if known is value:
                return name
        name = self.fresh(stem)
        self.names[name] = value
        return name

    def literal(self, name: str, default: object) -> str:
        """An expression for a field's default. Lists are mutable, so every message gets a list of its own."""
        if isinstance(default, list):
            return "[]"
        if isinstance(default, msgspec.Struct):
            return self.constant(f"DEFAULT_{name}", default)
        return repr(default)

    def struct(self, formats: str, method: str) -> str:
        """The name of a bound method of a precompiled big-endian `struct.Struct`."""
        name = f"{method}_{formats.replace('?', 'o')}"
        if name not in self.names:
            self.names[name] = getattr(Struct(">" + formats), method)
        return name

    def compile(self, function: str, title: str) -> Any:
        """The function; tracebacks show `title` as its file."""
        text = "\n".join(self._lines)
        exec(compile(text, f"<{title}>", "exec"), self.names)
        return self.names[function]
