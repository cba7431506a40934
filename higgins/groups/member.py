"""One member of a group, and what it waits for."""

from higgins.groups.events import JoinedMember, MemberProtocol
from higgins.ledger.state.group_records import ClassicMember


class Member:
    """A thing with a life: renamed when a static member returns, moved from generation to generation."""

    __slots__ = (
        "assignment",
        "client_host",
        "client_id",
        "expires_ms",
        "id",
        "instance_id",
        "is_new",
        "join_token",
        "protocols",
        "rebalance_timeout_ms",
        "session_timeout_ms",
        "sync_token",
    )

    def __init__(
        self,
        *,
        id: str,
        instance_id: str | None,
        client_id: str,
        client_host: str,
        session_timeout_ms: int,
        rebalance_timeout_ms: int,
        protocols: tuple[MemberProtocol, ...],
        assignment: bytes = b"",
    ) -> None:
        self.id = id
        self.instance_id = instance_id
        self.client_id = client_id
        self.client_host = client_host
        self.session_timeout_ms = session_timeout_ms
        self.rebalance_timeout_ms = rebalance_timeout_ms
        self.protocols = protocols
        self.assignment = assignment
        self.is_new = False
        self.join_token: int | None = None
        self.sync_token: int | None = None
        self.expires_ms = 0

    def __repr__(self) -> str:
        waits = "join" if self.is_joining else "sync" if self.is_syncing else "nothing"
        return f"<Member {self.id} waits for {waits}, expires at {self.expires_ms} ms>"

    @property
    def is_static(self) -> bool:
        return self.instance_id is not None

    @property
    def is_joining(self) -> bool:
        """It has asked for the next generation and waits for it."""
        return self.join_token is not None

    @property
    def is_syncing(self) -> bool:
        """It has asked for its assignment and waits for it."""
        return self.sync_token is not None

    def has_expired(self, now_ms: int) -> bool:
        """Who waits for an answer of ours cannot heartbeat, and is kept; but a newcomer only for so long."""
        if self.expires_ms > now_ms:
            return False
        return self.is_new or not (self.is_joining or self.is_syncing)

    def metadata(self, protocol: str | None) -> bytes:
        """What it had to say about one protocol; empty if nothing."""
        return next((offer.metadata for offer in self.protocols if offer.name == protocol), b"")

    def joined(self, protocol: str | None) -> JoinedMember:
        return JoinedMember(self.id, self.instance_id, self.metadata(protocol))

    def record(self, protocol: str | None) -> ClassicMember:
        """As committed: only the chosen protocol's metadata outlives the node."""
        return ClassicMember(
            member_id=self.id,
            instance_id=self.instance_id,
            client_id=self.client_id,
            client_host=self.client_host,
            rebalance_timeout_ms=self.rebalance_timeout_ms,
            session_timeout_ms=self.session_timeout_ms,
            subscription=self.metadata(protocol),
            assignment=self.assignment,
        )

    @staticmethod
    def restore(record: ClassicMember, protocol: str) -> "Member":
        return Member(
            id=record.member_id,
            instance_id=record.instance_id,
            client_id=record.client_id,
            client_host=record.client_host,
            session_timeout_ms=record.session_timeout_ms,
            rebalance_timeout_ms=record.rebalance_timeout_ms,
            protocols=(MemberProtocol(protocol, record.subscription),),
            assignment=record.assignment,
        )
