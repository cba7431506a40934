"""Ledgers of several nodes over one bucket of fakes, on a virtual clock."""

from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from typing import Any, TypeVar, TypeVarTuple

import msgspec
import trio

from higgins.ledger.commit import Commit, commit_key, commit_number_in, decode_commit
from higgins.ledger.committer import Outcome
from higgins.ledger.ledger import Ledger, open_ledger
from higgins.ledger.settings import LedgerSettings
from higgins.ledger.state.sessions import Endpoint
from higgins.ledger.state.topics import CreateTopic
from higgins.model.names import TopicId
from higgins.runtime import Runtime
from higgins.storage.store import Store
from tests.ledger.chronicle import append, plain
from tests.storage.fakes import TRAITS, FakeStore

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

TOPIC = TopicId(b"topic".ljust(16, b"."))
BATCH = bytes(100)


class StillRuntime(Runtime):
    """No threads: a clock that jumps whenever all tasks sleep would outrun them."""

    def now_ms(self) -> int:
        return 1_700_000_000_000 + int(trio.current_time() * 1000)

    async def offload(self, limiter: str, function: Callable[[*Ts], T], *args: *Ts) -> T:
        await trio.lowlevel.checkpoint()
        return function(*args)


@asynccontextmanager
async def running(store: Store, port: int = 9092, **settings: Any) -> AsyncIterator[Ledger]:
    """A node's ledger that has joined; on leaving, it dies where it stands."""
    ledger = await open_ledger(StillRuntime(), store, LedgerSettings(**settings))
    async with trio.open_nursery() as nursery:
        await nursery.start(ledger.run)
        await ledger.join((Endpoint("PLAIN", "127.0.0.1", port),), "cluster")
        yield ledger
        nursery.cancel_scope.cancel()


def beside(store: FakeStore) -> FakeStore:
    """The same bucket as another node sees it."""
    return FakeStore(msgspec.structs.replace(TRAITS), store.objects)


async def make_topic(ledger: Ledger, partitions: int = 1) -> None:
    await ledger.propose(CreateTopic("t", TOPIC, partitions))


async def put(ledger: Ledger, count: int = 1, partition: int = 0) -> Any:
    """Append a batch inline; its base offset or minus an error code. Raises: what the outcome says."""
    finished = trio.Event()
    outcomes: list[Outcome] = []

    def done(outcome: Outcome) -> None:
        outcomes.append(outcome)
        finished.set()

    ledger.submit(append(TOPIC, plain(count), partition=partition), done, (BATCH,))
    await finished.wait()
    if outcomes[0].error is not None:
        raise outcomes[0].error
    return outcomes[0].result[0]


def commits(store: FakeStore) -> list[Commit]:
    """All commits in the bucket, in order."""
    numbers = sorted(filter(None, map(commit_number_in, store.objects)))
    return [decode_commit(memoryview(store.objects[commit_key(number)]), number) for number in numbers]


def facts(store: FakeStore, kind: type) -> list[Any]:
    """All facts of a kind in the bucket, in order."""
    found: Iterable[Any] = (fact for commit in commits(store) for fact in commit.head.facts)
    return [fact for fact in found if isinstance(fact, kind)]


async def until(condition: Callable[[], bool]) -> None:
    """Wait for something that is bound to become true; virtual time costs nothing."""
    with trio.fail_after(120):
        while not condition():
            await trio.sleep(0.01)
