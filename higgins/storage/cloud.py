"""Open a cloud store: which settings each cloud takes, and what the environment may add.

The client library reads every variable of its cloud (`AWS_…`, `AZURE_…`, `GOOGLE_…`), for credentials and for how
requests are made. With credentials in the settings none of them is read: a variable that some other program needs would
otherwise sign this one's requests, or send them elsewhere. Without credentials in the settings they come from the
environment, and a setting still wins over the variable of the same meaning.
"""

import os
from collections.abc import Mapping
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

import msgspec
from obstore.exceptions import BaseError
from obstore.store import from_url

from higgins.model.errors import Unfit
from higgins.runtime import Runtime, without_variables
from higgins.storage.answers import Bucket
from higgins.storage.objectstore import CREATE_TIMEOUT_S, ObjectStore
from higgins.storage.settings import StoreSettings
from higgins.storage.store import StoreTraits

RETRIES = 3


class Cloud(msgspec.Struct, frozen=True, kw_only=True):
    """How one cloud is configured: names of settings are ours, their values are the client library's keys."""

    name: str
    noun: str
    example: str
    prefixes: tuple[str, ...]
    """Beginnings of the variables that the client library reads."""
    credentials: Mapping[str, str]
    required: tuple[str, ...]
    """The credentials that are given together or not at all."""
    endpoint: str
    """The client library's key of the address."""
    endpoint_variables: tuple[str, ...]
    """The variables that set the address, the strongest first."""
    region: bool = False
    endpoint_companions: tuple[str, ...] = ()
    """Variables that change what an address means; an address in the settings hides them too."""
    always_hidden: tuple[str, ...] = ()
    """Variables that would change the bucket, or what a create means."""


_CLIENT_VARIABLES = ("ALLOW_HTTP", "TIMEOUT", "CONNECT_TIMEOUT", "POOL_IDLE_TIMEOUT")
"""Variables, after the prefix of a cloud, of what is always decided here."""

S3 = Cloud(
    name="S3",
    noun="bucket",
    example="s3://BUCKET/PREFIX",
    prefixes=("AWS_",),
    credentials={
        "access_key_id": "access_key_id",
        "secret_access_key": "secret_access_key",
        "session_token": "session_token",
    },
    required=("access_key_id", "secret_access_key"),
    endpoint="endpoint",
    endpoint_variables=("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_ENDPOINT"),
    endpoint_companions=("AWS_VIRTUAL_HOSTED_STYLE_REQUEST", "AWS_S3_EXPRESS"),
    region=True,
    always_hidden=("AWS_BUCKET", "AWS_BUCKET_NAME", "AWS_CONDITIONAL_PUT"),
)
AZURE = Cloud(
    name="Azure",
    noun="container",
    example="az://CONTAINER/PREFIX",
    prefixes=("AZURE_", "IDENTITY_", "MSI_", "AZURITE_"),
    credentials={"account_name": "account_name", "account_key": "account_key"},
    required=("account_name", "account_key"),
    endpoint="endpoint",
    endpoint_variables=("AZURE_STORAGE_ENDPOINT", "AZURE_ENDPOINT"),
    endpoint_companions=("AZURE_STORAGE_USE_EMULATOR", "AZURE_USE_EMULATOR", "AZURE_USE_FABRIC_ENDPOINT"),
    always_hidden=("AZURE_CONTAINER_NAME",),
)
GOOGLE = Cloud(
    name="Google Cloud Storage",
    noun="bucket",
    example="gs://BUCKET/PREFIX",
    prefixes=("GOOGLE_", "SERVICE_ACCOUNT"),
    credentials={"credentials_file": "service_account"},
    required=("credentials_file",),
    endpoint="base_url",
    endpoint_variables=("GOOGLE_BASE_URL",),
    always_hidden=("GOOGLE_BUCKET", "GOOGLE_BUCKET_NAME"),
)

CLOUDS: Mapping[str, Cloud] = {
    "s3": S3,
    "s3a": S3,
    "gs": GOOGLE,
    "az": AZURE,
    "azure": AZURE,
    "abfs": AZURE,
    "abfss": AZURE,
}
"""By the scheme of the URL."""

