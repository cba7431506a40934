"""docs/configuration.md describes the settings and config entries that there are."""

import pytest

from higgins.settings import ROOMS, setting_keys
from tests.tidy.configuration_page import ADDRESSES, COMMAND, PAGE, SECTIONS, meanings, page


def test_the_configuration_page_is_up_to_date() -> None:
    assert PAGE.read_text() == page(), f"docs/configuration.md is out of date; run: {COMMAND}"


def test_every_setting_has_a_section() -> None:
    assert {row.key.rpartition(".")[0] for row in setting_keys()} == set(SECTIONS)
    assert all(f"| `{row.key}` |" in page() for row in setting_keys())


@pytest.mark.parametrize("room", ROOMS)
def test_every_setting_says_what_it_means(room: str) -> None:
    silent = [name for name, text in meanings(room).items() if not text and (room, name) != ("server", "listeners")]
    assert not silent, f"settings of {room} without a docstring: {', '.join(silent)}"


def test_every_address_list_is_described() -> None:
    assert {row.key for row in setting_keys() if row.type is None} == set(ADDRESSES)
