"""A tiny group protocol: members enter, and are present until they are silent for too long.

Everything of a protocol is in this one file. It commits one record per member, and the group's record only once.
"""

from collections.abc import Mapping
from collections.abc import Set as AbstractSet

import msgspec

from higgins.groups.ledger_access import GroupMemberRecord, GroupRecord
from higgins.groups.machine import (
    AuthoriseCommit,
    DeleteGroup,
    Event,
    Forget,
    GroupProtocol,
    Instruction,
    Persist,
    Reply,
    RequestEvent,
    Stalled,
    Tick,
    Wake,
)
from higgins.groups.settings import GroupSettings
from higgins.groups.views import GroupView, MemberView
from higgins_protocol.errors import ErrorCode

SILENT_MS_MAX = 10_000


class PresenceRecord(GroupRecord, frozen=True, array_like=True, tag="presence"):
    """The group."""


class PresentMemberRecord(GroupMemberRecord, frozen=True, array_like=True, tag="present"):
    """One member."""

    topic: str


class Present(msgspec.Struct, frozen=True):
    """The answer to an Enter: an error, or who is present."""

    error: ErrorCode = ErrorCode.NONE
    members: tuple[str, ...] = ()


class Enter(RequestEvent[Present], frozen=True):
    """A member enters, or shows that it is still there."""

    member_id: str
    topic: str

    @property
    def creates_group(self) -> bool:
        return True

    def refusal(self, error: ErrorCode) -> Present:
        return Present(error)


class PresenceGroup:
    """One group."""

    def __init__(self, group_id: str, settings: GroupSettings) -> None:
        self.group_id = group_id
        self.settings = settings
        self.topics: dict[str, str] = {}
        self.seen_ms: dict[str, int] = {}
        self.is_on_record = False
        self.is_deleted = False

    def handle(self, event: Event, now_ms: int) -> list[Instruction]:
        if self.is_deleted and isinstance(event, RequestEvent):
            return [Reply(event.token, event.refusal(ErrorCode.COORDINATOR_NOT_AVAILABLE))]
        match event:
            case Enter():
                return self._enter(event, now_ms)
            case AuthoriseCommit():
                is_allowed = event.member_id in self.topics or (event.generation < 0 and not self.topics)
                return [Reply(event.token, ErrorCode.NONE if is_allowed else ErrorCode.UNKNOWN_MEMBER_ID)]
            case DeleteGroup():
                if self.topics:
                    return [Reply(event.token, ErrorCode.NON_EMPTY_GROUP)]
                self.is_deleted = True
                return [Forget(event.with_offsets), Reply(event.token, ErrorCode.NONE)]
            case Stalled():
                self.seen_ms = {member_id: seen_ms + event.lost_ms for member_id, seen_ms in self.seen_ms.items()}
                return []
            case Tick():
                return self._expire(now_ms)
            case _:
                raise AssertionError(f"{event} is no request of this protocol")

    def restore(
        self, record: GroupRecord, members: Mapping[str, GroupMemberRecord], now_ms: int
    ) -> list[Instruction]:
        assert isinstance(record, PresenceRecord)
        self.is_on_record = True
        for member_id, member in members.items():
            assert isinstance(member, PresentMemberRecord)
            self.topics[member_id] = member.topic
            self.seen_ms[member_id] = now_ms
        return self._wake()

    def configure(self, settings: GroupSettings) -> None:
        self.settings = settings

    @property
    def member_bytes(self) -> int:
        return 0

    @property
    def has_members(self) -> bool:
        return bool(self.topics)

    @property
    def is_idle(self) -> bool:
        return not self.topics and not self.is_deleted

    @property
    def offset_deletion_error(self) -> ErrorCode | None:
        return None

    def subscribed_topics(self) -> AbstractSet[str] | None:
        return set(self.topics.values())

    def view(self) -> GroupView:
        return GroupView(
            group_id=self.group_id,
            state="Stable" if self.topics else "Empty",
            group_type=PRESENCE.name,
            members=tuple(MemberView(member_id=each, client_id="", client_host="") for each in self.topics),
        )

    def _enter(self, enter: Enter, now_ms: int) -> list[Instruction]:
        instructions: list[Instruction] = []
        if self.topics.get(enter.member_id) != enter.topic:
            record = None if self.is_on_record else PresenceRecord(changed_ms=0)
            self.is_on_record = True
            saved = ((enter.member_id, PresentMemberRecord(enter.topic)),)
            instructions.append(Persist(record, members_saved=saved))
        self.topics[enter.member_id] = enter.topic
        self.seen_ms[enter.member_id] = now_ms
        return [*instructions, Reply(enter.token, Present(members=tuple(self.topics))), *self._wake()]

    def _expire(self, now_ms: int) -> list[Instruction]:
        silent = tuple(each for each, seen_ms in self.seen_ms.items() if seen_ms + SILENT_MS_MAX <= now_ms)
        for member_id in silent:
            del self.topics[member_id], self.seen_ms[member_id]
        persist: list[Instruction] = [Persist(members_removed=silent)] if silent else []
        return [*persist, *self._wake()]

    def _wake(self) -> list[Instruction]:
        return [Wake(min(self.seen_ms.values()) + SILENT_MS_MAX)] if self.seen_ms else []


PRESENCE = GroupProtocol(
    name="presence",
    record=PresenceRecord,
    machine=PresenceGroup,
    requests=frozenset({Enter}),
    opened_by=frozenset({Enter}),
    count_members=lambda record, members: len(members),
)
