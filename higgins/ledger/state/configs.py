"""Configs of brokers, groups and other resources that are not topics: the entries that each overrides.

Which entries exist and what they mean is not known here; names and values are stored as they were set.
"""

from collections.abc import Iterable, Iterator, Mapping, MutableMapping, Sequence
from typing import TypeAlias

import msgspec

from higgins.ledger.state.base import Draft, Facet, Facets, Fact, Moment, Proposal, folds, slices
from higgins.ledger.state.overlay import Overlay
from higgins.model.errors import Refused
from higgins_protocol.errors import ErrorCode

RESOURCES_MAX = 10_000

ResourceKey: TypeAlias = tuple[int, str]
"""The type of a resource by Kafka's code, and its name; the empty name of a type is its default."""


class ResourceConfigured(Fact, frozen=True, tag=80):
    """The configs that a resource overrides from now on; an empty mapping forgets it."""

    kind: int
    name: str
    configs: dict[str, str]


class ConfigureResource(Proposal[bool], frozen=True, tag=80):
    """Replace a resource's configs, if they are still `before`; the result says whether they were.

    Refused with POLICY_VIOLATION past the limit of resources.
    """

    kind: int
    name: str
    before: dict[str, str]
    after: dict[str, str]

    def validate(self, draft: Draft) -> tuple[Sequence[Fact], bool]:
        configs = draft[Configs]
        if configs.get(self.kind, self.name) != self.before:
            return [], False
        if not self.before and self.after and configs.count >= RESOURCES_MAX:
            raise Refused(
                ErrorCode.POLICY_VIOLATION,
                f"{RESOURCES_MAX} resources have configs of their own, which is the limit; delete some of them first.",
            )
        return [ResourceConfigured(self.kind, self.name, self.after)], True


class ConfigRow(msgspec.Struct, frozen=True, array_like=True):
    """A snapshot row: the revision, repeated in every row, and one resource."""

    revision: int
    kind: int
    name: str
    configs: dict[str, str]


class Configs(Facet, name="configs"):
    """The facet of configs, by resource."""

    ROW = ConfigRow

    def __init__(self, resources: MutableMapping[ResourceKey, dict[str, str]] | None = None, revision: int = 0) -> None:
        self._resources: MutableMapping[ResourceKey, dict[str, str]] = {} if resources is None else resources
        self.revision = revision
        """The number of the commit that last changed any of them; what was computed at an older one is out of date."""

    def draft(self) -> "Configs":
        return Configs(Overlay(self._resources), self.revision)

    def get(self, kind: int, name: str) -> Mapping[str, str]:
        """The entries that a resource overrides."""
        return self._resources.get((kind, name)) or {}

    def names(self, kind: int) -> Iterable[str]:
        """The resources of a type that override anything."""
        return [name for each, name in self._resources if each == kind]

    @property
    def count(self) -> int:
        """How many resources override anything."""
        return len(self._resources)

    @folds(ResourceConfigured)
    def _configure(self, fact: ResourceConfigured, moment: Moment, state: Facets) -> None:
        self.revision = moment.number
        if fact.configs:
            self._resources[fact.kind, fact.name] = fact.configs
        elif (fact.kind, fact.name) in self._resources:
            del self._resources[fact.kind, fact.name]

    def freeze(self) -> Iterator[Sequence[ConfigRow]]:
        revision = self.revision
        if not self._resources and revision:
            # Nothing is overridden any more; the row of no resource keeps the revision.
            yield [ConfigRow(revision, -1, "", {})]
        yield from slices(
            ConfigRow(revision, kind, name, configs) for (kind, name), configs in self._resources.items()
        )

    def restore(self, level: int, rows: Sequence[ConfigRow]) -> None:
        for row in rows:
            self.revision = row.revision
            if row.configs:
                self._resources[row.kind, row.name] = row.configs
