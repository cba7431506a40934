"""Everything a user can set, in one value: the settings of each room, from flags, the environment and higgins.toml.

Flags override `HIGGINS_*` variables, which override the file. All errors are reported together, each with its place.
"""

import re
import socket
import types
import typing
from collections.abc import Iterable, Mapping
from pathlib import Path

import msgspec

from higgins.config.addresses import DEFAULT_PORT, Address, is_loopback, is_wildcard, parse_address
from higgins.config.broker import BrokerConfig
from higgins.config.entries.brokers import BY_SETTING
from higgins.config.entries.startup import (
    REPLACED,
    WITH_SETTING,
    WITHOUT_EFFECT,
    environment_variable,
    normalized,
)
from higgins.config.toml_file import read_toml
from higgins.config.values import ErrorList, SettingValue
from higgins.groups.settings import GroupSettings
from higgins.ledger.settings import LedgerSettings
from higgins.log.settings import LogSettings
from higgins.model.suggest import did_you_mean
from higgins.model.words import counted
from higgins.operators.settings import OperatorSettings
from higgins.server.settings import Listener, ServerSettings
from higgins.storage.settings import StoreSettings
from higgins.web.settings import WebSettings

FILE = "higgins.toml"
PREFIX = "HIGGINS_"
LISTENERS_MAX = 32

NOT_SETTINGS: Mapping[str, str] = {
    "HIGGINS_CONFIG": "The settings file to read instead of `higgins.toml` in the current directory.",
    "HIGGINS_BOOTSTRAP": "The address that the command line connects to.",
    "HIGGINS_LOG_LEVEL": "The lowest level that is logged: `debug`, `info`, `warning` or `error`.",
    "HIGGINS_LOG_FORMAT": "`text` for people, or `json` for programs.",
}
"""Variables that are not settings of a broker, and their meaning."""

ROOMS: dict[str, type[msgspec.Struct]] = {
    "store": StoreSettings,
    "server": ServerSettings,
    "ledger": LedgerSettings,
    "log": LogSettings,
    "groups": GroupSettings,
    "operators": OperatorSettings,
    "broker": BrokerConfig,
    "web": WebSettings,
}
# The key `listen` sets the listeners, and `store.linger_ms` is also the log's. The settings of `broker` have no keys
# either: they are set by Kafka's own names, so that each has one name.
_NOT_KEYS = frozenset({"server.listeners", "log.linger_ms"})
_CHOICES = {"store.durability": ("fsync", "os")}
_SHORT_VARIABLES = {"store": "store.url", "node_id": "ledger.node_id", "metrics": "web.metrics"}
_FLAGS = {"store.url": "--store", "listen": "--listen", "advertise": "--advertise", "web.metrics": "--metrics"}
_ADDRESS_LISTS = ("listen", "advertise")


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """What a broker is started with."""

    store: StoreSettings = StoreSettings()
    server: ServerSettings = ServerSettings()
    ledger: LedgerSettings = LedgerSettings()
    log: LogSettings = LogSettings()
    groups: GroupSettings = GroupSettings()
    operators: OperatorSettings = OperatorSettings()
    broker: BrokerConfig = BrokerConfig()
    web: WebSettings = WebSettings()
    warnings: tuple[str, ...] = ()
    kafka: Mapping[str, str] = {}
    """What the user set by Kafka's names, with or without an effect."""


class Flags(msgspec.Struct, frozen=True, kw_only=True):
    """The flags of the command line, empty where one was not passed. `assignments` are the `--set` flags."""

    store: str = ""
    listen: tuple[str, ...] = ()
    advertise: tuple[str, ...] = ()
    metrics: str = ""
    assignments: tuple[str, ...] = ()
    config: str = ""


class SettingKey(msgspec.Struct, frozen=True):
    """A key of the settings file, with the other ways to set it. The type and default are None for address lists."""

    key: str
    variables: tuple[str, ...]
    flag: str = ""
    type: object = None
    default: object = None
    choices: tuple[str, ...] = ()


_SECRET = re.compile(r"secret|passw|token|credential|jaas|access[_.]key|private|\bkey\b", re.IGNORECASE)

Values: typing.TypeAlias = dict[str, SettingValue]
"""What the user set, by key. What was set by one of Kafka's names is also there as `kafka.NAME`."""


