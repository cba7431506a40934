"""Fixtures: an empty store of each kind. Services that cannot be started here are skipped."""

import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest

from higgins.runtime import Runtime
from higgins.storage.open import store_from
from higgins.storage.settings import StoreSettings
from higgins.storage.store import Store
from tests.conformance.services import (
    ServiceUnavailable,
    azurite,
    fake_gcs_server,
    moto_server,
    settings_for,
    versitygw,
)

_SERIAL = itertools.count(1)


@pytest.fixture(scope="session")
def moto_endpoint() -> Iterator[str]:
    try:
        with moto_server() as endpoint:
            yield endpoint
    except ServiceUnavailable as error:
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def versitygw_endpoint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    try:
        with versitygw(tmp_path_factory.mktemp("versitygw")) as endpoint:
            yield endpoint
    except ServiceUnavailable as error:
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def azurite_endpoint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    try:
        with azurite(tmp_path_factory.mktemp("azurite")) as endpoint:
            yield endpoint
    except ServiceUnavailable as error:
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def fake_gcs_server_endpoint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    try:
        with fake_gcs_server(tmp_path_factory.mktemp("gcs")) as endpoint:
            yield endpoint
    except ServiceUnavailable as error:
        pytest.skip(str(error))


@pytest.fixture(
    params=[
        "memory",
        "directory-fsync",
        "directory-os",
        "s3-moto",
        "s3-versitygw",
        "azure-azurite",
        "gcs-fake_gcs_server",
    ]
)
def settings(request: pytest.FixtureRequest, tmp_path: Path) -> StoreSettings:
    """Settings of an empty store of each kind."""
    kind, _, variant = request.param.partition("-")
    if kind == "memory":
        return StoreSettings(url="memory://")
    if kind == "directory":
        return StoreSettings(url=str(tmp_path / "bucket"), durability=variant)
    endpoint: str = request.getfixturevalue(f"{variant}_endpoint")
    return settings_for(kind, endpoint, f"store-{next(_SERIAL)}")


@pytest.fixture
def store(settings: StoreSettings) -> Store:
    return store_from(Runtime(), settings)
