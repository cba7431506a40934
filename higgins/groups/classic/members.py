"""The members of a classic group: by id, static members by instance id, and member ids given out but not used yet.

Counts and indexes are kept up to date instead of computed: a group may have ten thousand members, and each of them
sends heartbeats and joins every generation.
"""

from collections import Counter
from collections.abc import Iterator

from higgins.groups.classic.member import Member
from higgins.groups.classic.requests import NAMES_BYTES, MemberProtocol, protocol_bytes
from higgins_protocol.errors import ErrorCode


class Members:
    """The members of one group, in the order in which they joined. The first is the leader until it leaves."""

    def __init__(self) -> None:
        self._members: dict[str, Member] = {}
        self._instances: dict[str, str] = {}
        self._supporters: Counter[str] = Counter()
        self._joining = 0
        self.metadata_bytes = 0
        """The size of the metadata of all members, for all protocols."""
        self._held_bytes = 0
        self.pending: dict[str, int] = {}
        """Member ids that were given out and are not used yet (KIP-394), with the time at which each expires."""
        self.leader: str | None = None

    def __len__(self) -> int:
        return len(self._members)

    def __iter__(self) -> Iterator[Member]:
        # A copy, because members are removed during iterations.
        return iter(list(self._members.values()))

    def get(self, member_id: str) -> Member | None:
        return self._members.get(member_id)

    def of_instance(self, instance_id: str | None) -> Member | None:
        """The static member that has this instance id now."""
        return None if instance_id is None else self._members.get(self._instances.get(instance_id, ""))

    @property
    def held_bytes(self) -> int:
        """About how much memory the members take, and the ids that are not used yet."""
        return self._held_bytes + NAMES_BYTES * (len(self._members) + len(self.pending))

    @property
    def joining(self) -> int:
        """How many members wait for the next generation."""
        return self._joining

    def all_joined(self) -> bool:
        """Whether every member, and every client that got a member id, waits for the next generation."""
        return self._joining == len(self._members) and not self.pending

    def id_error(self, member_id: str, instance_id: str | None) -> ErrorCode | None:
        """Why a request with these ids does not come from a member, or None."""
        if instance_id is not None:
            current_id = self._instances.get(instance_id)
            if current_id is None:
                return ErrorCode.UNKNOWN_MEMBER_ID
            if current_id != member_id:
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

    def replace_id(self, member: Member, member_id: str) -> None:
        """Give a static member that returned its new id. It keeps its place in the order, and the leadership."""
        assert member.instance_id is not None
        if self.leader == member.id:
            self.leader = member_id
        self._members = {
            (member_id if known_id == member.id else known_id): each for known_id, each in self._members.items()
        }
        self._instances[member.instance_id] = member_id
        member.id = member_id

    def update_protocols(self, member: Member, protocols: tuple[MemberProtocol, ...]) -> None:
        """Replace the protocols that a member supports."""
        self._count(member.protocols, -1)
        member.protocols = protocols
        self._count(protocols, 1)

    def begin_join(self, member: Member, token: int) -> None:
        """The member waits for the next generation; its request carries this token."""
        self._joining += not member.is_joining
        member.join_token = token

    def end_join(self, member: Member) -> int | None:
        """The member no longer waits; the token to answer, if it did."""
        token, member.join_token = member.join_token, None
        self._joining -= token is not None
        return token

    def support_any(self, protocols: tuple[MemberProtocol, ...]) -> bool:
        """Whether every member supports one of these protocols, the same one."""
        return any(self._supporters[protocol.name] == len(self._members) for protocol in protocols)

    def select_protocol(self) -> str:
        """The protocol that most members prefer among those that all support; the oldest member breaks a tie."""
        common = {name for name, count in self._supporters.items() if count == len(self._members)}
        votes: Counter[str] = Counter()
        for member in self._members.values():
            votes[next(protocol.name for protocol in member.protocols if protocol.name in common)] += 1
        return votes.most_common(1)[0][0]

    def elect_leader(self) -> bool:
        """Make sure that the leader waits for the next generation; False if no member does."""
        leader = self._members.get(self.leader or "")
        if leader is None or not leader.is_joining:
            successor = next((member.id for member in self._members.values() if member.is_joining), None)
            if successor is None:
                return False
            self.leader = successor
        return True

    def rebalance_timeout_ms(self) -> int:
        """The longest rebalance timeout of any member."""
        return max((member.rebalance_timeout_ms for member in self._members.values()), default=0)

    def _count(self, protocols: tuple[MemberProtocol, ...], by: int) -> None:
        for name in {protocol.name for protocol in protocols}:
            self._supporters[name] += by
            if not self._supporters[name]:
                del self._supporters[name]
        self.metadata_bytes += by * sum(len(protocol.metadata) for protocol in protocols)
        self._held_bytes += by * sum(map(protocol_bytes, protocols))
