"""The exceptions that cross package boundaries, one for each way in which a caller can react."""

from higgins_protocol.errors import ErrorCode


class HigginsError(Exception):
    """Base class of the exceptions of Higgins; never raised itself."""


class Refused(HigginsError):
    """A request is invalid or not allowed. `code` and `message` go into the response."""

    def __init__(self, code: ErrorCode, message: str) -> None:
        super().__init__(code, message)
        self.code = code
        self.message = message

    def __str__(self) -> str:
        return f"{self.code.name}: {self.message}"


class StorageUnavailable(HigginsError):
    """The store failed, or did not report the outcome. A retry may help; the operation may still take effect."""

    def __init__(
        self, message: str, *, answered: bool = True, certain: bool = False, needs_change: bool = False
    ) -> None:
        """`answered`: something answered. `certain`: the operation has no effect, neither now nor later.

        `needs_change`: waiting does not help; a setting, or the bucket itself, has to be corrected.
        """
        super().__init__(message)
        self.answered = answered
        self.certain = certain
        self.needs_change = needs_change


class ObjectMissing(HigginsError):
    """There is no object under this key: it was never put, or was deleted."""


class ObjectExists(HigginsError):
    """A create found that the key exists, perhaps from an attempt of its own. Read the object back to learn whose."""


class Corrupt(HigginsError):
    """Stored bytes are damaged or incomplete. They must not be served."""


class Unfit(HigginsError):
    """A setting, store or environment that cannot be used. The message says what is wrong, why, and what to do."""


class Fenced(HigginsError):
    """The session of this node has ended, or another node took its id. Nothing it proposes will be committed."""


class DurabilityUnknown(HigginsError):
    """An fsync failed, so it is unknown what is on the disk. The node stops.

    Another fsync proves nothing: the kernel may have dropped the pages that it failed to write, and report success.
    """
