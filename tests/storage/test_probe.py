"""The probe refuses every store that would lose something later, in a sentence that says why and what to do."""

from collections.abc import Sequence

import pytest
import trio
import trio.testing

from higgins.model.errors import ObjectExists, ObjectMissing, StorageUnavailable, Unfit
from higgins.model.pointer import Buffer, ObjectKey
from higgins.storage.probe import probe
from higgins.storage.store import ListedObject
from tests.storage.fakes import FakeStore


class IgnoresConditions(FakeStore):
    """Takes every create, as services do that do not know If-None-Match."""

    async def create(self, key: ObjectKey, pieces: Sequence[Buffer]) -> None:
        self.objects[key] = b"".join(pieces)


class SaysNoButOverwrites(FakeStore):
    """Answers a second create with a conflict after having done it."""

    async def create(self, key: ObjectKey, pieces: Sequence[Buffer]) -> None:
        was_there = key in self.objects
        self.objects[key] = b"".join(pieces)
        if was_there:
            raise ObjectExists(key)


class RemembersMisses(FakeStore):
    """A cache in front of a store that keeps saying 'not found'."""

    def __init__(self) -> None:
        super().__init__()
        self.missed: set[str] = set()

    async def get(self, key: ObjectKey, *, settled: bool = False) -> memoryview:
        if key in self.missed:
            raise ObjectMissing(key)
        try:
            return await super().get(key, settled=settled)
        except ObjectMissing:
            self.missed.add(key)
            raise


class ListsLate(FakeStore):
    """Listings that trail behind."""

    async def list(self, prefix: str, *, after: str = "", limit: int = 1000) -> list[ListedObject]:
        return []


class FindsEverything(FakeStore):
    """A misconfigured proxy that answers every read with a page of its own."""

    async def get(self, key: ObjectKey, *, settled: bool = False) -> memoryview:
        return memoryview(b"<html>welcome</html>")


class ConflictsAlways(FakeStore):
    """Creates of free keys come back as taken."""

    async def create(self, key: ObjectKey, pieces: Sequence[Buffer]) -> None:
        raise ObjectExists(key)


async def test_a_store_that_keeps_its_promises_passes_and_is_left_as_it_was() -> None:
    store = FakeStore()
    await probe(store, "token")
    assert store.objects == {}


@pytest.mark.parametrize(
    ("store", "sentence"),
    [
        (IgnoresConditions(), "ignores 'create only if absent'"),
        (SaysNoButOverwrites(), "overwrote"),
        (RemembersMisses(), "right after it was created"),
        (ListsLate(), "does not list"),
        (FindsEverything(), "nobody put"),
        (ConflictsAlways(), "nobody created"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, FakeStore) else "",
)
async def test_a_store_that_breaks_one_is_refused(store: FakeStore, sentence: str) -> None:
    with pytest.raises(Unfit, match=sentence):
        await probe(store, "token")


@pytest.mark.parametrize("moment", ["before_read", "before_create", "after_create"])
async def test_an_answer_lost_is_no_verdict(autojump_clock: trio.testing.MockClock, moment: str) -> None:
    store = FakeStore()
    calls: list[str] = []

    async def lose_two(key: str) -> None:
        calls.append(key)
        if len(calls) <= 2:
            raise StorageUnavailable("connection reset")

    setattr(store, moment, lose_two)
    await probe(store, "token")
    assert len(calls) > 2 and store.objects == {}


async def test_a_store_out_of_reach_is_refused_with_its_own_words(autojump_clock: trio.testing.MockClock) -> None:
    store = FakeStore()

    async def fail(key: str) -> None:
        raise StorageUnavailable("connection refused")

    store.before_read = fail
    with pytest.raises(Unfit, match="connection refused"):
        await probe(store, "token")


async def test_a_store_that_never_answers_is_given_up(autojump_clock: trio.testing.MockClock) -> None:
    store = FakeStore()

    async def hang(key: str) -> None:
        await trio.sleep_forever()

    store.before_create = hang
    with pytest.raises(Unfit, match="no answer within 30 s"):
        await probe(store, "token")
