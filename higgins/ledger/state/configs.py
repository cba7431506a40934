"""Configs of brokers, groups and whatever else is no topic: what each has of its own, as facts that every node folds.

Which entries there are and what they mean is not known here; names and values are kept as they were given.
"""

from collections.abc import Iterable, Mapping, MutableMapping
from typing import TypeAlias

from higgins.ledger.state.base import Fact, Moment, Proposal
from higgins.ledger.state.overlay import Overlay
from higgins.model.errors import Refused
from higgins_protocol.errors import ErrorCode

RESOURCES_MAX = 10_000

ResourceKey: TypeAlias = tuple[int, str]
"""The kind of a resource by Kafka's code, and its name; the empty name of a kind is its default."""


class ResourceConfigured(Fact, frozen=True, tag=80):
    """What a resource has of its own from now on; nothing at all forgets it."""

    kind: int
    name: str
    configs: dict[str, str]


class ConfigureResource(Proposal, frozen=True):
    """Give a resource other configs, if it still has those they were made from; the result says whether it had."""

    kind: int
    name: str
    before: dict[str, str]
    after: dict[str, str]


FrozenConfigs: TypeAlias = tuple[int, list[tuple[int, str, dict[str, str]]]]


class Configs:
    """The facet of configs, by resource."""

    def __init__(self, resources: MutableMapping[ResourceKey, dict[str, str]], revision: int = 0) -> None:
        self._resources = resources
        self.revision = revision
        """The commit that changed any of them last; who has computed with an older one computes anew."""

    def draft(self) -> "Configs":
        return Configs(Overlay(self._resources), self.revision)

    def get(self, kind: int, name: str) -> Mapping[str, str]:
        """What a resource has of its own."""
        return self._resources.get((kind, name)) or {}

    def names(self, kind: int) -> Iterable[str]:
        """The resources of a kind that have anything of their own."""
        return [name for each, name in self._resources if each == kind]

    def fold(self, fact: ResourceConfigured, moment: Moment) -> None:
        self.revision = moment.number
        if fact.configs:
            self._resources[fact.kind, fact.name] = fact.configs
        elif (fact.kind, fact.name) in self._resources:
            del self._resources[fact.kind, fact.name]

    def freeze(self) -> FrozenConfigs:
        return self.revision, [(kind, name, configs) for (kind, name), configs in self._resources.items()]

    @staticmethod
    def restore(frozen: FrozenConfigs) -> "Configs":
        revision, rows = frozen
        return Configs({(kind, name): configs for kind, name, configs in rows}, revision)

    @property
    def count(self) -> int:
        """How many resources have anything of their own."""
        return len(self._resources)


def configure_resource(configs: Configs, proposal: ConfigureResource) -> tuple[list[Fact], bool]:
    """The fact of a change, and True; no fact and False where somebody else was quicker.

    Raises: Refused(POLICY_VIOLATION) past the limit of resources.
    """
    if configs.get(proposal.kind, proposal.name) != proposal.before:
        return [], False
    if not proposal.before and proposal.after and configs.count >= RESOURCES_MAX:
        raise Refused(
            ErrorCode.POLICY_VIOLATION,
            f"{RESOURCES_MAX} resources have configs of their own, which is the limit; delete those of some first.",
        )
    return [ResourceConfigured(proposal.kind, proposal.name, proposal.after)], True
