"""A local directory as a store: obstore's local store for listings, files of our own for the rest, and every fsync.

A create writes a temporary file, syncs it, links it under its key (which fails when the key is taken) and syncs the
folder; only then is it acknowledged. `durability = os` leaves both syncs to the kernel.
"""

import builtins
import contextlib
import errno
import itertools
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TypeAlias

import obstore
from obstore.exceptions import BaseError
from obstore.store import LocalStore

from higgins.model.errors import (
    Corrupt,
    DurabilityUnknown,
    ObjectExists,
    ObjectMissing,
    StorageUnavailable,
    Unfit,
)
from higgins.model.pointer import Buffer, ObjectKey
from higgins.runtime import Runtime
from higgins.storage.settings import StoreSettings
from higgins.storage.store import ListedObject, StoreTraits

Listing: TypeAlias = list[ListedObject]

PIECES_PER_WRITE = 512
TEMPORARY = "temporary"
LEFTOVER_AGE_MS = 3600 * 1000
"""A temporary file this old belongs to a process that died. Were it not so, its link would fail and be tried again."""


class DirectoryStore:
    """The store port over a folder; its layout is the keys themselves."""

    def __init__(self, runtime: Runtime, root: Path, settings: StoreSettings) -> None:
        """Make the folder. Raises: Unfit when it cannot be made or written."""
        if settings.durability not in {"fsync", "os"}:
            raise Unfit(f"durability = '{settings.durability}' is unknown; give 'fsync' or 'os'.")
        self._runtime = runtime
        self._root = root
        self._syncs = settings.durability == "fsync"
        # Not the process id alone: in a container every life of the node may have the same one.
        self._owner = f"{os.getpid()}-{runtime.token(6).hex()}"
        self._serial = itertools.count(1)
        self._folders_made: set[Path] = {root}
        try:
            _make_durably(root)
            (root / TEMPORARY).mkdir(exist_ok=True)
            _drop_leftovers(root / TEMPORARY, before_ms=runtime.now_ms() - LEFTOVER_AGE_MS)
        except OSError as error:
            raise Unfit(
                f"Store directory '{root}' cannot be made: {error.strerror}. "
                "Give another with --store, or give this user the right to write there."
            ) from error
        self._local = LocalStore(root)
        durability = "an acknowledged record is on the disk" if self._syncs else "the kernel writes when it likes"
        self._traits = StoreTraits(
            description=f"directory {root} ({durability})",
            linger_ms=0 if settings.linger_ms is None else settings.linger_ms,
            inline_bytes_max=64 << 10,
            follow_ms=5,
            reads_are_direct=False,
            is_remote=False,
        )

    @property
    def root(self) -> Path:
        """The folder itself; for lock files beside the objects."""
        return self._root

    @property
    def traits(self) -> StoreTraits:
        return self._traits

    async def create(self, key: ObjectKey, pieces: Sequence[Buffer]) -> None:
        await self._runtime.offload("commit", self._create, key, pieces)

    def create_now(self, key: ObjectKey, pieces: Sequence[Buffer]) -> bool:
        return False

    async def put(self, key: ObjectKey, pieces: Sequence[Buffer]) -> None:
        await self._runtime.offload("put", self._put, key, pieces)

    async def get(self, key: ObjectKey, *, settled: bool = False) -> memoryview:
        return await self._runtime.offload("read", self._get, key, settled)

    async def get_range(self, key: ObjectKey, position: int, length: int) -> memoryview:
        return await self._runtime.offload("read", self._get_range, key, position, length)

    def get_range_now(self, key: ObjectKey, position: int, length: int) -> builtins.list[memoryview] | None:
        return None

    async def list(self, prefix: str, *, after: str = "", limit: int = 1000) -> Listing:
        return await self._runtime.offload("read", self._list, prefix, after, limit)

    async def delete(self, key: ObjectKey) -> None:
        def call() -> None:
            try:
                (self._root / key).unlink(missing_ok=True)
            except OSError as error:
                raise _unavailable(key, error) from error

        await self._runtime.offload("put", call)

    # ---- in threads ---------------------------------------------------------------------------------------------

    def _create(self, key: ObjectKey, pieces: Sequence[Buffer]) -> None:
        path = self._root / key
        temporary = self._root / TEMPORARY / f"{self._owner}-{next(self._serial)}"
        try:
            self._make_folder(path.parent)
            # Truncates rather than insists: only the link below may ever say that something exists.
            descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
            try:
                _write_all(descriptor, pieces)
                self._sync(descriptor, key)
            finally:
                os.close(descriptor)
            _link(temporary, path, key)
        except OSError as error:
            raise _unavailable(key, error) from error
        finally:
            with contextlib.suppress(OSError):
                temporary.unlink(missing_ok=True)
        self._sync_folder(path.parent, key)

    def _put(self, key: ObjectKey, pieces: Sequence[Buffer]) -> None:
        try:
            self._create(key, pieces)
        except ObjectExists:
            # A key that nobody else uses: an earlier try of this same put got through, perhaps all but its last sync.
            self._sync_folder((self._root / key).parent, key)

    def _make_folder(self, folder: Path) -> None:
        if folder in self._folders_made:
            return
        if not folder.is_dir():
            self._make_folder(folder.parent)
            folder.mkdir(exist_ok=True)
        # A folder another process has just made may not be on the disk yet: its parent is synced in either case.
        self._sync_folder(folder.parent, str(folder))
        self._folders_made.add(folder)

    def _get(self, key: ObjectKey, settled: bool) -> memoryview:
        path = self._root / key
        try:
            with path.open("rb", buffering=0) as file:
                data = file.readall()
        except FileNotFoundError as error:
            raise ObjectMissing(f"No object {key}.") from error
        except OSError as error:
            raise _unavailable(key, error) from error
        if settled:
            # Visible is not yet durable: the creator may die before its own sync of the folder.
            self._sync_folder(path.parent, key)
        return memoryview(data)

    def _get_range(self, key: ObjectKey, position: int, length: int) -> memoryview:
        try:
            descriptor = os.open(self._root / key, os.O_RDONLY)
        except FileNotFoundError as error:
            raise ObjectMissing(f"No object {key}.") from error
        except OSError as error:
            raise _unavailable(key, error) from error
        try:
            data = os.pread(descriptor, length, position)
        except OSError as error:
            raise _unavailable(key, error) from error
        finally:
            os.close(descriptor)
        if len(data) != length:
            raise Corrupt(f"Object {key} holds {len(data)} of {length} bytes asked for at position {position}.")
        return memoryview(data)

    def _list(self, prefix: str, after: str, limit: int) -> Listing:
        found: list[ListedObject] = []
        try:
            for chunk in obstore.list(self._local, prefix, offset=after or None, chunk_size=1000):
                found += [ListedObject(ObjectKey(meta["path"]), meta["size"]) for meta in chunk]
        except FileNotFoundError:
            return []
        except (BaseError, OSError) as error:
            raise StorageUnavailable(f"The directory could not be listed below {prefix}: {error}") from error
        found.sort(key=lambda listed: listed.key)
        return found[:limit]

    def _sync(self, descriptor: int, key: str) -> None:
        if not self._syncs:
            return
        try:
            os.fsync(descriptor)
        except OSError as error:
            raise DurabilityUnknown(
                f"fsync failed for {key} ({error.strerror}): what is on the disk is unknown, so this node stops. "
                "Look at the disk and the kernel's log, then start again: what was acknowledged is checked on the way."
            ) from error

    def _sync_folder(self, folder: Path, key: str) -> None:
        if not self._syncs:
            return
        try:
            descriptor = os.open(folder, os.O_RDONLY)
        except OSError as error:
            raise _unavailable(key, error) from error
        try:
            self._sync(descriptor, key)
        finally:
            os.close(descriptor)


