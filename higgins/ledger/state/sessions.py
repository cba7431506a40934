"""Sessions and leases: which nodes live, since when, and what each of them alone may do.

Leases hang on the session and are never renewed. Who should hold one is a pure function of the live sessions
(rendezvous hashing), so every node that has seen the same commits names the same holder.
"""

import hashlib
from collections.abc import MutableMapping

import msgspec

from higgins.ledger.state.base import Fact, Moment, Proposal
from higgins.ledger.state.overlay import Overlay
from higgins.model.errors import Refused
from higgins_protocol.errors import ErrorCode

NODES_MAX = 1000


class Endpoint(msgspec.Struct, frozen=True, array_like=True):
    """An address that clients are told to use, for one listener."""

    listener: str
    host: str
    port: int


class Session(msgspec.Struct, frozen=True, array_like=True):
    """One life of one node."""

    epoch: int
    node_id: int
    endpoints: tuple[Endpoint, ...]
    timeout_ms: int
    joined_ms: int


class Lease(msgspec.Struct, frozen=True, array_like=True):
    """Who holds a resource. The lease epoch is the number of the commit that granted it, so it only grows."""

    session_epoch: int
    lease_epoch: int


class JoinSession(Proposal, frozen=True):
    """Begin a life. A node id of None asks for the id of whoever had this address, else for a free one.

    The result is the granted epoch.
    """

    node_id: int | None
    endpoints: tuple[Endpoint, ...]
    timeout_ms: int


class LeaveSession(Proposal, frozen=True):
    """End one's own life; others take over at once."""

    epoch: int


class FenceSession(Proposal, frozen=True):
    """End the life of a session that gave no sign since commit `seen`; refused when it has given one."""

    epoch: int
    seen: int


class TakeLease(Proposal, frozen=True):
    """Hold a resource from now on; the result is the lease epoch. Only the rendezvous owner may."""

    resource: str
    epoch: int


class SessionJoined(Fact, frozen=True, tag=40):
    epoch: int
    node_id: int
    endpoints: tuple[Endpoint, ...]
    timeout_ms: int


class SessionEnded(Fact, frozen=True, tag=41):
    """`reason`: left, expired, or replaced (its id or address joined again)."""

    epoch: int
    reason: str


class LeaseTaken(Fact, frozen=True, tag=42):
    resource: str
    session_epoch: int


class SignOfLife(Fact, frozen=True, tag=43):
    """An idle node says that it lives; the commit itself is the sign."""


class Sessions:
    """The facet of sessions and leases."""

    def __init__(
        self,
        live: MutableMapping[int, Session],
        signs: MutableMapping[int, int],
        leases: MutableMapping[str, Lease],
        next_epoch: int = 1,
    ) -> None:
        self.live = live
        """Live sessions by epoch."""
        self.signs = signs
        """The number of each live session's newest commit."""
        self.leases = leases
        self.next_epoch = next_epoch
        self._owners: dict[str, Session | None] = {}

    def draft(self) -> "Sessions":
        return Sessions(Overlay(self.live), Overlay(self.signs), Overlay(self.leases), self.next_epoch)

    def fold(self, fact: SessionJoined | SessionEnded | LeaseTaken | SignOfLife, moment: Moment) -> None:
        match fact:
            case SessionJoined():
                self.live[fact.epoch] = Session(
                    fact.epoch, fact.node_id, fact.endpoints, fact.timeout_ms, moment.time_ms
                )
                self.signs[fact.epoch] = moment.number
                self.next_epoch = fact.epoch + 1
                self._owners.clear()
            case SessionEnded():
                del self.live[fact.epoch]
                del self.signs[fact.epoch]
                self._owners.clear()
                for resource in [name for name, lease in self.leases.items() if lease.session_epoch == fact.epoch]:
                    del self.leases[resource]
            case LeaseTaken():
                self.leases[fact.resource] = Lease(fact.session_epoch, moment.number)
            case SignOfLife():
                pass

    def note_sign(self, moment: Moment) -> None:
        """Any commit is a sign of life of whoever wrote it."""
        if moment.epoch in self.live:
            self.signs[moment.epoch] = moment.number

    def eldest(self) -> Session | None:
        """The live session that began first: whom clients are told as controller, so that it changes only when it ends.

        A client that knows the cluster from before a node joined could make nothing of that node's id.
        """
        return min(self.live.values(), key=lambda session: session.epoch, default=None)

    def owner(self, resource: str) -> Session | None:
        """The live session that may hold a resource; None while no node lives."""
        if len(self._owners) > 100_000:
            self._owners.clear()
        if resource not in self._owners:
            self._owners[resource] = max(
                self.live.values(), key=lambda session: _weight(resource, session.node_id), default=None
            )
        return self._owners[resource]

    def holds(self, epoch: int, resource: str, lease_epoch: int) -> bool:
        """Whether a live session holds a resource under exactly this lease."""
        lease = self.leases.get(resource)
        return (
            lease is not None
            and lease.session_epoch == epoch
            and lease.lease_epoch == lease_epoch
            and epoch in self.live
        )

    def freeze(self) -> tuple[int, list[Session], list[tuple[int, int]], list[tuple[str, Lease]]]:
        return self.next_epoch, list(self.live.values()), list(self.signs.items()), list(self.leases.items())

    @staticmethod
    def restore(
        frozen: tuple[int, list[Session], list[tuple[int, int]], list[tuple[str, Lease]]],
    ) -> "Sessions":
        next_epoch, live, signs, leases = frozen
        return Sessions({session.epoch: session for session in live}, dict(signs), dict(leases), next_epoch)


