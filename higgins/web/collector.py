"""The prometheus-client collector: makes the library's metric families of what was read on the event loop.

It runs in a thread, and touches only the families it was given, which nothing else holds.
"""

from collections.abc import Iterable, Iterator
from itertools import accumulate, repeat
from typing import assert_never

from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
    SummaryMetricFamily,
)
from prometheus_client.registry import Collector

from higgins.telemetry.metrics import Histogram
from higgins.web.families.family import Family, Histograms, Scalars, Summaries


class NodeCollector(Collector):
    """The families of one scrape. Each is made when it is reached, so only one at a time takes up memory."""

    def __init__(self, families: Iterable[Family]) -> None:
        self._families = families

    def collect(self) -> Iterator[Metric]:
        """Every family, in the order given."""
        return map(_metric, self._families)


class MetricCollector(Collector):
    """A collector of one metric family, to render it by itself."""

    def __init__(self, metric: Metric) -> None:
        self._metric = metric

    def collect(self) -> Iterator[Metric]:
        """That family."""
        yield self._metric


def _metric(family: Family) -> Metric:
    match family:
        case Scalars():
            return _scalars(family)
        case Summaries():
            summaries = SummaryMetricFamily(family.name, family.documentation, labels=family.labels)
            for labels, count, total in family.rows:
                summaries.add_metric(labels, count, total)
            return summaries
        case Histograms():
            histograms = HistogramMetricFamily(family.name, family.documentation, labels=family.labels)
            for labels, one in family.rows:
                histograms.add_metric(labels, _buckets(one), one.total)
            return histograms
        case _:
            assert_never(family)


def _scalars(family: Scalars) -> Metric:
    make = CounterMetricFamily if family.kind == "counter" else GaugeMetricFamily
    metric = make(family.name, family.documentation, labels=family.labels)
    for labels, value in zip(_rows(family), family.values, strict=True):
        metric.add_metric(labels, value)
    return metric


def _rows(family: Scalars) -> Iterable[list[str]]:
    """The label values of each sample."""
    if not family.columns:
        return repeat([], len(family))
    return ([str(one) for one in row] for row in zip(*family.columns, strict=True))


def _buckets(histogram: Histogram) -> list[tuple[str, float]]:
    """Each bucket's upper bound, and how many values lie at or below it."""
    bounds = [*map(str, histogram.bounds), "+Inf"]
    return list(zip(bounds, accumulate(histogram.counts), strict=True))
