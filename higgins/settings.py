"""Everything a user can set, in one value: each room's own settings, from flags, environment and higgins.toml.

Flags are stronger than `HIGGINS_*` variables, those than the file. All faults are told at once, each with its place.
"""

import socket
import types
import typing
from collections.abc import Iterable, Mapping
from pathlib import Path

import msgspec

from higgins.config.addresses import DEFAULT_PORT, Address, is_loopback, is_wildcard, parse_address
from higgins.config.given import Faults, Given
from higgins.config.toml_file import read_toml
from higgins.groups.settings import GroupSettings
from higgins.kafka.configs.broker_entries import BY_FIELD
from higgins.kafka.configs.started import REPLACED, SERVED, WITHOUT_EFFECT, normal_text, variable_of
from higgins.kafka.settings import BrokerConfig
from higgins.ledger.settings import LedgerSettings
from higgins.log.settings import LogSettings
from higgins.model.suggest import did_you_mean
from higgins.operators.settings import OperatorSettings
from higgins.server.settings import Listener, ServerSettings
from higgins.storage.settings import StoreSettings
from higgins.web.settings import WebSettings

FILE = "higgins.toml"
PREFIX = "HIGGINS_"
LISTENERS_MAX = 32

# Variables that are not settings of a broker: which file to read, where the command line connects, what is logged.
NOT_SETTINGS = frozenset({"HIGGINS_CONFIG", "HIGGINS_BOOTSTRAP", "HIGGINS_LOG_LEVEL", "HIGGINS_LOG_FORMAT"})

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
# Kafka's own keys set the broker, `listen` sets the listeners, and the store's linger is also the log's.
_NOT_KEYS = frozenset({"server.listeners", "log.linger_ms"})
_CHOICES = {"store.durability": ("fsync", "os")}
_SHORT_NAMES = {"store": "store.url", "node_id": "ledger.node_id", "metrics": "web.metrics"}
_LISTS = ("listen", "advertise")


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
    """What was given by Kafka's names, whether it has an effect here or not."""


class Flags(msgspec.Struct, frozen=True, kw_only=True):
    """What the command line gave; empty where it gave nothing. `assignments` are the `--set` flags."""

    store: str = ""
    listen: tuple[str, ...] = ()
    advertise: tuple[str, ...] = ()
    metrics: str = ""
    assignments: tuple[str, ...] = ()
    config: str = ""


def load(flags: Flags, environment: Mapping[str, str], directory: Path | None) -> Settings:
    """Settings from all three sources; the file is `higgins.toml` in the directory, or the one that was named.

    Without a directory no file is read.

    Raises: Unfit with every fault, a line for each.
    """
    faults = Faults()
    given = {**_from_file(flags, environment, directory, faults), **_from_environment(environment, faults)}
    given |= _from_flags(flags, faults)
    rooms = {room: _room(room, given, faults) for room in ROOMS}
    listeners, warnings = _listeners(given, faults)
    warnings += _fault_or_warning_of_metrics(given.get("web.metrics"), faults)
    faults.settle()
    rooms["server"] = msgspec.structs.replace(rooms["server"], listeners=listeners)
    kafka = _kafka(given, faults)
    settings = msgspec.structs.replace(Settings(), **rooms, warnings=(*warnings, *_useless(kafka)), kafka=kafka)
    _check_together(settings, faults)
    faults.settle()
    return settings


def keys() -> list[str]:
    """Every key that the file knows, beside Kafka's under [kafka]."""
    rooms = [
        f"{room}.{field.name}"
        for room, kind in ROOMS.items()
        if room != "broker"
        for field in msgspec.structs.fields(kind)
    ]
    return sorted({*rooms, *_LISTS} - _NOT_KEYS)


def _from_file(
    flags: Flags, environment: Mapping[str, str], directory: Path | None, faults: Faults
) -> dict[str, Given]:
    if directory is None:
        return {}
    named = flags.config or environment.get("HIGGINS_CONFIG", "")
    path = directory / (named or FILE)
    if not named and not path.exists():
        return {}
    found: dict[str, Given] = {}
    known = keys()
    for key, given in read_toml(path, faults).items():
        if key.startswith("kafka."):
            _take_kafka(key.removeprefix("kafka."), given, found, faults)
        elif key in known:
            found[key] = given
        elif given.value == {} and any(one.startswith(f"{key}.") for one in [*known, "kafka."]):
            continue  # an empty section
        else:
            faults.add(given.where, f"Unknown key '{key}'.{_suggestion(key, [*known, *_kafka_keys('kafka.')])}")
    return found


