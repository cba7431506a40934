"""Sessions and leases: which nodes are alive, since when, and what each of them alone may do.

Leases belong to a session and are never renewed. Who should hold one is a pure function of the live sessions
(rendezvous hashing), so every node that has folded the same commits names the same holder.
"""

import hashlib
from collections.abc import Iterator, MutableMapping, Sequence
from typing import ClassVar, assert_never

import msgspec

from higgins.ledger.state.base import Draft, Facet, Facets, Fact, Moment, Proposal, folds, slices
from higgins.ledger.state.overlay import Overlay
from higgins.model.errors import Refused
from higgins.model.words import counted
from higgins_protocol.errors import ErrorCode

NODES_MAX = 1000
OWNERS_CACHED_MAX = 100_000

LEFT, EXPIRED, REPLACED = "left", "expired", "replaced"
"""Why a session ended: its node left; it committed nothing for its timeout; its id or address joined again."""


class Endpoint(msgspec.Struct, frozen=True, array_like=True):
    """An address that clients use, for one listener."""

    listener: str
    host: str
    port: int


class Session(msgspec.Struct, frozen=True, array_like=True):
    """One life of one node, from joining to leaving or being fenced."""

    epoch: int
    node_id: int
    endpoints: tuple[Endpoint, ...]
    timeout_ms: int
    joined_ms: int
    level: int = 1
    """The highest feature level that the node understands."""


class Lease(msgspec.Struct, frozen=True, array_like=True):
    """Who holds a resource. The lease epoch is the number of the commit that granted it, so it only grows."""

    session_epoch: int
    lease_epoch: int


class SessionJoined(Fact, frozen=True, tag=40):
    epoch: int
    node_id: int
    endpoints: tuple[Endpoint, ...]
    timeout_ms: int
    level: int = 1


class SessionEnded(Fact, frozen=True, tag=41):
    """`reason` is LEFT, EXPIRED or REPLACED."""

    epoch: int
    reason: str


class LeaseTaken(Fact, frozen=True, tag=42):
    resource: str
    session_epoch: int


class LivenessSignalled(Fact, frozen=True, tag=43):
    """An idle node says that it is alive; the commit itself is the sign."""


class JoinSession(Proposal[int], frozen=True, tag=40):
    """Begin a session; the result is its epoch. Live sessions with the same id or address end in the same commit.

    A node id of None takes the id of the live session at this address, else the first free one. Refused with
    INVALID_REQUEST when every node id is taken.
    """

    needs_session: ClassVar[bool] = False
    node_id: int | None
    endpoints: tuple[Endpoint, ...]
    timeout_ms: int
    level: int = 1

    def validate(self, draft: Draft) -> tuple[Sequence[Fact], int]:
        sessions = draft[Sessions]
        addresses = {(endpoint.host, endpoint.port) for endpoint in self.endpoints}
        node_id = self.node_id
        ended: list[Fact] = []
        for session in sessions.live.values():
            same_address = any((endpoint.host, endpoint.port) in addresses for endpoint in session.endpoints)
            if same_address and node_id is None:
                node_id = session.node_id
            if same_address or session.node_id == self.node_id:
                ended.append(SessionEnded(session.epoch, REPLACED))
        if node_id is None:
            taken = {session.node_id for session in sessions.live.values()}
            node_id = next((i for i in range(1, NODES_MAX + 1) if i not in taken), None)
            if node_id is None:
                raise Refused(ErrorCode.INVALID_REQUEST, f"{counted(NODES_MAX, 'node')} are alive, which is the limit.")
        joined = SessionJoined(sessions.next_epoch, node_id, self.endpoints, self.timeout_ms, self.level)
        return [*ended, joined], sessions.next_epoch


class LeaveSession(Proposal[None], frozen=True, tag=41):
    """End the proposer's own session, so that other nodes take over at once."""

    def validate(self, draft: Draft) -> tuple[Sequence[Fact], None]:
        return ([SessionEnded(draft.epoch, LEFT)] if draft.epoch in draft[Sessions].live else []), None


class FenceSession(Proposal[None], frozen=True, tag=42):
    """End a session that has committed nothing since commit `seen`.

    Refused with INVALID_REQUEST when it has ended, or has committed since.
    """

    fenced_epoch: int
    seen: int

    def validate(self, draft: Draft) -> tuple[Sequence[Fact], None]:
        if draft[Sessions].signs.get(self.fenced_epoch) != self.seen:
            raise Refused(ErrorCode.INVALID_REQUEST, "This session has ended, or has committed meanwhile.")
        return [SessionEnded(self.fenced_epoch, EXPIRED)], None


class TakeLease(Proposal[int], frozen=True, tag=43):
    """Take a lease for the proposer's session; the result is the lease epoch. Only the rendezvous owner may.

    A resource that `stays` remains with the live session that holds it, whoever else joins. Taking a lease that the
    session holds already changes nothing. Refused with NOT_COORDINATOR for any other session.
    """

    resource: str
    stays: bool = False

    def validate(self, draft: Draft) -> tuple[Sequence[Fact], int]:
        sessions = draft[Sessions]
        owner = sessions.holder_or_owner(self.resource) if self.stays else sessions.owner(self.resource)
        if owner is None or owner.epoch != draft.epoch:
            raise Refused(ErrorCode.NOT_COORDINATOR, f"Another node is responsible for {self.resource}.")
        lease = sessions.leases.get(self.resource)
        if lease is not None and lease.session_epoch == draft.epoch:
            return [], lease.lease_epoch
        return [LeaseTaken(self.resource, draft.epoch)], draft.moment.number


