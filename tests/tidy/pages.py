"""The documentation as data: its pages, their links and anchors, and the blocks of code on them."""

import re
from pathlib import Path
from typing import NamedTuple

from tests.tidy.imports import ROOT

DOCS = ROOT / "docs"
INDEX = DOCS / "index.md"
_FENCE = re.compile(r"^(`{3,})([\w+-]*)[^\n]*\n(.*?)^\1[ \t]*$", re.MULTILINE | re.DOTALL)
_INLINE_CODE = re.compile(r"(`+)(?!`).+?(?<!`)\1(?!`)", re.DOTALL)
_LINK = re.compile(r"!?\[[^\]]*\]\(\s*<?([^)\s>]+)>?[^)]*\)")
_HEADING = re.compile(r"^#{1,6} +(.+?)(?: +#+)?[ \t]*$", re.MULTILINE)
_EXPLICIT_ANCHOR = re.compile(r"<a (?:id|name)=\"([^\"]+)\"")
_NOT_IN_ANCHOR = re.compile(r"[^\w\- ]")


class Block(NamedTuple):
    """A fenced block of code: the word after the fence, and what is inside."""

    language: str
    text: str


def documentation() -> list[Path]:
    """All pages that people read: those at the top of the repository, and those in docs/."""
    return [*sorted(ROOT.glob("*.md")), *sorted(DOCS.rglob("*.md"))]


def blocks(text: str) -> list[Block]:
    return [Block(match[2], match[3]) for match in _FENCE.finditer(text)]


def links(text: str) -> list[str]:
    """Targets of the links of a page, without those inside code."""
    return _LINK.findall(_INLINE_CODE.sub("", _FENCE.sub("", text)))


def anchors(text: str) -> set[str]:
    """Anchors of a page, as GitHub makes them from its headings."""
    prose = _FENCE.sub("", text)
    names: dict[str, int] = {}
    result = set(_EXPLICIT_ANCHOR.findall(prose))
    for heading in _HEADING.findall(prose):
        shown = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading)
        name = _NOT_IN_ANCHOR.sub("", shown.lower()).replace(" ", "-")
        repetition = names[name] = names.get(name, -1) + 1
        result.add(f"{name}-{repetition}" if repetition else name)
    return result


def broken_links(page: Path) -> list[str]:
    """A sentence for each relative link of a page that leads nowhere."""
    sentences = []
    for target in links(page.read_text()):
        if re.match(r"[a-z][a-z0-9+.-]*:", target):
            continue
        path, _, anchor = target.partition("#")
        file = (page.parent / path).resolve() if path else page
        if not file.exists():
            sentences.append(f"{page.name} links to {target}, and there is no such file.")
        elif anchor and file.suffix == ".md" and anchor not in anchors(file.read_text()):
            sentences.append(f"{page.name} links to {target}, and {file.name} has no heading of that name.")
    return sentences
