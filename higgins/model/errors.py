"""The few exceptions that cross rooms, named for what the caller can do about them."""

from higgins_protocol.errors import ErrorCode


class HigginsError(Exception):
    """The root of all of ours; never raised itself."""


class Refused(HigginsError):
    """Somebody asked for what may not be; the code and the sentence are the answer to give."""

    def __init__(self, code: ErrorCode, message: str) -> None:
        super().__init__(code, message)
        self.code = code
        self.message = message

    def __str__(self) -> str:
        return f"{self.code.name}: {self.message}"


class StorageUnavailable(HigginsError):
    """The store did not do it, or did not say whether it did. A retry may help; an effect may still follow."""


class ObjectMissing(HigginsError):
    """No object under this key: never put, or swept."""


class ObjectExists(HigginsError):
    """A conditional create found the key taken (or a store reported a conflict as that): read it back."""


class Corrupt(HigginsError):
    """Stored bytes are not what was stored. Nothing can be served from them."""


class Unfit(HigginsError):
    """A setting, store or environment that cannot be used; the message says what, why and the fix."""


class Fenced(HigginsError):
    """This node's session has ended or its id was taken; nothing it proposes will be committed."""


class DurabilityUnknown(HigginsError):
    """The machine could not say whether bytes are on the disk (an fsync failed). The node stops: asking again
    proves nothing, because the kernel may already have dropped the pages it failed to write."""
