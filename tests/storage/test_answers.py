"""What a cloud store says reaches the person: its code, its sentence, and the setting to change."""

import os
import re
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager

import pytest

from higgins.model.errors import Corrupt, HigginsError, ObjectExists, ObjectMissing, StorageUnavailable, Unfit
from higgins.model.pointer import ObjectKey
from higgins.runtime import Runtime
from higgins.storage.open import store_from
from higgins.storage.probe import ATTEMPTS, probe
from higgins.storage.settings import StoreSettings
from higgins.storage.store import Store
from tests.storage.answering import ScriptedAnswer, answering

KEY = ObjectKey("ledger/commits/000000000/000000000001")


def xml(status: int, code: str, sentence: str) -> ScriptedAnswer:
    body = f'<?xml version="1.0"?>\n<Error>\n<Code>{code}</Code><Message>{sentence}</Message></Error>'
    return ScriptedAnswer(status, body.encode())


HEADERS = (("ETag", '"x"'), ("Last-Modified", "Mon, 30 Nov 2026 20:00:00 GMT"))
NO_BUCKET = xml(404, "NoSuchBucket", "The specified bucket does not exist")
ANSWERS = {
    "no bucket": NO_BUCKET,
    "no container": xml(404, "ContainerNotFound", "The specified container does not exist."),
    "404 of a proxy": ScriptedAnswer(404, b"404 page not found"),
    "denied": xml(403, "AccessDenied", "Access Denied."),
    "wrong key": xml(403, "InvalidAccessKeyId", "The key does not exist in our records."),
    "wrong secret": xml(403, "SignatureDoesNotMatch", "The signature does not match."),
    "403 without a body": ScriptedAnswer(403),
    "401": ScriptedAnswer(401, b"unauthorized"),
    "400": xml(400, "AuthorizationHeaderMalformed", "The region 'us-east-1' is wrong; expecting 'eu-west-1'"),
    "other region": xml(301, "PermanentRedirect", "The bucket is elsewhere."),
    "307": ScriptedAnswer(307, b"", (("Location", "http://127.0.0.1:1/x"),)),
    "409": xml(409, "ConditionalRequestConflict", "A conflicting operation is in progress."),
    "409 without a body": ScriptedAnswer(409),
    "429": ScriptedAnswer(429),
    "500": ScriptedAnswer(500, b"<html><b>oops</b></html>"),
    "501": xml(501, "NotImplemented", "A header is not implemented."),
    "503": xml(503, "SlowDown", "Please reduce your request rate."),
    "503 without a body": ScriptedAnswer(503),
    "507": xml(507, "XMinioStorageFull", "The disk is full."),
    "json": ScriptedAnswer(403, b'{"error": {"code": 403, "message": "no billing", "reason": "x"}}'),
    "terminal codes": ScriptedAnswer(500, b"\x1b[2Jgone"),
    "reset": ScriptedAnswer(manner="reset"),
    "silent": ScriptedAnswer(manner="silent"),
    "cut": ScriptedAnswer(200, b"x" * 100, HEADERS, manner="cut"),
    "a page": ScriptedAnswer(200, b"<html>welcome</html>"),
    "nothing": ScriptedAnswer(204),
    "object missing": xml(404, "NoSuchKey", "The specified key does not exist."),
    "precondition": xml(412, "PreconditionFailed", "At least one condition did not hold."),
}
OPERATIONS: dict[str, Callable[[Store], Awaitable[object]]] = {
    "create": lambda store: store.create(KEY, [b"x"]),
    "put": lambda store: store.put(KEY, [b"x"]),
    "get": lambda store: store.get(KEY),
    "range": lambda store: store.get_range(KEY, 2, 3),
    "list": lambda store: store.list("ledger/"),
    "delete": lambda store: store.delete(KEY),
}


def store_at(endpoint: str, **settings: object) -> Store:
    given: dict[str, object] = {"access_key_id": "a", "secret_access_key": "b", "request_timeout_s": 0.3, **settings}
    return store_from(Runtime(), StoreSettings(url="s3://books/prefix", endpoint=endpoint, **given))  # type: ignore[arg-type]


@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize("name", ANSWERS)
async def test_every_answer_to_every_operation_is_an_error_of_the_port(name: str, operation: str) -> None:
    with answering(ANSWERS[name]) as server:
        store = store_at(server.endpoint)
        try:
            await OPERATIONS[operation](store)
        except HigginsError as error:
            _check(error, name, operation)


