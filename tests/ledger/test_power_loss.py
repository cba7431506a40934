"""A store where an object can be visible before it is durable, as in a directory. What a node acts on must not be lost.

A create links the file and then syncs the folder. A process that dies in between leaves a commit that others can read
and that a power loss takes away. So a node reads a commit durably before it folds it as the newest one.
"""

from collections.abc import Sequence

import trio
from trio.testing import MockClock

from higgins.ledger.commit import commit_key
from higgins.ledger.ledger import open_ledger
from higgins.ledger.settings import LedgerSettings
from higgins.model.errors import StorageUnavailable
from higgins.model.pointer import Buffer, ObjectKey
from tests.ledger.nodes import StillRuntime, make_topic, put, running
from tests.storage.fakes import FakeStore


class Disk:
    """What all processes of a machine see, and what of it would survive a power loss."""

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}
        self.unsynced: set[str] = set()
        self.syncs = True
        """Whether creates sync the folder; if not, the process dies before it can."""

    def lose_power(self) -> None:
        for key in self.unsynced:
            del self.objects[key]
        self.unsynced.clear()


class DiskStore(FakeStore):
    """One process's store on the disk."""

    def __init__(self, disk: Disk) -> None:
        super().__init__(objects=disk.objects)
        self._disk = disk

    async def create(self, key: ObjectKey, pieces: Sequence[Buffer]) -> None:
        if key not in self._disk.objects and not self._disk.syncs:
            self._disk.unsynced.add(key)
        await super().create(key, pieces)

    async def get(self, key: ObjectKey, *, durable: bool = False) -> memoryview:
        data = await super().get(key, durable=durable)
        if durable:
            # Syncing a folder syncs every name in it.
            self._disk.unsynced.clear()
        return data


async def half_committed(disk: Disk) -> int:
    """A ledger whose last commit is visible and not durable; its number."""
    async with running(DiskStore(disk)) as ledger:
        await make_topic(ledger)
        for _ in range(4):
            await put(ledger)
        disk.syncs = False
        await put(ledger)
        number = ledger.state.number
    disk.syncs = True
    assert disk.unsynced == {commit_key(number)}
    return number


async def test_what_a_node_has_loaded_at_its_start_survives_a_power_loss(autojump_clock: MockClock) -> None:
    disk = Disk()
    number = await half_committed(disk)
    ledger = await open_ledger(StillRuntime(), DiskStore(disk), LedgerSettings())
    assert ledger.state.number == number
    disk.lose_power()
    assert commit_key(ledger.state.number) in disk.objects


async def test_without_a_reader_the_power_loss_takes_the_commit_away(autojump_clock: MockClock) -> None:
    # The disk of these tests is as strict as it says.
    disk = Disk()
    number = await half_committed(disk)
    disk.lose_power()
    ledger = await open_ledger(StillRuntime(), DiskStore(disk), LedgerSettings())
    assert ledger.state.number == number - 1


async def test_what_a_node_has_followed_survives_a_power_loss(autojump_clock: MockClock) -> None:
    disk = Disk()
    async with running(DiskStore(disk), 9093) as reader, running(DiskStore(disk)) as writer:
        await make_topic(writer)
        await reader.barrier()
        for look in ("a barrier", "the follower", "a barrier for several"):
            disk.syncs = False
            for _ in range(1 if look == "the follower" else 3):
                await put(writer)
            assert disk.unsynced
            disk.syncs = True
            if look == "the follower":
                await trio.sleep(3)
            else:
                await reader.barrier()
            assert reader.state.number >= writer.state.number
            disk.lose_power()
            assert commit_key(reader.state.number) in disk.objects, look


async def test_a_commit_whose_answer_was_lost_is_durable_before_it_is_acknowledged(autojump_clock: MockClock) -> None:
    disk = Disk()
    store = DiskStore(disk)
    async with running(store) as ledger:
        await make_topic(ledger)
        lost: list[str] = []

        async def lose(key: str) -> None:
            if not lost:
                lost.append(key)
                raise StorageUnavailable("the answer was lost")

        disk.syncs = False
        store.after_create = lose
        assert await put(ledger) == 0
        number = ledger.state.number
        disk.lose_power()
        assert commit_key(number) in disk.objects
