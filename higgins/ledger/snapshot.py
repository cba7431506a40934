"""Snapshots: State at a commit, so that a restart reads the newest good one and a short tail of commits.

A snapshot is a sequence of blocks, one or several for each facet, each with the facet's own level. A small one is a
single object. A larger one is cut into parts of some megabytes, which are put first; the snapshot object then names
them. It is created last, so a snapshot that can be listed is whole. Layout: `docs/formats.md`.

Neither making nor loading one holds the loop or a second copy of State. Rows are copied, as references, in slices on
the loop while folding pauses; blocks are encoded in a thread, and freed part by part as they are stored.
"""

import hashlib
import struct
from collections import deque
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec
import structlog
import trio

from higgins.ledger.state.base import FACETS
from higgins.ledger.state.state import State
from higgins.ledger.tip import Tip
from higgins.model.errors import Corrupt, ObjectExists, ObjectMissing
from higgins.model.pointer import Buffer, ObjectKey
from higgins.runtime import Runtime
from higgins.storage.store import Store

log = structlog.get_logger("higgins.ledger")

MAGIC = b"HGS2"
FORMAT = 2
FOLDER = "ledger/snapshots/"
PARTS_FOLDER = "ledger/snapshot-parts/"
KEPT = 2
_PREFIX = struct.Struct(">4sI")
_DIGEST_BYTES = 32
_BLOCK_PREFIX = struct.Struct(">I")
_TOKEN_BYTES = 8


class PartRef(msgspec.Struct, frozen=True, array_like=True):
    """A part of a snapshot: its key, its length and its SHA-256."""

    key: str
    length: int
    digest: bytes


class SnapshotHead(msgspec.Struct, frozen=True, array_like=True):
    """What a snapshot object says of State and of its parts. Fields are only ever added at the end, with a default."""

    format: int
    level: int
    """The highest level of any facet in it."""
    number: int
    hash: bytes
    time_ms: int
    parts: tuple[PartRef, ...]
    """Blocks in order; none when they follow the head in the same object."""


class Block(msgspec.Struct, frozen=True, array_like=True):
    """Some rows of one facet."""

    facet: str
    level: int
    rows: msgspec.Raw


_HEAD_DECODER = msgspec.msgpack.Decoder(SnapshotHead)
_BLOCK_DECODER = msgspec.msgpack.Decoder(Block)
_ENCODER = msgspec.msgpack.Encoder()


class FrozenState:
    """State at a commit, as rows that later commits do not change. Rows are given away as they are encoded."""

    def __init__(self, state: State) -> None:
        self.number, self.hash, self.time_ms = state.number, state.hash, state.time_ms
        self.slices: deque[tuple[str, Sequence[Any]]] = deque()


def snapshot_key(number: int) -> ObjectKey:
    """The key of the snapshot at a commit."""
    return ObjectKey(f"{FOLDER}{number:012d}")


def freeze_in_slices(state: State, frozen: FrozenState) -> Iterator[None]:
    """Copy the rows of all facets into `frozen`; pauses after each slice. Nothing may be folded meanwhile."""
    for name in sorted(FACETS):
        for rows in state.by_name[name].freeze():
            frozen.slices.append((name, rows))
            yield


def freeze(state: State) -> FrozenState:
    """The same in one step."""
    frozen = FrozenState(state)
    for _ in freeze_in_slices(state, frozen):
        pass
    return frozen


def take_blocks(frozen: FrozenState, bytes_max: int) -> bytes:
    """Encode rows from the front of a frozen State, and give them up: about `bytes_max` bytes, empty at the end."""
    pieces: list[bytes] = []
    total = 0
    while frozen.slices and total < bytes_max:
        name, rows = frozen.slices.popleft()
        block = _ENCODER.encode((name, FACETS[name].LEVEL, rows))
        pieces += (_BLOCK_PREFIX.pack(len(block)), block)
        total += _BLOCK_PREFIX.size + len(block)
    return b"".join(pieces)


def restore_blocks(state: State, data: Buffer) -> None:
    """Add blocks to a State that is being loaded. Raises: Corrupt."""
    view = memoryview(data)
    at = 0
    while at < len(view):
        if at + _BLOCK_PREFIX.size > len(view):
            raise Corrupt("A snapshot ends inside a block.")
        (length,) = _BLOCK_PREFIX.unpack_from(view, at)
        at += _BLOCK_PREFIX.size
        try:
            block = _BLOCK_DECODER.decode(view[at : at + length])
            facet = FACETS.get(block.facet)
            if facet is None or block.level > facet.LEVEL:
                raise Corrupt(
                    f"A snapshot holds '{block.facet}' at level {block.level}, which this version does not know: run a "
                    "newer Higgins."
                )
            rows = msgspec.msgpack.decode(block.rows, type=list[facet.ROW])  # type: ignore[name-defined]
            state.by_name[block.facet].restore(block.level, rows)
        except (msgspec.MsgspecError, ValueError, KeyError) as error:
            raise Corrupt(f"A block of a snapshot cannot be read ({error}).") from error
        at += length


def encode_snapshot(frozen: FrozenState, parts: Sequence[PartRef], blocks: bytes) -> bytes:
    """A snapshot object: the head, and the blocks unless they lie in parts."""
    level = max(facet.LEVEL for facet in FACETS.values())
    head = _ENCODER.encode(SnapshotHead(FORMAT, level, frozen.number, frozen.hash, frozen.time_ms, tuple(parts)))
    body = b"".join((_PREFIX.pack(MAGIC, len(head)), head, blocks))
    return body + hashlib.sha256(body).digest()


