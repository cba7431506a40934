"""Committed offsets: a register for each group and partition."""

from collections.abc import Iterable, MutableMapping
from typing import ClassVar

import msgspec

from higgins.ledger.state.base import Fact, Moment, Proposal
from higgins.ledger.state.groups import group_resource
from higgins.ledger.state.sessions import Sessions
from higgins.ledger.state.topics import Topics
from higgins.model.errors import Refused
from higgins.model.names import TopicId
from higgins_protocol.errors import ErrorCode


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


class CommitOffsets(Proposal, frozen=True):
    """Commit offsets of a group under its coordinator's lease; the result is an error code for each entry."""

    lingers: ClassVar[bool] = True
    group_id: str
    epoch: int
    lease_epoch: int
    entries: tuple[OffsetToCommit, ...]


class OffsetsCommitted(Fact, frozen=True, tag=60):
    group_id: str
    entries: tuple[OffsetToCommit, ...]


class OffsetsDeleted(Fact, frozen=True, tag=61):
    """What a group committed for these partitions is no more; no partitions mean all it ever committed."""

    group_id: str
    partitions: tuple[tuple[TopicId, int], ...] = ()


class DeleteOffsets(Proposal, frozen=True):
    """Take back a group's offsets of some partitions, under its coordinator's lease."""

    group_id: str
    epoch: int
    lease_epoch: int
    partitions: tuple[tuple[TopicId, int], ...]


OffsetKey = tuple[TopicId, int]


class Offsets:
    """The facet of committed offsets: group, then topic partition."""

    def __init__(self, groups: MutableMapping[str, dict[OffsetKey, OffsetEntry]] | None) -> None:
        self._groups = groups

    def draft(self) -> "Offsets":
        # No proposal is judged by committed offsets, so a draft keeps none.
        return Offsets(None)

    def get(self, group_id: str, topic_id: TopicId, partition: int) -> OffsetEntry | None:
        return self._of(group_id).get((topic_id, partition))

    def of_group(self, group_id: str) -> Iterable[tuple[TopicId, int, OffsetEntry]]:
        """All of a group's offsets."""
        return [(topic_id, partition, entry) for (topic_id, partition), entry in self._of(group_id).items()]

    def groups(self) -> Iterable[str]:
        """Every group that has committed anything."""
        return () if self._groups is None else self._groups.keys()

    def fold(self, fact: OffsetsCommitted | OffsetsDeleted, moment: Moment) -> None:
        if self._groups is None:
            return
        if isinstance(fact, OffsetsDeleted):
            self._delete(fact)
            return
        offsets = self._groups.setdefault(fact.group_id, {})
        for entry in fact.entries:
            offsets[entry.topic_id, entry.partition] = OffsetEntry(
                entry.offset, entry.leader_epoch, entry.metadata, moment.time_ms
            )

    def forget_topic(self, topic_id: TopicId) -> None:
        """Drop what was committed for a deleted topic."""
        for offsets in (self._groups or {}).values():
            for key in [key for key in offsets if key[0] == topic_id]:
                del offsets[key]

    def freeze(self) -> list[tuple[str, list[tuple[TopicId, int, OffsetEntry]]]]:
        return [(group_id, list(self.of_group(group_id))) for group_id in self.groups()]

    @staticmethod
    def restore(frozen: list[tuple[str, list[tuple[TopicId, int, OffsetEntry]]]]) -> "Offsets":
        return Offsets(
            {
                group_id: {(topic_id, partition): entry for topic_id, partition, entry in entries}
                for group_id, entries in frozen
            }
        )

    def _delete(self, fact: OffsetsDeleted) -> None:
        assert self._groups is not None
        offsets = self._groups.get(fact.group_id, {})
        for key in fact.partitions or list(offsets):
            offsets.pop(key, None)
        if not offsets:
            self._groups.pop(fact.group_id, None)

    def _of(self, group_id: str) -> dict[OffsetKey, OffsetEntry]:
        return (self._groups or {}).get(group_id, {})


def commit_offsets(topics: Topics, sessions: Sessions, proposal: CommitOffsets) -> tuple[list[Fact], list[int]]:
    """The fact of the entries whose partitions exist, and an error code for each entry.

    Raises: Refused(NOT_COORDINATOR) when the lease has moved.
    """
    if not sessions.holds(proposal.epoch, group_resource(proposal.group_id), proposal.lease_epoch):
        raise Refused(ErrorCode.NOT_COORDINATOR, f"Group '{proposal.group_id}' has another coordinator by now.")
    good: list[OffsetToCommit] = []
    codes: list[int] = []
    for entry in proposal.entries:
        topic = topics.by_id.get(entry.topic_id)
        known = topic is not None and 0 <= entry.partition < topic.partitions
        codes.append(ErrorCode.NONE if known else ErrorCode.UNKNOWN_TOPIC_OR_PARTITION)
        if known:
            good.append(entry)
    return ([OffsetsCommitted(proposal.group_id, tuple(good))] if good else []), codes


def delete_offsets(sessions: Sessions, proposal: DeleteOffsets) -> list[Fact]:
    """The fact of offsets taken back. Raises: Refused(NOT_COORDINATOR) when the lease has moved."""
    if not sessions.holds(proposal.epoch, group_resource(proposal.group_id), proposal.lease_epoch):
        raise Refused(ErrorCode.NOT_COORDINATOR, f"Group '{proposal.group_id}' has another coordinator by now.")
    return [OffsetsDeleted(proposal.group_id, proposal.partitions)] if proposal.partitions else []
