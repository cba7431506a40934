"""Opening the store that a URL names."""

from pathlib import Path

import pytest

from higgins.model.errors import Unfit
from higgins.runtime import Runtime
from higgins.storage.directory import DirectoryStore
from higgins.storage.memory import MemoryStore
from higgins.storage.objectstore import ObjectStore
from higgins.storage.open import store_from
from higgins.storage.probe import probe
from higgins.storage.settings import StoreSettings


def open_url(url: str, **settings: str) -> object:
    return store_from(Runtime(), StoreSettings(url=url, **settings))  # type: ignore[arg-type]


def test_a_path_and_a_file_url_are_the_same_directory(tmp_path: Path) -> None:
    for url in (f"{tmp_path}/a%20b", f"file://{tmp_path}/a%2520b"):
        store = open_url(url)
        assert isinstance(store, DirectoryStore) and store.root == tmp_path / "a%20b"


@pytest.mark.parametrize(
    ("url", "kind"),
    [("memory://", MemoryStore), ("s3://bucket", ObjectStore), ("s3://bucket/some/prefix", ObjectStore)],
)
def test_the_scheme_selects_the_store(url: str, kind: type) -> None:
    assert isinstance(open_url(url, region="us-east-1", access_key_id="a", secret_access_key="b"), kind)


@pytest.mark.parametrize(
    ("url", "message"),
    [("ftp://host/path", "unknown scheme 'ftp'"), ("s3://", "names no bucket"), ("s3:///prefix", None)],
)
def test_an_unusable_url_is_refused_with_advice(url: str, message: str | None) -> None:
    with pytest.raises(Unfit, match=message):
        open_url(url)


async def test_an_unreachable_bucket_is_refused_by_the_probe() -> None:
    settings = StoreSettings(
        url="s3://bucket",
        endpoint="http://127.0.0.1:1",
        access_key_id="a",
        secret_access_key="b",
        request_timeout_s=0.5,
    )
    with pytest.raises(Unfit, match=r"Connection refused.*store\.endpoint"):
        await probe(store_from(Runtime(), settings), "token", patience_s=5.0)


def test_only_cloud_stores_linger_by_default(tmp_path: Path) -> None:
    assert store_from(Runtime(), StoreSettings(url="memory://")).traits.linger_ms == 0
    assert store_from(Runtime(), StoreSettings(url=str(tmp_path))).traits.linger_ms == 0
    assert store_from(Runtime(), StoreSettings(url="s3://bucket", region="x")).traits.linger_ms == 250
    assert store_from(Runtime(), StoreSettings(url="s3://bucket", region="x", linger_ms=7)).traits.linger_ms == 7
