"""The footer of a segment, and waking waits for a partition."""

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from higgins.ledger.follower import QUIET_SHARE
from higgins.ledger.state.topics import DeleteTopic
from higgins.log.segment import FooterRow, footer, read_footer
from higgins.model.errors import Corrupt
from higgins.model.names import TopicId
from tests.ledger.nodes import TOPIC, beside
from tests.log.world import Log, running_log

ROWS = [FooterRow(TopicId(bytes([i]) * 16), i, 100 * i, 100, i) for i in range(5)]


def test_a_footer_is_read_from_the_end_of_its_segment() -> None:
    for rows in ([], ROWS):
        assert read_footer(b"batches" * 9 + footer(rows)) == rows


def test_the_layout_of_a_footer_is_fixed() -> None:
    row = footer(ROWS[1:2])
    assert row == bytes.fromhex("91 95 c4 10" + "01" * 16 + "01 64 64 01" + "00000018") + b"HGD2"


def test_a_damaged_footer_raises_corrupt() -> None:
    data = footer(ROWS)
    for damaged in (b"", data[:5], data[:-1], data[1:], data[:-8] + b"\xff\xff\xff\xff" + data[-4:]):
        with pytest.raises(Corrupt):
            read_footer(damaged)


async def wait_for(log: Log, partitions: list[int], woken: list[float]) -> None:
    event = trio.Event()
    keys = [(TOPIC, partition) for partition in partitions]
    log.watch.arm(keys, event)
    try:
        await event.wait()
        woken.append(trio.current_time())
    finally:
        log.watch.disarm(keys, event)


async def test_a_wait_ends_with_a_commit_to_its_partitions_only(autojump_clock: MockClock) -> None:
    async with running_log(partitions=3) as log, trio.open_nursery() as nursery:
        woken: list[float] = []
        nursery.start_soon(wait_for, log, [0, 2], woken)
        await trio.sleep(1)
        await log.put(partition=1).result()
        await trio.sleep(1)
        assert woken == []
        await log.put(partition=2).result()
        await wait_all_tasks_blocked()
        assert woken == [2.0]


async def test_every_wait_is_woken(autojump_clock: MockClock) -> None:
    async with running_log() as log, trio.open_nursery() as nursery:
        woken: list[float] = []
        for _ in range(10):
            nursery.start_soon(wait_for, log, [0], woken)
        await wait_all_tasks_blocked()
        assert log.ledger.watchers == 10
        await log.put().result()
        await wait_all_tasks_blocked()
        assert len(woken) == 10 and log.ledger.watchers == 0


async def test_a_cancelled_wait_is_removed(autojump_clock: MockClock) -> None:
    async with running_log() as log:
        woken: list[float] = []
        with trio.move_on_after(1):
            await wait_for(log, [0], woken)
        await log.put().result()
        assert woken == [] and log.ledger.watchers == 0


async def test_deleting_a_topic_wakes_its_waits(autojump_clock: MockClock) -> None:
    async with running_log(partitions=2) as log, trio.open_nursery() as nursery:
        woken: list[float] = []
        nursery.start_soon(wait_for, log, [1], woken)
        await wait_all_tasks_blocked()
        await log.ledger.propose(DeleteTopic(TOPIC))
        await wait_all_tasks_blocked()
        assert len(woken) == 1


async def test_a_commit_of_another_node_wakes_after_a_share_of_the_silence(autojump_clock: MockClock) -> None:
    async with running_log() as log, running_log(beside(log.store), port=9093) as other, trio.open_nursery() as nursery:
        woken: list[float] = []
        # The idle follower polls once a second; a wait shortens that pause at whatever point of it the wait starts.
        for phase_s in (0.0, 0.3, 0.7):
            await trio.sleep(2 + phase_s)
            nursery.start_soon(wait_for, other, [0], woken)
            await trio.sleep(0.05)
            put_s = trio.current_time()
            await log.put().result()
            await trio.sleep(0.5)
            # The other node was silent since its last commit, in the round before.
            silence_s = 2 + phase_s + 0.05 + 0.5
            assert woken.pop() - put_s <= 0.02 + QUIET_SHARE * silence_s


async def test_nothing_is_kept_of_waits_that_ended(autojump_clock: MockClock) -> None:
    async with running_log(partitions=3) as log:
        keys = [(TOPIC, partition) for partition in (0, 0, 1, 2)]
        first, second = trio.Event(), trio.Event()
        log.watch.arm(keys, first)
        log.watch.arm(keys[2:], second)
        log.watch.disarm(keys, first)
        await log.put(partition=2).result()
        assert second.is_set() and not first.is_set()
        log.watch.disarm(keys[2:], second)
        assert not log.watch._armed and not log.watch._armed_partitions and not log.ledger.watchers


def test_a_footer_with_another_magic_number_raises_corrupt() -> None:
    with pytest.raises(Corrupt, match="magic"):
        read_footer(footer(ROWS)[:-4] + b"HGD1")
