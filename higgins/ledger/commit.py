"""The commit object: a head (who, when, after what), facts, and perhaps an inline payload.

Layout: magic (4), head length (u32), CRC-32C of the head (u32), all big-endian; the head as MessagePack; the payload.
The hash of a commit is the BLAKE2b-256 of its head, which names length and CRC-32C of the payload: a chain of heads.
"""

import hashlib
import struct
from collections.abc import Sequence

import msgspec
from crc32c import crc32c

from higgins.ledger.state.identities import Resolved
from higgins.ledger.state.state import AnyFact
from higgins.model.errors import Corrupt
from higgins.model.pointer import Buffer, ObjectKey

MAGIC = b"HGC1"
FORMAT = 1
LEVEL = 1
"""The feature level of facts that this code writes; it reads all levels up to this one."""

_PREFIX = struct.Struct(">4sII")
COMMITS_PER_FOLDER = 1000
HASH_BYTES = 32


class CommitHead(msgspec.Struct, frozen=True, array_like=True):
    """All of a commit but its payload."""

    format: int
    level: int
    era: int
    cluster_id: str
    number: int
    previous: bytes
    epoch: int
    nonce: bytes
    time_ms: int
    floor: int
    """The node epoch's proposals below this counter are resolved."""
    resolved: tuple[Resolved, ...]
    facts: tuple[AnyFact, ...]
    payload_length: int
    payload_crc: int


class Commit(msgspec.Struct, frozen=True):
    """A commit as read or written: head, the head's hash, and the payload in pieces as they lie."""

    head: CommitHead
    hash: bytes
    payload: tuple[Buffer, ...]


_ENCODER = msgspec.msgpack.Encoder()
_DECODER = msgspec.msgpack.Decoder(CommitHead)


def commit_key(number: int) -> ObjectKey:
    """Where commit `number` lies; a thousand to a folder."""
    return ObjectKey(f"ledger/commits/{number // COMMITS_PER_FOLDER:09d}/{number:012d}")


def head_hash(encoded: Buffer) -> bytes:
    """What the next commit names as its predecessor."""
    return hashlib.blake2b(encoded, digest_size=HASH_BYTES).digest()


def payload_checksum(pieces: Sequence[Buffer]) -> int:
    """CRC-32C over pieces laid side by side."""
    value = 0
    for piece in pieces:
        value = crc32c(piece, value)
    return value


def encode_commit(head: CommitHead, payload: tuple[Buffer, ...]) -> tuple[Commit, list[Buffer]]:
    """The commit with its hash, and its bytes in pieces; the payload is not copied."""
    encoded = _ENCODER.encode(head)
    prefix = _PREFIX.pack(MAGIC, len(encoded), crc32c(encoded))
    return Commit(head, head_hash(encoded), payload), [prefix, encoded, *payload]


def decode_commit(data: memoryview) -> Commit:
    """A commit from its bytes; the payload is a view into them. Raises: Corrupt."""
    if len(data) < _PREFIX.size:
        raise Corrupt(f"A commit of {len(data)} bytes is too short to be one.")
    magic, length, checksum = _PREFIX.unpack_from(data)
    if magic != MAGIC:
        raise Corrupt("An object in the place of a commit is not one (wrong magic).")
    encoded = data[_PREFIX.size : _PREFIX.size + length]
    if len(encoded) != length or crc32c(encoded) != checksum:
        raise Corrupt("A commit's head is damaged (CRC-32C).")
    try:
        head = _DECODER.decode(encoded)
    except msgspec.MsgspecError as error:
        raise Corrupt(f"A commit's head cannot be read ({error}); a newer Higgins may have written it.") from error
    if head.format != FORMAT or head.level > LEVEL:
        raise Corrupt(
            f"Commit {head.number} has format {head.format} and level {head.level}; this version reads "
            f"format {FORMAT} and levels up to {LEVEL}: run a newer Higgins."
        )
    payload = data[_PREFIX.size + length :]
    if len(payload) != head.payload_length or crc32c(payload) != head.payload_crc:
        raise Corrupt(f"Commit {head.number}'s payload is damaged (CRC-32C).")
    return Commit(head, head_hash(encoded), (payload,) if len(payload) else ())