def decode_snapshot(data: memoryview) -> tuple[SnapshotHead, memoryview]:
    """The head of a snapshot object and the blocks that follow it. Raises: Corrupt."""
    body, digest = data[:-_DIGEST_BYTES], data[-_DIGEST_BYTES:]
    if len(data) < _PREFIX.size + _DIGEST_BYTES or hashlib.sha256(body).digest() != digest:
        raise Corrupt("A snapshot does not have the digest it was stored with.")
    magic, length = _PREFIX.unpack_from(body)
    if magic != MAGIC:
        raise Corrupt("The object under a snapshot's key is not a snapshot (wrong magic).")
    try:
        head = _HEAD_DECODER.decode(body[_PREFIX.size : _PREFIX.size + length])
    except msgspec.MsgspecError as error:
        raise Corrupt(f"A snapshot cannot be read ({error}).") from error
    if head.format != FORMAT:
        raise Corrupt(f"A snapshot has format {head.format}; this version reads {FORMAT}: run a newer Higgins.")
    return head, body[_PREFIX.size + length :]


def empty_state(head: SnapshotHead) -> State:
    """A State at the commit of a snapshot, without any rows yet."""
    state = State()
    state.number, state.hash, state.time_ms = head.number, head.hash, head.time_ms
    return state


def digest(state: State) -> str:
    """A digest on which two nodes at the same commit must agree."""
    hasher = hashlib.sha256(b"%d %b %d" % (state.number, state.hash, state.time_ms))
    frozen = freeze(state)
    while blocks := take_blocks(frozen, 1 << 20):
        hasher.update(blocks)
    return hasher.hexdigest()


async def load_newest(runtime: Runtime, store: Store) -> State:
    """State from the newest snapshot that is whole; empty State if there is none. Raises: StorageUnavailable."""
    for number in reversed(await _snapshot_numbers(store, names_foreign=True)):
        try:
            return await _load(runtime, store, number)
        except (Corrupt, ObjectMissing) as error:
            # The one before it and a longer tail give the same State.
            log.warning("snapshot.unusable", key=snapshot_key(number), why=str(error))
            continue
    return State()


async def _snapshot_numbers(store: Store, *, names_foreign: bool = False) -> list[int]:
    """The commits of which there are snapshots, in order. What is no snapshot is left alone."""
    numbers: list[int] = []
    for row in await store.list(FOLDER):
        name = row.key.rpartition("/")[2]
        if name.isascii() and name.isdigit() and snapshot_key(int(name)) == row.key:
            numbers.append(int(name))
        elif names_foreign:
            log.warning("store.foreign_object", key=row.key, why="It is no snapshot; it is left alone.")
    return numbers


async def _load(runtime: Runtime, store: Store, number: int) -> State:
    head, blocks = await runtime.offload("snapshot", decode_snapshot, await store.get(snapshot_key(number)))
    if head.number != number:
        raise Corrupt(f"The snapshot says that it is one of commit {head.number}: the bucket was changed.")
    state = empty_state(head)
    await runtime.offload("snapshot", restore_blocks, state, blocks)
    for part in head.parts:
        await runtime.offload("snapshot", _restore_part, state, part, await store.get(ObjectKey(part.key)))
    return state


def _restore_part(state: State, part: PartRef, data: memoryview) -> None:
    if len(data) != part.length or hashlib.sha256(data).digest() != part.digest:
        raise Corrupt("A part of a snapshot does not have the digest it was stored with.")
    restore_blocks(state, data)


async def freeze_at_tip(tip: Tip) -> FrozenState:
    """State as it is now, copied in slices between which other tasks get a turn; folding pauses meanwhile."""
    await tip.take_turn()
    try:
        frozen = FrozenState(tip.state)
        for _ in freeze_in_slices(tip.state, frozen):
            await trio.lowlevel.checkpoint()
        return frozen
    finally:
        tip.give_turn()


async def save(runtime: Runtime, store: Store, frozen: FrozenState, part_bytes_max: int = 8 << 20) -> None:
    """Store a snapshot, which uses up the frozen State, and drop all but the newest ones.

    Raises: StorageUnavailable.
    """
    token = runtime.token(_TOKEN_BYTES).hex()
    parts: list[PartRef] = []
    blocks = await runtime.offload("snapshot", take_blocks, frozen, part_bytes_max)
    while frozen.slices or (parts and blocks):
        # The token keeps two nodes that snapshot the same commit from writing under the same keys.
        key = f"{PARTS_FOLDER}{frozen.number:012d}/{token}-{len(parts):06d}"
        await store.put(ObjectKey(key), [blocks])
        parts.append(PartRef(key, len(blocks), hashlib.sha256(blocks).digest()))
        blocks = await runtime.offload("snapshot", take_blocks, frozen, part_bytes_max)
    data = await runtime.offload("snapshot", encode_snapshot, frozen, parts, blocks)
    try:
        await store.create(snapshot_key(frozen.number), [data])
    except ObjectExists:
        # Another node was as quick, or our own create was not answered. Either snapshot is good; parts that belong to
        # neither are dropped with the snapshot.
        pass
    await _drop_old(store)


async def _drop_old(store: Store) -> None:
    """Drop all snapshots but the newest ones, with their parts; each after the object that names them."""
    numbers = await _snapshot_numbers(store)
    for number in numbers[:-KEPT]:
        await store.delete(snapshot_key(number))
    oldest_kept = min(numbers[-KEPT:], default=0)
    for row in await store.list(PARTS_FOLDER):
        number_of_part = row.key.split("/")[2]
        if number_of_part.isascii() and number_of_part.isdigit() and int(number_of_part) < oldest_kept:
            await store.delete(row.key)
