"""Consumer groups, as they must survive their coordinator."""

from collections.abc import Iterable, Iterator, Mapping, MutableMapping, Sequence

import msgspec

from higgins.ledger.state.base import Draft, Facet, Facets, Fact, Moment, Proposal, folds, slices
from higgins.ledger.state.group_records import AnyGroupRecord, AnyMemberRecord
from higgins.ledger.state.offsets import OffsetsDeleted, check_coordinator
from higgins.ledger.state.overlay import Overlay

NO_MEMBERS: Mapping[str, AnyMemberRecord] = {}


class GroupSaved(Fact, frozen=True, tag=50):
    """The record of a group, replacing the earlier one; its members stay."""

    group_id: str
    record: AnyGroupRecord


class GroupForgotten(Fact, frozen=True, tag=51):
    """The group and all its members are removed."""

    group_id: str


class GroupMemberSaved(Fact, frozen=True, tag=52):
    """The record of one member, replacing the earlier one."""

    group_id: str
    member_id: str
    record: AnyMemberRecord


class GroupMemberForgotten(Fact, frozen=True, tag=53):
    group_id: str
    member_id: str


class SaveGroup(Proposal[None], frozen=True, tag=50):
    """Record a change of a group, under its coordinator's lease.

    A `record` of None with `forgets` forgets the group with its members; without, the record stays as it is and only
    members change. `with_offsets` deletes the group's committed offsets as well. Refused with NOT_COORDINATOR when
    the lease has moved.
    """

    group_id: str
    lease_epoch: int
    record: AnyGroupRecord | None = None
    members_saved: tuple[tuple[str, AnyMemberRecord], ...] = ()
    members_removed: tuple[str, ...] = ()
    forgets: bool = False
    with_offsets: bool = False

    def validate(self, draft: Draft) -> tuple[Sequence[Fact], None]:
        check_coordinator(draft, self.group_id, self.lease_epoch)
        groups = draft[Groups]
        facts: list[Fact] = []
        if self.forgets:
            if groups.get(self.group_id) is not None or groups.members(self.group_id):
                facts.append(GroupForgotten(self.group_id))
        elif self.record is not None:
            facts.append(GroupSaved(self.group_id, self.record))
        facts += [GroupMemberSaved(self.group_id, member_id, record) for member_id, record in self.members_saved]
        known = groups.members(self.group_id)
        facts += [GroupMemberForgotten(self.group_id, each) for each in self.members_removed if each in known]
        if self.with_offsets:
            facts.append(OffsetsDeleted(self.group_id))
        return facts, None


class GroupRow(msgspec.Struct, frozen=True, array_like=True, tag="group"):
    """A snapshot row: a group's record."""

    group_id: str
    record: AnyGroupRecord


class MemberRow(msgspec.Struct, frozen=True, array_like=True, tag="member"):
    """A snapshot row: a member's record."""

    group_id: str
    member_id: str
    record: AnyMemberRecord


class Groups(Facet, name="groups"):
    """The facet of groups."""

    ROW = GroupRow | MemberRow

    def __init__(
        self,
        records: MutableMapping[str, AnyGroupRecord] | None = None,
        members: MutableMapping[str, Mapping[str, AnyMemberRecord]] | None = None,
    ) -> None:
        self._records: MutableMapping[str, AnyGroupRecord] = {} if records is None else records
        self._members: MutableMapping[str, Mapping[str, AnyMemberRecord]] = {} if members is None else members
        self._is_draft = records is not None

    def draft(self) -> "Groups":
        return Groups(Overlay(self._records), Overlay(self._members))

    def get(self, group_id: str) -> AnyGroupRecord | None:
        """The record of a group."""
        return self._records.get(group_id)

    def members(self, group_id: str) -> Mapping[str, AnyMemberRecord]:
        """The member records of a group, by member id; empty for protocols that keep none."""
        return self._members.get(group_id) or NO_MEMBERS

    def names(self) -> Iterable[str]:
        """The ids of all groups with a record."""
        return self._records.keys()

    @folds(GroupSaved)
    def _save(self, fact: GroupSaved, moment: Moment, state: Facets) -> None:
        self._records[fact.group_id] = fact.record

    @folds(GroupForgotten)
    def _forget(self, fact: GroupForgotten, moment: Moment, state: Facets) -> None:
        for mapping in (self._records, self._members):
            if fact.group_id in mapping:
                del mapping[fact.group_id]

    @folds(GroupMemberSaved)
    def _save_member(self, fact: GroupMemberSaved, moment: Moment, state: Facets) -> None:
        self._change_members(fact.group_id)[fact.member_id] = fact.record

    @folds(GroupMemberForgotten)
    def _forget_member(self, fact: GroupMemberForgotten, moment: Moment, state: Facets) -> None:
        members = self._change_members(fact.group_id)
        del members[fact.member_id]
        if not members:
            del self._members[fact.group_id]

    def _change_members(self, group_id: str) -> dict[str, AnyMemberRecord]:
        """The members of a group, to be changed; a draft copies them, State changes its own."""
        members = self._members.get(group_id)
        if members is None or self._is_draft:
            members = self._members[group_id] = dict(members or {})
        assert isinstance(members, dict)
        return members

    def freeze(self) -> Iterator[Sequence[GroupRow | MemberRow]]:
        yield from slices(GroupRow(group_id, record) for group_id, record in self._records.items())
        yield from slices(
            MemberRow(group_id, member_id, record)
            for group_id, members in self._members.items()
            for member_id, record in members.items()
        )

    def restore(self, level: int, rows: Sequence[GroupRow | MemberRow]) -> None:
        for row in rows:
            if isinstance(row, GroupRow):
                self._records[row.group_id] = row.record
            else:
                self._change_members(row.group_id)[row.member_id] = row.record
