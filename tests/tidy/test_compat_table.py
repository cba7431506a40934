"""The tables of clients on docs/compatibility.md are those that compat/report.py makes, with every client in them."""

from pathlib import Path

import pytest

from compat.report import BEGIN_MARK, COLUMNS, END_MARK, put_into, table
from tests.tidy.imports import ROOT
from tests.tidy.pages import DOCS

COMPAT = ROOT / "compat"


def cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip("| ").split("|")]


def test_every_client_is_in_the_table_and_every_column() -> None:
    text = (DOCS / "compatibility.md").read_text().partition(BEGIN_MARK)[2].partition(END_MARK)[0]
    clients, systems = (part.splitlines() for part in text.strip().split("\n\n"))
    assert cells(clients[0]) == ["client", "version", *COLUMNS]
    # kafka-python has a folder for each of two versions, under one name.
    folders = {each.parent.name for each in COMPAT.glob("*/client.py")} - {"kafka-python-2.0.2"}
    assert {cells(line)[0] for line in clients[2:]} == folders
    # A system that could not be installed where the table was made is not in it.
    assert {cells(line)[0] for line in systems[2:]} <= {each.parent.name for each in COMPAT.glob("*/scenarios.py")}


def test_tables_replace_the_text_between_the_marks(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(f"before\n{BEGIN_MARK}\nold\n{END_MARK}\nafter\n")
    outcomes = [{"story": story, "outcome": "pass"} for stories in COLUMNS.values() for story in stories]
    outcomes[0]["outcome"] = "skip"
    outcomes[-1]["outcome"] = "fail"
    put_into(page, table([{"client": "kcat-1.7", "version": "1.7", "stories": outcomes}]))
    row = page.read_text().splitlines()[4]
    assert page.read_text().startswith(f"before\n{BEGIN_MARK}\n| client ")
    assert page.read_text().endswith(f"|\n{END_MARK}\nafter\n")
    assert cells(row) == ["kcat", "1.7", "yes, without connect", *["yes"] * 10, f"{outcomes[-1]['story']}: fail"]


def test_a_page_without_marks_is_left_alone(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("no marks\n")
    with pytest.raises(SystemExit, match="has no lines"):
        put_into(page, "table")
    assert page.read_text() == "no marks\n"