_EMULATOR_KEY = '{"disable_oauth": true, "client_email": "", "private_key": "", "private_key_id": ""}'

def cloud_store(runtime: Runtime, settings: StoreSettings) -> ObjectStore:
    """The store for a bucket. Raises: Unfit with the setting that cannot be used."""
    cloud = CLOUDS[urlsplit(settings.url).scheme]
    name = _bucket_name(cloud, settings.url)
    _check_settings(cloud, settings)
    environment = {} if _has_credentials(cloud, settings) else dict(os.environ)
    endpoint, origin = _endpoint(cloud, settings, environment)
    config = _config(cloud, settings, endpoint, environment)
    hidden = _hidden_variables(cloud, settings)
    allow_http = endpoint.startswith("http://") or _is_emulator(cloud, settings, environment)
    client = {"connect_timeout": "5s", "allow_http": allow_http, "pool_idle_timeout": "60s"}

    def connect(retries: int, timeout_s: float) -> Any:
        options = {**client, "timeout": f"{timeout_s:g}s"}
        # No retry begins after the time that one request may take.
        retry = {"max_retries": retries, "retry_timeout": timedelta(seconds=settings.request_timeout_s)}
        return from_url(settings.url, config=config, client_options=options, retry_config=retry)  # type: ignore[call-overload]

    try:
        # The client library reads the environment while a client is made, and only then.
        with without_variables(hidden):
            without_retries = connect(0, min(settings.request_timeout_s, CREATE_TIMEOUT_S))
            with_retries = connect(RETRIES, settings.request_timeout_s)
    except (BaseError, ValueError, TypeError) as error:
        raise Unfit(
            f"The store '{settings.url}' cannot be used: {_first_line(error)} "
            f"{cloud.name} takes {cloud.example} and {_names(cloud)}."
        ) from error
    return ObjectStore(
        runtime,
        without_retries,
        with_retries,
        Bucket(
            noun=cloud.noun,
            name=name,
            address=f"{endpoint} ({origin})" if endpoint else f"that of {cloud.name} (store.endpoint is not set)",
            keys=_keys(cloud, settings),
            region=str(config.get("region", "")),
        ),
        StoreTraits(
            description=f"{settings.url} (durable when the service acknowledges)",
            linger_ms=250 if settings.linger_ms is None else settings.linger_ms,
            inline_bytes_max=512 << 10,
            follow_ms=100,
            reads_are_direct=False,
            is_remote=True,
        ),
    )


def _bucket_name(cloud: Cloud, url: str) -> str:
    """The name of the bucket. Raises: Unfit where the URL has no name, or parts that would not be used."""
    parts = urlsplit(url)
    if not parts.netloc:
        raise Unfit(f"Store '{url}' names no {cloud.noun}; write {cloud.example}.")
    if parts.query or parts.fragment:
        raise Unfit(f"Store '{url}' has a part that is not used, from '?' or '#' on; write {cloud.example}.")
    name = parts.netloc.partition("@")[0]
    if cloud is not AZURE and ("@" in parts.netloc or ":" in parts.netloc):
        raise Unfit(
            f"The store's URL names no {cloud.noun}: '@' and ':' belong into none. Write {cloud.example}; credentials "
            f"go into {_names(cloud)}."
        )
    return name


def _check_settings(cloud: Cloud, settings: StoreSettings) -> None:
    """Refuse what would be ignored. Raises: Unfit."""
    foreign = [key for one in (S3, AZURE, GOOGLE) for key in one.credentials if key not in cloud.credentials]
    if not cloud.region:
        foreign.append("region")
    for key in foreign:
        if getattr(settings, key):
            raise Unfit(f"{cloud.name} has no setting store.{key}. Remove it; {cloud.name} takes {_names(cloud)}.")
    missing = [key for key in cloud.required if not getattr(settings, key)]
    if _has_credentials(cloud, settings) and missing:
        given = next(key for key in cloud.credentials if getattr(settings, key))
        raise Unfit(f"store.{given} is set, but store.{missing[0]} is not. Set both, or neither.")
    for key in ("endpoint", "region", *cloud.credentials):
        value = getattr(settings, key)
        if value != value.strip() or any(not c.isprintable() for c in value):
            raise Unfit(f"The setting store.{key} has white space or a line break around it. Remove that.")


