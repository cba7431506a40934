"""What both generators ask of a construct grammar."""

import construct

from higgins_protocol.constructs import CompactLength, LengthPrefixed, MessageStruct


def members_of(struct: MessageStruct) -> list[tuple[str, construct.Construct]]:
    """The name and the layout of each member, in the order of the wire."""
    return [(member.name, member.subcon) for member in struct.subcon.subcons]


def fixed_format(layout: construct.Construct) -> str:
    """The format by which `struct` reads and writes this fixed-size layout. Raises: TypeError for any other layout."""
    match layout:
        case construct.FormatField():
            order, *characters = layout.fmtstr
            if order == ">":
                return "".join(characters)
        case construct.Flag:
            return "?"
        case construct.Bytes() if isinstance(layout.length, int):
            return f"{layout.length}s"
    raise TypeError(f"the compiler cannot generate code for {layout!r}")


def is_compact(layout: LengthPrefixed) -> bool:
    """The length is a varint."""
    return isinstance(layout.length, CompactLength)


def is_number(layout: construct.Construct) -> bool:
    """One `struct` character: several of them are read and written in one call."""
    return isinstance(layout, construct.FormatField) or layout is construct.Flag
