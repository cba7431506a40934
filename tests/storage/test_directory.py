"""A directory: the order of its syncs, what a crash or a full disk leaves, and who may share it."""

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


@pytest.fixture(autouse=True, params=["nameless files", "named files"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Both ways of writing before linking; systems differ in which they know."""
    if request.param == "named files":
        monkeypatch.setattr(directory, "_can_link_nameless_files", lambda trial: False)
    return str(request.param)


@pytest.fixture
def trail(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What the store asks of the system, in order; files in `temporary` go by that name."""
    steps: list[str] = []
    fsync, link, mkdir = os.fsync, os.link, Path.mkdir

    def name_of(descriptor: int) -> str:
        path = Path(os.readlink(f"/proc/self/fd/{descriptor}"))
        is_temporary = path.parent.name == TEMPORARY or path.name.endswith("(deleted)")
        return TEMPORARY if is_temporary else path.name

    def record_fsync(descriptor: int) -> None:
        steps.append(f"fsync {name_of(descriptor)}")
        fsync(descriptor)

    def record_link(source: Any, target: Any, **kwargs: Any) -> None:
        steps.append(f"link {Path(target).name}")
        link(source, target, **kwargs)

    def record_mkdir(self: Path, *args: Any, **kwargs: Any) -> None:
        steps.append(f"mkdir {self.name}")
        mkdir(self, *args, **kwargs)

    monkeypatch.setattr(os, "fsync", record_fsync)
    monkeypatch.setattr(os, "link", record_link)
    monkeypatch.setattr(Path, "mkdir", record_mkdir)
    return steps


async def test_bytes_are_synced_before_they_have_a_name_and_the_name_before_it_is_told(
    tmp_path: Path, trail: list[str]
) -> None:
    store = open_directory(tmp_path)
    trail.clear()
    await store.create(ObjectKey("data/1/a"), [b"x"])
    assert trail == [
        "mkdir data",
        f"fsync {tmp_path.name}",
        "mkdir 1",
        "fsync data",
        "fsync temporary",
        "link a",
        "fsync 1",
    ]
    trail.clear()
    await store.put(ObjectKey("data/1/b"), [b"x"])
    assert trail == ["fsync temporary", "link b", "fsync 1"]


async def test_every_folder_made_on_the_way_to_the_store_is_synced(tmp_path: Path, trail: list[str]) -> None:
    open_directory(tmp_path / "new" / "store")
    made = [step for step in trail if TEMPORARY not in step and not step.startswith("link")]
    assert made == ["mkdir new", f"fsync {tmp_path.name}", "mkdir store", "fsync new"]


async def test_a_settled_read_syncs_the_folder_first(tmp_path: Path, trail: list[str]) -> None:
    store = open_directory(tmp_path)
    await store.create(KEY, [b"x"])
    trail.clear()
    await store.get(KEY)
    assert trail == []
    await store.get(KEY, settled=True)
    assert trail == ["fsync 00000001"]


async def test_the_kernel_is_left_alone_where_that_was_asked_for(tmp_path: Path, trail: list[str]) -> None:
    store = open_directory(tmp_path, "os")
    await store.create(KEY, [b"x"])
    await store.get(KEY, settled=True)
    assert [step for step in trail if step.startswith("fsync")] == []


async def test_a_put_that_was_linked_but_not_synced_is_synced_by_its_repetition(
    tmp_path: Path, trail: list[str]
) -> None:
    store = open_directory(tmp_path)
    await store.create(KEY, [b"x"])
    trail.clear()
    await store.put(KEY, [b"x"])
    assert trail[-1] == "fsync 00000001"


async def test_a_file_left_by_a_process_of_the_same_id_does_not_pass_for_the_object(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # In a container every life has the same process id, and a kill leaves its temporary file behind.
    monkeypatch.setattr(Runtime, "token", lambda self, length: bytes(length))
    first = open_directory(tmp_path)
    name = f"{first._owner}-1"
    (tmp_path / TEMPORARY / name).write_bytes(b"half an obj")
    second = open_directory(tmp_path)
    await second.put(KEY, [b"whole object"])
    assert bytes(await second.get(KEY)) == b"whole object"


async def test_old_leftovers_go_at_the_start_and_fresh_ones_stay(tmp_path: Path) -> None:
    open_directory(tmp_path)
    old, fresh = tmp_path / TEMPORARY / "1-old", tmp_path / TEMPORARY / "1-fresh"
    old.write_bytes(b"x")
    fresh.write_bytes(b"x")
    then_s = Runtime().now_ms() / 1000 - LEFTOVER_AGE_MS / 1000 - 60
    os.utime(old, (then_s, then_s))
    open_directory(tmp_path)
    assert not old.exists() and fresh.exists()


async def test_nothing_temporary_remains_after_a_create_won_or_lost(tmp_path: Path) -> None:
    store = open_directory(tmp_path)
    await store.create(KEY, [b"x"])
    with pytest.raises(ObjectExists):
        await store.create(KEY, [b"y"])
    assert list((tmp_path / TEMPORARY).iterdir()) == []


def failing(monkeypatch: pytest.MonkeyPatch, name: str, code: int) -> None:
    def fail(*args: Any, **kwargs: Any) -> Any:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, name, fail)


async def test_a_full_disk_is_said_to_be_full_and_still_reads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = open_directory(tmp_path)
    await store.create(KEY, [b"x"])
    with monkeypatch.context() as full:
        failing(full, "writev", errno.ENOSPC)
        with pytest.raises(StorageUnavailable, match="No room left"):
            await store.create(ObjectKey("data/2"), [b"y"])
        with pytest.raises(StorageUnavailable, match="No room left"):
            await store.put(ObjectKey("data/2"), [b"y"])
        assert bytes(await store.get(KEY)) == b"x"
    await store.create(ObjectKey("data/2"), [b"y"])
    assert bytes(await store.get(ObjectKey("data/2"))) == b"y"


async def test_a_failed_sync_is_never_repeated_and_never_acknowledged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = open_directory(tmp_path)
    failing(monkeypatch, "fsync", errno.EIO)
    with pytest.raises(DurabilityUnknown, match="this node stops"):
        await store.create(KEY, [b"x"])
    with pytest.raises(DurabilityUnknown):
        await store.put(ObjectKey("data/2"), [b"x"])
    assert not (tmp_path / KEY).exists()


async def test_no_descriptor_left_is_said_and_passes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = open_directory(tmp_path)
    with monkeypatch.context() as exhausted:
        failing(exhausted, "open", errno.EMFILE)
        with pytest.raises(StorageUnavailable):
            await store.create(KEY, [b"y"])
    await store.create(KEY, [b"z"])
    assert bytes(await store.get(KEY)) == b"z"


async def test_more_folders_than_are_kept_open(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(directory, "FOLDERS_OPEN_MAX", 3)
    store = open_directory(tmp_path)
    keys = [ObjectKey(f"data/{i % 7}/{i}") for i in range(30)]
    for key in keys:
        await store.create(key, [key.encode()])
    assert [bytes(await store.get(key)).decode() for key in keys] == keys


async def test_a_write_cut_short_by_the_system_goes_on_where_it_stopped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = open_directory(tmp_path)
    writev = os.writev
    monkeypatch.setattr(os, "writev", lambda descriptor, views: writev(descriptor, [views[0][:3]]))
    await store.create(KEY, [b"abcdefgh", b"ij", b"klmno"])
    assert bytes(await store.get(KEY)) == b"abcdefghijklmno"


def test_a_folder_that_cannot_be_made_is_refused_with_the_fix(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(Unfit, match="--store"):
        open_directory(tmp_path / "file" / "store")


def test_an_unknown_durability_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Unfit, match="'fsync' or 'os'"):
        open_directory(tmp_path, "maybe")


def test_a_name_is_held_by_one_process_at_a_time(tmp_path: Path) -> None:
    with held_lock(tmp_path, "127.0.0.1_9092"):
        with pytest.raises(Unfit, match="already runs"), held_lock(tmp_path, "127.0.0.1_9092"):
            pass
        with held_lock(tmp_path, "127.0.0.1_9093"):
            pass
    with held_lock(tmp_path, "127.0.0.1_9092"):
        pass


async def test_a_folder_opened_by_two_threads_at_once_is_synced_by_both(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = open_directory(tmp_path)
    await store.create(KEY, [b"x"])
    # As when another thread has put its own into the cache: what is looked up is held by nothing but the caller.
    monkeypatch.setattr(directory.DirectoryStore, "_folder", lambda self, path: directory._Folder(path))
    await store.get(KEY, settled=True)
    await store.put(KEY, [b"x"])
    await store.create(ObjectKey("data/00000001/other"), [b"y"])