def load(flags: Flags, environment: Mapping[str, str], directory: Path | None) -> Settings:
    """Settings from all three sources.

    The file is `higgins.toml` in the directory, or the one that a flag or variable names; without a directory, none.

    Raises: Unfit with every error, one line each.
    """
    errors = ErrorList()
    values = {**_from_file(flags, environment, directory, errors), **_from_environment(environment, errors)}
    values |= _from_flags(flags, errors)
    rooms = {room: _room(room, values, errors) for room in ROOMS}
    listeners, warnings = _listeners(values, errors)
    warnings += _metrics_warnings(values.get("web.metrics"), errors)
    errors.raise_if_any()
    rooms["server"] = msgspec.structs.replace(rooms["server"], listeners=listeners)
    kafka = _kafka_configs(values, errors)
    warnings += _no_effect_warnings(kafka)
    settings = msgspec.structs.replace(Settings(), **rooms, warnings=tuple(warnings), kafka=kafka)
    _check_combinations(settings, errors)
    errors.raise_if_any()
    return settings


def setting_keys() -> list[SettingKey]:
    """Every key of the settings file except those under [kafka], in alphabetical order."""
    rows = [SettingKey(key, _variables(key), _FLAGS[key]) for key in _ADDRESS_LISTS]
    for room, kind in ROOMS.items():
        types_of = typing.get_type_hints(kind)
        for field in msgspec.structs.fields(kind):
            key = f"{room}.{field.name}"
            if room != "broker" and key not in _NOT_KEYS:
                flag, choices = _FLAGS.get(key, ""), _CHOICES.get(key, ())
                rows.append(SettingKey(key, _variables(key), flag, types_of[field.name], field.default, choices))
    return sorted(rows, key=lambda row: row.key)


def _variables(key: str) -> tuple[str, ...]:
    short = [PREFIX + name.upper() for name, full in _SHORT_VARIABLES.items() if full == key]
    return (*short, PREFIX + key.upper().replace(".", "_"))


def _from_file(flags: Flags, environment: Mapping[str, str], directory: Path | None, errors: ErrorList) -> Values:
    if directory is None:
        return {}
    named = flags.config or environment.get("HIGGINS_CONFIG", "")
    path = directory / (named or FILE)
    if not named and not path.exists():
        return {}
    values: Values = {}
    known = [row.key for row in setting_keys()]
    for key, value in read_toml(path, errors).items():
        if key.startswith("kafka."):
            _add_kafka(key.removeprefix("kafka."), value, values, errors)
        elif key in known:
            values[key] = value
        elif value.value == {} and any(one.startswith(f"{key}.") for one in [*known, "kafka."]):
            continue  # an empty section
        else:
            errors.add(value.origin, f"Unknown key '{key}'.{_suggestion(key, [*known, *_kafka_names('kafka.')])}")
    return values


def _from_environment(environment: Mapping[str, str], errors: ErrorList) -> Values:
    keys_by_variable = {variable: row.key for row in setting_keys() for variable in row.variables}
    kafka_by_variable = {environment_variable(name): name for name in _kafka_names("")}
    values: Values = {}
    for variable in sorted(environment):
        if not variable.startswith(PREFIX) or variable in NOT_SETTINGS:
            continue
        value = SettingValue(environment[variable], variable)
        if variable in kafka_by_variable:
            _add_kafka(kafka_by_variable[variable], value, values, errors)
        elif variable in keys_by_variable:
            key = keys_by_variable[variable]
            items = [item for item in environment[variable].split(",") if item]
            values[key] = SettingValue(items, variable) if key in _ADDRESS_LISTS else value
        else:
            suggestion = _suggestion(variable, [*keys_by_variable, *kafka_by_variable])
            errors.add(variable, f"Unknown variable; every {PREFIX}* variable must be a setting.{suggestion}")
    return values


def _from_flags(flags: Flags, errors: ErrorList) -> Values:
    values: Values = {}
    if flags.store:
        values["store.url"] = SettingValue(flags.store, "--store")
    if flags.listen:
        values["listen"] = SettingValue(list(flags.listen), "--listen")
    if flags.advertise:
        values["advertise"] = SettingValue(list(flags.advertise), "--advertise")
    if flags.metrics:
        values["web.metrics"] = SettingValue(flags.metrics, "--metrics")
    for assignment in flags.assignments:
        name, equals, value = assignment.partition("=")
        origin = f"--set {name}=…" if is_secret(name) else f"--set {assignment}"
        if not equals:
            errors.add(origin, "Write --set NAME=VALUE, as in --set num.partitions=4.")
        else:
            _add_kafka(name.strip(), SettingValue(value.strip(), origin), values, errors)
    return values


