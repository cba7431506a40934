"""docs/configuration.md, made from the settings and config entries: python -m tests.tidy.configuration_page"""

import ast
import inspect
import textwrap
import types
import typing

import msgspec

from higgins.config.entries.brokers import BY_SETTING
from higgins.config.entries.document import as_markdown, table_row
from higgins.settings import NOT_SETTINGS, ROOMS, SettingKey, setting_keys
from tests.tidy.imports import ROOT

PAGE = ROOT / "docs/configuration.md"
COMMAND = "python -m tests.tidy.configuration_page"

INTRODUCTION = f"""<!-- This page is generated. To change it, change the settings or tables it is made from, then run:
     {COMMAND} -->

# Configuration

A node reads its configuration when it starts, from three places. Flags of `higgins up` override environment variables,
and these override the file `higgins.toml` in the current directory (or the file that `--config` or `HIGGINS_CONFIG`
names). An unknown key, variable or value is an error, and `higgins up` reports all errors together.

```toml
# higgins.toml
listen = ["127.0.0.1:9092"]

[store]
url = "./higgins-data"

[kafka]
num.partitions = 4
```

Kafka's broker configs can be set in three ways, too: under `[kafka]` in the file, with a variable such as
`HIGGINS_KAFKA_NUM_PARTITIONS=4`, or with `higgins up --set num.partitions=4`. Many of them can also be changed while
nodes run; see [Kafka's config entries](#kafkas-config-entries).

## Settings of Higgins

The name of a setting contains its unit: `ms`, `s` and `us` are milliseconds, seconds and microseconds.
"""

SECTIONS = {
    "": ("Listeners", "Set at the top of the file. A variable may hold several addresses, separated by commas."),
    "store": ("Store", "The object store or directory that holds all data."),
    "server": ("Connections", "Limits of connections and requests."),
    "ledger": ("Ledger", "Commits, sessions of nodes, and snapshots."),
    "log": ("Log", "How produced records are buffered and flushed."),
    "groups": ("Groups", "Limits and delays of consumer groups."),
    "operators": ("Operators", "Sizes and timings of the tasks of derived streams."),
    "web": ("HTTP", "The listener for metrics."),
}
ADDRESSES = {
    "listen": ('`["127.0.0.1:9092"]`', "Addresses to listen on, each as `[NAME=]HOST:PORT`."),
    "advertise": (
        "the address of the listener",
        "Addresses that clients connect to, each as `[LISTENER=]HOST:PORT`, where they differ from the listeners'.",
    ),
}
TYPE_NAMES = {int: "integer", float: "number", bool: "true or false", str: "string"}
UNITS = ((1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB"))


def page() -> str:
    """The whole page."""
    return "".join([INTRODUCTION, *_setting_sections(), _variables(), "\n", as_markdown(level=2)])


def meanings(room: str) -> dict[str, str]:
    """The docstring under each field of a room's settings; empty where there is none."""
    kind = ROOMS[room]
    (definition,) = ast.parse(textwrap.dedent(inspect.getsource(kind))).body
    assert isinstance(definition, ast.ClassDef)
    texts = dict.fromkeys((field.name for field in msgspec.structs.fields(kind)), "")
    for field, following in zip(definition.body, [*definition.body[1:], None], strict=True):
        if not isinstance(field, ast.AnnAssign) or not isinstance(field.target, ast.Name):
            continue
        if isinstance(following, ast.Expr) and isinstance(following.value, ast.Constant):
            texts[field.target.id] = " ".join(str(following.value.value).split()).replace("None:", "none:")
    return texts


def _setting_sections() -> list[str]:
    rows = setting_keys()
    parts = []
    for room, (title, introduction) in SECTIONS.items():
        prefix = f"{room}." if room else ""
        keys = [row for row in rows if row.key.rpartition(".")[0] == room]
        texts = meanings(room) if room else {}
        place = f" Under `[{room}]` in the file." if room else ""
        parts.append(f"\n### {title}\n\n{introduction}{place}\n\n")
        parts.append(table_row("key", "variable", "flag", "type", "default", "meaning"))
        parts.append("|---|---|---|---|---|---|\n")
        parts.extend(_row(row, texts.get(row.key.removeprefix(prefix), "")) for row in keys)
    return parts


def _row(row: SettingKey, meaning: str) -> str:
    if row.key in ADDRESSES:
        kind = "list of addresses"
        default, meaning = ADDRESSES[row.key]
    else:
        kind = ", ".join(f"`{word}`" for word in row.choices) or _type_name(row.type)
        default = _default(row)
    entry = BY_SETTING.get(row.key)
    if entry is not None:
        meaning = f"{meaning} Kafka's name: `{entry.name}`."
    variables = ", ".join(f"`{name}`" for name in row.variables)
    return table_row(f"`{row.key}`", variables, f"`{row.flag}`" if row.flag else "", kind, default, meaning)


def _type_name(kind: object) -> str:
    if typing.get_origin(kind) in {typing.Union, types.UnionType}:
        kind = next(one for one in typing.get_args(kind) if one is not type(None))
    return TYPE_NAMES[typing.cast(type, kind)]


def _default(row: SettingKey) -> str:
    value = row.default
    if value is None or value == "":
        return "none"
    text = f"`{value}`"
    for size, unit in UNITS:
        if "bytes" in row.key and isinstance(value, int) and value >= size and value % size == 0:
            return f"{text} ({value // size} {unit})"
    return text


def _variables() -> str:
    rows = "".join(table_row(f"`{name}`", meaning) for name, meaning in NOT_SETTINGS.items())
    return f"\n### Other environment variables\n\n| variable | meaning |\n|---|---|\n{rows}"


if __name__ == "__main__":
    PAGE.parent.mkdir(exist_ok=True)
    PAGE.write_text(page())
