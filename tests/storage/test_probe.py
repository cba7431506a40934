"""The probe refuses every store that would lose commits, with a message that says why and what to do."""

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
    """Accepts every create, like a service that ignores If-None-Match."""

    async def create(self, key: ObjectKey, pieces: Sequence[Buffer]) -> None:
        self.objects[key] = b"".join(pieces)


class OverwritesAndReportsConflict(FakeStore):
    """Overwrites on a second create and then answers with a conflict."""

    async def create(self, key: ObjectKey, pieces: Sequence[Buffer]) -> None:
        existed = key in self.objects
        self.objects[key] = b"".join(pieces)
        if existed:
            raise ObjectExists(key)


class CachesNotFound(FakeStore):
    """A cache in front of the store that repeats 'not found'."""

    def __init__(self) -> None:
        super().__init__()
        self.missed: set[str] = set()

    async def get(self, key: ObjectKey, *, durable: bool = False) -> memoryview:
        if key in self.missed:
            raise ObjectMissing(key)
        try:
            return await super().get(key, durable=durable)
        except ObjectMissing:
            self.missed.add(key)
            raise


class ListsLate(FakeStore):
    """Listings do not show new objects yet."""

    async def list(self, prefix: str, *, after: str = "", limit: int = 1000) -> list[ListedObject]:
        return []


class AnswersEveryRead(FakeStore):
    """A misconfigured proxy that answers every read with a page."""

    async def get(self, key: ObjectKey, *, durable: bool = False) -> memoryview:
        return memoryview(b"<html>welcome</html>")


class AlwaysReportsConflict(FakeStore):
    """Reports every key as existing."""

    async def create(self, key: ObjectKey, pieces: Sequence[Buffer]) -> None:
        raise ObjectExists(key)


async def test_a_correct_store_passes_and_no_probe_object_remains() -> None:
    store = FakeStore()
    await probe(store, "token")
    assert store.objects == {}


@pytest.mark.parametrize(
    ("store", "message"),
    [
        (IgnoresConditions(), "ignores 'create only if absent'"),
        (OverwritesAndReportsConflict(), "overwrote"),
        (CachesNotFound(), "right after it was created"),
        (ListsLate(), "does not list"),
        (AnswersEveryRead(), "never stored"),
        (AlwaysReportsConflict(), "nobody created"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, FakeStore) else "",
)
async def test_a_faulty_store_is_refused(store: FakeStore, message: str) -> None:
    with pytest.raises(Unfit, match=message):
        await probe(store, "token")


@pytest.mark.parametrize("hook", ["before_read", "before_create", "after_create"])
async def test_lost_answers_are_retried(autojump_clock: trio.testing.MockClock, hook: str) -> None:
    store = FakeStore()
    calls: list[str] = []

    async def lose_two(key: str) -> None:
        calls.append(key)
        if len(calls) <= 2:
            raise StorageUnavailable("connection reset")

    setattr(store, hook, lose_two)
    await probe(store, "token")
    assert len(calls) > 2 and store.objects == {}


async def test_an_unreachable_store_is_refused_with_its_error(autojump_clock: trio.testing.MockClock) -> None:
    store = FakeStore()

    async def fail(key: str) -> None:
        raise StorageUnavailable("connection refused")

    store.before_read = fail
    with pytest.raises(Unfit, match="connection refused"):
        await probe(store, "token")


async def test_a_store_that_never_answers_is_refused_after_the_deadline(autojump_clock: trio.testing.MockClock) -> None:
    store = FakeStore()

    async def hang(key: str) -> None:
        await trio.sleep_forever()

    store.before_create = hang
    with pytest.raises(Unfit, match="no answer within 30 s"):
        await probe(store, "token")
