"""What a config entry is: name, type, default, the values it may have, what it does here. No entry is listed here.

Values travel and are kept as strings, as Kafka's clients send them; `normal` brings one into its one spelling.
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

_WHOLE = re.compile(r"[+-]?[0-9]{1,20}")


class ConfigType(IntEnum):
    """Kafka's codes, as DescribeConfigs answers them."""

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
    """What may have config entries, by Kafka's codes."""

    TOPIC = 2
    BROKER = 4
    BROKER_LOGGER = 8
    CLIENT_METRICS = 16
    GROUP = 32


class Source(IntEnum):
    """Where a value comes from, by Kafka's codes."""

    DYNAMIC_TOPIC = 1
    DYNAMIC_BROKER = 2
    DYNAMIC_DEFAULT_BROKER = 3
    STATIC_BROKER = 4
    DEFAULT = 5
    DYNAMIC_BROKER_LOGGER = 6
    CLIENT_METRICS = 7
    GROUP = 8


class Domain(msgspec.Struct, frozen=True):
    """The values an entry may have: in words, and a function that says what is wrong with one, or None."""

    told: str
    fault: Callable[[str], str | None]


class Entry(msgspec.Struct, frozen=True):
    """One line of the table."""

    name: str
    type: ConfigType
    default: str | None
    domain: Domain
    effect: str
    documentation: str
    synonyms: tuple[str, ...] = ()
    """Entries of the broker that stand where a topic or group says nothing, the strongest first."""
    sets: str = ""
    """The room and field of the settings that a broker's entry is, as `room.field`."""
    is_fixed: bool = False
    """Whether it can only be given at the start."""

    @property
    def is_sensitive(self) -> bool:
        return self.type is ConfigType.PASSWORD

    @property
    def is_idle(self) -> bool:
        """Whether it does nothing here."""
        return self.effect.startswith(IDLE)

    def normal(self, value: str) -> str:
        """The value in its one spelling. Raises: ValueError with what is wrong, to follow the entry's name."""
        if len(value) > VALUE_CHARACTERS_MAX:
            raise ValueError(f"the value has {len(value)} characters; at most {VALUE_CHARACTERS_MAX} are kept")
        value = _SPELLINGS[self.type](value)
        fault = self.domain.fault(value)
        if fault:
            raise ValueError(f"'{value}' {fault}")
        return value


Table: TypeAlias = dict[str, Entry]

ENFORCED = "enforced"
IDLE = "accepted, without effect because"


def without(reason: str) -> str:
    """The effect of an entry that is kept and shown, and does nothing more."""
    return f"{IDLE} {reason}"


# ---- spellings -------------------------------------------------------------------------------------------------------


def items(value: str) -> list[str]:
    """The items of a list, each once, in order."""
    return list(dict.fromkeys(item.strip() for item in value.split(",") if item.strip()))


def _text(value: str) -> str:
    return value.strip()


def _boolean(value: str) -> str:
    found = value.strip().lower()
    if found not in {"true", "false"}:
        raise ValueError(f"'{value}' is neither true nor false")
    return found


def _whole(greatest: int) -> Callable[[str], str]:
    def spelling(value: str) -> str:
        text = value.strip()
        if not _WHOLE.fullmatch(text):
            raise ValueError(f"'{value}' is not a whole number")
        number = int(text)
        if not -greatest - 1 <= number <= greatest:
            raise ValueError(f"'{value}' is not within {-greatest - 1} and {greatest}")
        return str(number)

    return spelling


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
    return ",".join(items(value))


_SPELLINGS: dict[ConfigType, Callable[[str], str]] = {
    ConfigType.UNKNOWN: _text,
    ConfigType.BOOLEAN: _boolean,
    ConfigType.STRING: _text,
    ConfigType.INT: _whole(INT32_MAX),
    ConfigType.SHORT: _whole(INT16_MAX),
    ConfigType.LONG: _whole(INT64_MAX),
    ConfigType.DOUBLE: _double,
    ConfigType.LIST: _list,
    ConfigType.CLASS: _text,
    ConfigType.PASSWORD: _text,
}


# ---- domains ---------------------------------------------------------------------------------------------------------


def at_least(least: int) -> Domain:
    """Numbers from `least` on."""
    def fault(value: str) -> str | None:
        return None if float(value) >= least else f"is below {least}, the least that makes sense"

    return Domain(f"{least} or more", fault)


def within(least: int, greatest: int) -> Domain:
    """Numbers from `least` to `greatest`, both included."""

    def fault(value: str) -> str | None:
        return None if least <= float(value) <= greatest else f"is not within {least} and {greatest}"

    return Domain(f"{least} to {greatest}", fault)


def within_or(other: int, least: int, greatest: int) -> Domain:
    """Numbers from `least` to `greatest`, and one other."""

    def fault(value: str) -> str | None:
        good = least <= int(value) <= greatest or int(value) == other
        return None if good else f"is neither {other} nor within {least} and {greatest}"

    return Domain(f"{other}, or {least} to {greatest}", fault)


def one_of(*words: str) -> Domain:
    """One of these words."""
    told = ", ".join(words)
    return Domain(told, lambda value: None if value in words else f"is none of {told}")


def some_of(*words: str) -> Domain:
    """A list of these words."""

    def fault(value: str) -> str | None:
        unknown = sorted(set(items(value)) - set(words))
        return f"knows no {', '.join(unknown)}; only {', '.join(words)}" if unknown else None

    return Domain(f"some of {', '.join(words)}", fault)


def matching(pattern: str, told: str) -> Domain:
    """A text of this form."""
    compiled = re.compile(pattern)
    return Domain(told, lambda value: None if compiled.fullmatch(value) else f"is not {told}")


ANY = Domain("anything", lambda value: None)
TRUTH = Domain("true, false", lambda value: None)
