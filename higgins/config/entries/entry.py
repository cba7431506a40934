"""What a config entry is: name, type, default, domain, and its effect in Higgins. The tables are in other modules.

Values are sent and stored as strings, as Kafka's clients write them; `Entry.normalize` gives each value one spelling.
"""

import math
import re
from collections.abc import Callable
from enum import IntEnum
from typing import TypeAlias

import msgspec

INT16_MAX = (1 << 15) - 1
INT32_MAX = (1 << 31) - 1
INT64_MAX = (1 << 63) - 1
VALUE_CHARACTERS_MAX = 16_384

_INTEGER = re.compile(r"[+-]?[0-9]{1,20}")


class ConfigType(IntEnum):
    """The type of an entry's value, by the codes of DescribeConfigs."""

    UNKNOWN = 0
    BOOLEAN = 1
    STRING = 2
    INT = 3
    SHORT = 4
    LONG = 5
    DOUBLE = 6
    LIST = 7
    CLASS = 8
    PASSWORD = 9


class ResourceType(IntEnum):
    """What can have config entries, by Kafka's codes."""

    TOPIC = 2
    BROKER = 4
    BROKER_LOGGER = 8
    CLIENT_METRICS = 16
    GROUP = 32


class SourceKind(IntEnum):
    """Where a value comes from, by the codes of DescribeConfigs (`ConfigEntry.ConfigSource` in Kafka's Java client)."""

    DYNAMIC_TOPIC = 1
    DYNAMIC_BROKER = 2
    DYNAMIC_DEFAULT_BROKER = 3
    STATIC_BROKER = 4
    DEFAULT = 5
    DYNAMIC_BROKER_LOGGER = 6
    CLIENT_METRICS = 7
    GROUP = 8


class Domain(msgspec.Struct, frozen=True):
    """The values that an entry may have."""

    description: str
    error: Callable[[str], str | None]
    """What is wrong with a value, as the rest of a sentence that begins with the value; None for a valid one."""


class Entry(msgspec.Struct, frozen=True):
    """One row of a table."""

    name: str
    type: ConfigType
    default: str | None
    domain: Domain
    effect: str
    """What the entry does in Higgins."""
    documentation: str
    synonyms: tuple[str, ...] = ()
    """The broker's entries that supply the value where a topic or group has none of its own, in order of precedence."""
    setting: str = ""
    """The setting of Higgins, as `room.field`, that this broker entry sets; empty when it sets none."""
    is_read_only: bool = False
    """Whether it can be set only when a node starts."""

    @property
    def is_sensitive(self) -> bool:
        return self.type is ConfigType.PASSWORD

    @property
    def has_no_effect(self) -> bool:
        return self.effect.startswith(NO_EFFECT)

    @property
    def is_worth_a_note(self) -> bool:
        """Whether somebody who sets it should hear that it does nothing, or less than in Kafka."""
        return self.effect.startswith((NO_EFFECT, IN_PART))

    def normalize(self, value: str) -> str:
        """The value in its only spelling. Raises: ValueError with what is wrong; the caller adds the entry's name."""
        if len(value) > VALUE_CHARACTERS_MAX:
            raise ValueError(f"the value has {len(value)} characters; the limit is {VALUE_CHARACTERS_MAX}")
        value = _PARSERS[self.type](value)
        error = self.domain.error(value)
        if error:
            raise ValueError(f"'{value}' {error}")
        return value


Table: TypeAlias = dict[str, Entry]

ENFORCED = "enforced"
IN_PART = "enforced in part"
NO_EFFECT = "accepted, without effect because"


def no_effect(reason: str) -> str:
    """The effect of an entry that is validated, stored and shown, and does nothing else."""
    return f"{NO_EFFECT} {reason}"


# ---- one spelling for each value -------------------------------------------------------------------------------------


def list_items(value: str) -> list[str]:
    """The items of a list, in order, without repetitions."""
    return list(dict.fromkeys(item.strip() for item in value.split(",") if item.strip()))


def _string(value: str) -> str:
    return value.strip()


def _boolean(value: str) -> str:
    word = value.strip().lower()
    if word not in {"true", "false"}:
        raise ValueError(f"'{value}' is neither true nor false")
    return word


def _integer(greatest: int) -> Callable[[str], str]:
    def parse(value: str) -> str:
        text = value.strip()
        if not _INTEGER.fullmatch(text):
            raise ValueError(f"'{value}' is not a whole number")
        number = int(text)
        if not -greatest - 1 <= number <= greatest:
            raise ValueError(f"'{value}' is not between {-greatest - 1} and {greatest}")
        return str(number)

    return parse


def _double(value: str) -> str:
    try:
        number = float(value)
    except ValueError:
        raise ValueError(f"'{value}' is not a number") from None
    if not math.isfinite(number):
        raise ValueError(f"'{value}' is not a number")
    return str(number).upper().replace("E+", "E")


def _list(value: str) -> str:
    if value.strip() and not all(item.strip() for item in value.split(",")):
        raise ValueError(f"'{value}' is not a list: an item of it is empty")
    return ",".join(list_items(value))


_PARSERS: dict[ConfigType, Callable[[str], str]] = {
    ConfigType.UNKNOWN: _string,
    ConfigType.BOOLEAN: _boolean,
    ConfigType.STRING: _string,
    ConfigType.INT: _integer(INT32_MAX),
    ConfigType.SHORT: _integer(INT16_MAX),
    ConfigType.LONG: _integer(INT64_MAX),
    ConfigType.DOUBLE: _double,
    ConfigType.LIST: _list,
    ConfigType.CLASS: _string,
    ConfigType.PASSWORD: _string,
}


# ---- domains ---------------------------------------------------------------------------------------------------------


def at_least(minimum: int) -> Domain:
    """Numbers from `minimum` up."""

    def error(value: str) -> str | None:
        return None if float(value) >= minimum else f"is below the minimum, {minimum}"

    return Domain(f"{minimum} or more", error)


def between(minimum: int, maximum: int) -> Domain:
    """Numbers from `minimum` to `maximum`, both included."""

    def error(value: str) -> str | None:
        return None if minimum <= float(value) <= maximum else f"is not between {minimum} and {maximum}"

    return Domain(f"{minimum} to {maximum}", error)


def between_or(other: int, minimum: int, maximum: int) -> Domain:
    """Numbers from `minimum` to `maximum`, and one other."""

    def error(value: str) -> str | None:
        valid = minimum <= int(value) <= maximum or int(value) == other
        return None if valid else f"is neither {other} nor between {minimum} and {maximum}"

    return Domain(f"{other}, or {minimum} to {maximum}", error)


def one_of(*words: str) -> Domain:
    """Exactly one of these words."""
    choices = ", ".join(words)
    return Domain(choices, lambda value: None if value in words else f"is not one of {choices}")


def list_of(*words: str) -> Domain:
    """A list of these words."""

    def error(value: str) -> str | None:
        unknown = sorted(set(list_items(value)) - set(words))
        return f"contains {', '.join(unknown)}; allowed are {', '.join(words)}" if unknown else None

    return Domain(f"a list of {', '.join(words)}", error)


def matching(pattern: str, description: str) -> Domain:
    """A string of this form."""
    compiled = re.compile(pattern)
    return Domain(description, lambda value: None if compiled.fullmatch(value) else f"is not {description}")


ANY = Domain("any", lambda value: None)
TRUE_OR_FALSE = Domain("true, false", lambda value: None)
