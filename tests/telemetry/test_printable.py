"""What is printed of strangers cannot control a terminal."""

import json
import unicodedata

import pytest

from higgins.telemetry.printable import printable, printable_bytes, printable_json

CONTROLS = [*map(chr, range(0x20)), "\x7f", *map(chr, range(0x80, 0xA0))]
MARKS = [chr(code) for code in (0x061C, 0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A))]
OTHERS = ["\u2028", "\u2029", "\ufeff", "\udc80", "\udcff", "\U000e0001", "\u0378", "\u200b"]
ORDINARY = ["a", "é", "中", "😀", " ", "\u00a0", "\\", "👩\u200d👧", "क\u094d\u200dष"]


@pytest.mark.parametrize("character", [*CONTROLS, *MARKS, *OTHERS])
def test_what_controls_a_terminal_is_escaped(character: str) -> None:
    shown = printable(f"a{character}b")
    assert shown.isprintable() and shown.isascii() and shown.startswith("a\\") and shown.endswith("b")
    if not 0xD800 <= ord(character) < 0xE000:
        document = json.dumps({character: [character]}, ensure_ascii=False)
        escaped = printable_json(document)
        assert escaped.isprintable() and json.loads(escaped) == {character: [character]}


@pytest.mark.parametrize("text", ORDINARY)
def test_what_people_write_stays(text: str) -> None:
    assert printable(text) == text
    assert printable_bytes(text.encode()) == text.encode()


def test_no_escape_is_taken_for_another_character() -> None:
    escapes = [printable(one) for one in [*CONTROLS, *MARKS, *OTHERS]]
    assert len(set(escapes)) == len(escapes)
    assert printable("\n\r\t\0\x1b\udcff") == "\\n\\r\\t\\0\\x1b\\xff"
    assert printable("a\nb\tc", keep="\n") == "a\nb\\tc"
    assert printable_bytes(b"\xffa\x1b") == b"\\xffa\\x1b"


def test_every_category_that_moves_or_hides_is_covered() -> None:
    """All of Unicode, once: what is left as it is has a place and a width of its own, or joins letters."""
    for code in range(0x110000):
        shown = printable(chr(code))
        if shown == chr(code) and not shown.isprintable():
            assert unicodedata.category(shown) == "Zs" or shown in "\u200c\u200d", hex(code)
