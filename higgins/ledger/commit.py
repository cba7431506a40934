"""The commit object: a head (number, predecessor, parts, facts) and perhaps an inline payload.

Layout (`docs/formats.md` has every byte): magic (4), head length (u32), CRC-32C of the head (u32), all big-endian; the
head as MessagePack; the payload. The hash of a commit is the BLAKE2b-256 of its head, which names the length and
CRC-32C of the payload, so the heads form a hash chain.
"""

import hashlib
import struct
from collections.abc import Sequence

import msgspec
from crc32c import crc32c

from higgins.ledger.state.facets import AnyFact
from higgins.ledger.state.identities import Part
from higgins.model.errors import Corrupt
from higgins.model.pointer import Buffer, ObjectKey

MAGIC = b"HGC2"
MAGIC_OF_FORMAT_1 = b"HGC1"
FORMAT = 2
LEVEL = 1
"""The feature level of facts that this code writes; it reads all levels up to this one."""

_PREFIX = struct.Struct(">4sII")
COMMITS_PER_FOLDER = 1000
HASH_BYTES = 32
NUMBER_DIGITS = 12


class CommitHead(msgspec.Struct, frozen=True, array_like=True):
    """All of a commit but its payload. Fields are only ever added at the end, with a default."""

    format: int
    level: int
    era: int
    cluster_id: str
    """Of the cluster that the commit extends; empty in the first commit."""
    number: int
    previous: bytes
    """The hash of the commit before."""
    writer: int
    """The session epoch of the node that created the commit; 0 without a session. Validation never reads it."""
    nonce: bytes
    """Drawn for this commit alone: a node that reads its own number back recognises its commit by it."""
    time_ms: int
    parts: tuple[Part, ...]
    """One for each session whose proposals the commit carries."""
    facts: tuple[AnyFact, ...]
    payload_length: int
    payload_crc: int


class Commit(msgspec.Struct, frozen=True):
    """A commit as read or written: head, the head's hash, and the payload in pieces as they lie."""

    head: CommitHead
    hash: bytes
    payload: tuple[Buffer, ...]


_RESTORE = "Restore this object from a copy of the bucket; without it nothing after it can be read."

_ENCODER = msgspec.msgpack.Encoder()
_DECODER = msgspec.msgpack.Decoder(CommitHead)


def commit_key(number: int) -> ObjectKey:
    """The key of commit `number`; a folder holds a thousand."""
    return ObjectKey(f"ledger/commits/{number // COMMITS_PER_FOLDER:09d}/{number:012d}")


def commit_number_in(key: str) -> int | None:
    """The number of the commit under a key; None for a key that no commit has."""
    name = key.rpartition("/")[2]
    if len(name) != NUMBER_DIGITS or not (name.isascii() and name.isdigit()) or commit_key(int(name)) != key:
        return None
    return int(name)


def head_hash(encoded: Buffer) -> bytes:
    """The hash by which the next commit names its predecessor."""
    return hashlib.blake2b(encoded, digest_size=HASH_BYTES).digest()


def payload_checksum(pieces: Sequence[Buffer]) -> int:
    """CRC-32C over the concatenated pieces."""
    value = 0
    for piece in pieces:
        value = crc32c(piece, value)
    return value


def encode_commit(head: CommitHead, payload: tuple[Buffer, ...]) -> tuple[Commit, list[Buffer]]:
    """The commit with its hash, and its bytes in pieces; the payload is not copied."""
    encoded = _ENCODER.encode(head)
    prefix = _PREFIX.pack(MAGIC, len(encoded), crc32c(encoded))
    return Commit(head, head_hash(encoded), payload), [prefix, encoded, *payload]


def decode_commit(data: memoryview, number: int) -> Commit:
    """Commit `number` from its bytes; the payload is a view into them. Raises: Corrupt, naming the object."""
    try:
        commit = _decode(data)
        if commit.head.number != number:
            raise Corrupt(f"It says that its number is {commit.head.number}.")
        return commit
    except Corrupt as error:
        raise Corrupt(f"Commit {number} ({commit_key(number)}) cannot be used. {error}") from error


def _decode(data: memoryview) -> Commit:
    if len(data) < _PREFIX.size:
        raise Corrupt(f"It has {len(data)} bytes, too few for a commit. {_RESTORE}")
    magic, length, checksum = _PREFIX.unpack_from(data)
    if magic == MAGIC_OF_FORMAT_1:
        raise Corrupt(
            "This bucket was written by a development version (storage format 1), which no release reads. "
            "Start with an empty directory or prefix."
        )
    if magic != MAGIC:
        raise Corrupt(f"It is no commit: its first bytes are not those of one. {_RESTORE}")
    encoded = data[_PREFIX.size : _PREFIX.size + length]
    if len(encoded) != length or crc32c(encoded) != checksum:
        raise Corrupt(f"Its head is damaged (CRC-32C). {_RESTORE}")
    try:
        head = _DECODER.decode(encoded)
    except msgspec.MsgspecError as error:
        raise Corrupt(f"Its head cannot be read ({error}); a newer Higgins may have written it.") from error
    if head.format != FORMAT or head.level > LEVEL:
        raise Corrupt(
            f"It has format {head.format} and level {head.level}; this version reads "
            f"format {FORMAT} and levels up to {LEVEL}: run a newer Higgins."
        )
    payload = data[_PREFIX.size + length :]
    if len(payload) != head.payload_length or crc32c(payload) != head.payload_crc:
        raise Corrupt(f"Its payload is damaged (CRC-32C). {_RESTORE}")
    return Commit(head, head_hash(encoded), (payload,) if len(payload) else ())
