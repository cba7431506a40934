"""An epoch: the input range that a task processes and commits as one, with what has come of it so far. Pure."""

from higgins.operators.operator import Output

UNREADABLE = "unreadable"


class Epoch:
    """Grows by one read after another until it is worth a commit."""

    def __init__(self, from_offset: int) -> None:
        self.from_offset = from_offset
        self.to_offset = from_offset
        self.bytes_read = 0
        self.begun_at = 0.0
        """When its first input was read, on the clock that sleeps follow."""
        self.output = Output()

    def __repr__(self) -> str:
        return f"<Epoch {self.from_offset}..{self.to_offset} bytes={self.bytes_read}>"

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to commit."""
        return self.to_offset == self.from_offset

    def extend(self, to_offset: int, bytes_read: int, now: float) -> None:
        """Note that everything below `to_offset` has been processed."""
        assert to_offset > self.to_offset, f"{self!r} cannot extend to {to_offset}"
        if self.is_empty:
            self.begun_at = now
        self.to_offset = to_offset
        self.bytes_read += bytes_read
