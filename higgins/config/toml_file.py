"""Read a TOML file into dotted keys, each with its line number."""

import re
import tomllib
from pathlib import Path

from higgins.config.text_file import read_text
from higgins.config.values import ErrorList, SettingValue

FILE_BYTES_MAX = 1 << 20

_TABLE = re.compile(r"^\s*\[\[?\s*([^\]]+?)\s*\]")
_KEY = re.compile(r"""^\s*((?:[A-Za-z0-9_-]+|"[^"]*"|'[^']*')(?:\s*\.\s*(?:[A-Za-z0-9_-]+|"[^"]*"|'[^']*'))*)\s*=""")


def read_toml(path: Path, errors: ErrorList) -> dict[str, SettingValue]:
    """Every value under its dotted key: `[store] url = …` and `store.url = …` are both `store.url`.

    A file that cannot be read gives one error and no values.
    """
    try:
        text = read_text(path, FILE_BYTES_MAX)
    except ValueError as error:
        errors.add(str(path), str(error))
        return {}
    try:
        document = tomllib.loads(text)
    except RecursionError:
        errors.add(str(path), "The file is not valid TOML: its arrays or tables are nested too deeply.")
        return {}
    except ValueError as error:
        # Besides syntax errors: a number with more digits than Python converts.
        errors.add(str(path), f"The file is not valid TOML: {error}.")
        return {}
    lines = _line_numbers(text)
    return {
        key: SettingValue(value, _origin(path, lines.get(key))) for key, value in _flatten("", document).items()
    }


def _origin(path: Path, line: int | None) -> str:
    return f"{path}, line {line}" if line else str(path)


def _flatten(prefix: str, table: dict[str, object]) -> dict[str, object]:
    flat: dict[str, object] = {}
    for key, value in table.items():
        if isinstance(value, dict):
            flat.update(_flatten(f"{prefix}{key}.", value) or {f"{prefix}{key}": {}})
        else:
            flat[f"{prefix}{key}"] = value
    return flat


def _line_numbers(text: str) -> dict[str, int]:
    """The line number of each dotted key.

    `tomllib` does not report line numbers, so the keys are matched at the beginnings of lines. A key inside a
    multi-line string can be matched too; the only harm is a wrong line number in an error message.
    """
    numbers: dict[str, int] = {}
    table = ""
    # TOML's line ends only: `splitlines` knows others, which may stand in a comment.
    for number, line in enumerate(text.split("\n"), start=1):
        if header := _TABLE.match(line):
            table = _unquoted(header[1]) + "."
            numbers.setdefault(table[:-1], number)
        elif key := _KEY.match(line):
            numbers.setdefault(table + _unquoted(key[1]), number)
    return numbers


def _unquoted(key: str) -> str:
    return ".".join(part.strip().strip("\"'") for part in key.split("."))