def _weight(resource: str, node_id: int) -> bytes:
    return hashlib.blake2b(f"{node_id}/{resource}".encode(), digest_size=8).digest()


def join_session(sessions: Sessions, proposal: JoinSession) -> tuple[list[Fact], int]:
    """The facts of a join: whoever lives under the same id or address ends here.

    Raises: Refused(INVALID_REQUEST) when every node id is taken.
    """
    addresses = {(endpoint.host, endpoint.port) for endpoint in proposal.endpoints}
    node_id = proposal.node_id
    ended: list[Fact] = []
    for session in sessions.live.values():
        same_address = any((endpoint.host, endpoint.port) in addresses for endpoint in session.endpoints)
        if same_address and node_id is None:
            node_id = session.node_id
        if same_address or session.node_id == proposal.node_id:
            ended.append(SessionEnded(session.epoch, "replaced"))
    if node_id is None:
        taken = {session.node_id for session in sessions.live.values()}
        node_id = next((i for i in range(1, NODES_MAX + 1) if i not in taken), None)
        if node_id is None:
            raise Refused(ErrorCode.INVALID_REQUEST, f"{NODES_MAX} nodes live already; no more are possible.")
    joined = SessionJoined(sessions.next_epoch, node_id, proposal.endpoints, proposal.timeout_ms)
    return [*ended, joined], sessions.next_epoch


def leave_session(sessions: Sessions, proposal: LeaveSession) -> list[Fact]:
    """The fact of an orderly end; none when the session has ended already."""
    return [SessionEnded(proposal.epoch, "left")] if proposal.epoch in sessions.live else []


def fence_session(sessions: Sessions, proposal: FenceSession) -> list[Fact]:
    """The fact of an expiry. Raises: Refused(INVALID_REQUEST) when the session has given a sign of life since."""
    if sessions.signs.get(proposal.epoch) != proposal.seen:
        raise Refused(ErrorCode.INVALID_REQUEST, "This session has ended, or has given a sign of life meanwhile.")
    return [SessionEnded(proposal.epoch, "expired")]


def take_lease(sessions: Sessions, proposal: TakeLease, *, number: int) -> tuple[list[Fact], int]:
    """The fact of a lease, and its epoch; taking again what one holds changes nothing.

    Raises: Refused(NOT_COORDINATOR) when somebody else is the owner.
    """
    owner = sessions.owner(proposal.resource)
    if owner is None or owner.epoch != proposal.epoch:
        raise Refused(ErrorCode.NOT_COORDINATOR, f"Another node is responsible for {proposal.resource}.")
    lease = sessions.leases.get(proposal.resource)
    if lease is not None and lease.session_epoch == proposal.epoch:
        return [], lease.lease_epoch
    return [LeaseTaken(proposal.resource, proposal.epoch)], number
