"""The line of each key in a TOML text; tomllib returns values without their places. Pure.

Only for text that tomllib has parsed without an error: nothing is refused here. Keys inside inline tables and arrays
have no line of their own; `KeyLines.of` gives the line of the key that contains them.
"""

import re

Path = tuple[str, ...]

_BLANK = re.compile(r"(?:[ \t\r\n]+|#[^\n]*)*")
_KEY = re.compile(r"""[ \t]*(?:"((?:[^"\\\n]++|\\.)*+)"|'([^'\n]*)'|([A-Za-z0-9_-]+))[ \t]*""")
# Strings and comments, whose brackets and line ends are no structure; longest first.
_STRING = re.compile(
    r'"""(?:[^\\]|\\.)*?"{3,5}(?!")' r"|'''.*?'{3,5}(?!')" r'|"(?:[^"\\\n]++|\\.)*+"' r"|'[^'\n]*'" r"|\#[^\n]*",
    re.DOTALL,
)


class KeyLines:
    """The lines of the keys of one text, counted from 1."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._lines: dict[Path, int] = {}
        self._newlines_before = 0
        self._counted_to = 0
        self._scan()

    def of(self, *path: str) -> int:
        """The line of a key, or of the nearest table around it."""
        while path:
            if path in self._lines:
                return self._lines[path]
            path = path[:-1]
        return 1

    def _scan(self) -> None:
        table: Path = ()
        position = self._skip_blank(0)
        while position < len(self._text):
            start = position
            if self._text[position] == "[":
                table, position = self._keys(position + 2 if self._text.startswith("[[", position) else position + 1)
                self._note(table, start)
                position = self._end_of_line(position)
            else:
                keys, position = self._keys(position)
                self._note(table + keys, start)
                position = self._after_value(position + 1)
            position = self._skip_blank(max(position, start + 1))

    def _note(self, path: Path, position: int) -> None:
        self._newlines_before += self._text.count("\n", self._counted_to, position)
        self._counted_to = position
        for length in range(1, len(path) + 1):
            self._lines.setdefault(path[:length], self._newlines_before + 1)

    def _skip_blank(self, position: int) -> int:
        blank = _BLANK.match(self._text, position)
        return blank.end() if blank else position

    def _end_of_line(self, position: int) -> int:
        end = self._text.find("\n", position)
        return end if end >= 0 else len(self._text)

    def _keys(self, position: int) -> tuple[Path, int]:
        """A dotted key, and the position after it."""
        keys: list[str] = []
        while key := _KEY.match(self._text, position):
            keys.append(next(group for group in key.groups() if group is not None))
            position = key.end()
            if not self._text.startswith(".", position):
                break
            position += 1
        return tuple(keys), position

    def _after_value(self, position: int) -> int:
        """The end of the line on which the value that begins here is complete."""
        depth = 0
        while position < len(self._text):
            character = self._text[position]
            if character in "\"'#":
                string = _STRING.match(self._text, position)
                position = string.end() if string else position + 1
                continue
            if character in "[{":
                depth += 1
            elif character in "]}":
                depth -= 1
            elif character == "\n" and depth <= 0:
                return position
            position += 1
        return position
