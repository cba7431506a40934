"""A cache of the topic rows of Metadata responses.

Clients of a cluster with ten thousand topics ask for all of them each time, and building the rows takes longer than
encoding them. A row changes only when its topic or the live nodes change.
"""

from higgins.admin.placement import Placement
from higgins.ledger.state.topics import Topic
from higgins.model.names import TopicId
from higgins_protocol.messages.metadata import MetadataResponseTopic

SPARE = 1_000
"""Rows beyond two for each topic (with and without authorized operations) before the cache is emptied."""


class MetadataRows:
    """Rows by topic id and by whether they have authorized operations, each with the topic it was built from."""

    def __init__(self) -> None:
        self._placement: Placement | None = None
        self._rows: dict[tuple[TopicId, bool], tuple[Topic, MetadataResponseTopic]] = {}

    def for_placement(
        self, placement: Placement, topics: int
    ) -> dict[tuple[TopicId, bool], tuple[Topic, MetadataResponseTopic]]:
        """The rows that are valid with this placement; empty when it is new, or when deleted topics fill the cache."""
        if placement is not self._placement or len(self._rows) > 2 * topics + SPARE:
            self._placement = placement
            self._rows = {}
        return self._rows
