"""An overlay is a dictionary that leaves the one beneath alone."""

from hypothesis import given
from hypothesis import strategies as st

from higgins.ledger.state.overlay import Overlay

KEYS = st.integers(0, 6)
CHANGES = st.lists(st.tuples(KEYS, st.none() | st.integers(0, 9)), max_size=20)


def change(mapping: Overlay[int, int] | dict[int, int], changes: list[tuple[int, int | None]]) -> None:
    for key, value in changes:
        if value is not None:
            mapping[key] = value
        elif key in mapping:
            del mapping[key]


@given(st.dictionaries(KEYS, st.integers(0, 9)), CHANGES, CHANGES)
def test_an_overlay_is_what_a_copy_would_be(
    below: dict[int, int], first: list[tuple[int, int | None]], second: list[tuple[int, int | None]]
) -> None:
    untouched, model = dict(below), dict(below)
    overlay = Overlay(below)
    higher = Overlay(overlay)
    change(overlay, first)
    change(model, first)
    kept = dict(model)
    change(higher, second)
    change(model, second)
    assert below == untouched
    assert dict(overlay) == kept
    assert dict(higher) == model and len(higher) == len(model)
    for key in range(8):
        assert (key in higher) == (key in model)
        assert higher.get(key, -1) == model.get(key, -1)
        assert (key in overlay) == (key in kept)