def _from_environment(environment: Mapping[str, str], faults: Faults) -> dict[str, Given]:
    variables = {PREFIX + key.upper().replace(".", "_"): key for key in keys()}
    variables |= {PREFIX + short.upper(): key for short, key in _SHORT_NAMES.items()}
    kafka = {variable_of(name): name for name in _kafka_keys("")}
    found: dict[str, Given] = {}
    for variable in sorted(environment):
        if not variable.startswith(PREFIX) or variable in NOT_SETTINGS:
            continue
        given = Given(environment[variable], variable)
        if variable in kafka:
            _take_kafka(kafka[variable], given, found, faults)
        elif variable in variables:
            key = variables[variable]
            parts = [one for one in environment[variable].split(",") if one]
            found[key] = Given(parts, variable) if key in _LISTS else given
        else:
            near = _suggestion(variable, [*variables, *kafka])
            faults.add(variable, f"Unknown variable; every {PREFIX}* variable is a setting.{near}")
    return found


def _from_flags(flags: Flags, faults: Faults) -> dict[str, Given]:
    found: dict[str, Given] = {}
    if flags.store:
        found["store.url"] = Given(flags.store, "--store")
    if flags.listen:
        found["listen"] = Given(list(flags.listen), "--listen")
    if flags.advertise:
        found["advertise"] = Given(list(flags.advertise), "--advertise")
    if flags.metrics:
        found["web.metrics"] = Given(flags.metrics, "--metrics")
    for assignment in flags.assignments:
        name, equals, value = assignment.partition("=")
        where = f"--set {assignment}"
        if not equals:
            faults.add(where, "Write --set NAME=VALUE, as in --set num.partitions=4.")
        else:
            _take_kafka(name.strip(), Given(value.strip(), where), found, faults)
    return found


def _kafka_keys(prefix: str) -> list[str]:
    return [prefix + name for name in (*SERVED, *REPLACED, *WITHOUT_EFFECT)]


def _take_kafka(name: str, given: Given, found: dict[str, Given], faults: Faults) -> None:
    if name in SERVED:
        found[SERVED[name]] = Given(given.value, f"{given.where} ({name})")
        found[f"kafka.{name}"] = given
    elif name in REPLACED:
        faults.add(given.where, f"'{name}' is not taken here: {REPLACED[name]}.")
    elif name in WITHOUT_EFFECT:
        found[f"kafka.{name}"] = given
    else:
        near = _suggestion(name, _kafka_keys(""))
        faults.add(given.where, f"Unknown Kafka config '{name}'.{near}")


def _kafka(given: Mapping[str, Given], faults: Faults) -> dict[str, str]:
    """What was given by Kafka's names, as text; what sets a field of ours is judged there."""
    texts: dict[str, str] = {}
    for key, one in given.items():
        name = key.removeprefix("kafka.")
        if name == key:
            continue
        try:
            texts[name] = normal_text(name, one.value)
        except ValueError as error:
            if name not in SERVED:
                faults.add(one.where, f"{error}.")
    return texts


def _useless(kafka: Mapping[str, str]) -> list[str]:
    names = sorted(kafka.keys() & WITHOUT_EFFECT)
    if not names:
        return []
    return [f"Accepted, but without effect in this broker: {', '.join(names)}."]


def _room(room: str, given: Mapping[str, Given], faults: Faults) -> msgspec.Struct:
    kind = ROOMS[room]
    types_of = typing.get_type_hints(kind)
    values: dict[str, object] = {}
    for field in msgspec.structs.fields(kind):
        key = f"{room}.{field.name}"
        if key in given and key not in _NOT_KEYS:
            value = _value(key, given[key], types_of[field.name], field.default, faults)
            if value is not None:
                values[field.name] = value
    return kind(**values)


def _value(key: str, given: Given, kind: object, default: object, faults: Faults) -> object:
    """The value in its type, or None when it is a fault."""
    try:
        value = msgspec.convert(given.value, kind, strict=not isinstance(given.value, str))
    except msgspec.ValidationError:
        faults.add(given.where, f"{given.value!r} is not {_called(kind)}{_as_in(default)}.")
        return None
    fault = _fault(key, value)
    if fault:
        faults.add(given.where, f"{_shown(value)} {fault}{_as_in(default)}.")
        return None
    choices = _CHOICES.get(key)
    if choices and value not in choices:
        faults.add(given.where, f"'{value}' is none of {', '.join(choices)}.")
        return None
    return value


def _fault(key: str, value: object) -> str | None:
    entry = BY_FIELD.get(key)
    if entry is not None:
        return entry.domain.fault(str(value))
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return "is below 0, the least that makes sense" if is_number and not typing.cast(float, value) >= 0 else None


def _shown(value: object) -> str:
    return f"'{value}'" if isinstance(value, str) else str(value)


