"""What help pages have in common: examples, and how defaults are shown."""


def examples(*commands: str) -> str:
    """The end of a help page. Every page has examples; tests parse them."""
    heading = "Examples:" if len(commands) > 1 else "Example:"
    return "\n".join([heading, *(f"  {one}" for one in commands)])


def shown_default(default: object) -> str | None:
    """A default as help shows it; None where it says nothing, since the description says what happens then."""
    if default in ("", (), None) or isinstance(default, bool):
        return None
    return ", ".join(map(str, default)) if isinstance(default, tuple) else str(default)
