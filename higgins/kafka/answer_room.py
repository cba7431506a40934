"""A bound on the rows of one response, for APIs in which a short name may be answered with a long row.

A request has at most sixty thousand names. What a response may take is decided before its rows are built: a row for
which there is no room has an error instead, and the client asks for less at a time.
"""

from typing import Final

ROWS_BYTES_MAX: Final = 48 << 20
"""What the rows of one response may take, about as they are encoded."""
TOO_LONG: Final = "The response would be too long. Ask for fewer at a time."


class AnswerRoom:
    """Of one response."""

    __slots__ = ("_left",)

    def __init__(self, bytes_max: int = ROWS_BYTES_MAX) -> None:
        self._left = bytes_max

    def take(self, size: int) -> bool:
        """Whether there is room for a row of this size, which is then taken."""
        if size > self._left:
            return False
        self._left -= size
        return True