def _endpoint(cloud: Cloud, settings: StoreSettings, environment: Mapping[str, str]) -> tuple[str, str]:
    """The address of the service and what set it; empty for the cloud's own. Raises: Unfit."""
    found = [(settings.endpoint, "store.endpoint")] if settings.endpoint else []
    found += [(environment[one], one) for one in cloud.endpoint_variables if environment.get(one)]
    if not found:
        return "", ""
    endpoint, origin = found[0]
    parts = urlsplit(endpoint)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise Unfit(f"'{endpoint}' ({origin}) is not the address of a store. Write http://HOST:PORT or https://HOST.")
    return endpoint.rstrip("/"), origin


def _config(
    cloud: Cloud, settings: StoreSettings, endpoint: str, environment: Mapping[str, str]
) -> dict[str, Any]:
    config = {theirs: getattr(settings, ours) for ours, theirs in cloud.credentials.items() if getattr(settings, ours)}
    if endpoint:
        config[cloud.endpoint] = endpoint
    if cloud.region:
        if settings.region:
            config["region"] = settings.region
        elif endpoint and not any(environment.get(one) for one in ("AWS_REGION", "AWS_DEFAULT_REGION")):
            config["region"] = "us-east-1"
    if cloud is GOOGLE and endpoint.startswith("http://") and not _google_credentials(settings, environment):
        # Google itself is reached by https only, so this is an emulator. Without such a key the client library would
        # ask this machine's metadata service for a token; its `skip_signature` has no effect on writes.
        config["service_account_key"] = _EMULATOR_KEY
    return config


def _google_credentials(settings: StoreSettings, environment: Mapping[str, str]) -> bool:
    names = ("GOOGLE_SERVICE_ACCOUNT", "GOOGLE_APPLICATION_CREDENTIALS", "GOOGLE_BEARER_TOKEN", "SERVICE_ACCOUNT")
    return bool(settings.credentials_file) or any(
        value and variable.startswith(names) for variable, value in environment.items()
    )


def _is_emulator(cloud: Cloud, settings: StoreSettings, environment: Mapping[str, str]) -> bool:
    names = ("AZURE_STORAGE_USE_EMULATOR", "AZURE_USE_EMULATOR")
    return cloud is AZURE and not settings.endpoint and any(environment.get(one) for one in names)


def _has_credentials(cloud: Cloud, settings: StoreSettings) -> bool:
    return any(getattr(settings, key) for key in cloud.credentials)


def _hidden_variables(cloud: Cloud, settings: StoreSettings) -> list[str]:
    """The variables that the client library must not see."""
    ours = [variable for variable in os.environ if variable.startswith(cloud.prefixes)]
    if _has_credentials(cloud, settings):
        return ours
    # The address is always passed on explicitly, so that the strongest variable is the one that is used and named.
    hidden = {*cloud.always_hidden, *cloud.endpoint_variables}
    hidden |= {prefix + name for prefix in cloud.prefixes for name in _CLIENT_VARIABLES}
    if settings.endpoint:
        hidden.update(cloud.endpoint_companions)
    if settings.region:
        hidden |= {"AWS_REGION", "AWS_DEFAULT_REGION"}
    return [variable for variable in ours if variable in hidden]


def _names(cloud: Cloud) -> str:
    """The settings of a cloud, for a sentence."""
    keys = ["endpoint", *(["region"] if cloud.region else []), *cloud.credentials]
    return f"{', '.join(f'store.{key}' for key in keys[:-1])} and store.{keys[-1]}"


def _keys(cloud: Cloud, settings: StoreSettings) -> str:
    """The settings of the credentials, for advice."""
    names = " and ".join(f"store.{key}" for key in cloud.required)
    if _has_credentials(cloud, settings):
        return f"the credentials, which are those of {names}"
    return f"the credentials, which come from the environment ({cloud.prefixes[0]}…), or set {names}"


def _first_line(error: BaseException) -> str:
    line = str(error).partition("\n")[0].strip() or type(error).__name__
    return line if line.endswith(".") else f"{line}."
