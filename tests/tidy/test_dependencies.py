"""Every library that the product or its tests import is a declared dependency, so that a new installation has it."""

import ast
import re
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

from tests.mutation.runner import LIBRARIES
from tests.tidy.imports import PACKAGES, ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
OURS = {*PACKAGES, "tests", "compat"}


def _names(requirements: list[str]) -> set[str]:
    return {re.split(r"[\[<>=!~; ]", each, maxsplit=1)[0].lower().replace("_", "-") for each in requirements}


PRODUCT = _names(PROJECT["dependencies"])
TESTS = PRODUCT | _names(PROJECT["optional-dependencies"]["test"])
DISTRIBUTIONS = packages_distributions()


def _imported(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module


def _undeclared(modules: Iterator[str] | tuple[str, ...], declared: set[str]) -> set[str]:
    """The top-level modules that are neither Python's, nor ours, nor of a declared distribution."""
    libraries = {name.split(".")[0] for name in modules} - sys.stdlib_module_names - OURS
    return {
        name
        for name in libraries
        if not {each.lower().replace("_", "-") for each in DISTRIBUTIONS.get(name, [])} & declared
    }


@pytest.mark.parametrize(
    ("folder", "declared"),
    [("higgins", PRODUCT | {"pytest"}), ("protocol", PRODUCT), ("tests", TESTS)],
    ids=["higgins", "protocol", "tests"],
)
def test_imported_libraries_are_dependencies(folder: str, declared: set[str]) -> None:
    found = {}
    for path in sorted((ROOT / folder).rglob("*.py")):
        if names := _undeclared(_imported(path), declared):
            found[str(path.relative_to(ROOT))] = names
    assert not found


def test_libraries_that_the_mutation_runner_imports_first_are_dependencies() -> None:
    assert not _undeclared(LIBRARIES, TESTS)


def test_an_undeclared_library_is_found() -> None:
    assert _undeclared(("sqlglot", "os.path", "trio.testing", "higgins.log"), PRODUCT) == {"sqlglot"}
