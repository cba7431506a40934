"""Changes of config entries: what a resource has of its own after a change, or why the change is refused. Pure."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from enum import IntEnum

import msgspec

from higgins.config.entries.entry import ConfigType, Entry, Table, list_items
from higgins.config.entries.topics import TOPIC_ENTRIES
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
    """A change of one entry. The operation is the client's code, which may be none of `Operation`."""

    name: str
    operation: int
    value: str | None


EffectiveValue = Callable[[Entry], str]
"""The effective value of an entry, before the change."""


def apply_changes(
    resource: str, table: Table, own: Mapping[str, str], changes: Sequence[Change], effective: EffectiveValue
) -> dict[str, str]:
    """What a resource has of its own after the changes; `resource` is the word for its type. Raises: Refused.

    APPEND and SUBTRACT start from the effective value, so that appending to a default keeps the default (KIP-339). An
    entry that is unknown can still be deleted: a later version may not know what an earlier one stored.
    """
    _check_no_repetition([change.name for change in changes])
    after = dict(own)
    for change in changes:
        operation = _operation(change)
        if operation is Operation.DELETE:
            after.pop(change.name, None)
        else:
            entry = _entry(resource, table, change.name)
            value = _present(change.name, change.value)
            if operation is not Operation.SET:
                value = _changed_list(entry, operation, effective(entry), value)
            after[entry.name] = _normalized(resource, entry, value)
    return after


def replace_all(resource: str, table: Table, configs: Sequence[tuple[str, str | None]]) -> dict[str, str]:
    """What a resource has of its own when these replace everything it had. Raises: Refused."""
    _check_no_repetition([name for name, _ in configs])
    values = [(_entry(resource, table, name), _present(name, value)) for name, value in configs]
    return {entry.name: _normalized(resource, entry, value) for entry, value in values}


def new_topic_configs(configs: Mapping[str, str | None]) -> dict[str, str]:
    """What a new topic has of its own. Raises: Refused(INVALID_CONFIG)."""
    own: dict[str, str] = {}
    for name, value in configs.items():
        entry = _entry("topic", TOPIC_ENTRIES, name)
        if value is None:
            raise Refused(
                ErrorCode.INVALID_CONFIG,
                f"Topic config '{name}' has no value; leave it out to use the default, '{entry.default}'.",
            )
        own[name] = _normalized("topic", entry, value)
    check_topic_configs(own)
    return own


def error_in_topic_configs(configs: Mapping[str, str | None]) -> str | None:
    """The message about the first config that a new topic cannot have, or None."""
    try:
        new_topic_configs(configs)
    except Refused as refused:
        return refused.message
    return None


def check_topic_configs(own: Mapping[str, str]) -> None:
    """Check the entries that limit one another. Raises: Refused(INVALID_CONFIG)."""
    minimum, maximum = "min.compaction.lag.ms", "max.compaction.lag.ms"
    lower, upper = (int(own.get(name, TOPIC_ENTRIES[name].default or 0)) for name in (minimum, maximum))
    if lower > upper:
        raise Refused(
            ErrorCode.INVALID_CONFIG,
            f"Topic config '{minimum}' is {lower}, above '{maximum}', {upper}; lower the first or raise the second.",
        )


def _check_no_repetition(names: Iterable[str]) -> None:
    repeated = [name for name, count in Counter(names).items() if count > 1]
    if repeated:
        raise Refused(
            ErrorCode.INVALID_REQUEST, f"Config '{repeated[0]}' occurs more than once in the request; pass each once."
        )


def _operation(change: Change) -> Operation:
    try:
        return Operation(change.operation)
    except ValueError:
        raise Refused(
            ErrorCode.INVALID_REQUEST,
            f"Operation {change.operation} for config '{change.name}' is unknown; "
            "0 sets, 1 deletes, 2 appends and 3 subtracts.",
        ) from None


def _entry(resource: str, table: Table, name: str) -> Entry:
    entry = table.get(name)
    if entry is not None:
        return entry
    hint = did_you_mean(name, table, otherwise="Describe the configs to list the known ones.")
    raise Refused(ErrorCode.INVALID_CONFIG, f"Unknown {resource} config '{name}'. {hint}")


def _present(name: str, value: str | None) -> str:
    if value is None:
        raise Refused(ErrorCode.INVALID_REQUEST, f"Config '{name}' has no value; pass one, or delete the config.")
    return value


def _changed_list(entry: Entry, operation: Operation, effective: str, value: str) -> str:
    if entry.type is not ConfigType.LIST:
        raise Refused(
            ErrorCode.INVALID_CONFIG,
            f"Config '{entry.name}' is not a list, so nothing can be appended or subtracted; set it instead.",
        )
    before = list_items(effective)
    if operation is Operation.APPEND:
        # The appended text is joined as it was sent, so that an empty item in it is refused.
        return ",".join([*before, value])
    removed = list_items(value)
    return ",".join(item for item in before if item not in removed)


def _normalized(resource: str, entry: Entry, value: str) -> str:
    try:
        return entry.normalize(value)
    except ValueError as error:
        raise Refused(
            ErrorCode.INVALID_CONFIG,
            f"{resource.capitalize()} config '{entry.name}': {error}. Possible: {entry.domain.description}; "
            f"the default is '{entry.default or ''}'.",
        ) from error
