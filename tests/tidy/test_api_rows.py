"""Every API of the protocol has one complete row, and every handler module says what it promises."""

import inspect
import re
from importlib import import_module
from types import ModuleType

import pytest

from higgins.kafka.acl import Permission
from higgins.kafka.api_row import ApiRow, State
from higgins.kafka.apis import MODULES, ROWS
from higgins_protocol.apis import API_VERSIONS, APIS, PRIVATE

HANDLERS = {name: import_module(f"higgins.kafka.{name}") for name in MODULES}
SECTIONS = ("Behaviour", "Version notes:", "Not done:")


def row_of(module: ModuleType) -> ApiRow:
    return module.API


def test_every_api_of_the_protocol_has_a_row_and_no_other() -> None:
    missing = [api.name for key, api in APIS.items() if key not in ROWS]
    assert not missing, f"{missing} have messages but no line in higgins/kafka/apis.py."
    assert len(ROWS) == len(MODULES) == len(APIS)


def test_the_table_is_sorted() -> None:
    assert list(MODULES) == sorted(MODULES)


@pytest.mark.parametrize("name", MODULES)
def test_a_row_is_complete(name: str) -> None:
    row = row_of(HANDLERS[name])
    assert APIS[row.api.key] is row.api
    assert isinstance(row.reads, State) and isinstance(row.writes, State)
    if row.api.key != API_VERSIONS:
        assert isinstance(row.requires, Permission), f"{name}: say which permission decides about the request."
    overtaking = [each.__name__ for each in row.overtaken_by if each not in {api.request for api in APIS.values()}]
    assert not overtaking, f"{name}: {overtaking} are no requests."
    assert row.writes or not row.overtaken_by, f"{name}: nothing waits for an API that writes nothing."


@pytest.mark.parametrize("name", MODULES)
def test_a_handler_module_opens_with_its_contract(name: str) -> None:
    doc, api = inspect.getdoc(HANDLERS[name]) or "", row_of(HANDLERS[name]).api
    title = "The private call" if api.key == PRIVATE else api.name
    found = re.match(rf"{title}: v(\d+)(?:-(\d+))?\b", doc)
    assert found, f"{name}: begin with '{title}: v{api.versions[0]}-{api.versions[1]}.'"
    lowest, highest = int(found[1]), int(found[2] or found[1])
    served = api.versions if "advertised from 0" not in doc else (3, api.versions[1])
    assert (lowest, highest) == served, f"{name}: the contract names other versions than the protocol's table."
    for section in SECTIONS:
        assert f"\n{section}" in doc, f"{name}: the contract has no section '{section}'."
