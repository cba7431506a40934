"""Write Python source line by line, knowing of each line which field of the message it is for. Nothing is run here but
what was written here: names come from our declarations, never from the wire."""

from collections.abc import Iterator
from contextlib import contextmanager
from struct import Struct
from typing import Any


class Source:
    """The body of one emitted function, with the constants it needs."""

    def __init__(self, header: str) -> None:
        self._lines = [header]
        self._indent = 1
        self._counters: dict[str, int] = {}
        self.labels: dict[int, str] = {}
        self.names: dict[str, Any] = {}
        self.label = ""

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
        """A local name nobody else uses."""
        number = self._counters.get(stem, 0)
        self._counters[stem] = number + 1
        return f"{stem}_{number}"

    def constant(self, stem: str, value: object) -> str:
        for name, known in self.names.items():
            if known is value:
                return name
        name = self.fresh(stem)
        self.names[name] = value
        return name

    def struct(self, layout: str, method: str) -> str:
        """The name of a bound method of a precompiled big-endian struct."""
        name = f"{method}_{layout.replace('?', 'o')}"
        if name not in self.names:
            self.names[name] = getattr(Struct(">" + layout), method)
        return name

    def compile(self, function: str, title: str) -> Any:
        text = "\n".join(self._lines)
        exec(compile(text, f"<{title}>", "exec"), self.names)
        return self.names[function]

    @property
    def text(self) -> str:
        return "\n".join(self._lines)