def _link(temporary: Path, path: Path, key: ObjectKey) -> None:
    try:
        os.link(temporary, path)
    except FileExistsError as error:
        raise ObjectExists(f"Object {key} is there already.") from error


def _make_durably(folder: Path) -> None:
    """Make a folder and those above it. Whatever the durability asked for: it happens once."""
    if folder.is_dir():
        return
    _make_durably(folder.parent)
    folder.mkdir(exist_ok=True)
    descriptor = os.open(folder.parent, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _drop_leftovers(folder: Path, *, before_ms: int) -> None:
    for entry in list(os.scandir(folder)):
        with contextlib.suppress(OSError):
            if entry.stat(follow_symlinks=False).st_mtime_ns // 1_000_000 < before_ms:
                os.unlink(entry.path)


def _write_all(descriptor: int, pieces: Sequence[Buffer]) -> None:
    for start in range(0, len(pieces), PIECES_PER_WRITE):
        views = [memoryview(piece) for piece in pieces[start : start + PIECES_PER_WRITE] if len(piece)]
        while views:
            written = os.writev(descriptor, views)
            while views and written >= len(views[0]):
                written -= len(views[0])
                views.pop(0)
            if written:
                views[0] = views[0][written:]


def _unavailable(key: str, error: OSError) -> StorageUnavailable:
    if error.errno in {errno.ENOSPC, errno.EDQUOT}:
        return StorageUnavailable(f"No room left for {key}: free space on the disk; reading goes on meanwhile.")
    return StorageUnavailable(f"The directory failed on {key}: {error.strerror}.")
