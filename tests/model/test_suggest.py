"""Suggestions for names that do not exist."""

from higgins.model.suggest import did_you_mean


def test_the_most_similar_name_is_suggested() -> None:
    assert did_you_mean("partitons", ["partitions", "position"]) == "Did you mean 'partitions'?"


def test_nothing_is_suggested_when_no_name_is_similar() -> None:
    assert did_you_mean("zebra", ["partitions"]) == ""
    assert did_you_mean("zebra", ["partitions"], otherwise="Known: partitions.") == "Known: partitions."
