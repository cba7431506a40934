"""Text of strangers for people: names, client ids, headers and messages, without what would control a terminal."""

import unicodedata

_JOINERS = "\u200c\u200d"
"""Format characters that scripts and emoji need; they move nothing."""
_SHORT = {"\n": "\\n", "\r": "\\r", "\t": "\\t", "\0": "\\0"}
# Control, format (which includes bidirectional marks), surrogate, line and paragraph separators, unassigned.
_ESCAPED = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp", "Cn", "Co"})


def printable(text: str, *, keep: str = "") -> str:
    """The text with every character escaped that could move the cursor, reorder or hide what is printed.

    `keep` are characters that stay as they are, such as the line ends of a trace.
    """
    if text.isprintable():
        return text
    return "".join(
        one if one in keep or unicodedata.category(one) not in _ESCAPED or one in _JOINERS else _escape(one)
        for one in text
    )


def printable_bytes(data: bytes) -> bytes:
    """The same for bytes that are probably UTF-8. Those that are not become \\xHH."""
    return printable(data.decode(errors="backslashreplace")).encode()


def _escape(character: str) -> str:
    code = ord(character)
    if character in _SHORT:
        return _SHORT[character]
    if 0xDC80 <= code <= 0xDCFF:
        # A byte that is not UTF-8, decoded with surrogateescape.
        return f"\\x{code - 0xDC00:02x}"
    # \x80 and above are left to bytes that are not UTF-8.
    return f"\\x{code:02x}" if code < 0x80 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def printable_json(text: str) -> str:
    """JSON text with the same characters escaped in JSON's own way. The values stay the same."""
    return "".join(one if one.isprintable() or one in _JOINERS else _json_escape(one) for one in text)


def _json_escape(character: str) -> str:
    units = character.encode("utf-16-be", errors="surrogatepass")
    return "".join(f"\\u{units[i] << 8 | units[i + 1]:04x}" for i in range(0, len(units), 2))
