"""Adopting a topic: an operator goes on writing a topic that exists, from an offset of its base. Pure.

The topic of a deleted operator stays. To apply the same file again, the user says where in the base the operator is to
begin: `latest`, `earliest`, one offset for all partitions, or `partition:offset,partition:offset`, which is how the
deletion of an operator says where it ended. Partitions that are not named begin at their first record.
"""

import re
from collections.abc import Mapping

OFFSET_MAX = 2**63 - 1
ADOPTIONS_MAX = 1_000
TEXT_CHARACTERS_MAX = 100_000
_PAIR = re.compile(r"([0-9]{1,9}):([0-9]{1,18})")


class AdoptionError(ValueError):
    """A start that cannot be read, or that the base does not have; the message says what to write."""


def start_offsets(text: str, ends: Mapping[int, int]) -> dict[int, int]:
    """The offset to begin at in each partition of the base; `ends` are high watermarks. Raises: AdoptionError."""
    text = text.strip().lower()
    if text == "latest":
        return dict(ends)
    if text == "earliest":
        return dict.fromkeys(ends, 0)
    if len(text) > TEXT_CHARACTERS_MAX:
        raise AdoptionError("The start is too long.")
    if re.fullmatch("[0-9]{1,18}", text):
        starts = dict.fromkeys(ends, int(text))
    else:
        starts = dict.fromkeys(ends, 0)
        for pair in text.split(","):
            found = _PAIR.fullmatch(pair.strip())
            if found is None:
                raise AdoptionError(
                    f"'{pair[:40]}' is no start. Give latest, earliest, an offset, or offsets of partitions: 0:12,1:7"
                )
            if int(found[1]) not in ends:
                raise AdoptionError(f"The base has no partition {int(found[1])}; it has {len(ends)}.")
            starts[int(found[1])] = int(found[2])
    for partition, offset in starts.items():
        if offset > ends[partition]:
            raise AdoptionError(f"Partition {partition} of the base ends at {ends[partition]}, before offset {offset}.")
    return starts


def start_text(positions: Mapping[int, int]) -> str:
    """The start at these positions, as `start_offsets` reads it."""
    return ",".join(f"{partition}:{offset}" for partition, offset in sorted(positions.items()))
