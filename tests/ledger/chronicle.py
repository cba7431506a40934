"""State moved by proposals, one commit after another, without a store: for tests of folds and validation."""

from collections.abc import Sequence
from typing import Any

import msgspec

from higgins.ledger.snapshot import decode, digest, encode, freeze, thaw
from higgins.ledger.state.base import Fact, Moment, Proposal
from higgins.ledger.state.identities import Resolved
from higgins.ledger.state.runs import INLINE, Append, BatchEntry
from higgins.ledger.state.sessions import Endpoint, JoinSession, TakeLease
from higgins.ledger.state.state import State
from higgins.ledger.state.topics import CreateTopic
from higgins.ledger.state.validate import FormCluster, validate
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

    def commit(self, *proposals: Proposal, payload_bytes: Sequence[int] = ()) -> list[Any]:
        """One commit of all proposals: their results, with a Refused in the place of what was refused."""
        draft = self.state.draft(self.epoch, self.now_ms)
        results: list[Any] = []
        resolved: list[Resolved] = []
        for i, proposal in enumerate(proposals):
            self.counter += 1
            before = digest(self.state)
            try:
                result = validate(draft, proposal, payload_bytes[i] if payload_bytes else 0)
            except Refused as refusal:
                results.append(refusal)
            else:
                results.append(result)
                resolved.append(Resolved(self.counter, result))
            assert digest(self.state) == before, "validation touched State itself"
        self.fold(draft.facts, draft.moment, tuple(resolved))
        return results

    def fold(self, facts: Sequence[Fact], moment: Moment, resolved: tuple[Resolved, ...] = ()) -> None:
        floor = self.counter - len(resolved) + 1
        self.state.fold(tuple(facts), moment, floor, resolved)  # type: ignore[arg-type]
        self.state.hash = moment.number.to_bytes(32, "big")

    def one(self, proposal: Proposal, payload_bytes: int = 0) -> Any:
        """The result of a proposal committed alone. Raises: Refused."""
        (result,) = self.commit(proposal, payload_bytes=(payload_bytes,))
        if isinstance(result, Refused):
            raise result
        return result

    def refusal(self, proposal: Proposal) -> ErrorCode:
        """The code with which a proposal is refused."""
        (result,) = self.commit(proposal)
        assert isinstance(result, Refused), f"{proposal!r} was not refused but gave {result!r}"
        assert result.message.endswith((".", "list")) or ": " in result.message, result.message
        return result.code

    def join(self, port: int, node_id: int | None = None, host: str = "127.0.0.1") -> int:
        epoch: int = self.one(JoinSession(node_id, (Endpoint("PLAIN", host, port),), 10_000))
        return epoch

    def lease(self, resource: str) -> int:
        lease_epoch: int = self.one(TakeLease(resource, self.epoch))
        return lease_epoch

    def topic(self, name: str, partitions: int = 1, **rest: Any) -> TopicId:
        topic_id = TopicId(name.encode().ljust(16, b"."))
        self.one(CreateTopic(name, topic_id, partitions, **rest))
        return topic_id

    def restored(self) -> "Chronicle":
        """The same, after a restart from a snapshot."""
        data = encode(freeze(self.state))
        again = Chronicle.__new__(Chronicle)
        again.state = thaw(decode(memoryview(data)))
        again.now_ms, again.epoch, again.counter = self.now_ms, self.epoch, self.counter
        return again


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
