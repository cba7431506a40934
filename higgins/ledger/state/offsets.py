"""Committed offsets: a register for each group and partition."""

from collections.abc import Iterable, Iterator, MutableMapping, Sequence
from typing import ClassVar, TypeAlias

import msgspec

from higgins.ledger.state.base import Draft, Facet, Facets, Fact, Moment, Proposal, folds, slices
from higgins.ledger.state.sessions import Sessions
from higgins.ledger.state.topics import TopicDeleted, Topics
from higgins.model.errors import Refused
from higgins.model.names import TopicId
from higgins_protocol.errors import ErrorCode

OffsetKey: TypeAlias = tuple[TopicId, int]


class OffsetEntry(msgspec.Struct, frozen=True, array_like=True):
    """A committed offset as OffsetFetch returns it."""

    offset: int
    leader_epoch: int
    metadata: str
    commit_ms: int


class OffsetToCommit(msgspec.Struct, frozen=True, array_like=True):
    """One partition of an offset commit."""

    topic_id: TopicId
    partition: int
    offset: int
    leader_epoch: int
    metadata: str


class OffsetsCommitted(Fact, frozen=True, tag=60):
    group_id: str
    entries: tuple[OffsetToCommit, ...]


class OffsetsDeleted(Fact, frozen=True, tag=61):
    """The offsets that a group committed for these partitions are deleted; no partitions mean all of the group's."""

    group_id: str
    partitions: tuple[OffsetKey, ...] = ()


class CommitOffsets(Proposal[list[int]], frozen=True, tag=60):
    """Commit offsets of a group under its coordinator's lease; the result is an error code for each entry.

    Refused with NOT_COORDINATOR when the lease has moved.
    """

    # A hundred consumers that commit automatically are otherwise twenty puts a second.
    lingers: ClassVar[bool] = True
    group_id: str
    lease_epoch: int
    entries: tuple[OffsetToCommit, ...]

    def validate(self, draft: Draft) -> tuple[Sequence[Fact], list[int]]:
        check_coordinator(draft, self.group_id, self.lease_epoch)
        topics = draft[Topics]
        accepted: list[OffsetToCommit] = []
        codes: list[int] = []
        for entry in self.entries:
            topic = topics.by_id.get(entry.topic_id)
            exists = topic is not None and 0 <= entry.partition < topic.partitions
            codes.append(ErrorCode.NONE if exists else ErrorCode.UNKNOWN_TOPIC_OR_PARTITION)
            if exists:
                accepted.append(entry)
        return ([OffsetsCommitted(self.group_id, tuple(accepted))] if accepted else []), codes


class DeleteOffsets(Proposal[None], frozen=True, tag=61):
    """Delete a group's offsets of some partitions, under its coordinator's lease.

    Refused with NOT_COORDINATOR when the lease has moved.
    """

    group_id: str
    lease_epoch: int
    partitions: tuple[OffsetKey, ...]

    def validate(self, draft: Draft) -> tuple[Sequence[Fact], None]:
        check_coordinator(draft, self.group_id, self.lease_epoch)
        return ([OffsetsDeleted(self.group_id, self.partitions)] if self.partitions else []), None


class GroupOffsets(msgspec.Struct, frozen=True, array_like=True):
    """A snapshot row: all offsets of a group."""

    group_id: str
    entries: list[tuple[TopicId, int, OffsetEntry]]


class Offsets(Facet, name="offsets"):
    """The facet of committed offsets: by group, then by topic partition."""

    ROW = GroupOffsets

    def __init__(self, *, is_draft: bool = False) -> None:
        self._groups: MutableMapping[str, dict[OffsetKey, OffsetEntry]] = {}
        self._is_draft = is_draft

    def draft(self) -> "Offsets":
        # No proposal is validated against committed offsets, so a draft keeps none.
        return Offsets(is_draft=True)

    def get(self, group_id: str, topic_id: TopicId, partition: int) -> OffsetEntry | None:
        """What a group has committed for a partition."""
        return self._groups.get(group_id, {}).get((topic_id, partition))

    def of_group(self, group_id: str) -> Iterable[tuple[TopicId, int, OffsetEntry]]:
        """All offsets of a group."""
        entries = self._groups.get(group_id, {})
        return [(topic_id, partition, entry) for (topic_id, partition), entry in entries.items()]

    def groups(self) -> Iterable[str]:
        """Every group that has committed offsets."""
        return self._groups.keys()

    @folds(OffsetsCommitted)
    def _commit(self, fact: OffsetsCommitted, moment: Moment, state: Facets) -> None:
        if self._is_draft:
            return
        offsets = self._groups.setdefault(fact.group_id, {})
        for entry in fact.entries:
            offsets[entry.topic_id, entry.partition] = OffsetEntry(
                entry.offset, entry.leader_epoch, entry.metadata, moment.time_ms
            )

    @folds(OffsetsDeleted)
    def _delete(self, fact: OffsetsDeleted, moment: Moment, state: Facets) -> None:
        offsets = self._groups.get(fact.group_id, {})
        for key in fact.partitions or list(offsets):
            offsets.pop(key, None)
        if not offsets:
            self._groups.pop(fact.group_id, None)

    @folds(TopicDeleted)
    def _delete_topic(self, fact: TopicDeleted, moment: Moment, state: Facets) -> None:
        for group_id, offsets in list(self._groups.items()):
            for key in [key for key in offsets if key[0] == fact.topic_id]:
                del offsets[key]
            if not offsets:
                del self._groups[group_id]

    def freeze(self) -> Iterator[Sequence[GroupOffsets]]:
        return slices((GroupOffsets(group_id, list(self.of_group(group_id))) for group_id in self._groups), size=500)

    def restore(self, level: int, rows: Sequence[GroupOffsets]) -> None:
        for row in rows:
            self._groups[row.group_id] = {
                (topic_id, partition): entry for topic_id, partition, entry in row.entries
            }


def group_resource(group_id: str) -> str:
    """The name of the lease of a group's coordinator."""
    return f"group/{group_id}"


def check_coordinator(draft: Draft, group_id: str, lease_epoch: int) -> None:
    """Raises: Refused(NOT_COORDINATOR) unless the proposer coordinates the group under this lease."""
    if not draft[Sessions].holds(draft.epoch, group_resource(group_id), lease_epoch):
        raise Refused(ErrorCode.NOT_COORDINATOR, f"Group '{group_id}' has moved to another coordinator.")
