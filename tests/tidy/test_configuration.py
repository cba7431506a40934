"""docs/configuration.md is up to date and describes every setting."""

import pytest

from higgins.settings import ROOMS, setting_keys
from tests.tidy.configuration_page import ADDRESSES, COMMAND, PAGE, SECTIONS, meanings, page


def test_the_configuration_page_is_up_to_date() -> None:
    assert PAGE.read_text() == page(), f"docs/configuration.md is out of date; run: {COMMAND}"


def test_every_setting_has_a_section() -> None:
    assert {row.key.rpartition(".")[0] for row in setting_keys()} == set(SECTIONS)
    assert all(f"| `{row.key}` |" in page() for row in setting_keys())


@pytest.mark.parametrize("room", ROOMS)
def test_every_setting_has_a_docstring(room: str) -> None:
    empty = [name for name, text in meanings(room).items() if not text]
    undocumented = [name for name in empty if (room, name) != ("server", "listeners")]
    assert not undocumented, f"settings of {room} without a docstring: {', '.join(undocumented)}"


def test_every_address_list_is_described() -> None:
    assert {row.key for row in setting_keys() if row.type is None} == set(ADDRESSES)
