"""The whole broker on a store in memory and a clock that jumps; a test starts it and connects as often as it likes."""

from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
import pytest
import trio
import trio.testing

from higgins.broker import Broker
from higgins.config.broker import BrokerConfig
from higgins.server.settings import ServerSettings
from higgins.server.transport import StreamTransport
from higgins.settings import Settings
from higgins.storage.memory import memory_store
from higgins.storage.settings import StoreSettings
from higgins.storage.store import Store
from tests.broker.peer import Peer, StoryRuntime


class House:
    """A broker that runs, and its door."""

    def __init__(self, broker: Broker) -> None:
        self.broker = broker

    def connect(self, listener: str | None = None) -> Peer:
        return Peer(self.broker.connect(listener))

    def connect_in_lockstep(self) -> Peer:
        """A connection without a buffer: who sends waits until the other side has taken it."""
        ours, theirs = trio.testing.lockstep_stream_pair()
        assert self.broker._clients is not None and self.broker._server is not None
        serve, listener = self.broker._server.serve, self.broker.listeners[0]
        self.broker._clients.start_soon(serve, StreamTransport(theirs), listener)
        return Peer(ours)


Start = Callable[..., Awaitable[House]]


@pytest.fixture
def store() -> Store:
    return memory_store(StoryRuntime(), StoreSettings(url="memory://"))


@pytest.fixture
async def start(nursery: trio.Nursery, autojump_clock: trio.testing.MockClock, store: Store) -> Start:
    """Start a broker; keyword arguments are the broker's config, `server` the bounds of its connections."""

    async def start_broker(*, server: ServerSettings | None = None, store: Store = store, **config: Any) -> House:
        given = {"partitions_default": 4, **config}
        settings = Settings(server=server or ServerSettings(), broker=msgspec.convert(given, BrokerConfig))
        broker = Broker(StoryRuntime(), settings, store=store)
        await nursery.start(broker.run)
        return House(broker)

    return start_broker


@pytest.fixture
async def peer(start: Start) -> Peer:
    """A connection to a broker with nothing in it but the topic `t` of one partition."""
    found = (await start()).connect()
    await found.create("t")
    return found