def _kafka_names(prefix: str) -> list[str]:
    return [prefix + name for name in (*WITH_SETTING, *REPLACED, *WITHOUT_EFFECT)]


def _add_kafka(name: str, value: SettingValue, values: Values, errors: ErrorList) -> None:
    """Add a value that was set by one of Kafka's names, also under the key of the setting that it sets."""
    if name in WITH_SETTING:
        values[WITH_SETTING[name]] = SettingValue(value.value, f"{value.origin} ({name})")
        values[f"kafka.{name}"] = value
    elif name in REPLACED:
        errors.add(value.origin, f"'{name}' is not supported: {REPLACED[name]}.")
    elif name in WITHOUT_EFFECT:
        values[f"kafka.{name}"] = value
    else:
        errors.add(value.origin, f"Unknown Kafka config '{name}'.{_suggestion(name, _kafka_names(''))}")


def _kafka_configs(values: Mapping[str, SettingValue], errors: ErrorList) -> dict[str, str]:
    """What the user set by Kafka's names, each value in its only spelling."""
    configs: dict[str, str] = {}
    for key, value in values.items():
        name = key.removeprefix("kafka.")
        if name == key:
            continue
        try:
            configs[name] = normalized(name, value.value)
        except ValueError as error:
            # The value of a config with a setting has been checked as that setting.
            if name not in WITH_SETTING:
                errors.add(value.origin, f"{error}.")
    return configs


def _no_effect_warnings(kafka: Mapping[str, str]) -> list[str]:
    names = sorted(kafka.keys() & WITHOUT_EFFECT)
    return [f"These configs are accepted, but have no effect in Higgins: {', '.join(names)}."] if names else []


def _room(room: str, values: Mapping[str, SettingValue], errors: ErrorList) -> msgspec.Struct:
    kind = ROOMS[room]
    types_of = typing.get_type_hints(kind)
    arguments: dict[str, object] = {}
    for field in msgspec.structs.fields(kind):
        key = f"{room}.{field.name}"
        if key in values and key not in _NOT_KEYS:
            value = _converted(key, values[key], types_of[field.name], field.default, errors)
            if value is not None:
                arguments[field.name] = value
    return kind(**arguments)


def _converted(key: str, value: SettingValue, kind: object, default: object, errors: ErrorList) -> object:
    """The value in its type, or None when it is an error."""
    try:
        converted = msgspec.convert(value.value, kind, strict=not isinstance(value.value, str))
    except msgspec.ValidationError:
        shown = "The value" if is_secret(key) else repr(value.value)
        errors.add(value.origin, f"{shown} is not {_type_name(kind)}{_default_clause(default)}.")
        return None
    error_message = _domain_error(key, converted)
    if error_message:
        shown = f"'{converted}'" if isinstance(converted, str) else str(converted)
        shown = "The value" if is_secret(key) else shown
        errors.add(value.origin, f"{shown} {error_message}{_default_clause(default)}.")
        return None
    return converted


def is_secret(name: str) -> bool:
    """Whether a setting of this name may hold a secret, which no message shows."""
    return _SECRET.search(name) is not None


def _domain_error(key: str, value: object) -> str | None:
    """What is wrong with a value of the right type, to follow the value in a sentence."""
    entry = BY_SETTING.get(key)
    if entry is not None:
        return entry.domain.error(str(value))
    if key in _CHOICES:
        choices = _CHOICES[key]
        return None if value in choices else f"is not one of {', '.join(choices)}"
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    # `not >=` also refuses NaN.
    return "is below the minimum, 0" if is_number and not typing.cast(float, value) >= 0 else None


def _type_name(kind: object) -> str:
    if typing.get_origin(kind) in {typing.Union, types.UnionType}:
        kind = next(one for one in typing.get_args(kind) if one is not type(None))
    return {int: "a whole number", float: "a number", bool: "true or false", str: "a string"}.get(
        typing.cast(type, kind), "of the right type"
    )


def _default_clause(default: object) -> str:
    if default is None or default is msgspec.NODEFAULT or default == "":
        return ""
    shown = str(default).lower() if isinstance(default, bool) else str(default)
    return f"; the default is {shown}"


# ---- listeners -------------------------------------------------------------------------------------------------------


