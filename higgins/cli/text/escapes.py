"""Backslash escapes in what people type: formats and separators. Pure."""

_SIMPLE = {"n": b"\n", "t": b"\t", "r": b"\r", "0": b"\0", "\\": b"\\"}
KNOWN = "\\n, \\t, \\r, \\0, \\xHH and \\\\"


def read_escape(text: str, position: int) -> tuple[bytes, int]:
    """The bytes of the escape whose backslash is before `position`, and where the text goes on. Raises: ValueError."""
    letter = text[position : position + 1]
    if letter == "x":
        digits = text[position + 1 : position + 3]
        if len(digits) == 2 and all(one in "0123456789abcdefABCDEF" for one in digits):
            return bytes.fromhex(digits), position + 3
        letter += digits
    if letter in _SIMPLE:
        return _SIMPLE[letter], position + 1
    raise ValueError(f"'\\{letter}' is not an escape. The escapes are {KNOWN}.")


def unescaped(text: str) -> bytes:
    """A text with its escapes replaced, in UTF-8. Raises: ValueError."""
    out = bytearray()
    position = 0
    while position < len(text):
        if text[position] == "\\":
            data, position = read_escape(text, position + 1)
            out += data
        else:
            out += text[position].encode(errors="surrogateescape")
            position += 1
    return bytes(out)
