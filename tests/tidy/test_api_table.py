"""The documentation lists the APIs that are served, with their versions."""

from tests.tidy.api_table import PAGE, split, table


def test_the_compatibility_page_lists_every_api_with_its_versions() -> None:
    assert split(PAGE.read_text())[1] == table(), "run: python -m tests.tidy.api_table"
