"""Suggest the known name that an unknown one was probably meant to be."""

import difflib
from collections.abc import Collection

SIMILARITY_MIN = 0.6
"""Names less similar than this are not suggested: a wrong suggestion is worse than none."""


NAME_CHARACTERS_MAX = 250
"""Longer names get no suggestion: comparing takes time that grows with the square of their length."""


def did_you_mean(name: str, known: Collection[str], *, otherwise: str = "") -> str:
    """`Did you mean 'x'?` for the most similar known name; `otherwise` when no name is similar."""
    if len(name) > NAME_CHARACTERS_MAX:
        return otherwise
    similar = difflib.get_close_matches(name, known, n=1, cutoff=SIMILARITY_MIN)
    return f"Did you mean '{similar[0]}'?" if similar else otherwise
