"""SQL's `like`, in time that does not depend on what the text and the pattern look like. Pure.

A pattern is split at its % signs. The pieces between them are searched one after the other, each at its leftmost place,
which is always right. A piece without _ is found by `str.find`, which is linear. A piece with _ would be compared at
every position, in text times piece steps; a regular expression takes as many. Instead, one big integer for each
different character of the piece has a bit for each position of the text where that character stands, and shifting and
combining them compares 64 positions at a time.

Bounds: the positions of WINDOW_POSITIONS characters are compared at once, so that no single operation holds the
interpreter for milliseconds. A search of more than STEPS_MAX steps raises TooCostly; a pattern of 4 096 characters over
a text of a mebibyte needs fewer.
"""

from typing import NamedTuple

WINDOW_POSITIONS = 1 << 16
STEPS_MAX = 1 << 26
"""Combining 64 positions is one step; each takes about a nanosecond."""
_CHARACTER_COST = 16
"""Marking where a character stands takes about as long as combining sixteenth as many words as there are positions."""


class TooCostly(Exception):
    """A value that would take too long to compute."""


class Piece(NamedTuple):
    """A part of a pattern without %: how many characters it matches, and the texts in it with their places."""

    length: int
    texts: tuple[tuple[int, str], ...]


Pieces = tuple[Piece, ...]


def split_pattern(pattern: str, escape: str) -> Pieces | None:
    """The pieces of a pattern between its % signs; None if it ends with the escape character."""
    pieces: list[Piece] = []
    texts: list[tuple[int, str]] = []
    text: list[str] = []
    length = 0
    characters = iter(pattern)
    for character in characters:
        if escape and character == escape:
            following = next(characters, None)
            if following is None:
                return None
            text.append(following)
            length += 1
        elif character in {"%", "_"}:
            if text:
                texts.append((length - len(text), "".join(text)))
                text = []
            length += 1
            if character == "%":
                pieces.append(Piece(length - 1, tuple(texts)))
                texts, length = [], 0
        else:
            text.append(character)
            length += 1
    if text:
        texts.append((length - len(text), "".join(text)))
    pieces.append(Piece(length, tuple(texts)))
    return tuple(pieces)


def matches(text: str, pieces: Pieces) -> bool:
    """Whether the text consists of the pieces with anything between them. Raises: TooCostly."""
    first, *middle = pieces
    if not middle:
        return len(text) == first.length and _fits(text, 0, first)
    last = middle.pop()
    end = len(text) - last.length
    if first.length > end or not _fits(text, 0, first) or not _fits(text, end, last):
        return False
    position, steps = first.length, 0
    for piece in middle:
        if piece.length > end - position:
            return False
        if not piece.texts:
            position += piece.length
        elif piece.length == len(piece.texts[0][1]):
            start = text.find(piece.texts[0][1], position, end)
            if start < 0:
                return False
            position = start + piece.length
        else:
            start, steps = _search(text, position, end, piece, steps)
            if start < 0:
                return False
            position = start + piece.length
    return True


def _fits(text: str, start: int, piece: Piece) -> bool:
    return all(text.startswith(part, start + place) for place, part in piece.texts)


def _search(text: str, position: int, end: int, piece: Piece, steps: int) -> tuple[int, int]:
    """Where a piece with _ begins first in text[position:end], or -1; and the steps taken so far."""
    characters = [(place + index, one) for place, part in piece.texts for index, one in enumerate(part)]
    different = {one for _, one in characters}
    while position + piece.length <= end:
        window = text[position : min(end, position + WINDOW_POSITIONS + piece.length - 1)]
        present = set(window)
        if different <= present:
            size = len(window)
            steps += len(different) * size // _CHARACTER_COST + len(characters) * size // 64
            if steps > STEPS_MAX:
                raise TooCostly(f"a pattern with a piece of {piece.length} characters over a text of {len(text)}")
            start = _start_in(window, present, characters, piece.length)
            if start >= 0:
                return position + start, steps
        position += WINDOW_POSITIONS
    return -1, steps


def _start_in(window: str, present: set[str], characters: list[tuple[int, str]], length: int) -> int:
    """The leftmost start of the characters at their places in the window, or -1."""
    size = len(window)
    digits = dict.fromkeys(map(ord, present), "0")
    standing: dict[str, int] = {}
    # The first character of the window is the highest bit, so that the leftmost start is the highest one as well.
    starts = (1 << size) - 1
    for place, character in characters:
        positions = standing.get(character)
        if positions is None:
            digits[ord(character)] = "1"
            positions = standing[character] = int(window.translate(digits), 2)
            digits[ord(character)] = "0"
        starts &= positions << place
        if not starts:
            return -1
    starts >>= length - 1
    return size - length - starts.bit_length() + 1 if starts else -1
