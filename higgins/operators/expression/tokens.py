"""The words of an expression: names, quoted names, texts, numbers and signs, each with its place. Pure.

Behaviour: as PostgreSQL reads SQL. Names keep their case; keywords have none. `--` begins a comment up to the end of
the line, and `/*` one up to `*/`. Two texts are one text only if a line break separates them, as the SQL standard says;
side by side on one line they are refused, because nearly always a comma has been forgotten.
Bounds: a text of TEXT_CHARACTERS_MAX characters is refused before it is read, and a number of DIGITS_MAX characters
before it is converted, because converting takes time that grows with the square of its length.
"""

import re
from typing import Literal as Choice
from typing import NamedTuple

from higgins.operators.expression.nodes import ExpressionError

TEXT_CHARACTERS_MAX = 8_192
DIGITS_MAX = 400
"""The longest double has 309 digits before its point."""

TokenKind = Choice["name", "quoted", "text", "number", "sign", "end"]

_TOKEN = re.compile(
    r"""(?P<blank>[\s\ufeff]+|--[^\n]*|/\*.*?\*/)
    |(?P<text>'(?:[^']|'')*')
    |(?P<quoted>"(?:[^"]|"")*")
    |(?P<number>(?:[0-9](?:_?[0-9])*(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)
    |(?P<name>[^\W\d][\w$]*|\$\w*)
    |(?P<sign>->>?|<=>|<>|<=|>=|!=|==|\|\||::|.)""",
    re.VERBOSE | re.DOTALL,
)
_CURLY_QUOTES = frozenset("‘’‚‛“”„«»`´")  # noqa: RUF001 - these are what editors put in place of straight quotes


class Token(NamedTuple):
    """A word and where it begins. `text` is as written; `value` is that of a quoted name or a text, without quotes."""

    kind: TokenKind
    text: str
    start: int
    value: str = ""

    @property
    def word(self) -> str:
        """In lower case if it may be a keyword; empty for everything else."""
        return self.text.lower() if self.kind == "name" else ""

    def is_sign(self, *signs: str) -> bool:
        """Whether it is one of these signs."""
        return self.kind == "sign" and self.text in signs


def error_at(text: str, start: int, message: str) -> ExpressionError:
    """An error with the line and column of a position in the text."""
    line = text.count("\n", 0, start) + 1
    return ExpressionError(message, line=line, column=start - text.rfind("\n", 0, start))


def tokenize(text: str) -> list[Token]:
    """The tokens of an expression; the last one has the kind `end`. Raises: ExpressionError."""
    if len(text) > TEXT_CHARACTERS_MAX:
        raise ExpressionError(
            f"The expression has {len(text)} characters; at most {TEXT_CHARACTERS_MAX} are allowed. Shorten it."
        )
    tokens: list[Token] = []
    position, is_parted = 0, False
    while position < len(text):
        match = _TOKEN.match(text, position)
        assert match is not None, "every character is at least a sign"
        kind, word, start = match.lastgroup, match.group(), position
        position = match.end()
        if kind == "blank":
            is_parted = not word.startswith("/*") and (is_parted or "\n" in word)
        elif kind == "text" and tokens and tokens[-1].kind == "text":
            if not is_parted:
                raise error_at(
                    text, start,
                    f"Syntax error at {shown(word)}: two texts stand side by side. Write a comma between the values of "
                    "a list, || to join two texts, or '' for a quote inside a text.",
                )  # fmt: skip
            before = tokens.pop()
            joined = before.value + _unquoted(word)
            tokens.append(Token("text", text[before.start : position], before.start, joined))
            is_parted = False
        else:
            tokens.append(_token(text, kind, word, start))
            is_parted = False
    tokens.append(Token("end", "", len(text)))
    return tokens


def shown(word: str) -> str:
    """A word as messages quote it; a long one is cut."""
    return f"'{word if len(word) <= 40 else word[:40] + '…'}'"


def _token(text: str, kind: str | None, word: str, start: int) -> Token:
    match kind:
        case "text":
            return Token("text", word, start, _unquoted(word))
        case "quoted":
            if word == '""':
                raise error_at(text, start, "Syntax error at '\"\"': a name in double quotes is empty.")
            return Token("quoted", word, start, word[1:-1].replace('""', '"'))
        case "number":
            _check_number(text, word, start)
            return Token("number", word, start)
        case "name":
            return Token("name", word, start)
        case _:
            _check_sign(text, word, start)
            return Token("sign", word, start)


def _check_number(text: str, word: str, start: int) -> None:
    if len(word) > DIGITS_MAX:
        raise error_at(
            text,
            start,
            f"A number has {len(word)} digits; at most {DIGITS_MAX} are allowed. Write it with an exponent.",
        )
    following = text[start + len(word) : start + len(word) + 1]
    if following == "_" or following.isalnum() or following == "$":
        raise error_at(
            text, start,
            f"Syntax error at {shown(word + following)}: a name cannot begin with a digit. Write it in double quotes, "
            "or put a space or a sign behind the number.",
        )  # fmt: skip


def _check_sign(text: str, word: str, start: int) -> None:
    if word in {"'", '"'}:
        raise error_at(
            text, start, f"The text or name that begins here has no end. Check quotes: add the closing {word}"
        )
    if word == "/" and text.startswith("/*", start):
        raise error_at(text, start, "The comment that begins here has no end. Add the closing */.")
    if word in _CURLY_QUOTES:
        raise error_at(
            text, start, f"Syntax error at '{word}': write texts in straight single quotes, and names in double ones."
        )


def _unquoted(word: str) -> str:
    return word[1:-1].replace("''", "'")
