"""Bugs to plant in the product, to test that the simulation finds them. Each is a set of patches for one block.

The product has no switch for them: a bug replaces attributes of its classes from outside.
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
    """Records are acknowledged when their proposal is validate_without_check, before its commit has won its number."""
    take = Committer._take_queued
    draft = Committer._draft

    def take_queued(self: Committer) -> list[Submission]:
        submissions = take(self)
        for submission in submissions:
            submission.done = _once(submission.done)
        return submissions

    def acknowledge(self: Committer, submissions: list[Submission]) -> Any:
        drafted = draft(self, submissions)
        for submission, outcome in zip(submissions, drafted[1], strict=True):
            if outcome.error is None and isinstance(submission.proposal, Append | TaskStep | CommitOffsets):
                submission.done(outcome)
        return drafted

    return [(Committer, "_take_queued", take_queued), (Committer, "_draft", acknowledge)]


def _once(done: Callable[[Outcome], None]) -> Callable[[Outcome], None]:
    calls: list[Outcome] = []

    def call_once(outcome: Outcome) -> None:
        if not calls:
            calls.append(outcome)
            done(outcome)

    return call_once


def _nonce_ignored() -> list[tuple[object, str, Any]]:
    """A node takes any commit under the number that it tried for its own."""
    return [(Committer, "is_ours", staticmethod(lambda winner, commit: True))]


def _facts_for_nonce() -> list[tuple[object, str, Any]]:
    """A node takes a commit with equal facts for its own. The liveness signals of two idle nodes have equal facts."""
    return [(Committer, "is_ours", staticmethod(lambda winner, commit: winner.head.facts == commit.head.facts))]


def _refusals_from_memory() -> list[tuple[object, str, Any]]:
    """Reads and refusals are answered from a node's memory, without reading the newest commits first."""

    async def barrier(self: Ledger) -> None:
        return

    return [(Ledger, "barrier", barrier)]


def _dedupe_in_memory() -> list[tuple[object, str, Any]]:
    """A node knows only the producer sequences that it has committed itself since its start."""
    note, verdict, fold = Producers.note, Producers.verdict, State.fold
    writer = 0

    def fold_and_remember_writer(self: State, time: Any, writer_epoch: int, *rest: Any) -> None:
        nonlocal writer
        writer = writer_epoch
        fold(self, time, writer_epoch, *rest)
        writer = 0

    def note_own(self: Producers, key: ProducerKey, epoch: int, batch: PastBatch, now_ms: int) -> None:
        if not writer or writer == own_session_epoch():
            note(self, key, epoch, batch, now_ms)

    def verdict_if_known(self: Producers, key: ProducerKey, *rest: Any) -> int | None:
        return None if self.records.get(key) is None else verdict(self, key, *rest)

    return [
        (State, "fold", fold_and_remember_writer),
        (Producers, "note", note_own),
        (Producers, "verdict", verdict_if_known),
    ]


def _object_deleted_on_ambiguous_commit() -> list[tuple[object, str, Any]]:
    """A create without a response counts as failed, and the objects that its commit points to are deleted."""
    read_back = Committer._read_back

    async def delete_and_read_back(self: Committer, commit: Commit) -> Commit | None:
        for fact in commit.head.facts:
            if isinstance(fact, ObjectPut):
                try:
                    await self._store.delete(object_key(fact.object_id))
                except StorageUnavailable:
                    continue
        return await read_back(self, commit)

    return [(Committer, "_read_back", delete_and_read_back)]


def _task_compares_nothing() -> list[tuple[object, str, Any]]:
    """A task's step is accepted without comparing its lease and its input offsets."""
    return [(TaskStep, "_check", lambda self, draft: None)]


def _log_starts_go_back() -> list[tuple[object, str, Any]]:
    """DeleteRecords sets the log start offset even when it is higher already."""

    def validate_without_check(self: DeleteRecords, draft: Any) -> tuple[list[Any], int]:
        return [RecordsDeleted(self.topic_id, self.partition, self.offset)], self.offset

    return [(DeleteRecords, "validate", validate_without_check)]


def _operators_do_not_grow() -> list[tuple[object, str, Any]]:
    """Adding partitions to a topic does not add them to the topics derived from it."""
    return [(Tasks, "readers_of", lambda self, topic_id: [])]


def _configs_overwritten() -> list[tuple[object, str, Any]]:
    """A change of configs overwrites a concurrent change."""

    def validate_without_check(self: ConfigureTopic, draft: Any) -> tuple[list[Any], bool]:
        return [TopicConfigured(self.topic_id, self.after)], True

    return [(ConfigureTopic, "validate", validate_without_check)]


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
    """Patch a bug into the product for the duration of the block."""
    patches = BUGS[name]()
    originals = [(owner, attribute, vars(owner)[attribute]) for owner, attribute, _ in patches]
    for owner, attribute, value in patches:
        setattr(owner, attribute, value)
    try:
        yield
    finally:
        for owner, attribute, value in originals:
            setattr(owner, attribute, value)
