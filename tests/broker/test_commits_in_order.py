"""Offsets that a connection commits without waiting for answers: the last one stands, whatever the group's state."""

from collections.abc import Sequence
from typing import Any

import msgspec
import pytest
import trio

from higgins.model.pointer import Buffer, ObjectKey
from higgins.storage.store import Store
from higgins_protocol.messages.join_group import JoinGroupRequest, JoinGroupRequestProtocol
from higgins_protocol.messages.leave_group import LeaveGroupRequest
from higgins_protocol.messages.offset_commit import (
    OffsetCommitRequest,
    OffsetCommitRequestPartition,
    OffsetCommitRequestTopic,
)
from higgins_protocol.messages.offset_fetch import OffsetFetchRequest
from higgins_protocol.messages.sync_group import SyncGroupRequest
from higgins_protocol.registry import decode_response, encode_request

COMMITS = 12
ROUNDS = 24
"""Tasks that are started together run in an order drawn by lot: one round would be right by chance."""


def commit_request(group, offset, generation=-1, member_id=""):
    topic = OffsetCommitRequestTopic("t", [OffsetCommitRequestPartition(0, offset)])
    return OffsetCommitRequest(group, generation, member_id, topics=[topic])


async def commit_without_waiting(peer, group, *member):
    """Commit offsets 1 to COMMITS; what stands afterwards."""
    for offset in range(1, COMMITS + 1):
        await peer.send(commit_request(group, offset, *member), 2)
    for _ in range(COMMITS):
        (topic,) = (await peer.receive()).topics
        assert [row.error_code for row in topic.partitions] == [0]
    return await committed(peer, group)


async def committed(peer, group):
    (topic,) = (await peer.ask(OffsetFetchRequest(group, None), 5)).topics
    return [row.committed_offset for row in topic.partitions]


async def join(peer, group):
    """The generation and the id of a group's one member."""
    wanted = [JoinGroupRequestProtocol("range", b"")]
    joined = await peer.ask(JoinGroupRequest(group, 30_000, 30_000, protocol_type="consumer", protocols=wanted), 1)
    synced = await peer.ask(SyncGroupRequest(group, joined.generation_id, joined.member_id), 1)
    assert synced.error_code == 0
    return joined.generation_id, joined.member_id


async def test_the_last_commit_of_a_group_nobody_knew_stands(autojump_clock, peer):
    found = [await commit_without_waiting(peer, f"new-{n}") for n in range(ROUNDS)]
    assert found == [[COMMITS]] * ROUNDS


async def test_the_last_commit_of_a_group_that_is_known_stands(autojump_clock, peer):
    found = [await commit_without_waiting(peer, "g") for _ in range(ROUNDS)]
    assert found == [[COMMITS]] * ROUNDS


async def test_the_last_commit_of_a_member_stands(autojump_clock, peer):
    member = await join(peer, "g")
    found = [await commit_without_waiting(peer, "g", *member) for _ in range(ROUNDS)]
    assert found == [[COMMITS]] * ROUNDS


@pytest.mark.parametrize("n", range(6))
async def test_who_commits_and_leaves_without_waiting_has_committed(autojump_clock, peer, n):
    generation, member_id = await join(peer, "g")
    asked = [
        (8, 2, commit_request("g", 5, generation, member_id)),
        (13, 1, LeaveGroupRequest("g", member_id)),
    ]
    # In one write, so that both are there before anything is done.
    await peer.send_bytes(b"".join(b"".join(encode_request(key, version, key, "c", it)) for key, version, it in asked))
    frames = [memoryview(await peer.receive_frame()) for _ in asked]
    committing, leaving = (decode_response(*one[:2], frame)[1] for one, frame in zip(asked, frames, strict=True))
    assert [row.error_code for topic in committing.topics for row in topic.partitions] == [0]
    assert leaving.error_code == 0
    assert await committed(peer, "g") == [5]


class Slow:
    """A store as far away as a bucket."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.traits = msgspec.structs.replace(store.traits, reads_are_direct=False)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def create_nowait(self, key: ObjectKey, pieces: Sequence[Buffer]) -> bool:
        return False

    async def create(self, key: ObjectKey, pieces: Sequence[Buffer]) -> None:
        await trio.sleep(0.05)
        await self._store.create(key, pieces)


async def test_who_asks_after_a_commit_without_waiting_is_told_of_it(autojump_clock, start, store):
    peer = (await start(store=Slow(store))).connect()
    await peer.create("t")
    await peer.ask(commit_request("g", 0), 2)
    for offset in range(1, COMMITS + 1):
        await peer.send(commit_request("g", offset), 2)
    await peer.send(OffsetFetchRequest("g", None), 5)
    *_, told = [await peer.receive() for _ in range(COMMITS + 1)]
    assert [row.committed_offset for row in told.topics[0].partitions] == [COMMITS]
