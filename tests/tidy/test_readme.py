"""What the README says of the APIs is what is served."""

from tests.tidy.api_table import README, parts, table


def test_the_table_of_apis_is_that_of_the_registry() -> None:
    assert parts(README.read_text())[1] == table(), "run: python -m tests.tidy.api_table"