def _called(kind: object) -> str:
    if typing.get_origin(kind) in {typing.Union, types.UnionType}:
        kind = next(one for one in typing.get_args(kind) if one is not type(None))
    return {int: "a whole number", float: "a number", bool: "true or false", str: "a text"}.get(
        typing.cast(type, kind), "of the right type"
    )


def _as_in(default: object) -> str:
    if default is None or default is msgspec.NODEFAULT or default == "":
        return ""
    shown = str(default).lower() if isinstance(default, bool) else str(default)
    return f"; the default is {shown}"


def _listeners(given: Mapping[str, Given], faults: Faults) -> tuple[tuple[Listener, ...], list[str]]:
    bound = _addresses(given.get("listen"), faults) or [Address("127.0.0.1", DEFAULT_PORT)]
    told = _addresses(given.get("advertise"), faults)
    names = [one.name or str(one) for one in bound]
    where = given["listen"].where if "listen" in given else "listen"
    if len(set(names)) < len(names):
        faults.add(where, "Two listeners have the same name or address; each needs its own.")
    if len(names) > LISTENERS_MAX:
        faults.add(where, f"{len(names)} listeners were given; at most {LISTENERS_MAX} are possible.")
    chosen = _match(names, told, given, faults)
    warnings: list[str] = []
    listeners = [
        _listener(name, one, chosen.get(name), warnings) for name, one in zip(names, bound, strict=True)
    ]
    return tuple(listeners), warnings


def _match(
    names: list[str], told: list[Address], given: Mapping[str, Given], faults: Faults
) -> dict[str, Address]:
    """Which advertised address belongs to which listener: by name, and those without a name in order."""
    chosen = {one.name: one for one in told if one.name}
    for name in chosen.keys() - set(names):
        faults.add(
            given["advertise"].where,
            f"There is no listener '{name}'; the listeners are {', '.join(names)}.{_suggestion(name, names)}",
        )
    free = [name for name in names if name not in chosen]
    unnamed = [one for one in told if not one.name]
    if len(unnamed) > len(free):
        faults.add(
            given["advertise"].where,
            f"More addresses are advertised ({len(told)}) than there are listeners ({len(names)}).",
        )
    return chosen | dict(zip(free, unnamed, strict=False))


def _listener(name: str, bound: Address, told: Address | None, warnings: list[str]) -> Listener:
    if told is None:
        host = socket.gethostname() if is_wildcard(bound.host) else bound.host
        told = Address(host, bound.port)
        if is_wildcard(bound.host):
            warnings.append(
                f"Listener {bound} is advertised as {told}; if clients cannot reach that, pass --advertise HOST:PORT."
            )
    if not is_loopback(bound.host):
        warnings.append(
            f"Listener {bound} is open to the network, without authentication or encryption. "
            "Keep it behind a firewall, or listen on 127.0.0.1."
        )
    return Listener(name, bound.host, bound.port, told.host, told.port)


def _addresses(given: Given | None, faults: Faults) -> list[Address]:
    if given is None:
        return []
    texts = [given.value] if isinstance(given.value, str) else given.value
    if not isinstance(texts, Iterable) or not all(isinstance(one, str) for one in texts):
        faults.add(given.where, f'Give a list of addresses, as in ["127.0.0.1:{DEFAULT_PORT}"].')
        return []
    found: list[Address] = []
    for text in texts:
        try:
            found.append(parse_address(text))
        except ValueError as error:
            faults.add(given.where, str(error))
    return found


def _fault_or_warning_of_metrics(given: Given | None, faults: Faults) -> list[str]:
    if given is None or not given.value:
        return []
    try:
        address = parse_address(str(given.value))
    except ValueError as error:
        faults.add(given.where, str(error))
        return []
    if is_loopback(address.host):
        return []
    return [f"Metrics at {address} are open to the network; whoever reaches that port learns the topics' names."]


def _check_together(settings: Settings, faults: Faults) -> None:
    """What each value alone cannot tell."""
    groups, broker, server = settings.groups, settings.broker, settings.server
    if groups.min_session_timeout_ms > groups.max_session_timeout_ms:
        faults.add(
            "group.min.session.timeout.ms",
            f"{groups.min_session_timeout_ms} is above group.max.session.timeout.ms, "
            f"{groups.max_session_timeout_ms}; no member could join.",
        )
    if broker.message_bytes_max > server.frame_bytes_max:
        faults.add(
            "message.max.bytes",
            f"{broker.message_bytes_max} is above socket.request.max.bytes, {server.frame_bytes_max}; "
            "no request could carry such a batch.",
        )


def _suggestion(name: str, known: Iterable[str]) -> str:
    """A suggestion to append to a sentence, with the space before it; empty when no known name is similar."""
    suggestion = did_you_mean(name, list(known))
    return f" {suggestion}" if suggestion else ""
