"""A strict reader of Prometheus's text format: what it takes, every scraper takes."""

import re
from typing import NamedTuple

NAME = r"[a-zA-Z_:][a-zA-Z0-9_:]*"
HELP = re.compile(rf"# HELP ({NAME}) (\S.*)")
TYPE = re.compile(rf"# TYPE ({NAME}) (counter|gauge|histogram|summary)")
SAMPLE = re.compile(rf"({NAME})(?:\{{(.*)\}})? (\S+)")
LABEL = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\[\\n"])*)"(?:,|$)')
SUFFIXES = {"histogram": ("_bucket", "_sum", "_count"), "summary": ("_sum", "_count"), "counter": ("",), "gauge": ("",)}

Labels = frozenset[tuple[str, str]]


class Family(NamedTuple):
    kind: str
    samples: dict[tuple[str, Labels], float]


def read(text: str) -> dict[str, Family]:
    """Families by name. Raises: AssertionError with what is wrong."""
    assert text.endswith("\n")
    lines = iter(text[:-1].split("\n"))
    families: dict[str, Family] = {}
    name = kind = ""
    for line in lines:
        if line.startswith("# HELP"):
            told = HELP.fullmatch(line)
            typed = TYPE.fullmatch(next(lines))
            assert told and typed and told[1] == typed[1], line
            name, kind = typed[1], typed[2]
            assert name not in families, f"{name} comes twice"
            assert (kind == "counter") == name.endswith("_total"), f"{name} is a {kind}"
            families[name] = Family(kind, {})
            continue
        sample = SAMPLE.fullmatch(line)
        assert sample, f"not a sample: {line}"
        assert sample[1] in [name + suffix for suffix in SUFFIXES[kind]], f"{sample[1]} in family {name}"
        key = sample[1], _labels(sample[2] or "")
        assert key not in families[name].samples, f"twice: {line}"
        families[name].samples[key] = float(sample[3])
    for name, family in families.items():
        if family.kind == "histogram":
            _check_histogram(name, family)
    return families


def value(families: dict[str, Family], name: str, **labels: str) -> float:
    """One sample of a counter or a gauge; 0 where it has not been told."""
    return families[name].samples.get((name, frozenset(labels.items())), 0.0)


def _labels(text: str) -> Labels:
    found, at = [], 0
    while at < len(text):
        label = LABEL.match(text, at)
        assert label, f"not labels: {text}"
        found.append((label[1], re.sub(r"\\(.)", lambda one: "\n" if one[1] == "n" else one[1], label[2])))
        at = label.end()
    assert len({name for name, _ in found}) == len(found), f"a label twice: {text}"
    return frozenset(found)


def _check_histogram(name: str, family: Family) -> None:
    buckets: dict[Labels, list[tuple[float, float]]] = {}
    for (sample, labels), count in family.samples.items():
        if sample == f"{name}_bucket":
            bound = next(value for key, value in labels if key == "le")
            rest = frozenset(one for one in labels if one[0] != "le")
            buckets.setdefault(rest, []).append((float(bound), count))
    for labels, found in buckets.items():
        assert found == sorted(found) and found[-1][0] == float("inf"), f"buckets of {name} are in disorder"
        assert [count for _, count in found] == sorted(count for _, count in found), f"{name} does not accumulate"
        assert found[-1][1] == family.samples[f"{name}_count", labels]
        assert (f"{name}_sum", labels) in family.samples
