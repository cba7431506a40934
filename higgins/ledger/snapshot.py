"""Snapshots: State at a commit, create-only, with a digest. A restart reads the newest good one and the tail.

Layout: magic (4), SHA-256 of the body (32), the body as MessagePack. Made off the loop from a frozen view of State.
"""

import hashlib
from typing import Any

import msgspec

from higgins.ledger.state.configs import Configs, FrozenConfigs
from higgins.ledger.state.groups import GroupRecord, Groups
from higgins.ledger.state.identities import Identities
from higgins.ledger.state.objects import Objects
from higgins.ledger.state.offsets import OffsetEntry, Offsets
from higgins.ledger.state.producers import Grant, ProducerKey, ProducerRecord, Producers
from higgins.ledger.state.runs import Runs
from higgins.ledger.state.sessions import Lease, Session, Sessions
from higgins.ledger.state.state import State
from higgins.ledger.state.tasks import TaskProgress, Tasks, TaskSet
from higgins.ledger.state.topics import Topic, Topics
from higgins.model.errors import Corrupt, ObjectExists, ObjectMissing
from higgins.model.names import TopicId
from higgins.model.pointer import ObjectKey
from higgins.runtime import Runtime
from higgins.storage.store import Store

MAGIC = b"HGS1"
FOLDER = "ledger/snapshots/"
KEPT = 2
_DIGEST_BYTES = 32


class FrozenState(msgspec.Struct, frozen=True, array_like=True):
    """State as it is stored; fields are only ever added at the end, with a default."""

    level: int
    number: int
    hash: bytes
    time_ms: int
    cluster_id: str
    topics: list[Topic]
    objects: list[tuple[int, int, int]]
    producers: tuple[int, tuple[Grant, ...], list[tuple[ProducerKey, ProducerRecord]]]
    runs: list[tuple[TopicId, int, int, list[list[Any]]]]
    sessions: tuple[int, list[Session], list[tuple[int, int]], list[tuple[str, Lease]]]
    groups: list[tuple[str, GroupRecord]]
    offsets: list[tuple[str, list[tuple[TopicId, int, OffsetEntry]]]]
    tasks: tuple[int, bytes, list[TaskSet], list[tuple[str, int, TaskProgress]]]
    identities: list[tuple[int, list[tuple[int, Any]]]]
    configs: FrozenConfigs = (0, [])
    log_starts: list[tuple[TopicId, int, int]] = []


_DECODER = msgspec.msgpack.Decoder(FrozenState)


def snapshot_key(number: int) -> ObjectKey:
    """Where the snapshot at a commit lies."""
    return ObjectKey(f"{FOLDER}{number:012d}")


def freeze(state: State) -> FrozenState:
    """A view of State that later commits do not change."""
    return FrozenState(
        level=1,
        number=state.number,
        hash=state.hash,
        time_ms=state.time_ms,
        cluster_id=state.cluster_id,
        topics=state.topics.freeze(),
        objects=state.objects.freeze(),
        producers=state.producers.freeze(),
        runs=state.runs.freeze(),
        sessions=state.sessions.freeze(),
        groups=state.groups.freeze(),
        offsets=state.offsets.freeze(),
        tasks=state.tasks.freeze(),
        identities=state.identities.freeze(),
        configs=state.configs.freeze(),
        log_starts=state.runs.freeze_starts(),
    )


def thaw(frozen: FrozenState) -> State:
    """State from its frozen form."""
    state = State()
    state.number, state.hash, state.time_ms = frozen.number, frozen.hash, frozen.time_ms
    state.cluster_id = frozen.cluster_id
    state.topics = Topics.restore(frozen.topics)
    state.objects = Objects.restore(frozen.objects)
    state.producers = Producers.restore(frozen.producers)
    state.runs = Runs.restore(frozen.runs, frozen.log_starts)
    state.sessions = Sessions.restore(frozen.sessions)
    state.groups = Groups.restore(frozen.groups)
    state.offsets = Offsets.restore(frozen.offsets)
    state.tasks = Tasks.restore(frozen.tasks)
    state.identities = Identities.restore(frozen.identities)
    state.configs = Configs.restore(frozen.configs)
    return state


def encode(frozen: FrozenState) -> bytes:
    """A snapshot's bytes."""
    body = msgspec.msgpack.encode(frozen)
    return b"".join((MAGIC, hashlib.sha256(body).digest(), body))


def decode(data: memoryview) -> FrozenState:
    """A snapshot from its bytes. Raises: Corrupt."""
    body = data[len(MAGIC) + _DIGEST_BYTES :]
    if data[: len(MAGIC)] != MAGIC or hashlib.sha256(body).digest() != data[len(MAGIC) : len(MAGIC) + _DIGEST_BYTES]:
        raise Corrupt("A snapshot does not have the digest it was stored with.")
    try:
        return _DECODER.decode(body)
    except msgspec.MsgspecError as error:
        raise Corrupt(f"A snapshot cannot be read ({error}).") from error


def digest(state: State) -> str:
    """What two nodes at the same commit must agree on."""
    return hashlib.sha256(msgspec.msgpack.encode(freeze(state))).hexdigest()


async def load_newest(runtime: Runtime, store: Store) -> State:
    """State from the newest snapshot that is whole; empty State where there is none. Raises: StorageUnavailable."""
    rows = await store.list(FOLDER)
    for row in reversed(rows):
        try:
            data = await store.get(row.key)
            return thaw(await runtime.offload("snapshot", decode, data))
        except (Corrupt, ObjectMissing, ValueError):
            # The one before it and a longer tail say the same.
            continue
    return State()


async def save(runtime: Runtime, store: Store, frozen: FrozenState) -> None:
    """Put a snapshot and drop all but the newest ones. Raises: StorageUnavailable."""
    data = await runtime.offload("snapshot", encode, frozen)
    try:
        await store.create(snapshot_key(frozen.number), [data])
    except ObjectExists:
        # Another node was as quick; equal State has an equal snapshot.
        return
    rows = await store.list(FOLDER)
    for row in rows[:-KEPT]:
        await store.delete(row.key)
