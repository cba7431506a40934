"""Numbers with their nouns: a message never says "1 records"."""

import ast
import re
from pathlib import Path

import pytest

from higgins.model.words import counted, plural

PACKAGE = Path(__file__).parents[2] / "higgins"
NOUNS = ("record", "partition", "member", "node", "topic", "group", "operator", "check", "listener", "task", "line",
         "assignment", "header", "entry", "batch", "commit", "object", "order", "byte", "connection")  # fmt: skip
# Sizes, limits and positions are given in bytes; nobody writes a limit of 1.
_UNITS = ("byte", "connection")
_PLURALS = "|".join(plural(2, one) for one in NOUNS if one not in _UNITS)
_COUNTED_BY_HAND = re.compile(rf"^ ?({_PLURALS})\b(?![/=])|\w\(s\)")


def counted_by_hand(source: str) -> list[int]:
    """The lines of f-strings in which a value is followed by a noun in the plural."""
    lines = []
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.JoinedStr):
            continue
        for before, part in zip([None, *node.values], node.values, strict=False):
            text = part.value if isinstance(part, ast.Constant) else ""
            if isinstance(text, str) and _COUNTED_BY_HAND.search(text) and isinstance(before, ast.FormattedValue):
                lines.append(part.lineno)
    return lines


def test_messages_count_with_the_helper() -> None:
    found = [
        f"{path.relative_to(PACKAGE)}:{line}"
        for path in sorted(PACKAGE.rglob("*.py"))
        for line in counted_by_hand(path.read_text())
    ]
    assert not found, f"write counted(number, 'noun') in {', '.join(found)}"


@pytest.mark.parametrize("text", ['f"{n} records stored"', 'f"{n} partition(s)"', 'f"a {len(x)} members"'])
def test_the_search_finds_what_it_is_for(text: str) -> None:
    assert counted_by_hand(text) == [1]


@pytest.mark.parametrize("noun", NOUNS)
def test_one_is_singular_and_every_other_number_plural(noun: str) -> None:
    assert counted(1, noun) == f"1 {noun}"
    several = {f"{number} {plural(number, noun)}" for number in (0, 2, 11, 21, 101, -1)}
    assert several == {counted(number, noun) for number in (0, 2, 11, 21, 101, -1)}
    assert all(one.endswith("s") and not one.endswith(("ys", "hs", "ss")) for one in several)
