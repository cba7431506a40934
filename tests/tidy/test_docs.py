"""The documentation holds together: every relative link leads somewhere, and every page is in the index."""

from pathlib import Path

import pytest

from tests.tidy.pages import DOCS, INDEX, anchors, broken_links, documentation, links

PAGES = documentation()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_relative_links_lead_to_files_and_headings(page: Path) -> None:
    broken = broken_links(page)
    assert not broken, "\n".join(broken)


def test_every_page_is_in_the_index() -> None:
    listed = {target.partition("#")[0] for target in links(INDEX.read_text())}
    pages = {str(page.relative_to(DOCS)) for page in DOCS.rglob("*.md")} - {INDEX.name}
    missing = sorted(pages - listed)
    assert not missing, f"docs/index.md does not list {', '.join(missing)}."


def test_a_link_to_a_missing_file_or_heading_is_reported(tmp_path: Path) -> None:
    (tmp_path / "other.md").write_text("# A *first* `heading`, here\n\n```sh\n# not a heading\n```\n# Same\n# Same\n")
    page = tmp_path / "page.md"
    page.write_text(
        "[yes](other.md#a-first-heading-here) [yes](other.md#same-1) [no](other.md#not-a-heading) [no](missing.md) "
        "[no](#nowhere) [elsewhere](https://example.org/missing.md) `[code](missing.md)`\n"
    )
    assert len(broken_links(page)) == 3
    assert anchors((tmp_path / "other.md").read_text()) == {"a-first-heading-here", "same", "same-1"}
