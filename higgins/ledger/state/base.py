"""What every fact, proposal and facet has in common."""

from typing import Any, ClassVar, TypeAlias

import msgspec

Result: TypeAlias = Any
"""What a committed proposal answers; only MessagePack's own types, because a repeat is answered from State."""


class Fact(msgspec.Struct, frozen=True, array_like=True):
    """One change, as written in a commit. Fields are only ever added at the end, with a default."""


class Proposal(msgspec.Struct, frozen=True):
    """What somebody wants to be true, all of it or nothing. Names topic ids, never names of topics."""

    lingers: ClassVar[bool] = False
    """Whether it may wait for company as data does."""


class Moment(msgspec.Struct, frozen=True):
    """Where a fact stands: the commit's number, its time, and the node epoch that wrote it."""

    number: int
    time_ms: int
    epoch: int
