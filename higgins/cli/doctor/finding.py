"""The finding of a check: its result, what was seen, why it matters and how to fix it."""

from typing import Literal, TypeAlias

import msgspec

Standing: TypeAlias = Literal["ok", "warning", "failed", "skipped"]


class Finding(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The finding of one check. `why` and `fix` are set if something must be done."""

    check: str
    standing: Standing
    what: str
    why: str = ""
    fix: str = ""


def lines(finding: Finding) -> list[str]:
    """A finding as text: one line, and two more below it if something must be done."""
    below = [("why", finding.why), ("fix", finding.fix)]
    return [
        f"{finding.standing:<8} {finding.check:<11} {finding.what}",
        *(f"{'':<20} {word}: {text}" for word, text in below if text),
    ]
