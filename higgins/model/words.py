"""Numbers with their nouns, for messages."""


def counted(number: int, noun: str) -> str:
    """'1 record', '2 records', '0 entries'. The noun is in the singular."""
    return f"{number} {plural(number, noun)}"


def plural(number: int, noun: str) -> str:
    """The noun as it follows a number: 'record' after 1, otherwise 'records'. Nouns are those of regular English."""
    if number == 1:
        return noun
    if noun.endswith("y") and noun[-2:-1] not in "aeiou":
        return f"{noun[:-1]}ies"
    return f"{noun}es" if noun.endswith(("s", "x", "ch", "sh")) else f"{noun}s"
