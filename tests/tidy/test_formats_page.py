"""docs/formats.md names every fact, proposal, facet and snapshot row with all of its fields, in order."""

import re
from typing import Any, get_args

import msgspec
import pytest

from higgins.ledger.commit import CommitHead
from higgins.ledger.snapshot import SnapshotHead
from higgins.ledger.state.base import FACETS
from higgins.ledger.state.facets import FACTS, PROPOSALS, tag_of
from higgins.ledger.state.index import Run
from tests.tidy.imports import ROOT

PAGE = (ROOT / "docs/formats.md").read_text()


def row_of(struct: type[msgspec.Struct]) -> str:
    row = re.search(rf"^\| {tag_of(struct)} \| {struct.__name__} \|.*$", PAGE, re.MULTILINE)
    assert row is not None, f"docs/formats.md has no row for {struct.__name__} with tag {tag_of(struct)}"
    return row.group()


def appear_in_order(names: tuple[str, ...], text: str) -> bool:
    pattern = ".*?".join(rf"\b{name}\b" for name in names)
    return re.search(pattern, text, re.DOTALL) is not None


@pytest.mark.parametrize("struct", [*FACTS, *PROPOSALS], ids=lambda struct: struct.__name__)
def test_the_page_has_every_fact_and_proposal_with_its_fields(struct: type[msgspec.Struct]) -> None:
    row = row_of(struct)
    assert appear_in_order(struct.__struct_fields__, row), f"fields of {struct.__name__} differ from: {row}"


@pytest.mark.parametrize("name", sorted(FACETS))
def test_the_page_has_every_facet_with_its_level_and_rows(name: str) -> None:
    facet = FACETS[name]
    row = re.search(rf"^\| `{name}`, {facet.LEVEL} \|.*$", PAGE, re.MULTILINE)
    assert row is not None, f"docs/formats.md has no row for facet {name} at level {facet.LEVEL}"
    kinds: tuple[Any, ...] = get_args(facet.ROW) or (facet.ROW,)
    for kind in kinds:
        tag = kind.__struct_config__.tag if isinstance(kind, type) and issubclass(kind, msgspec.Struct) else None
        assert tag is None or f'["{tag}"' in row.group(), f"rows of kind {tag} of facet {name}"


@pytest.mark.parametrize("struct", [CommitHead, SnapshotHead, Run], ids=lambda struct: struct.__name__)
def test_the_page_has_the_fields_of_heads_and_runs(struct: type[msgspec.Struct]) -> None:
    assert appear_in_order(struct.__struct_fields__, PAGE)
