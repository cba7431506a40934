"""The table of facets: importing a module here registers its facts, proposals and facet, and that is all it takes.

What is derived from the table: the union of facts that a commit is decoded with, the union of proposals that a node
sends, the folds of each fact, and the sections of a snapshot.
"""

from functools import reduce
from operator import or_
from typing import TYPE_CHECKING, Any, TypeAlias

import msgspec

# ruff: noqa: F401
# Importing a module registers its facets. One line for each.
from higgins.ledger.state import (
    cluster,
    configs,
    groups,
    identities,
    objects,
    offsets,
    partitions,
    producers,
    runs,
    sessions,
    tasks,
    topics,
)
from higgins.ledger.state.base import FOLDS, Fact, Proposal


def tag_of(struct: type[msgspec.Struct]) -> int:
    """The tag of a fact or proposal in MessagePack: the first element of its array."""
    tag = struct.__struct_config__.tag
    assert isinstance(tag, int), f"{struct.__name__} needs an integer tag of its own"
    return tag


FACTS: tuple[type[Fact], ...] = tuple(sorted(Fact.__subclasses__(), key=tag_of))
PROPOSALS: tuple[type[Proposal[Any]], ...] = tuple(sorted(Proposal.__subclasses__(), key=tag_of))

for _structs in (FACTS, PROPOSALS):
    _tags = [tag_of(struct) for struct in _structs]
    assert len(_tags) == len(set(_tags)), f"two of {_structs} have the same tag"
for _fact in FACTS:
    assert _fact in FOLDS, f"no facet folds {_fact.__name__}"

if TYPE_CHECKING:
    AnyFact: TypeAlias = Fact
    AnyProposal: TypeAlias = Proposal[Any]
else:
    # msgspec needs the closed unions to decode; the type checker needs only the bases.
    AnyFact = reduce(or_, FACTS)
    AnyProposal = reduce(or_, PROPOSALS)

_PROPOSAL_ENCODER = msgspec.msgpack.Encoder()
_PROPOSAL_DECODER = msgspec.msgpack.Decoder(AnyProposal)


def encode_proposal(proposal: Proposal[Any]) -> bytes:
    """A proposal as it travels to whichever node commits it."""
    return _PROPOSAL_ENCODER.encode(proposal)


def decode_proposal(data: bytes) -> Proposal[Any]:
    """A proposal from its bytes. Raises: msgspec.MsgspecError, also for one that only a later version knows."""
    return _PROPOSAL_DECODER.decode(data)
