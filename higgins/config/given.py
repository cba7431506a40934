"""Values as people gave them, and every fault in them, told at once."""


import msgspec

from higgins.model.errors import Unfit


class Given(msgspec.Struct, frozen=True):
    """A value and where it was given: a file and line, a variable, a flag."""

    value: object
    where: str


class Faults:
    """Faults found so far; people want all of them, not the first."""

    def __init__(self) -> None:
        self._lines: list[str] = []

    def add(self, where: str, sentence: str) -> None:
        """One more fault."""
        self._lines.append(f"{where}: {sentence}")

    def settle(self) -> None:
        """Raise Unfit with all of them, if there are any."""
        if self._lines:
            raise Unfit("\n".join(self._lines))