def _check(error: HigginsError, name: str, operation: str) -> None:
    """What holds for every error, and what the answer alone decides."""
    text = str(error)
    assert "\x1b" not in text and "\n" not in text and "Debug source" not in text
    if isinstance(error, ObjectMissing):
        assert (name, operation) in {("object missing", one) for one in ("get", "range")}
    elif isinstance(error, ObjectExists):
        assert (name, operation) == ("precondition", "create")
    elif isinstance(error, Corrupt):
        assert operation == "range"
    else:
        assert isinstance(error, StorageUnavailable)
        assert "bucket books" in text
        answer = ANSWERS[name]
        if answer.manner == "answer" and answer.status >= 400:
            assert str(answer.status) in text
        if error.certain:
            assert operation in {"create", "put"} and 400 <= answer.status < 504


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("no bucket", ["NoSuchBucket", "The specified bucket does not exist", "store.url"]),
        ("denied", ["403 AccessDenied: Access Denied", "store.access_key_id"]),
        ("wrong secret", ["SignatureDoesNotMatch", "store.secret_access_key"]),
        ("400", ["expecting 'eu-west-1'", "store.region, now 'us-east-1'"]),
        ("other region", ["store.region", "store.endpoint"]),
        ("503", ["503 SlowDown: Please reduce your request rate"]),
        ("500", ["500: oops"]),
        ("json", ["no billing"]),
        ("silent", ["no answer in time", "store.endpoint"]),
        ("reset", ["reset", "store.endpoint"]),
    ],
)
async def test_the_code_the_sentence_and_the_setting_are_told(name: str, words: list[str]) -> None:
    with answering(ANSWERS[name]) as server:
        with pytest.raises(StorageUnavailable) as caught:
            await store_at(server.endpoint).create(KEY, [b"x"])
        for word in words:
            assert word in str(caught.value)


@pytest.mark.parametrize(
    ("endpoint", "word"),
    [("http://127.0.0.1:1", "Connection refused"), ("http://no-such-host.invalid", "lookup")],
)
async def test_an_address_that_leads_nowhere_is_told(endpoint: str, word: str) -> None:
    with pytest.raises(StorageUnavailable, match=word) as caught:
        await store_at(endpoint).get(KEY)
    assert endpoint in str(caught.value) and not caught.value.answered


async def test_https_at_a_port_that_speaks_http_is_told() -> None:
    with answering(NO_BUCKET) as server, pytest.raises(StorageUnavailable, match="no TLS connection"):
        await store_at(server.endpoint.replace("http", "https"), request_timeout_s=10.0).get(KEY)


async def test_a_create_is_one_request_whatever_the_answer() -> None:
    # A second request would find the key taken by the first, if that was stored after all.
    for name in ("503", "500", "429", "reset", "409", "silent"):
        with answering(ANSWERS[name]) as server:
            server.answer = ANSWERS["precondition"]
            server.first = [ANSWERS[name]]
            with pytest.raises(StorageUnavailable):
                await store_at(server.endpoint).create(KEY, [b"x"])
            assert len(server.requests) == 1, name


async def test_other_requests_are_repeated_by_the_client_library() -> None:
    with answering(ANSWERS["503"]) as server:
        server.answer = ScriptedAnswer(200, b"whole", HEADERS)
        server.first = [ANSWERS["503"]]
        assert bytes(await store_at(server.endpoint, request_timeout_s=10.0).get(KEY)) == b"whole"
        assert len(server.requests) == 2


# ---- the probe -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ANSWERS)
async def test_a_store_that_answers_like_this_is_refused_in_a_sentence(name: str) -> None:
    with answering(ANSWERS[name]) as server:
        store = store_at(server.endpoint)
        with pytest.raises(Unfit) as caught:
            await probe(store, "token", patience_s=1.0)
    assert "\n" not in str(caught.value) and "Debug" not in str(caught.value)


@pytest.mark.parametrize("name", ["no bucket", "wrong key", "wrong secret", "400", "other region"])
async def test_a_wrong_setting_is_told_without_patience(name: str) -> None:
    with answering(ANSWERS[name]) as server:
        with pytest.raises(Unfit, match="The bucket books cannot be used"):
            await probe(store_at(server.endpoint), "token")
        assert len(server.requests) == ATTEMPTS


