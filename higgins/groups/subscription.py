"""Which topics the members of a group subscribe to, as far as their bytes say so. Pure.

Bytes of the consumer protocol begin alike in every version: the version, then the names of topics. What follows is left
alone, and so are groups of any other protocol.
"""

from collections.abc import Iterable
from struct import Struct, error

_HEAD = Struct(">hi")
_LENGTH = Struct(">h")


def subscribed_topics(subscriptions: Iterable[bytes]) -> set[str] | None:
    """The names in all members' subscriptions; None when one of them cannot be read, and may be any."""
    found: set[str] = set()
    for data in subscriptions:
        try:
            found |= _topics_in(data)
        except (error, ValueError):
            return None
    return found


def _topics_in(data: bytes) -> set[str]:
    _, count = _HEAD.unpack_from(data)
    position = _HEAD.size
    found: set[str] = set()
    if not 0 <= count <= (len(data) - position) // _LENGTH.size:
        raise ValueError(f"{count} topics do not fit into {len(data)} bytes")
    for _ in range(count):
        (length,) = _LENGTH.unpack_from(data, position)
        position += _LENGTH.size
        if not 0 <= length <= len(data) - position:
            raise ValueError(f"a name of {length} bytes does not fit")
        found.add(data[position : position + length].decode())
        position += length
    return found
