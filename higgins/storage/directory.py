"""A local directory as a store: obstore's local store for listings, files of our own for the rest, and every fsync.

A create writes a file that has no name yet, syncs it, links it under its key (which fails when the key is taken) and
syncs the folder; only then is it acknowledged. `durability = os` leaves both syncs to the kernel. Each system call made
from a thread costs a wait for the interpreter, so there are as few as can be.
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
FOLDERS_OPEN_MAX = 64
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
        self._folders: dict[Path, _Folder] = {}
        try:
            _make_durably(root)
            (root / TEMPORARY).mkdir(exist_ok=True)
            _drop_leftovers(root / TEMPORARY, before_ms=runtime.now_ms() - LEFTOVER_AGE_MS)
        except OSError as error:
            raise Unfit(
                f"Store directory '{root}' cannot be made: {error.strerror}. "
                "Give another with --store, or give this user the right to write there."
            ) from error
        self._has_nameless_files = _can_link_nameless_files(root / TEMPORARY / f"{self._owner}-0")
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

    def create_nowait(self, key: ObjectKey, pieces: Sequence[Buffer]) -> bool:
        return False

    async def put(self, key: ObjectKey, pieces: Sequence[Buffer]) -> None:
        await self._runtime.offload("put", self._put, key, pieces)

    async def get(self, key: ObjectKey, *, settled: bool = False) -> memoryview:
        return await self._runtime.offload("read", self._get, key, settled)

    async def get_range(self, key: ObjectKey, position: int, length: int) -> memoryview:
        return await self._runtime.offload("read", self._get_range, key, position, length)

    def get_range_nowait(self, key: ObjectKey, position: int, length: int) -> builtins.list[memoryview] | None:
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
        try:
            folder = self._folder(path.parent)
            if self._has_nameless_files:
                descriptor = os.open(self._root, os.O_WRONLY | os.O_TMPFILE, 0o644)
                self._write_and_link(descriptor, f"/proc/self/fd/{descriptor}", folder, path, key, pieces)
            else:
                self._create_by_name(folder, path, key, pieces)
        except OSError as error:
            raise _unavailable(key, error) from error

    def _create_by_name(self, folder: "_Folder", path: Path, key: ObjectKey, pieces: Sequence[Buffer]) -> None:
        temporary = self._root / TEMPORARY / f"{self._owner}-{next(self._serial)}"
        try:
            # Truncates rather than insists: only the link may ever say that something exists.
            descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
            self._write_and_link(descriptor, str(temporary), folder, path, key, pieces)
        finally:
            with contextlib.suppress(OSError):
                temporary.unlink(missing_ok=True)

    def _write_and_link(
        self, descriptor: int, name: str, folder: "_Folder", path: Path, key: ObjectKey, pieces: Sequence[Buffer]
    ) -> None:
        try:
            _write_all(descriptor, pieces)
            self._sync(descriptor, key)
            try:
                # Following the name leads to the file itself where the name is that of a descriptor.
                os.link(name, path.name, dst_dir_fd=folder.descriptor, follow_symlinks=True)
            except FileExistsError as error:
                raise ObjectExists(f"Object {key} is there already.") from error
            self._sync(folder.descriptor, key)
        finally:
            os.close(descriptor)

    def _put(self, key: ObjectKey, pieces: Sequence[Buffer]) -> None:
        try:
            self._create(key, pieces)
        except ObjectExists:
            # A key that nobody else uses: an earlier try of this same put got through, perhaps all but its last sync.
            self._sync_folder((self._root / key).parent, key)

    def _folder(self, path: Path) -> "_Folder":
        """An open folder, made and durable. Hold it while its number is in use."""
        folder = self._folders.get(path)
        if folder is None:
            if not path.is_dir():
                self._folder(path.parent)
                path.mkdir(exist_ok=True)
            if path != self._root:
                # One that another process has just made may not be on the disk yet: its parent is synced in any case.
                self._sync_folder(path.parent, str(path))
            if len(self._folders) >= FOLDERS_OPEN_MAX:
                self._folders = {}
            # Another thread may have opened it meanwhile, too: one of the two stays.
            folder = self._folders.setdefault(path, _Folder(path))
        return folder

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

    def _sync_folder(self, path: Path, key: str) -> None:
        try:
            # By a name of its own: held by nothing else, it would be closed between the look-up and the sync.
            folder = self._folder(path)
            self._sync(folder.descriptor, key)
        except OSError as error:
            raise _unavailable(key, error) from error


class _Folder:
    """An open descriptor, closed when nobody holds it any more: threads may still use what the cache has dropped."""

    __slots__ = ("descriptor",)

    def __init__(self, path: Path) -> None:
        self.descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)

    def __del__(self) -> None:
        if hasattr(self, "descriptor"):
            os.close(self.descriptor)


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


def _can_link_nameless_files(trial: Path) -> bool:
    """Whether a file can be written without a name and given one afterwards; not every system or file system can."""
    try:
        descriptor = os.open(trial.parent, os.O_WRONLY | os.O_TMPFILE, 0o644)
    except (OSError, AttributeError):
        return False
    try:
        parent = _Folder(trial.parent)
        os.link(f"/proc/self/fd/{descriptor}", trial.name, dst_dir_fd=parent.descriptor, follow_symlinks=True)
        trial.unlink()
    except OSError:
        return False
    finally:
        os.close(descriptor)
    return True


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
