"""What is sent to a cloud store: creates once, everything else with retries, listings page by page."""

from types import SimpleNamespace
from typing import Any

import pytest
from obstore.exceptions import GenericError

from higgins.model.errors import Corrupt, StorageUnavailable
from higgins.model.pointer import ObjectKey
from higgins.runtime import Runtime
from higgins.storage.cloud import cloud_store
from higgins.storage.objectstore import CREATE_TIMEOUT_S, ObjectStore
from higgins.storage.settings import StoreSettings

KEY = ObjectKey("ledger/commits/000000000/000000000001")


class Service:
    """Records the calls of obstore, with the client's options in place of a client, and gives set answers."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.calls: list[tuple[str, Any, dict[str, Any]]] = []
        self.body = b""
        self.size = 0
        self.pages: list[list[dict[str, Any]]] = []
        self.error: Exception | None = None
        module = "higgins.storage.objectstore"
        monkeypatch.setattr("higgins.storage.cloud.from_url", lambda url, **options: options)
        for name in ("put", "get", "get_range", "head", "list", "delete"):
            monkeypatch.setattr(f"{module}.obstore.{name}", self._recorder(name))

    def _recorder(self, name: str) -> Any:
        def call(client: Any, *args: Any, **kwargs: Any) -> Any:
            self.calls.append((name, client, kwargs))
            if self.error is not None and name != "head":
                raise self.error
            match name:
                case "get":
                    return SimpleNamespace(bytes=lambda: self.body)
                case "get_range":
                    return self.body
                case "head":
                    return {"size": self.size}
                case "list":
                    return iter(self.pages)
            return None

        return call

    def retries(self) -> list[tuple[str, int]]:
        return [(name, client["retry_config"]["max_retries"]) for name, client, _ in self.calls]


@pytest.fixture
def service(monkeypatch: pytest.MonkeyPatch) -> Service:
    return Service(monkeypatch)


def store(timeout_s: float = 30.0) -> ObjectStore:
    settings = StoreSettings(
        url="s3://bucket/prefix", access_key_id="id", secret_access_key="key", request_timeout_s=timeout_s
    )
    return cloud_store(Runtime(), settings)


async def test_a_create_is_one_request_that_gives_up_early_and_all_else_is_repeated(service: Service) -> None:
    cloud = store()
    await cloud.create(KEY, [b"x"])
    await cloud.put(KEY, [b"x"])
    await cloud.get(KEY)
    await cloud.list("ledger/")
    await cloud.delete(KEY)
    assert service.retries() == [("put", 0), ("put", 3), ("get", 3), ("list", 3), ("delete", 3)]
    (_, create_client, options), (_, put_client, _) = service.calls[:2]
    assert (options["mode"], options["use_multipart"]) == ("create", False)
    assert create_client["client_options"]["timeout"] == f"{CREATE_TIMEOUT_S:g}s"
    assert put_client["client_options"]["timeout"] == "30s"


async def test_a_create_waits_no_longer_than_any_request_may(service: Service) -> None:
    await store(timeout_s=1.5).create(KEY, [b"x"])
    assert service.calls[0][1]["client_options"]["timeout"] == "1.5s"


async def test_a_listing_goes_over_pages_and_is_sorted_and_cut(service: Service) -> None:
    def page(*names: str) -> list[dict[str, Any]]:
        return [{"path": name, "size": len(name)} for name in names]

    service.pages = [page("a/2", "a/1"), page("a/4", "a/3"), page("a/6", "a/5")]
    cloud = store()
    assert [(row.key, row.length) for row in await cloud.list("a/", after="a/0", limit=10)] == [
        (f"a/{number}", 3) for number in range(1, 7)
    ]
    assert [row.key for row in await cloud.list("a/", limit=3)] == ["a/1", "a/2", "a/3"]
    (_, _, first), (_, _, second) = service.calls
    assert (first["offset"], first["chunk_size"]) == ("a/0", 10)
    assert (second["offset"], second["chunk_size"]) == (None, 3)


async def test_a_small_body_is_copied_out_of_what_was_read_with_it(service: Service) -> None:
    read_at_once = bytearray(1 << 20)
    service.body = memoryview(read_at_once)[:1_000]  # type: ignore[assignment]
    cloud = store()
    bodies = [await cloud.get(KEY), await cloud.get_range(KEY, 0, 1_000)]
    service.body = b""
    read_at_once.clear()  # Raises BufferError while a view of it is kept.
    assert [len(body) for body in bodies] == [1_000, 1_000]


async def test_a_range_beyond_the_end_is_corrupt_and_a_failed_one_unavailable(service: Service) -> None:
    cloud = store()
    service.body = b"12345"
    with pytest.raises(Corrupt):
        await cloud.get_range(KEY, 0, 6)
    service.error = GenericError("InvalidRange")
    for size, expected in ((9, Corrupt), (10, StorageUnavailable), (11, StorageUnavailable)):
        service.size = size
        with pytest.raises(expected):
            await cloud.get_range(KEY, 4, 6)
