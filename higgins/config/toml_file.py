"""Read a TOML file into dotted keys, each with its line."""

import re
import tomllib
from pathlib import Path

from higgins.config.given import Faults, Given

FILE_BYTES_MAX = 1 << 20

_TABLE = re.compile(r"^\s*\[\[?\s*([^\]]+?)\s*\]")
_KEY = re.compile(r"""^\s*((?:[A-Za-z0-9_-]+|"[^"]*"|'[^']*')(?:\s*\.\s*(?:[A-Za-z0-9_-]+|"[^"]*"|'[^']*'))*)\s*=""")


def read_toml(path: Path, faults: Faults) -> dict[str, Given]:
    """Every value under its dotted key: `[store] url = …` and `store.url = …` are both `store.url`.

    A file that cannot be read is one fault and no values.
    """
    try:
        data = path.read_bytes()
        if len(data) > FILE_BYTES_MAX:
            faults.add(str(path), f"The file has {len(data)} bytes; settings have at most {FILE_BYTES_MAX}.")
            return {}
        text = data.decode()
        tables = tomllib.loads(text)
    except OSError as error:
        faults.add(str(path), f"The file cannot be read: {error.strerror or error}.")
        return {}
    except UnicodeDecodeError:
        faults.add(str(path), "The file is not UTF-8 text.")
        return {}
    except tomllib.TOMLDecodeError as error:
        faults.add(str(path), f"This is not TOML: {error}.")
        return {}
    lines = _lines(text)
    return {key: Given(value, _where(path, lines.get(key))) for key, value in _flatten("", tables).items()}


def _where(path: Path, line: int | None) -> str:
    return f"{path}, line {line}" if line else str(path)


def _flatten(prefix: str, table: dict[str, object]) -> dict[str, object]:
    flat: dict[str, object] = {}
    for key, value in table.items():
        if isinstance(value, dict):
            flat.update(_flatten(f"{prefix}{key}.", value) or {f"{prefix}{key}": {}})
        else:
            flat[f"{prefix}{key}"] = value
    return flat


def _lines(text: str) -> dict[str, int]:
    """The line of each dotted key, found by looking at line beginnings, as the parser does not tell."""
    found: dict[str, int] = {}
    table = ""
    for number, line in enumerate(text.splitlines(), start=1):
        if header := _TABLE.match(line):
            table = _bare(header[1]) + "."
            found.setdefault(table[:-1], number)
        elif key := _KEY.match(line):
            found.setdefault(table + _bare(key[1]), number)
    return found


def _bare(key: str) -> str:
    return ".".join(part.strip().strip("\"'") for part in key.split("."))
