"""A broker in this process, for `up` and `demo`: starting, stopping on Ctrl-C or SIGTERM, and its description."""

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
    """A running broker. When the block ends, it commits what is buffered and stops.

    Ctrl-C or SIGTERM ends the block; a second one ends the process at once. Raises: the error that stopped the broker.
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
    """Version, store and durability, in lines."""
    return [f"Higgins {__version__}", f"  store      {settings.store.url}: {durability(settings)}"]


def durability(settings: Settings) -> str:
    """What an acknowledgement means on this store."""
    url = settings.store.url
    if url.startswith("memory:"):
        return "in memory; everything is gone when this process ends"
    if "://" in url and not url.startswith("file:"):
        return "acknowledged once the object store has it"
    if settings.store.durability == "os":
        return "acknowledged once the operating system has it; a power failure may lose the last records"
    return "acknowledged once it is on disk (fsync)"


def bound_addresses(broker: Broker) -> list[tuple[Address, Address]]:
    """The bound and the advertised address of each listener."""
    return [
        (Address(one.host, one.port), Address(one.advertised_host, one.advertised_port)) for one in broker.listeners
    ]
