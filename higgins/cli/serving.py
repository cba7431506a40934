"""A broker in this process, for `up` and `demo`: start it, stop it well on Ctrl-C or SIGTERM, say what it is."""

import os
import signal
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import trio

from higgins import __version__
from higgins.broker import Broker
from higgins.client.tasks import background
from higgins.config.addresses import Address
from higgins.runtime import Runtime, settle_memory, tune_interpreter
from higgins.settings import Flags, Settings, load
from higgins.telemetry.process import allow_open_files

EXIT_INTERRUPTED = 130


def settings_from(flags: Flags) -> Settings:
    """Settings from the flags, this process's environment and higgins.toml here. Raises: Unfit."""
    return load(flags, os.environ, Path())


@asynccontextmanager
async def serving(settings: Settings) -> AsyncIterator[Broker]:
    """A broker that answers, for as long as the block lasts; then it commits what is buffered and stops.

    Ctrl-C or SIGTERM ends the block; a second one ends the process without waiting. Raises: what stopped the broker.
    """
    tune_interpreter()
    allow_open_files()
    broker = Broker(Runtime(), settings)
    scopes = [trio.CancelScope(), trio.CancelScope()]
    starting, block = scopes
    with trio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
        async with background() as watch:
            watch.start_soon(_cancel_on_signal, signals, scopes)
            async with trio.open_nursery() as nursery:
                with starting:
                    await nursery.start(broker.run)
                if starting.cancelled_caught:
                    raise KeyboardInterrupt
                settle_memory()
                with block:
                    try:
                        yield broker
                    finally:
                        broker.stop()


async def _cancel_on_signal(signals: AsyncIterator[int], scopes: Sequence[trio.CancelScope]) -> None:
    interrupted = False
    async for _ in signals:
        if interrupted:
            os._exit(EXIT_INTERRUPTED)
        interrupted = True
        for scope in scopes:
            scope.cancel()


def describe(settings: Settings) -> list[str]:
    """What was started, in lines: version, store and its durability."""
    return [f"Higgins {__version__}", f"  store      {settings.store.url}: {durability(settings)}"]


def durability(settings: Settings) -> str:
    """What an acknowledgement is worth on this store."""
    url = settings.store.url
    if url.startswith("memory:"):
        return "in memory; everything is gone when this process ends"
    if "://" in url and not url.startswith("file:"):
        return "acknowledged once the object store has it"
    if settings.store.durability == "os":
        return "acknowledged once the operating system has it; a power failure may lose the last records"
    return "acknowledged once it is on disk (fsync)"


def bound_addresses(broker: Broker) -> list[tuple[Address, Address]]:
    """Each listener as it is bound, and as it is advertised."""
    return [
        (Address(one.host, one.port), Address(one.advertised_host, one.advertised_port)) for one in broker.listeners
    ]
