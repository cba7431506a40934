"""What a check found: how it stands, what was seen, why it matters and how to mend it."""

from typing import Literal, TypeAlias

import msgspec

Standing: TypeAlias = Literal["ok", "warning", "failed", "skipped"]


class Finding(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One of them. `why` and `fix` are there where something is to be done."""

    check: str
    standing: Standing
    what: str
    why: str = ""
    fix: str = ""


def lines(finding: Finding) -> list[str]:
    """A finding for a person: a line, and two more below it where something is to be done."""
    below = [("why", finding.why), ("fix", finding.fix)]
    return [
        f"{finding.standing:<8} {finding.check:<11} {finding.what}",
        *(f"{'':<20} {word}: {text}" for word, text in below if text),
    ]
