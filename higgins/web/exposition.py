"""Prometheus's text format, version 0.0.4: a family's head, then its samples. Pure."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Final, Literal, TypeAlias

from higgins.telemetry.metrics import Histogram

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"

Kind: TypeAlias = Literal["counter", "gauge", "histogram", "summary"]

_ESCAPES: Final = str.maketrans({"\\": "\\\\", '"': '\\"', "\n": "\\n"})


def escaped(value: str) -> str:
    """A label's value as it stands between quotes."""
    return value.translate(_ESCAPES)


def labels(given: Mapping[str, str]) -> str:
    """Labels in braces; nothing where there are none."""
    if not given:
        return ""
    return "{" + ",".join(f'{name}="{escaped(value)}"' for name, value in given.items()) + "}"


def head(name: str, kind: Kind, sentence: str) -> str:
    """What begins a family; its samples follow, and no other family's come between."""
    return f"# HELP {name} {sentence}\n# TYPE {name} {kind}\n"


def single(name: str, kind: Kind, sentence: str, value: float) -> str:
    """A family of one sample without labels."""
    return f"{head(name, kind, sentence)}{name} {value}\n"


def family(
    name: str, kind: Kind, sentence: str, samples: Iterable[tuple[Mapping[str, str], float]]
) -> str:
    """A small family, whole."""
    lines = [f"{name}{labels(given)} {value}\n" for given, value in samples]
    return head(name, kind, sentence) + "".join(lines)


def histograms(name: str, sentence: str, found: Iterable[tuple[Mapping[str, str], Histogram]]) -> Iterator[str]:
    """A family of histograms, each with the labels that tell it from the others."""
    yield head(name, "histogram", sentence)
    for given, histogram in found:
        yield _histogram(name, given, histogram)


def _histogram(name: str, given: Mapping[str, str], histogram: Histogram) -> str:
    before = "".join(f'{key}="{escaped(value)}",' for key, value in given.items())
    lines: list[str] = []
    count = 0
    for bound, here in zip(histogram.bounds, histogram.counts, strict=False):
        count += here
        lines.append(f'{name}_bucket{{{before}le="{bound}"}} {count}\n')
    count += histogram.counts[-1]
    after = labels(given)
    lines.append(f'{name}_bucket{{{before}le="+Inf"}} {count}\n')
    lines.append(f"{name}_sum{after} {histogram.total}\n{name}_count{after} {count}\n")
    return "".join(lines)
