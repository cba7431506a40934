"""A node whose session was ended while its store failed: it joins again, however often that fails at first."""

import pytest
import trio
from trio.testing import MockClock

from higgins.model.errors import StorageUnavailable
from tests.ledger.nodes import beside, running, until
from tests.storage.fakes import FakeStore


async def fails(key: str) -> None:
    raise StorageUnavailable("The bucket is out for lunch.")


async def works(key: str) -> None:
    return


async def test_a_node_joins_again_though_its_store_fails_for_a_while(autojump_clock: MockClock) -> None:
    store = FakeStore()
    times = {"session_timeout_ms": 1_000, "sign_interval_ms": 200}
    async with running(store, 9092, **times) as ledger, running(beside(store), 9093, **times) as other:
        earlier = ledger.session
        store.before_create = fails
        await until(lambda: ledger.session is None)
        assert other.session is not None and earlier is not None
        await trio.sleep(5)
        store.before_create = works
        await until(lambda: ledger.session is not None)
        assert ledger.session is not None and ledger.session.epoch > earlier.epoch


async def test_an_attempt_to_join_again_that_the_ledger_cannot_take_is_made_again(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = FakeStore()
    times = {"session_timeout_ms": 1_000, "sign_interval_ms": 200}
    async with running(store, 9092, **times) as ledger, running(beside(store), 9093, **times):
        keeper = ledger._keeper
        propose, attempts = keeper._proposer.propose, []

        async def too_busy(proposal: object) -> object:
            attempts.append(proposal)
            if len(attempts) <= 3:
                raise StorageUnavailable("Too many proposals are waiting for the store; try again.")
            return await propose(proposal)  # type: ignore[arg-type]

        store.before_create = fails
        await until(lambda: ledger.session is None)
        store.before_create = works
        monkeypatch.setattr(keeper._proposer, "propose", too_busy)
        await until(lambda: ledger.session is not None)
        assert len(attempts) >= 4
