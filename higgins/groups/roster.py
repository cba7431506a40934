"""Who is in a group: members by id, static members by instance, newcomers that were only told their id.

Counts and indexes are kept, not searched for: a group may have ten thousand members, and every one of them heartbeats.
"""

from collections import Counter
from collections.abc import Iterator

from higgins.groups.events import MemberProtocol
from higgins.groups.member import Member
from higgins_protocol.errors import ErrorCode


class Roster:
    """The members of one group. The first to enter leads, until it is gone."""

    def __init__(self) -> None:
        self._members: dict[str, Member] = {}
        self._instances: dict[str, str] = {}
        self._supporters: Counter[str] = Counter()
        self._joining = 0
        self.metadata_bytes = 0
        """What all members have to say, for all protocols."""
        self.pending: dict[str, int] = {}
        """Member ids given out and not yet used, with the time at which each lapses."""
        self.leader: str | None = None

    def __len__(self) -> int:
        return len(self._members)

    def __iter__(self) -> Iterator[Member]:
        return iter(list(self._members.values()))

    def get(self, member_id: str) -> Member | None:
        return self._members.get(member_id)

    def of_instance(self, instance_id: str | None) -> Member | None:
        """The member that holds a static name now."""
        return None if instance_id is None else self._members.get(self._instances.get(instance_id, ""))

    @property
    def joining(self) -> int:
        """How many wait for the next generation."""
        return self._joining

    def is_complete(self) -> bool:
        """Everyone known waits for the next generation."""
        return self._joining == len(self._members) and not self.pending

    def fault(self, member_id: str, instance_id: str | None) -> ErrorCode | None:
        """Why these ids may not speak for a member, or None."""
        if instance_id is not None:
            holder = self._instances.get(instance_id)
            if holder is None:
                return ErrorCode.UNKNOWN_MEMBER_ID
            if holder != member_id:
                return ErrorCode.FENCED_INSTANCE_ID
        return None if member_id in self._members else ErrorCode.UNKNOWN_MEMBER_ID

    def add(self, member: Member) -> None:
        assert member.id not in self._members
        assert not member.is_joining and not member.is_syncing
        self.pending.pop(member.id, None)
        self._members[member.id] = member
        if member.instance_id is not None:
            self._instances[member.instance_id] = member.id
        self._count(member.protocols, 1)
        if self.leader is None:
            self.leader = member.id

    def remove(self, member: Member) -> None:
        assert not member.is_joining and not member.is_syncing, f"{member!r} would never be answered"
        del self._members[member.id]
        if member.instance_id is not None and self._instances.get(member.instance_id) == member.id:
            del self._instances[member.instance_id]
        self._count(member.protocols, -1)
        if self.leader == member.id:
            self.leader = next(iter(self._members), None)

    def rename(self, member: Member, member_id: str) -> None:
        """A static member returned under a new id: it keeps its place in the order, and its lead."""
        assert member.instance_id is not None
        if self.leader == member.id:
            self.leader = member_id
        self._members = {
            (member_id if known == member.id else known): each for known, each in self._members.items()
        }
        self._instances[member.instance_id] = member_id
        member.id = member_id

    def offer(self, member: Member, protocols: tuple[MemberProtocol, ...]) -> None:
        """Replace what a member supports."""
        self._count(member.protocols, -1)
        member.protocols = protocols
        self._count(protocols, 1)

    def await_join(self, member: Member, token: int) -> None:
        self._joining += not member.is_joining
        member.join_token = token

    def end_join(self, member: Member) -> int | None:
        """The token to answer, if the member waited for the next generation."""
        token, member.join_token = member.join_token, None
        self._joining -= token is not None
        return token

    def supports(self, protocols: tuple[MemberProtocol, ...]) -> bool:
        """Is there one among these that every member supports?"""
        return any(self._supporters[offer.name] == len(self._members) for offer in protocols)

    def vote(self) -> str:
        """The protocol most members like best among those all support; the eldest member breaks a tie."""
        common = {name for name, count in self._supporters.items() if count == len(self._members)}
        votes: Counter[str] = Counter()
        for member in self._members.values():
            votes[next(offer.name for offer in member.protocols if offer.name in common)] += 1
        return votes.most_common(1)[0][0]

    def elect(self) -> bool:
        """Make sure that the leader is one who waits for the next generation; False if nobody does."""
        leader = self._members.get(self.leader or "")
        if leader is None or not leader.is_joining:
            successor = next((member.id for member in self._members.values() if member.is_joining), None)
            if successor is None:
                return False
            self.leader = successor
        return True

    def rebalance_timeout_ms(self) -> int:
        """The slowest member's."""
        return max((member.rebalance_timeout_ms for member in self._members.values()), default=0)

    def _count(self, protocols: tuple[MemberProtocol, ...], by: int) -> None:
        for name in {offer.name for offer in protocols}:
            self._supporters[name] += by
            if not self._supporters[name]:
                del self._supporters[name]
        self.metadata_bytes += by * sum(len(offer.metadata) for offer in protocols)