def _listeners(values: Mapping[str, SettingValue], errors: ErrorList) -> tuple[tuple[Listener, ...], list[str]]:
    """The listeners, and warnings about them."""
    bound = _addresses(values.get("listen"), errors) or [Address("127.0.0.1", DEFAULT_PORT)]
    advertised = _addresses(values.get("advertise"), errors)
    names = [one.name or str(one) for one in bound]
    origin = values["listen"].origin if "listen" in values else "listen"
    if len(set(names)) < len(names):
        errors.add(origin, "Two listeners have the same name or address; each needs its own.")
    if len(names) > LISTENERS_MAX:
        errors.add(origin, f"{counted(len(names), 'listener')}; the limit is {LISTENERS_MAX}.")
    advertised_by_name = _match(names, advertised, values, errors)
    warnings: list[str] = []
    listeners = [
        _listener(name, one, advertised_by_name.get(name), warnings) for name, one in zip(names, bound, strict=True)
    ]
    return tuple(listeners), warnings


def _match(
    names: list[str], advertised: list[Address], values: Mapping[str, SettingValue], errors: ErrorList
) -> dict[str, Address]:
    """The advertised address of each listener: by name first, then those without a name in order."""
    by_name = {one.name: one for one in advertised if one.name}
    for name in by_name.keys() - set(names):
        errors.add(
            values["advertise"].origin,
            f"There is no listener '{name}'; the listeners are {', '.join(names)}.{_suggestion(name, names)}",
        )
    unmatched = [name for name in names if name not in by_name]
    unnamed = [one for one in advertised if not one.name]
    if len(unnamed) > len(unmatched):
        errors.add(
            values["advertise"].origin,
            f"More addresses are advertised ({len(advertised)}) than there are listeners ({len(names)}).",
        )
    return by_name | dict(zip(unmatched, unnamed, strict=False))


def _listener(name: str, bound: Address, advertised: Address | None, warnings: list[str]) -> Listener:
    if advertised is None:
        host = socket.gethostname() if is_wildcard(bound.host) else bound.host
        advertised = Address(host, bound.port)
        if is_wildcard(bound.host):
            warnings.append(
                f"Listener {bound} is advertised as {advertised}; "
                "if clients cannot reach that address, pass --advertise HOST:PORT."
            )
    if not is_loopback(bound.host):
        warnings.append(
            f"Listener {bound} is open to the network, without authentication or encryption. "
            "Protect it with a firewall, or listen on 127.0.0.1."
        )
    return Listener(name, bound.host, bound.port, advertised.host, advertised.port)


def _addresses(value: SettingValue | None, errors: ErrorList) -> list[Address]:
    if value is None:
        return []
    texts = [value.value] if isinstance(value.value, str) else value.value
    if not isinstance(texts, Iterable) or not all(isinstance(one, str) for one in texts):
        errors.add(value.origin, f'The value is not a list of addresses, as in ["127.0.0.1:{DEFAULT_PORT}"].')
        return []
    addresses: list[Address] = []
    for text in texts:
        try:
            addresses.append(parse_address(text))
        except ValueError as error:
            errors.add(value.origin, str(error))
    return addresses


def _metrics_warnings(value: SettingValue | None, errors: ErrorList) -> list[str]:
    if value is None or not value.value:
        return []
    try:
        address = parse_address(str(value.value))
    except ValueError as error:
        errors.add(value.origin, str(error))
        return []
    if is_loopback(address.host):
        return []
    return [
        f"Metrics at {address} are open to the network. They contain the names of topics and groups; "
        "protect the port with a firewall, or use 127.0.0.1."
    ]


# ---- settings together -----------------------------------------------------------------------------------------------


def _check_combinations(settings: Settings, errors: ErrorList) -> None:
    """Check the settings that limit one another."""
    groups, broker, server = settings.groups, settings.broker, settings.server
    if groups.min_session_timeout_ms > groups.max_session_timeout_ms:
        errors.add(
            "group.min.session.timeout.ms",
            f"{groups.min_session_timeout_ms} is above group.max.session.timeout.ms, "
            f"{groups.max_session_timeout_ms}, so no member could join; lower the first or raise the second.",
        )
    if broker.message_bytes_max > server.frame_bytes_max:
        errors.add(
            "message.max.bytes",
            f"{broker.message_bytes_max} is above socket.request.max.bytes, {server.frame_bytes_max}, "
            "so no request could carry such a batch; lower the first or raise the second.",
        )


def _suggestion(name: str, known: Iterable[str]) -> str:
    """A suggestion to append to a sentence, with the space before it; empty when no known name is similar."""
    suggestion = did_you_mean(name, list(known))
    return f" {suggestion}" if suggestion else ""