# ---- settings and the environment ------------------------------------------------------------------------------------

# What obstore 0.12 documents (its `_aws.pyi`, `_azure.pyi`, `_gcs.pyi` and `_client.pyi`) and what object_store reads.
_AWS = """
ACCESS_KEY_ID SECRET_ACCESS_KEY SESSION_TOKEN TOKEN ENDPOINT ENDPOINT_URL ENDPOINT_URL_S3 BUCKET BUCKET_NAME REGION
DEFAULT_REGION CHECKSUM_ALGORITHM CONDITIONAL_PUT CONTAINER_CREDENTIALS_RELATIVE_URI CONTAINER_CREDENTIALS_FULL_URI
CONTAINER_AUTHORIZATION_TOKEN_FILE COPY_IF_NOT_EXISTS DISABLE_TAGGING DISABLE_BULK_DELETE IMDSV1_FALLBACK
METADATA_ENDPOINT REQUEST_PAYER ROLE_ARN ROLE_SESSION_NAME S3_EXPRESS SERVER_SIDE_ENCRYPTION SKIP_SIGNATURE
SSE_BUCKET_KEY_ENABLED SSE_CUSTOMER_KEY_BASE64 SSE_KMS_KEY_ID STS_ENDPOINT UNSIGNED_PAYLOAD
VIRTUAL_HOSTED_STYLE_REQUEST WEB_IDENTITY_TOKEN_FILE ALLOW_HTTP ALLOW_INVALID_CERTIFICATES CONNECT_TIMEOUT
DEFAULT_CONTENT_TYPE HTTP1_ONLY HTTP2_ONLY POOL_IDLE_TIMEOUT POOL_MAX_IDLE_PER_HOST PROXY_URL PROXY_CA_CERTIFICATE
PROXY_EXCLUDES READ_TIMEOUT TIMEOUT USER_AGENT
"""
_AZURE = """
STORAGE_ACCOUNT_NAME STORAGE_ACCOUNT_KEY STORAGE_ACCESS_KEY STORAGE_MASTER_KEY STORAGE_CLIENT_ID CLIENT_ID
STORAGE_CLIENT_SECRET CLIENT_SECRET CREDENTIAL_TYPE STORAGE_TENANT_ID STORAGE_AUTHORITY_ID TENANT_ID AUTHORITY_ID
STORAGE_AUTHORITY_HOST AUTHORITY_HOST STORAGE_SAS_KEY STORAGE_SAS_TOKEN STORAGE_TOKEN STORAGE_USE_EMULATOR
USE_FABRIC_ENDPOINT ENCRYPTION_KEY STORAGE_ENDPOINT ENDPOINT MSI_ENDPOINT IDENTITY_ENDPOINT OBJECT_ID MSI_RESOURCE_ID
FEDERATED_TOKEN_FILE USE_AZURE_CLI SKIP_SIGNATURE CONTAINER_NAME DISABLE_TAGGING PROXY_URL TIMEOUT ALLOW_HTTP
"""
AWS_VARIABLES, AZURE_VARIABLES = _AWS.split(), _AZURE.split()
VALUES = ("junk", "true", "http://127.0.0.1:9")


@contextmanager
def environment(variables: dict[str, str]) -> Iterator[None]:
    before = dict(os.environ)
    os.environ.update(variables)
    try:
        yield
        assert {**before, **variables} == dict(os.environ), "the environment was changed"
    finally:
        for variable in variables:
            os.environ.pop(variable, None)
        os.environ.update(before)


def _decided(request: str) -> list[str]:
    """The parts of a request that settings decide: all but the date and the signature, which depends on it."""
    varying = ("x-amz-date", "x-ms-date", "date", "host")
    lines = [line for line in request.splitlines() if not line.lower().startswith(varying)]
    return sorted(re.sub(r"/\d{8}/|Signature=\w+|(?<=SharedKey account:).*", "", line) for line in lines)


async def _requests(settings: StoreSettings, path: str = "") -> list[list[str]]:
    """The requests of a create and of a put."""
    with answering(ScriptedAnswer(200, b"", HEADERS)) as server:
        store = store_from(Runtime(), replaced(settings, endpoint=server.endpoint + path))
        await store.create(KEY, [b"x"])
        await store.put(KEY, [b"x"])
        return [_decided(request) for request in server.requests]


