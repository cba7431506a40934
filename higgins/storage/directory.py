"""A local directory as a store. Keys are paths of files below the directory.

Create if absent. A rename would overwrite, and a file opened under its final name (O_EXCL) would be readable half
written. So a create writes a file that has no name (O_TMPFILE; a file in `temporary/` on systems without it), and then
links it under its key: `link` is atomic and fails when the name exists.

Durability needs two fsyncs. The file's contents are synced before the link, so that a name never leads to missing
bytes; the folder is synced after it, because a name is data of the folder and is lost without it. The same holds for
new folders: each is durable once its parent is synced. Only then is the create acknowledged. Between link and folder
sync the object is visible but not durable, hence the `durable` option of `get`. With `durability = os` no fsync is
made: acknowledged records survive a crash of the process, not of the machine.

A failed fsync is never retried. The kernel may have dropped the pages it could not write, so a second fsync succeeds
without the data being stored; the node stops instead (DurabilityUnknown).

Every system call in a thread gives up the interpreter lock and waits to get it back, so the code makes few of them:
open folders are cached.

Files and folders are readable by this user only (0600, 0700), because records are nobody else's business; with
`private = false` the process's umask decides.
"""

import builtins
import contextlib
import errno
import itertools
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TypeAlias

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
"""Buffers per gathered write; the kernel accepts 1024 (IOV_MAX)."""
FOLDERS_OPEN_MAX = 64
TEMPORARY = "temporary"
LEFTOVER_AGE_MS = 3600 * 1000
"""Age at which a temporary file is taken for one of a dead process and deleted. If its writer were alive after all, its
link would fail, and the operation would be retried."""


class DirectoryStore:
    """The store port over a folder."""

    def __init__(self, runtime: Runtime, root: Path, settings: StoreSettings) -> None:
        """Create the folder if it does not exist. Raises: Unfit when it cannot be created or written."""
        if settings.durability not in {"fsync", "os"}:
            raise Unfit(
                f"The setting store.durability has the unknown value '{settings.durability}'; use 'fsync' or 'os'."
            )
        self._runtime = runtime
        self._root = root
        self._syncs = settings.durability == "fsync"
        self._file_mode, self._folder_mode = (0o600, 0o700) if settings.private else (0o666, 0o777)
        # The process id alone is not unique: in a container it is often the same after every restart.
        self._owner = f"{os.getpid()}-{runtime.token(6).hex()}"
        self._serial = itertools.count(1)
        self._folders: dict[Path, _Folder] = {}
        try:
            _make_folder_durably(root, self._folder_mode)
            (root / TEMPORARY).mkdir(mode=self._folder_mode, exist_ok=True)
            _delete_leftovers(root / TEMPORARY, before_ms=runtime.now_ms() - LEFTOVER_AGE_MS)
        except OSError as error:
            raise Unfit(
                f"The store directory '{root}' cannot be created or written: {error.strerror}. "
                "Choose another with --store, or give this user permission to write there."
            ) from error
        self._has_unnamed_files = _can_link_unnamed_files(root / TEMPORARY / f"{self._owner}-0")
        durability = "synced before acknowledged" if self._syncs else "not synced: a power loss can lose records"
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
        """The folder, for the lock files beside the objects (see `lock`)."""
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

    async def get(self, key: ObjectKey, *, durable: bool = False) -> memoryview:
        return await self._runtime.offload("read", self._get, key, durable)

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

    # ---- run in threads -----------------------------------------------------------------------------------------

    def _create(self, key: ObjectKey, pieces: Sequence[Buffer]) -> None:
        path = self._root / key
        try:
            folder = self._folder(path.parent)
            if self._has_unnamed_files:
                descriptor = os.open(self._root, os.O_WRONLY | os.O_TMPFILE, self._file_mode)
                self._write_and_link(descriptor, f"/proc/self/fd/{descriptor}", folder, path, key, pieces)
            else:
                self._create_by_name(folder, path, key, pieces)
        except OSError as error:
            # Everything that can fail like this comes before the link or is the link, so the key was not created.
            raise _unavailable(key, error, certain=True) from error

    def _create_by_name(self, folder: "_Folder", path: Path, key: ObjectKey, pieces: Sequence[Buffer]) -> None:
        temporary = self._root / TEMPORARY / f"{self._owner}-{next(self._serial)}"
        try:
            # O_TRUNC, not O_EXCL: a leftover under this name is no error. Only the link decides whether the key exists.
            descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, self._file_mode)
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
                # /proc/self/fd/N is a symbolic link to the unnamed file; follow it, to link the file itself.
                os.link(name, path.name, dst_dir_fd=folder.descriptor, follow_symlinks=True)
            except FileExistsError as error:
                raise ObjectExists(f"Object {key} exists already.") from error
            self._sync(folder.descriptor, key)
        finally:
            os.close(descriptor)

    def _put(self, key: ObjectKey, pieces: Sequence[Buffer]) -> None:
        try:
            self._create(key, pieces)
        except ObjectExists:
            # No other writer uses this key, so an earlier attempt of this put linked it, perhaps without the sync.
            self._sync_folder((self._root / key).parent, key)

    def _folder(self, path: Path) -> "_Folder":
        """An open folder, created durably if it did not exist. Keep the object while its descriptor is in use."""
        folder = self._folders.get(path)
        if folder is None:
            if not path.is_dir():
                self._folder(path.parent)
                path.mkdir(mode=self._folder_mode, exist_ok=True)
            if path != self._root:
                # Also for a folder that exists: another process may have created it and not synced the parent yet.
                self._sync_folder(path.parent, str(path))
            if len(self._folders) >= FOLDERS_OPEN_MAX:
                self._folders = {}
            # Another thread may have opened it at the same time; `setdefault` keeps one of the two.
            folder = self._folders.setdefault(path, _Folder(path))
        return folder

    def _get(self, key: ObjectKey, durable: bool) -> memoryview:
        path = self._root / key
        try:
            with path.open("rb", buffering=0) as file:
                data = file.readall()
        except FileNotFoundError as error:
            raise ObjectMissing(f"No object {key}.") from error
        except OSError as error:
            raise _unavailable(key, error) from error
        if durable:
            # Visible is not durable: the process that created it may die before it syncs the folder.
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
            raise Corrupt(
                f"Object {key} is too short: {length} bytes at position {position} were requested, {len(data)} exist."
            )
        return memoryview(data)

    def _list(self, prefix: str, after: str, limit: int) -> Listing:
        rows: list[ListedObject] = []
        try:
            # A directory is listed in no particular order, so the limit applies only after sorting everything.
            _list_files(self._root / prefix, prefix, after, rows)
        except OSError as error:
            raise StorageUnavailable(
                f"The store directory could not be listed below {prefix}: {error.strerror}."
            ) from error
        rows.sort(key=lambda row: row.key)
        return rows[:limit]

    def _sync(self, descriptor: int, key: str) -> None:
        if not self._syncs:
            return
        try:
            os.fsync(descriptor)
        except OSError as error:
            raise DurabilityUnknown(
                f"fsync failed for {key} ({error.strerror}), so what is on the disk is unknown, and this node stops. "
                "Check the disk and the kernel log, then start the node again."
            ) from error

    def _sync_folder(self, path: Path, key: str) -> None:
        try:
            # `self._folder(path).descriptor` would not do: the cache may drop the folder, which closes the descriptor,
            # before the sync, and its number may by then belong to another file. The variable keeps it open.
            folder = self._folder(path)
            self._sync(folder.descriptor, key)
        except OSError as error:
            raise _unavailable(key, error) from error


