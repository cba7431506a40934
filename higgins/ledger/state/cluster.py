"""The cluster itself: its id, given once, by the first commit."""

from collections.abc import Iterator, Sequence
from typing import ClassVar

from higgins.ledger.state.base import Draft, Facet, Facets, Fact, Moment, Proposal, folds


class ClusterFormed(Fact, frozen=True, tag=1):
    """The first fact of a ledger."""

    cluster_id: str


class FormCluster(Proposal[None], frozen=True, tag=1):
    """Form a cluster in an empty ledger; changes nothing where one exists."""

    needs_session: ClassVar[bool] = False
    cluster_id: str

    def validate(self, draft: Draft) -> tuple[Sequence[Fact], None]:
        return ([] if draft[Cluster].id else [ClusterFormed(self.cluster_id)]), None


class Cluster(Facet, name="cluster"):
    """The facet of the cluster's identity."""

    ROW = str

    def __init__(self, cluster_id: str = "") -> None:
        self.id = cluster_id
        """Empty before the first commit."""

    def draft(self) -> "Cluster":
        return Cluster(self.id)

    @folds(ClusterFormed)
    def _form(self, fact: ClusterFormed, moment: Moment, state: Facets) -> None:
        self.id = fact.cluster_id

    def freeze(self) -> Iterator[Sequence[str]]:
        yield [self.id]

    def restore(self, level: int, rows: Sequence[str]) -> None:
        (self.id,) = rows