def replaced(settings: StoreSettings, **changes: str) -> StoreSettings:
    return StoreSettings(**{**{name: getattr(settings, name) for name in settings.__struct_fields__}, **changes})


EXPLICIT = StoreSettings(url="s3://books", access_key_id="KEY", secret_access_key="SECRET")
EXPLICIT_AZURE = StoreSettings(url="az://books", account_name="account", account_key="a2V5")


@pytest.mark.parametrize("value", VALUES)
async def test_with_keys_in_the_settings_no_variable_of_aws_has_a_say(value: str) -> None:
    expected = await _requests(EXPLICIT)
    for name in AWS_VARIABLES:
        with environment({f"AWS_{name}": value}):
            assert await _requests(EXPLICIT) == expected, name
    with environment({f"AWS_{name}": value for name in AWS_VARIABLES}):
        assert await _requests(EXPLICIT) == expected


@pytest.mark.parametrize("value", VALUES)
async def test_with_keys_in_the_settings_no_variable_of_azure_has_a_say(value: str) -> None:
    expected = await _requests(EXPLICIT_AZURE, "/account")
    for name in AZURE_VARIABLES:
        with environment({f"AZURE_{name}": value}):
            assert await _requests(EXPLICIT_AZURE, "/account") == expected, name


async def test_without_keys_the_variables_of_aws_are_used_and_settings_win() -> None:
    variables = {
        "AWS_ACCESS_KEY_ID": "KEY",
        "AWS_SECRET_ACCESS_KEY": "SECRET",
        "AWS_ENDPOINT_URL_S3": "http://127.0.0.1:1",
        "AWS_BUCKET": "other",
        "AWS_CONDITIONAL_PUT": "disabled",
        "AWS_REGION": "us-east-1",
    }
    expected = await _requests(EXPLICIT)
    with environment(variables):
        assert await _requests(replaced(EXPLICIT, access_key_id="", secret_access_key="")) == expected


@pytest.mark.parametrize("variable", ["AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT"])
async def test_an_address_in_a_variable_of_aws_may_be_http_and_is_named(variable: str) -> None:
    with answering(ANSWERS["503"]) as server, environment(
        {"AWS_ACCESS_KEY_ID": "K", "AWS_SECRET_ACCESS_KEY": "S", variable: server.endpoint}
    ):
        store = store_from(Runtime(), StoreSettings(url="s3://books", request_timeout_s=0.3))
        with pytest.raises(StorageUnavailable):
            await store.create(KEY, [b"x"])
        assert server.requests
        server.answer = NO_BUCKET
        with pytest.raises(StorageUnavailable, match=variable):
            await store.get(KEY)


@pytest.mark.parametrize(
    ("url", "settings", "message"),
    [
        ("s3://b", {"access_key_id": "a"}, "store.secret_access_key is not"),
        ("s3://b", {"secret_access_key": "a"}, "store.access_key_id is not"),
        ("s3://b", {"session_token": "a"}, "store.access_key_id is not"),
        ("s3://b", {"account_name": "a"}, "S3 has no setting store.account_name"),
        ("s3://b", {"access_key_id": "a", "secret_access_key": "b\n"}, "store.secret_access_key has white space"),
        ("s3://b", {"endpoint": "127.0.0.1:9000"}, "store.endpoint"),
        ("s3://b", {"endpoint": "ftp://h"}, "store.endpoint"),
        ("s3://b?x=1", {}, "a part that is not used"),
        ("s3://key:secret@b", {}, "credentials go into"),
        ("az://c", {"region": "x"}, "Azure has no setting store.region"),
        ("az://c", {"access_key_id": "x"}, "store.account_name and store.account_key"),
        ("az://c", {"account_name": "x"}, "store.account_key is not"),
        ("gs://b", {"region": "x"}, "Google Cloud Storage has no setting store.region"),
        ("gs://b", {"credentials_file": "/none/such"}, "credentials_file"),
        ("az://", {}, "names no container"),
    ],
)
def test_a_setting_without_effect_or_half_of_a_pair_is_refused(
    url: str, settings: dict[str, str], message: str
) -> None:
    with pytest.raises(Unfit, match=message):
        store_from(Runtime(), StoreSettings(url=url, **settings))  # type: ignore[arg-type]
