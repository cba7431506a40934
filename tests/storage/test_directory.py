"""The directory store: the order of fsyncs, what a crash or a full disk leaves behind, and concurrent processes."""

import errno
import os
from pathlib import Path
from typing import Any

import pytest

from higgins.model.errors import DurabilityUnknown, ObjectExists, StorageUnavailable, Unfit
from higgins.model.pointer import ObjectKey
from higgins.runtime import Runtime
from higgins.storage import directory
from higgins.storage.directory import LEFTOVER_AGE_MS, TEMPORARY, DirectoryStore
from higgins.storage.lock import held_lock
from higgins.storage.settings import StoreSettings

KEY = ObjectKey("data/00000001/000000000001")


def open_directory(root: Path, durability: str = "fsync") -> DirectoryStore:
    return DirectoryStore(Runtime(), root, StoreSettings(durability=durability))


@pytest.fixture(autouse=True, params=["unnamed files", "named files"])
def file_creation(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Run every test with both ways of writing a file before it is linked; not every system has unnamed files."""
    if request.param == "named files":
        monkeypatch.setattr(directory, "_can_link_unnamed_files", lambda trial: False)
    return str(request.param)


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The fsync, link and mkdir calls of the store, in order. Files that are not linked yet appear as `temporary`."""
    recorded: list[str] = []
    fsync, link, mkdir = os.fsync, os.link, Path.mkdir

    def name_of(descriptor: int) -> str:
        path = Path(os.readlink(f"/proc/self/fd/{descriptor}"))
        is_temporary = path.parent.name == TEMPORARY or path.name.endswith("(deleted)")
        return TEMPORARY if is_temporary else path.name

    def record_fsync(descriptor: int) -> None:
        recorded.append(f"fsync {name_of(descriptor)}")
        fsync(descriptor)

    def record_link(source: Any, target: Any, **kwargs: Any) -> None:
        recorded.append(f"link {Path(target).name}")
        link(source, target, **kwargs)

    def record_mkdir(self: Path, *args: Any, **kwargs: Any) -> None:
        recorded.append(f"mkdir {self.name}")
        mkdir(self, *args, **kwargs)

    monkeypatch.setattr(os, "fsync", record_fsync)
    monkeypatch.setattr(os, "link", record_link)
    monkeypatch.setattr(Path, "mkdir", record_mkdir)
    return recorded


async def test_a_file_is_synced_before_its_link_and_the_folder_after_it(tmp_path: Path, calls: list[str]) -> None:
    store = open_directory(tmp_path)
    calls.clear()
    await store.create(ObjectKey("data/1/a"), [b"x"])
    assert calls == [
        "mkdir data",
        f"fsync {tmp_path.name}",
        "mkdir 1",
        "fsync data",
        "fsync temporary",
        "link a",
        "fsync 1",
    ]
    calls.clear()
    await store.put(ObjectKey("data/1/b"), [b"x"])
    assert calls == ["fsync temporary", "link b", "fsync 1"]


async def test_every_new_parent_folder_is_synced(tmp_path: Path, calls: list[str]) -> None:
    open_directory(tmp_path / "new" / "store")
    mkdir_calls = [step for step in calls if TEMPORARY not in step and not step.startswith("link")]
    assert mkdir_calls == ["mkdir new", f"fsync {tmp_path.name}", "mkdir store", "fsync new"]


async def test_a_durable_read_syncs_the_folder(tmp_path: Path, calls: list[str]) -> None:
    store = open_directory(tmp_path)
    await store.create(KEY, [b"x"])
    calls.clear()
    await store.get(KEY)
    assert calls == []
    await store.get(KEY, durable=True)
    assert calls == ["fsync 00000001"]


async def test_durability_os_makes_no_fsync(tmp_path: Path, calls: list[str]) -> None:
    store = open_directory(tmp_path, "os")
    await store.create(KEY, [b"x"])
    await store.get(KEY, durable=True)
    assert [step for step in calls if step.startswith("fsync")] == []


async def test_repeating_a_put_syncs_the_folder_of_an_object_already_linked(tmp_path: Path, calls: list[str]) -> None:
    store = open_directory(tmp_path)
    await store.create(KEY, [b"x"])
    calls.clear()
    await store.put(KEY, [b"x"])
    assert calls[-1] == "fsync 00000001"


async def test_a_temporary_file_of_a_dead_process_with_the_same_id_is_overwritten(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # In a container the process id is the same after every restart, and a kill leaves the temporary file behind.
    monkeypatch.setattr(Runtime, "token", lambda self, length: bytes(length))
    first = open_directory(tmp_path)
    name = f"{first._owner}-1"
    (tmp_path / TEMPORARY / name).write_bytes(b"half an obj")
    second = open_directory(tmp_path)
    await second.put(KEY, [b"whole object"])
    assert bytes(await second.get(KEY)) == b"whole object"


async def test_old_temporary_files_are_deleted_at_start_and_recent_ones_kept(tmp_path: Path) -> None:
    open_directory(tmp_path)
    old, fresh = tmp_path / TEMPORARY / "1-old", tmp_path / TEMPORARY / "1-fresh"
    old.write_bytes(b"x")
    fresh.write_bytes(b"x")
    then_s = Runtime().now_ms() / 1000 - LEFTOVER_AGE_MS / 1000 - 60
    os.utime(old, (then_s, then_s))
    open_directory(tmp_path)
    assert not old.exists() and fresh.exists()


async def test_no_temporary_file_remains_after_a_create(tmp_path: Path) -> None:
    store = open_directory(tmp_path)
    await store.create(KEY, [b"x"])
    with pytest.raises(ObjectExists):
        await store.create(KEY, [b"y"])
    assert list((tmp_path / TEMPORARY).iterdir()) == []


def failing(monkeypatch: pytest.MonkeyPatch, name: str, code: int) -> None:
    def fail(*args: Any, **kwargs: Any) -> Any:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, name, fail)


async def test_a_full_disk_fails_writes_with_the_reason_and_still_reads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = open_directory(tmp_path)
    await store.create(KEY, [b"x"])
    with monkeypatch.context() as full_disk:
        failing(full_disk, "writev", errno.ENOSPC)
        with pytest.raises(StorageUnavailable, match="disk is full"):
            await store.create(ObjectKey("data/2"), [b"y"])
        with pytest.raises(StorageUnavailable, match="disk is full"):
            await store.put(ObjectKey("data/2"), [b"y"])
        assert bytes(await store.get(KEY)) == b"x"
    await store.create(ObjectKey("data/2"), [b"y"])
    assert bytes(await store.get(ObjectKey("data/2"))) == b"y"


async def test_a_failed_fsync_raises_durability_unknown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = open_directory(tmp_path)
    failing(monkeypatch, "fsync", errno.EIO)
    with pytest.raises(DurabilityUnknown, match="this node stops"):
        await store.create(KEY, [b"x"])
    with pytest.raises(DurabilityUnknown):
        await store.put(ObjectKey("data/2"), [b"x"])
    assert not (tmp_path / KEY).exists()


async def test_running_out_of_descriptors_is_retriable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = open_directory(tmp_path)
    with monkeypatch.context() as exhausted:
        failing(exhausted, "open", errno.EMFILE)
        with pytest.raises(StorageUnavailable):
            await store.create(KEY, [b"y"])
    await store.create(KEY, [b"z"])
    assert bytes(await store.get(KEY)) == b"z"


async def test_more_folders_than_the_cache_of_open_ones_holds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(directory, "FOLDERS_OPEN_MAX", 3)
    store = open_directory(tmp_path)
    keys = [ObjectKey(f"data/{i % 7}/{i}") for i in range(30)]
    for key in keys:
        await store.create(key, [key.encode()])
    assert [bytes(await store.get(key)).decode() for key in keys] == keys


async def test_a_short_write_is_continued(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = open_directory(tmp_path)
    writev = os.writev
    monkeypatch.setattr(os, "writev", lambda descriptor, views: writev(descriptor, [views[0][:3]]))
    await store.create(KEY, [b"abcdefgh", b"ij", b"klmno"])
    assert bytes(await store.get(KEY)) == b"abcdefghijklmno"


def test_a_folder_that_cannot_be_created_is_refused_with_advice(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(Unfit, match="--store"):
        open_directory(tmp_path / "file" / "store")


def test_an_unknown_durability_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Unfit, match="'fsync' or 'os'"):
        open_directory(tmp_path, "maybe")


def test_a_lock_is_held_by_one_holder_at_a_time(tmp_path: Path) -> None:
    with held_lock(tmp_path, "127.0.0.1_9092"):
        with pytest.raises(Unfit, match="already runs"), held_lock(tmp_path, "127.0.0.1_9092"):
            pass
        with held_lock(tmp_path, "127.0.0.1_9093"):
            pass
    with held_lock(tmp_path, "127.0.0.1_9092"):
        pass


async def test_a_folder_dropped_from_the_cache_stays_open_during_its_sync(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = open_directory(tmp_path)
    await store.create(KEY, [b"x"])
    # As if another thread had replaced the entry: only the caller holds the folder that it looked up.
    monkeypatch.setattr(directory.DirectoryStore, "_folder", lambda self, path: directory._Folder(path))
    await store.get(KEY, durable=True)
    await store.put(KEY, [b"x"])
    await store.create(ObjectKey("data/00000001/other"), [b"y"])
