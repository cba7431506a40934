"""Changes of config entries, judged: what a resource would have of its own after them, or why it may not. Pure."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from enum import IntEnum

import msgspec

from higgins.kafka.configs.entry import ConfigType, Entry, Table, items
from higgins.kafka.configs.topic_entries import TOPIC_ENTRIES
from higgins.model.errors import Refused
from higgins.model.suggest import did_you_mean
from higgins_protocol.errors import ErrorCode


class Operation(IntEnum):
    """Kafka's codes."""

    SET = 0
    DELETE = 1
    APPEND = 2
    SUBTRACT = 3


class Change(msgspec.Struct, frozen=True):
    """One entry and what is to become of it; the operation is as it was sent."""

    name: str
    operation: int
    value: str | None


Current = Callable[[Entry], str]
"""The effective value of an entry, before the change."""


def changed(
    what: str, table: Table, own: Mapping[str, str], changes: Sequence[Change], current: Current
) -> dict[str, str]:
    """What a resource has of its own after the changes; `what` is its kind in words. Raises: Refused.

    Lists grow and shrink from the effective value, so that adding to a default keeps the default (KIP-339). An entry
    nobody knows may still be deleted: whatever was taken once can be got rid of.
    """
    _check_names([change.name for change in changes])
    after = dict(own)
    for change in changes:
        operation = _operation(change)
        if operation is Operation.DELETE:
            after.pop(change.name, None)
        else:
            entry = _entry(what, table, change.name)
            value = _given(change.name, change.value)
            if operation is not Operation.SET:
                value = _listed(entry, operation, current(entry), value)
            after[entry.name] = _normal(what, entry, value)
    return after


def replaced(what: str, table: Table, configs: Sequence[tuple[str, str | None]]) -> dict[str, str]:
    """What a resource has of its own when these replace all it had. Raises: Refused."""
    _check_names([name for name, _ in configs])
    given = [(_entry(what, table, name), _given(name, value)) for name, value in configs]
    return {entry.name: _normal(what, entry, value) for entry, value in given}


def fault_in_configs(configs: Mapping[str, str | None]) -> str | None:
    """A sentence about the first config of a new topic that cannot be, or None."""
    try:
        topic_configs(configs)
    except Refused as refused:
        return refused.message
    return None


def topic_configs(configs: Mapping[str, str | None]) -> dict[str, str]:
    """What a new topic has of its own. Raises: Refused(INVALID_CONFIG)."""
    made: dict[str, str] = {}
    for name, value in configs.items():
        entry = _entry("topic", TOPIC_ENTRIES, name)
        if value is None:
            raise Refused(
                ErrorCode.INVALID_CONFIG,
                f"Topic config '{name}' has no value; leave it out to have the default '{entry.default}'.",
            )
        made[name] = _normal("topic", entry, value)
    check_topic(made)
    return made


def check_topic(own: Mapping[str, str]) -> None:
    """What each value alone cannot tell. Raises: Refused(INVALID_CONFIG)."""
    least, greatest = "min.compaction.lag.ms", "max.compaction.lag.ms"
    lower, upper = (int(own.get(name, TOPIC_ENTRIES[name].default or 0)) for name in (least, greatest))
    if lower > upper:
        raise Refused(
            ErrorCode.INVALID_CONFIG,
            f"Topic config '{least}' is {lower}, above '{greatest}', {upper}; raise that, or lower this.",
        )


def _check_names(names: Iterable[str]) -> None:
    twice = [name for name, times in Counter(names).items() if times > 1]
    if twice:
        raise Refused(
            ErrorCode.INVALID_REQUEST, f"Config '{twice[0]}' is named more than once in one request; name each once."
        )


def _operation(change: Change) -> Operation:
    try:
        return Operation(change.operation)
    except ValueError:
        raise Refused(
            ErrorCode.INVALID_REQUEST,
            f"There is no operation {change.operation} for config '{change.name}'; "
            "0 sets, 1 deletes, 2 appends and 3 subtracts.",
        ) from None


def _entry(what: str, table: Table, name: str) -> Entry:
    entry = table.get(name)
    if entry is not None:
        return entry
    hint = did_you_mean(name, table, otherwise="Describe the configs to see which there are.")
    raise Refused(ErrorCode.INVALID_CONFIG, f"Unknown {what} config '{name}'. {hint}")


def _given(name: str, value: str | None) -> str:
    if value is None:
        raise Refused(ErrorCode.INVALID_REQUEST, f"Config '{name}' has no value; give one, or delete the config.")
    return value


def _listed(entry: Entry, operation: Operation, current: str, value: str) -> str:
    if entry.type is not ConfigType.LIST:
        raise Refused(
            ErrorCode.INVALID_CONFIG,
            f"Config '{entry.name}' is no list, so nothing can be appended or subtracted; set it instead.",
        )
    had = items(current)
    if operation is Operation.APPEND:
        # What is appended is judged as it was given, so that an empty item is refused.
        return ",".join([*had, value])
    gone = items(value)
    return ",".join(one for one in had if one not in gone)


def _normal(what: str, entry: Entry, value: str) -> str:
    try:
        return entry.normal(value)
    except ValueError as error:
        raise Refused(
            ErrorCode.INVALID_CONFIG,
            f"{what.capitalize()} config '{entry.name}': {error}. Possible: {entry.domain.told}; "
            f"the default is '{entry.default or ''}'.",
        ) from error
