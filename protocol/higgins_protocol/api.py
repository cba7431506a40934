"""The declaration of one API: every module of messages ends with one, and the table in `apis` collects them."""

import msgspec

from higgins_protocol.schema import Message

NEVER = 0x7FFF
"""As `flexible_from`: no version is flexible."""


class Api(msgspec.Struct, frozen=True, kw_only=True):
    """Key, versions and messages of one API.

    `versions` are the lowest and the highest version that can be decoded, encoded and served. ApiVersions advertises
    them, unless `advertised_from` is a lower version or `is_private` hides the API from clients.
    """

    key: int
    request: type[Message]
    response: type[Message]
    versions: tuple[int, int]
    flexible_from: int
    advertised_from: int | None = None
    is_private: bool = False

    @property
    def name(self) -> str:
        """As Kafka calls it, such as `ListOffsets`: the name of the request without its suffix."""
        return self.request.__name__.removesuffix("Request")

    @property
    def advertised(self) -> tuple[int, int] | None:
        """The lowest and the highest version in the answer to ApiVersions, or None where the API is not in it."""
        if self.is_private:
            return None
        lowest, highest = self.versions
        return (lowest if self.advertised_from is None else self.advertised_from, highest)
