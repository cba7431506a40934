"""State moved by proposals, one commit after another, without a store: for tests of folds and validation."""

from collections.abc import Sequence
from typing import Any

import msgspec

from higgins.ledger.snapshot import (
    decode_snapshot,
    digest,
    empty_state,
    encode_snapshot,
    freeze,
    restore_blocks,
    take_blocks,
)
from higgins.ledger.state.append import INLINE, BatchEntry
from higgins.ledger.state.base import Fact, Moment, Proposal
from higgins.ledger.state.cluster import FormCluster
from higgins.ledger.state.facets import decode_proposal, encode_proposal
from higgins.ledger.state.identities import Part, Resolved
from higgins.ledger.state.runs import Append
from higgins.ledger.state.sessions import Endpoint, JoinSession, LeaveSession, TakeLease
from higgins.ledger.state.state import State
from higgins.ledger.state.tasks import TaskStep
from higgins.ledger.state.topics import CreateTopic
from higgins.model.errors import Refused
from higgins.model.names import TopicId
from higgins.model.pointer import ObjectId
from higgins_protocol.errors import ErrorCode

NOON_MS = 1_700_000_000_000


class Chronicle:
    """A State and the clock of whoever commits to it."""

    def __init__(self) -> None:
        self.state = State()
        self.now_ms = NOON_MS
        self.epoch = 0
        self.counter = 0
        self.commit(FormCluster("cluster"))
        self.epoch = self.join(9092)

    def commit(self, *proposals: Proposal[Any], payload_bytes: Sequence[int] = ()) -> list[Any]:
        """One commit of all proposals: their results, with a Refused in the place of what was refused."""
        draft = self.state.draft(self.now_ms)
        results: list[Any] = []
        resolved: list[Resolved] = []
        for i, proposal in enumerate(proposals):
            self.counter += 1
            before = digest(self.state)
            try:
                # As it travels: what cannot be sent cannot be proposed.
                sent = decode_proposal(encode_proposal(proposal))
                assert sent == proposal
                stored = payload_bytes[i] if payload_bytes else payload_of(proposal)
                result = draft.validate(sent, self.epoch, stored)
            except Refused as refusal:
                results.append(refusal)
            else:
                results.append(result)
                resolved.append(Resolved(self.counter, result))
            assert digest(self.state) == before, "validation touched State itself"
        self.fold(draft.facts, draft.moment, tuple(resolved), draft.payload_bytes)
        return results

    def fold(
        self, facts: Sequence[Fact], moment: Moment, resolved: tuple[Resolved, ...] = (), payload_bytes: int = 0
    ) -> None:
        part = Part(self.epoch, self.counter - len(resolved) + 1, resolved)
        self.state.fold(moment, self.epoch, (part,), facts, payload_bytes)
        self.state.hash = moment.number.to_bytes(32, "big")

    def one(self, proposal: Proposal[Any], payload_bytes: int | None = None) -> Any:
        """The result of a proposal committed alone. Raises: Refused."""
        (result,) = self.commit(proposal, payload_bytes=() if payload_bytes is None else (payload_bytes,))
        if isinstance(result, Refused):
            raise result
        return result

    def refusal(self, proposal: Proposal[Any]) -> ErrorCode:
        """The code with which a proposal is refused."""
        (result,) = self.commit(proposal)
        assert isinstance(result, Refused), f"{proposal!r} was not refused but gave {result!r}"
        assert result.message.endswith((".", "list")) or ": " in result.message, result.message
        return result.code

    def join(self, port: int, node_id: int | None = None, host: str = "127.0.0.1") -> int:
        epoch: int = self.one(JoinSession(node_id, (Endpoint("PLAIN", host, port),), 10_000))
        return epoch

    def leave(self, epoch: int) -> None:
        """The node of a session leaves."""
        own, self.epoch = self.epoch, epoch
        self.one(LeaveSession())
        self.epoch = own

    def lease(self, resource: str) -> int:
        lease_epoch: int = self.one(TakeLease(resource))
        return lease_epoch

    def topic(self, name: str, partitions: int = 1, **rest: Any) -> TopicId:
        topic_id = TopicId(name.encode().ljust(16, b"."))
        self.one(CreateTopic(name, topic_id, partitions, **rest))
        return topic_id

    def restored(self) -> "Chronicle":
        """The same, after a restart from a snapshot."""
        again = Chronicle.__new__(Chronicle)
        again.state = state_from(snapshot_of(self.state))
        again.now_ms, again.epoch, again.counter = self.now_ms, self.epoch, self.counter
        return again


def payload_of(proposal: Proposal[Any]) -> int:
    """How many bytes of inline payload come with a proposal."""
    appends: Sequence[Append] = ()
    if isinstance(proposal, Append):
        appends = (proposal,)
    elif isinstance(proposal, TaskStep):
        appends = proposal.appends
    return sum(batch.length for append in appends if append.object_id == INLINE for batch in append.batches)


def snapshot_of(state: State) -> bytes:
    """A snapshot object without parts."""
    frozen = freeze(state)
    return encode_snapshot(frozen, (), take_blocks(frozen, 1 << 40))


def state_from(data: bytes) -> State:
    """State from a snapshot object without parts."""
    head, blocks = decode_snapshot(memoryview(data))
    assert not head.parts
    state = empty_state(head)
    restore_blocks(state, blocks)
    return state


def live_of(chronicle: Chronicle, object_id: ObjectId) -> int:
    """How many pointers lead into an object."""
    record = chronicle.state.objects.get(object_id)
    return record.live if record is not None else 0


def plain(count: int, position: int = 0, length: int = 100, max_timestamp: int = NOON_MS) -> BatchEntry:
    """A batch of a producer without an id."""
    return BatchEntry(position, length, count, max_timestamp)


def idempotent(producer_id: int, sequence: int, count: int = 1, epoch: int = 0, position: int = 0) -> BatchEntry:
    """A batch of an idempotent producer."""
    return BatchEntry(position, 100, count, NOON_MS, producer_id, epoch, sequence)


def append(
    topic_id: TopicId, *batches: BatchEntry, partition: int = 0, object_id: ObjectId = INLINE, length: int = 0
) -> Append:
    """An append whose batches lie side by side."""
    placed: list[BatchEntry] = []
    position = batches[0].position
    for batch in batches:
        placed.append(msgspec.structs.replace(batch, position=position))
        position += batch.length
    return Append(topic_id, partition, object_id, length, tuple(placed))
