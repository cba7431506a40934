"""Functions are short, or say why they are not."""

import ast

import pytest

from tests.tidy.imports import ROOT
from tests.tidy.test_files import FILES, name_of

LINES_MAX = 70

LONG = {
    "higgins/columns/decode.py:_read": "one pass over the records of a batch; each call in it would cost once a record",
    "protocol/higgins_protocol/records/record.py:_decode_all": "as above: the loop over records makes no calls",
    "protocol/higgins_protocol/records/survey.py:_read": "as above: it reads records that differ, one by one",
    "tests/broker/order_recipes.py:reads": "a table: one request for each API that reads",
    "tests/golden/reader_state.py:fold_fact": "one case for each fact of docs/formats.md, in the order of its table",
    "tests/torture/model.py:model": "one history of a correct log, told from its beginning to its end",
    "tests/torture/writers.py:copier": "one transactional loop; every step names the failure that it may have",
}
"""Why a function is longer, by file and name."""


def long_functions() -> dict[str, int]:
    """Every function of the repository that is too long, by file and name, with its lines."""
    long: dict[str, int] = {}
    for path in FILES:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                lines = (node.end_lineno or node.lineno) - node.lineno + 1
                if lines > LINES_MAX:
                    long[f"{name_of(path)}:{node.name}"] = lines
    return long


def test_functions_are_short_or_say_why_not() -> None:
    unexplained = {name: lines for name, lines in long_functions().items() if name not in LONG}
    assert not unexplained, f"Split these functions, or give the reason in {__file__}: {unexplained}"


def test_reasons_are_for_functions_that_exist_and_are_long() -> None:
    assert set(LONG) <= set(long_functions()), "remove the reasons of functions that became short"


def test_files_are_read() -> None:
    assert len(FILES) > 500 and ROOT / "higgins/broker.py" in FILES


@pytest.mark.parametrize("name", sorted(LONG))
def test_a_reason_is_a_sentence(name: str) -> None:
    assert len(LONG[name].split()) > 5
