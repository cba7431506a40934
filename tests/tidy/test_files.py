"""Limits on files: each has a module docstring, none is too long, no folder has too many."""

import ast
from pathlib import Path

import pytest

from tests.tidy.imports import ROOT, modules

LINES_MAX = 450
TEST_LINES_MAX = 500
FILES_PER_FOLDER_MAX = 25
FOLDERS = ("higgins", "protocol", "tests", "compat")

FILES = sorted(
    path for folder in FOLDERS for path in (ROOT / folder).rglob("*.py") if "__pycache__" not in path.parts
)


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


def test_no_file_is_too_long() -> None:
    product = set(modules().values())
    long = [
        f"{name_of(path)} has {lines} lines, more than the limit; split it."
        for path in FILES
        if (lines := path.read_text().count("\n")) > (LINES_MAX if path in product else TEST_LINES_MAX)
    ]
    assert not long, "\n".join(long)


def test_no_folder_has_too_many_files() -> None:
    # The folder of messages has one module for each Kafka API, however many there are.
    folders = {path.parent for path in modules().values()} - {ROOT / "protocol/higgins_protocol/messages"}
    crowded = [
        f"{name_of(folder)} holds {count} modules, more than the limit; split it."
        for folder in sorted(folders)
        if (count := len(list(folder.glob("*.py")))) > FILES_PER_FOLDER_MAX
    ]
    assert not crowded, "\n".join(crowded)


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_every_module_has_a_docstring(path: Path) -> None:
    tree = ast.parse(path.read_text())
    if tree.body:
        assert ast.get_docstring(tree), f"{name_of(path)} has no module docstring"


def test_no_file_contains_a_note_of_unfinished_work() -> None:
    words = ("TO" + "DO", "FIX" + "ME", "X" + "XX")
    found = [f"{name_of(path)}: {word}" for path in FILES for word in words if word in path.read_text()]
    assert not found, "\n".join(found)