class SignalLiveness(Proposal[None], frozen=True, tag=44):
    """Show that the proposer is alive, by a commit that changes nothing else."""

    def validate(self, draft: Draft) -> tuple[Sequence[Fact], None]:
        return [LivenessSignalled()], None


class SessionRow(msgspec.Struct, frozen=True, array_like=True, tag="session"):
    """A snapshot row: a live session and the number of its newest commit."""

    session: Session
    sign: int


class LeaseRow(msgspec.Struct, frozen=True, array_like=True, tag="lease"):
    """A snapshot row: a lease."""

    resource: str
    lease: Lease


class EpochRow(msgspec.Struct, frozen=True, array_like=True, tag="epoch"):
    """A snapshot row: the epoch that the next session will have."""

    next_epoch: int


class Sessions(Facet, name="sessions"):
    """The facet of sessions and leases."""

    ROW = SessionRow | LeaseRow | EpochRow

    def __init__(
        self,
        live: MutableMapping[int, Session] | None = None,
        signs: MutableMapping[int, int] | None = None,
        leases: MutableMapping[str, Lease] | None = None,
        next_epoch: int = 1,
    ) -> None:
        self.live: MutableMapping[int, Session] = {} if live is None else live
        """Live sessions by epoch."""
        self.signs: MutableMapping[int, int] = {} if signs is None else signs
        """The number of each live session's newest commit: its last sign of life."""
        self.leases: MutableMapping[str, Lease] = {} if leases is None else leases
        self.next_epoch = next_epoch
        self._owners: dict[str, Session | None] = {}

    def draft(self) -> "Sessions":
        return Sessions(Overlay(self.live), Overlay(self.signs), Overlay(self.leases), self.next_epoch)

    def controller(self) -> Session | None:
        """The live session that began first: the node that Metadata names as controller.

        It changes only when that session ends. A client that knows the cluster from before a node joined could not
        resolve the id of the new node, so a new node must not become the controller by joining.
        """
        return min(self.live.values(), key=lambda session: session.epoch, default=None)

    def owner(self, resource: str) -> Session | None:
        """The live session that may hold a resource; None while no node is alive."""
        if len(self._owners) > OWNERS_CACHED_MAX:
            self._owners.clear()
        if resource not in self._owners:
            self._owners[resource] = max(
                self.live.values(), key=lambda session: _weight(resource, session.node_id), default=None
            )
        return self._owners[resource]

    def holder_or_owner(self, resource: str) -> Session | None:
        """The live session that holds a resource which stays where it is; while none does, the one that may take it."""
        lease = self.leases.get(resource)
        holder = None if lease is None else self.live.get(lease.session_epoch)
        return self.owner(resource) if holder is None else holder

    def holds(self, epoch: int, resource: str, lease_epoch: int) -> bool:
        """Whether a live session holds a resource under exactly this lease."""
        lease = self.leases.get(resource)
        return (
            lease is not None
            and lease.session_epoch == epoch
            and lease.lease_epoch == lease_epoch
            and epoch in self.live
        )

    @folds(SessionJoined)
    def _join(self, fact: SessionJoined, moment: Moment, state: Facets) -> None:
        self.live[fact.epoch] = Session(
            fact.epoch, fact.node_id, fact.endpoints, fact.timeout_ms, moment.time_ms, fact.level
        )
        self.signs[fact.epoch] = moment.number
        self.next_epoch = fact.epoch + 1
        self._owners.clear()

    @folds(SessionEnded)
    def _end(self, fact: SessionEnded, moment: Moment, state: Facets) -> None:
        del self.live[fact.epoch]
        del self.signs[fact.epoch]
        self._owners.clear()
        for resource in [name for name, lease in self.leases.items() if lease.session_epoch == fact.epoch]:
            del self.leases[resource]

    @folds(LeaseTaken)
    def _take_lease(self, fact: LeaseTaken, moment: Moment, state: Facets) -> None:
        self.leases[fact.resource] = Lease(fact.session_epoch, moment.number)

    @folds(LivenessSignalled)
    def _signal(self, fact: LivenessSignalled, moment: Moment, state: Facets) -> None:
        """Nothing: State notes for every commit whose proposals it carries."""

    def freeze(self) -> Iterator[Sequence[SessionRow | LeaseRow | EpochRow]]:
        sessions = [SessionRow(session, self.signs[epoch]) for epoch, session in self.live.items()]
        yield [EpochRow(self.next_epoch), *sessions]
        yield from slices(LeaseRow(resource, lease) for resource, lease in self.leases.items())

    def restore(self, level: int, rows: Sequence[SessionRow | LeaseRow | EpochRow]) -> None:
        for row in rows:
            match row:
                case EpochRow():
                    self.next_epoch = row.next_epoch
                case SessionRow():
                    self.live[row.session.epoch] = row.session
                    self.signs[row.session.epoch] = row.sign
                case LeaseRow():
                    self.leases[row.resource] = row.lease
                case _:
                    assert_never(row)


def _weight(resource: str, node_id: int) -> bytes:
    return hashlib.blake2b(f"{node_id}/{resource}".encode(), digest_size=8).digest()
