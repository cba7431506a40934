"""What a task keeps from epoch to epoch, and from when on people are told that it lags."""

import pytest

from higgins.operators.expression.functions import (
    INTEGER_MAX,
    INTEGER_MIN,
    STRING_CHARACTERS_MAX,
    concat,
    remainder,
    rounded,
    to_bigint,
)
from higgins.operators.state import BLOCKS_MAX, State
from higgins.operators.topography.bounds import KEYS_MAX, WORD_CHARACTERS_MAX, problem_with_bounds
from higgins.operators.view import LAGGING_RECORDS, _state_of


def test_each_epoch_has_its_own_changes_of_the_state() -> None:
    state = State(b"1", [b"a", b"b"])
    state.replace(b"c")
    state.set_progress(b"2")
    first = state.take_changes()
    assert (first.progress, first.blocks, first.replaces) == (b"2", (b"c",), True)
    state.add(b"d")
    second = state.take_changes()
    assert (second.progress, second.blocks, second.replaces) == (None, (b"d",), False)
    third = state.take_changes()
    assert (third.progress, third.blocks, third.replaces) == (None, (), False)


def test_a_state_replaces_what_earlier_epochs_have_added() -> None:
    state = State()
    state.replace(b"a")
    assert not state.take_changes().replaces, "there was nothing to replace"
    state.replace(b"b")
    assert state.take_changes().replaces, "the block of the epoch before"
    state.replace()
    assert state.take_changes().replaces
    state.replace(b"c")
    assert not state.take_changes().replaces


def test_an_operator_may_add_as_many_blocks_as_allowed_and_no_more() -> None:
    state = State(b"", [b"x"] * (BLOCKS_MAX - 1))
    state.add(b"y")
    with pytest.raises(AssertionError, match="replace the blocks"):
        state.add(b"z")


def test_a_task_lags_from_the_bound_on() -> None:
    assert _state_of(None, LAGGING_RECORDS - 1, is_leased=True) == "running"
    assert _state_of(None, LAGGING_RECORDS, is_leased=True) == "lagging"
    assert _state_of(None, LAGGING_RECORDS, is_leased=False) == "waiting"


def test_words_and_keys_of_a_file_are_bounded_exactly() -> None:
    assert problem_with_bounds("a = " + "1" * WORD_CHARACTERS_MAX) is None
    assert problem_with_bounds("a = " + "1" * (WORD_CHARACTERS_MAX + 1)) is not None
    assert problem_with_bounds("a = 1\n" * KEYS_MAX) is None
    assert problem_with_bounds("a = 1\n" * (KEYS_MAX + 1)) is not None


@pytest.mark.parametrize(("number", "whole"), [(2.9, 2), (-2.9, -2), (-0.5, 0), (INTEGER_MIN, INTEGER_MIN)])
def test_a_double_is_truncated_towards_zero(number: float, whole: int) -> None:
    assert to_bigint(number) == whole


def test_numbers_beyond_64_bits_are_null_and_signs_are_those_of_sql() -> None:
    assert to_bigint(2.0**63) is None and to_bigint(INTEGER_MAX) == INTEGER_MAX
    assert [remainder(left, right) for left, right in ((7, 3), (-7, 3), (7, -3), (-7, -3))] == [1, -1, 1, -1]
    assert [rounded(number, -1) for number in (14, 15, -15, -14)] == [10, 20, -20, -10]


def test_a_string_may_have_as_many_characters_as_allowed() -> None:
    half = "x" * (STRING_CHARACTERS_MAX // 2)
    assert concat(half, half) == half + half
    assert concat(half, half, "x") is None
