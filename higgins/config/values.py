"""Setting values with the place each was read from, and a list of errors that is reported as a whole."""

import msgspec

from higgins.model.errors import Unfit


class SettingValue(msgspec.Struct, frozen=True):
    """A value as it was read, and where: a file and line, an environment variable, or a flag."""

    value: object
    origin: str


class ErrorList:
    """Errors found so far. They are reported together, so that a user can correct all of them at once."""

    def __init__(self) -> None:
        self._lines: list[str] = []

    def add(self, origin: str, message: str) -> None:
        """Add the error of one value."""
        self._lines.append(f"{origin}: {message}")

    def raise_if_any(self) -> None:
        """Raises: Unfit with one line for each error."""
        if self._lines:
            raise Unfit("\n".join(self._lines))
