"""Bugs to plant: each one patches the product for as long as a block lasts. A suite that convicts none proves nothing.

Not in the product, ever: no switch, no flag, no branch of it knows of these.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from higgins.ledger.commit import Commit
from higgins.ledger.committer import Committer, Outcome, Submission
from higgins.ledger.ledger import Ledger
from higgins.ledger.state.objects import ObjectPut
from higgins.ledger.state.offsets import CommitOffsets
from higgins.ledger.state.producers import PastBatch, ProducerKey, Producers
from higgins.ledger.state.runs import Append, DeleteRecords, RecordsDeleted
from higgins.ledger.state.state import State
from higgins.ledger.state.tasks import Tasks, TaskStep
from higgins.ledger.state.topics import ConfigureTopic, TopicConfigured
from higgins.model.errors import StorageUnavailable
from higgins.model.pointer import object_key
from tests.simulation.node import own_session_epoch

Patch = Callable[[], list[tuple[object, str, Any]]]


def _acknowledge_before_commit() -> list[tuple[object, str, Any]]:
    """Data is acknowledged as soon as it is judged; the commit follows, or another one wins its number."""
    take = Committer._take_queued
    draft = Committer._draft

    def take_queued(self: Committer) -> list[Submission]:
        submissions = take(self)
        for submission in submissions:
            submission.done = _once(submission.done)
        return submissions

    def drafted(self: Committer, submissions: list[Submission]) -> Any:
        made = draft(self, submissions)
        for submission, outcome in zip(submissions, made[1], strict=True):
            if outcome.error is None and isinstance(submission.proposal, Append | TaskStep | CommitOffsets):
                submission.done(outcome)
        return made

    return [(Committer, "_take_queued", take_queued), (Committer, "_draft", drafted)]


def _once(done: Callable[[Outcome], None]) -> Callable[[Outcome], None]:
    told: list[Outcome] = []

    def tell(outcome: Outcome) -> None:
        if not told:
            told.append(outcome)
            done(outcome)

    return tell


def _nonce_ignored() -> list[tuple[object, str, Any]]:
    """Whatever is found under the number that was tried counts as one's own."""
    return [(Committer, "is_ours", staticmethod(lambda found, commit: True))]


def _facts_for_nonce() -> list[tuple[object, str, Any]]:
    """A commit that says the same counts as one's own; two idle nodes say the same."""
    return [(Committer, "is_ours", staticmethod(lambda found, commit: found.head.facts == commit.head.facts))]


def _refusals_from_memory() -> list[tuple[object, str, Any]]:
    """Nobody looks at the tip before saying no, none, or where something ends."""

    async def barrier(self: Ledger) -> None:
        return

    return [(Ledger, "barrier", barrier)]


def _dedupe_in_memory() -> list[tuple[object, str, Any]]:
    """A node remembers the sequences of what it has committed itself, in this life, and of nothing else."""
    note, verdict, fold = Producers.note, Producers.verdict, State.fold
    writer = 0

    def folded(self: State, moment: Any, writer_epoch: int, *rest: Any) -> None:
        nonlocal writer
        writer = writer_epoch
        fold(self, moment, writer_epoch, *rest)
        writer = 0

    def noted(self: Producers, key: ProducerKey, epoch: int, batch: PastBatch, now_ms: int) -> None:
        if not writer or writer == own_session_epoch():
            note(self, key, epoch, batch, now_ms)

    def judged(self: Producers, key: ProducerKey, *rest: Any) -> int | None:
        return None if self.records.get(key) is None else verdict(self, key, *rest)

    return [(State, "fold", folded), (Producers, "note", noted), (Producers, "verdict", judged)]


def _object_deleted_on_ambiguous_commit() -> list[tuple[object, str, Any]]:
    """A create without an answer counts as failed, and what it would have pointed to is cleared away."""
    read_back = Committer._read_back

    async def cleared(self: Committer, commit: Commit) -> Commit | None:
        for fact in commit.head.facts:
            if isinstance(fact, ObjectPut):
                try:
                    await self._store.delete(object_key(fact.object_id))
                except StorageUnavailable:
                    continue
        return await read_back(self, commit)

    return [(Committer, "_read_back", cleared)]


def _task_compares_nothing() -> list[tuple[object, str, Any]]:
    """A task's epoch is taken whoever holds the lease and wherever it begins."""
    return [(TaskStep, "_check", lambda self, draft: None)]


def _log_starts_go_back() -> list[tuple[object, str, Any]]:
    """Whoever deletes last says where a log starts, though more was deleted before."""

    def validated(self: DeleteRecords, draft: Any) -> tuple[list[Any], int]:
        return [RecordsDeleted(self.topic_id, self.partition, self.offset)], self.offset

    return [(DeleteRecords, "validate", validated)]


def _operators_do_not_grow() -> list[tuple[object, str, Any]]:
    """Partitions are added to a topic alone, whoever derives from it."""
    return [(Tasks, "readers_of", lambda self, topic_id: [])]


def _configs_overwritten() -> list[tuple[object, str, Any]]:
    """A change of configs replaces what was there, though it was made from something older."""

    def validated(self: ConfigureTopic, draft: Any) -> tuple[list[Any], bool]:
        return [TopicConfigured(self.topic_id, self.after)], True

    return [(ConfigureTopic, "validate", validated)]


BUGS: dict[str, Patch] = {
    "acknowledge before commit": _acknowledge_before_commit,
    "nonce ignored": _nonce_ignored,
    "facts compared instead of nonces": _facts_for_nonce,
    "refusals from memory": _refusals_from_memory,
    "dedupe in memory": _dedupe_in_memory,
    "object deleted on an ambiguous commit": _object_deleted_on_ambiguous_commit,
    "a task compares neither lease nor offset": _task_compares_nothing,
    "log starts go back": _log_starts_go_back,
    "operators do not grow": _operators_do_not_grow,
    "configs are overwritten": _configs_overwritten,
}


@contextmanager
def planted(name: str) -> Iterator[None]:
    """The product with a bug in it."""
    patches = BUGS[name]()
    before = [(owner, attribute, vars(owner)[attribute]) for owner, attribute, _ in patches]
    for owner, attribute, value in patches:
        setattr(owner, attribute, value)
    try:
        yield
    finally:
        for owner, attribute, value in before:
            setattr(owner, attribute, value)
