"""One member of a classic group."""

from higgins.groups.classic.requests import JoinedMember, MemberProtocol
from higgins.groups.ledger_access import ClassicMember


class Member:
    """A member, the deadline of its session, and the requests of it that are not answered yet.

    Its id changes when a static member returns.
    """

    __slots__ = (
        "assignment",
        "client_host",
        "client_id",
        "doubted_ms",
        "expires_ms",
        "id",
        "instance_id",
        "is_new",
        "is_unheard",
        "join_token",
        "protocols",
        "rebalance_timeout_ms",
        "session_timeout_ms",
        "silent_ms",
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
        silent_ms: int = 0,
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
        """Whether it has not been in any generation yet."""
        self.join_token: int | None = None
        self.sync_token: int | None = None
        self.expires_ms = 0
        self.silent_ms = silent_ms
        """See `ClassicMember.silent_ms`; as of the newest record."""
        self.is_unheard = False
        """Whether this node has taken the group over and has had no request of the member yet."""
        self.doubted_ms: int | None = None
        """Until when a rebalance waits for the member, if it was cut off for longer than its session."""

    def __repr__(self) -> str:
        waits_for = "join" if self.is_joining else "sync" if self.is_syncing else "nothing"
        return f"<Member {self.id} waits for {waits_for}, expires at {self.expires_ms} ms>"

    @property
    def is_static(self) -> bool:
        return self.instance_id is not None

    @property
    def is_joining(self) -> bool:
        """Its JoinGroup is not answered yet."""
        return self.join_token is not None

    @property
    def is_syncing(self) -> bool:
        """Its SyncGroup is not answered yet."""
        return self.sync_token is not None

    def has_expired(self, now_ms: int, *, is_waited_for: bool) -> bool:
        """Whether its session is over. `is_waited_for`: a rebalance is being prepared.

        A member that waits for an answer cannot send heartbeats and does not expire, unless it is new: the client of a
        JoinGroup that waits for its first generation may be gone for good (`new_member_timeout_ms`).
        """
        is_doubted = is_waited_for and self.doubted_ms is not None and self.doubted_ms <= now_ms
        if self.expires_ms > now_ms and not is_doubted:
            return False
        return self.is_new or not (self.is_joining or self.is_syncing)

    def metadata(self, protocol: str | None) -> bytes:
        """Its metadata for one protocol; empty if it does not support it."""
        return next((supported.metadata for supported in self.protocols if supported.name == protocol), b"")

    def joined(self, protocol: str | None) -> JoinedMember:
        """The member as the leader learns of it."""
        return JoinedMember(self.id, self.instance_id, self.metadata(protocol))

    def record(self, protocol: str | None) -> ClassicMember:
        """The member as committed: only the metadata of the selected protocol outlives the node."""
        return ClassicMember(
            member_id=self.id,
            instance_id=self.instance_id,
            client_id=self.client_id,
            client_host=self.client_host,
            rebalance_timeout_ms=self.rebalance_timeout_ms,
            session_timeout_ms=self.session_timeout_ms,
            subscription=self.metadata(protocol),
            assignment=self.assignment,
            silent_ms=self.silent_ms,
        )

    @staticmethod
    def restore(record: ClassicMember, protocol: str) -> "Member":
        """The member as it was committed."""
        return Member(
            id=record.member_id,
            instance_id=record.instance_id,
            client_id=record.client_id,
            client_host=record.client_host,
            session_timeout_ms=record.session_timeout_ms,
            rebalance_timeout_ms=record.rebalance_timeout_ms,
            protocols=(MemberProtocol(protocol, record.subscription),),
            assignment=record.assignment,
            silent_ms=record.silent_ms,
        )