class _Folder:
    """An open folder. Closed with its last reference, because threads may still use one that the cache has dropped."""

    __slots__ = ("descriptor",)

    def __init__(self, path: Path) -> None:
        self.descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)

    def __del__(self) -> None:
        if hasattr(self, "descriptor"):
            os.close(self.descriptor)


def _make_folder_durably(folder: Path, mode: int) -> None:
    """Create a folder and its parents, each synced. Also with `durability = os`: it happens once."""
    if folder.is_dir():
        return
    _make_folder_durably(folder.parent, mode)
    folder.mkdir(mode=mode, exist_ok=True)
    descriptor = os.open(folder.parent, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _can_link_unnamed_files(trial: Path) -> bool:
    """Whether a file can be created without a name and linked later. Needs Linux, /proc and support by the file system.

    Tried instead of looked up: file systems (overlay, network) differ, and some create such files but do not link them.
    """
    try:
        descriptor = os.open(trial.parent, os.O_WRONLY | os.O_TMPFILE, 0o600)
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


def _list_files(folder: Path, prefix: str, after: str, rows: list[ListedObject]) -> None:
    """Add the files below a folder with keys greater than `after`. What is deleted meanwhile is left out."""
    folders: list[str] = []
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                key = prefix + entry.name
                if entry.is_dir(follow_symlinks=False):
                    folders.append(entry.name)
                elif key > after:
                    with contextlib.suppress(FileNotFoundError):
                        rows.append(ListedObject(ObjectKey(key), entry.stat().st_size))
    except (FileNotFoundError, NotADirectoryError):
        return
    for name in folders:
        _list_files(folder / name, f"{prefix}{name}/", after, rows)


def _delete_leftovers(folder: Path, *, before_ms: int) -> None:
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


def _unavailable(key: str, error: OSError, *, certain: bool = False) -> StorageUnavailable:
    if error.errno in {errno.ENOSPC, errno.EDQUOT}:
        return StorageUnavailable(
            f"The disk is full, {key} was not written. Free some space; reads still work.", certain=certain
        )
    if error.errno in {errno.EACCES, errno.EPERM, errno.EROFS}:
        return StorageUnavailable(
            f"The store directory refuses {key}: {error.strerror}. Give this user permission to write there, or mount "
            "the file system writable.",
            certain=certain,
        )
    return StorageUnavailable(f"The store directory failed on {key}: {error.strerror}.", certain=certain)
