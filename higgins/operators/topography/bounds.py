"""Bounds of a TOML text, checked in one pass before anything is built from it. Pure.

tomllib recurses for each bracket, and its memory grows with the square of the parts of a dotted key. Converting a
number takes time that grows with the square of its digits. A file within bounds takes memory in proportion to its size.
"""

import re

from higgins.operators.topography.table import Problem

KEY_PARTS_MAX = 16
DEPTH_MAX = 16
WORD_CHARACTERS_MAX = 400
"""Of a number, or of a key without quotes."""
KEYS_MAX = 50_000

_TOKEN = re.compile(
    r"""(?P<skipped>[ \t\r]+|\#[^\n]*)
    |(?P<multiline>\"{3}|'{3})
    |(?P<text>"(?:[^"\\\n]++|\\.)*+"|'[^'\n]*+')
    |(?P<word>[^\s\#"'\[\]{}=,.]++)
    |(?P<sign>.)""",
    re.VERBOSE | re.DOTALL,
)
_END = {
    '"""': re.compile(r'(?:[^\\"]++|\\.|"{1,2}(?!"))*+"{3,5}', re.DOTALL),
    "'''": re.compile(r"(?:[^']++|'{1,2}(?!'))*+'{3,5}", re.DOTALL),
}


def problem_with_bounds(text: str) -> Problem | None:
    """The first place where the text is beyond a bound. Where it is no TOML, the check ends without a problem."""
    position = depth = parts = keys = 0
    while position < len(text):
        token = _TOKEN.match(text, position)
        assert token is not None, "every character is at least a sign"
        start, position, word = position, token.end(), token.group()
        if token.lastgroup == "multiline":
            end = _END[word].match(text, position)
            if end is None:
                return None
            position = end.end()
        elif token.lastgroup == "word" and len(word) > WORD_CHARACTERS_MAX:
            return _problem(text, start, f"A number or a word has {len(word)} characters", WORD_CHARACTERS_MAX)
        elif token.lastgroup == "sign":
            depth = max(0, depth + (word in "[{") - (word in "]}"))
            parts = parts + 1 if word == "." else 0
            keys += word == "="
            if depth > DEPTH_MAX:
                return _problem(text, start, "The file is nested too deeply, in more brackets", DEPTH_MAX)
            if parts >= KEY_PARTS_MAX:
                return _problem(text, start, "A key has too many parts with dots between them", KEY_PARTS_MAX)
            if keys > KEYS_MAX:
                return _problem(text, start, "The file has too many keys", KEYS_MAX)
    return None


def _problem(text: str, position: int, what: str, limit: int) -> Problem:
    return Problem(text.count("\n", 0, position) + 1, f"{what}; at most {limit} are allowed. Shorten it.")
