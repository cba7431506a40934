"""Cloud stores for tests: moto's server in this process; versitygw, azurite and fake-gcs-server as processes.

Their programs come from the PATH, or from a cache folder into which they are installed once: versitygw (S3) where Go is
installed, azurite (Azure) where npm is. fake-gcs-server (Google) takes minutes to compile, so it is installed only if
HIGGINS_INSTALL_FAKE_GCS is set.
"""

import base64
import fcntl
import hashlib
import hmac
import http.client
import os
import secrets
import shutil
import socket
import subprocess
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from email.utils import formatdate
from pathlib import Path
from urllib.parse import urlsplit

import trio

from higgins.runtime import Runtime
from higgins.storage.open import store_from
from higgins.storage.settings import StoreSettings
from tests.conformance.gcs_uploads import uploads_translated

VERSITYGW = "github.com/versity/versitygw/cmd/versitygw@v1.8.0"
FAKE_GCS_SERVER = "github.com/fsouza/fake-gcs-server@v1.56.0"
AZURITE = "azurite@3.37.0"
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "higgins-tests" / "bin"
NPM_CACHE = CACHE.parent / "npm"
INSTALLS_FAKE_GCS = bool(os.environ.get("HIGGINS_INSTALL_FAKE_GCS"))
BUILD_TIMEOUT_S = 600
START_TIMEOUT_S = 30
ACCESS, SECRET = "higgins-tests", "higgins-tests-secret"
BUCKET = "conformance"
AZURE_ACCOUNT = "devstoreaccount1"
AZURE_KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
"""The account that azurite has, with the key that its documentation gives."""
PORTS = range(15_000, 30_000)
"""Below the range from which systems choose ephemeral ports for outgoing connections."""


class ServiceUnavailable(Exception):
    """A service cannot be started on this machine; the message says why."""


def free_port() -> int:
    """A port that was free a moment ago and that the system does not choose for outgoing connections."""
    while True:
        port = secrets.choice(PORTS)
        with closing(socket.socket()) as sock, suppress(OSError):
            sock.bind(("127.0.0.1", port))
            return port


def settings_for(kind: str, endpoint: str, prefix: str) -> StoreSettings:
    """Settings of a store under a prefix of the test bucket. Kinds: `s3`, `azure` and `gcs`."""
    if kind == "azure":
        return StoreSettings(
            url=f"az://{BUCKET}/{prefix}", endpoint=endpoint, account_name=AZURE_ACCOUNT, account_key=AZURE_KEY
        )
    if kind == "gcs":
        return StoreSettings(url=f"gs://{BUCKET}/{prefix}", endpoint=endpoint)
    return StoreSettings(
        url=f"s3://{BUCKET}/{prefix}", endpoint=endpoint, access_key_id=ACCESS, secret_access_key=SECRET
    )


def variables_for(settings: StoreSettings) -> dict[str, str]:
    """The environment variables that give a broker these settings; the URL is left out."""
    keys = ("endpoint", "access_key_id", "secret_access_key", "account_name", "account_key")
    return {f"HIGGINS_STORE_{key.upper()}": getattr(settings, key) for key in keys if getattr(settings, key)}


@contextmanager
def moto_server() -> Iterator[str]:
    """The endpoint of moto's S3, with the test bucket."""
    try:
        import boto3  # noqa: PLC0415 - slow to import
        from moto.server import ThreadedMotoServer  # noqa: PLC0415
    except ImportError as error:
        raise ServiceUnavailable(f"moto's server is not installed: {error}") from error
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        endpoint = f"http://{host}:{port}"
        client = boto3.client(
            "s3",
            endpoint_url=endpoint,
            region_name="us-east-1",
            aws_access_key_id=ACCESS,
            aws_secret_access_key=SECRET,
        )
        client.create_bucket(Bucket=BUCKET)
        yield endpoint
    finally:
        server.stop()


def go_binary(name: str, module: str) -> Path:
    """A program written in Go, installed if necessary. Raises: ServiceUnavailable."""
    on_path = shutil.which(name)
    if on_path:
        return Path(on_path)
    cached = CACHE / name
    if cached.exists():
        return cached
    if not shutil.which("go"):
        raise ServiceUnavailable(f"{name} is not on the PATH, and Go is not installed to get it: go install {module}")
    _install(["go", "install", module], cached, {**os.environ, "GOBIN": str(CACHE)})
    return cached


def azurite_program() -> Path:
    """azurite's blob service, installed if necessary. Raises: ServiceUnavailable."""
    on_path = shutil.which("azurite-blob")
    if on_path:
        return Path(on_path)
    cached = NPM_CACHE / "node_modules" / ".bin" / "azurite-blob"
    if cached.exists():
        return cached
    if not shutil.which("npm"):
        raise ServiceUnavailable(f"azurite is not on the PATH, nor npm to install it: npm install -g {AZURITE}")
    _install(["npm", "install", "--no-fund", "--no-audit", "--prefix", str(NPM_CACHE), AZURITE], cached, None)
    return cached


def _install(command: list[str], program: Path, environment: dict[str, str] | None) -> None:
    """Install a program unless another process, such as a second worker of pytest, does so meanwhile."""
    for folder in (CACHE, NPM_CACHE):
        folder.mkdir(parents=True, exist_ok=True)
    with (CACHE.parent / "install.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if program.exists():
            return
        try:
            done = subprocess.run(
                command, env=environment, capture_output=True, text=True, timeout=BUILD_TIMEOUT_S, check=False
            )
        except subprocess.TimeoutExpired as error:
            raise ServiceUnavailable(f"{' '.join(command)} took longer than {BUILD_TIMEOUT_S} s") from error
    if done.returncode or not program.exists():
        raise ServiceUnavailable(f"{' '.join(command)} failed: {done.stderr.strip()[-300:]}")


@contextmanager
def versitygw(folder: Path, port: int | None = None) -> Iterator[str]:
    """The endpoint of an S3 gateway over a folder, with the test bucket. Raises: ServiceUnavailable."""
    binary = go_binary("versitygw", VERSITYGW)
    port = port or free_port()
    (folder / "objects" / BUCKET).mkdir(parents=True, exist_ok=True)
    (folder / "sidecar").mkdir(exist_ok=True)
    address, endpoint = f"127.0.0.1:{port}", f"http://127.0.0.1:{port}"
    keys = ["--access", ACCESS, "--secret", SECRET, "--port", address, "--region", "us-east-1", "--quiet"]
    folders = ["posix", "--sidecar", str(folder / "sidecar"), str(folder / "objects")]
    with _service([str(binary), *keys, *folders], folder / "gateway.log", settings_for("s3", endpoint, "ready")):
        yield endpoint


@contextmanager
def azurite(folder: Path, port: int | None = None) -> Iterator[str]:
    """The endpoint of azurite's only account, with the test container. Raises: ServiceUnavailable."""
    port = port or free_port()
    endpoint = f"http://127.0.0.1:{port}/{AZURE_ACCOUNT}"
    command = [str(azurite_program()), "--blobPort", str(port), "--inMemoryPersistence", "--skipApiVersionCheck"]
    ready = settings_for("azure", endpoint, "ready")
    with _service([*command, "--disableTelemetry", "--silent"], folder / "azurite.log", ready, _create_container):
        yield endpoint


@contextmanager
def fake_gcs_server(folder: Path) -> Iterator[str]:
    """The endpoint of a Google Cloud Storage in memory, with the test bucket. Raises: ServiceUnavailable."""
    if not (shutil.which("fake-gcs-server") or (CACHE / "fake-gcs-server").exists() or INSTALLS_FAKE_GCS):
        raise ServiceUnavailable("fake-gcs-server is not installed. To have it installed: HIGGINS_INSTALL_FAKE_GCS=1")
    binary = go_binary("fake-gcs-server", FAKE_GCS_SERVER)
    address = ["-scheme", "http", "-host", "127.0.0.1", "-port", str(free_port())]
    host = f"127.0.0.1:{address[-1]}"
    command = [str(binary), *address, "-public-host", host, "-backend", "memory", "-log-level", "error"]
    ready = settings_for("gcs", f"http://{host}", "ready")
    with _service(command, folder / "gcs.log", ready, _create_google_bucket), uploads_translated(host) as endpoint:
        yield endpoint


SERVICES = {"s3": versitygw, "azure": azurite, "gcs": fake_gcs_server}
"""A service that is a process of its own, by the kind of store."""


@contextmanager
def _service(
    command: list[str], log: Path, ready: StoreSettings, create_bucket: Callable[[StoreSettings], None] | None = None
) -> Iterator[None]:
    with log.open("wb") as out:
        process = subprocess.Popen(command, stdout=out, stderr=out)
    try:
        trio.run(_wait_until_ready, ready, process, create_bucket)
        yield
    finally:
        process.terminate()
        process.wait(10)


async def _wait_until_ready(
    settings: StoreSettings, process: "subprocess.Popen[bytes]", create_bucket: Callable[[StoreSettings], None] | None
) -> None:
    with trio.move_on_after(START_TIMEOUT_S):
        while process.poll() is None:
            try:
                if create_bucket is not None:
                    await trio.to_thread.run_sync(create_bucket, settings)
                await store_from(Runtime(), settings).list("ready/")
                return
            except Exception:  # refused connections and errors of a service that is still starting
                await trio.sleep(0.05)
    raise ServiceUnavailable(f"The service of {settings.url} did not start (exit code {process.poll()})")


def _create_google_bucket(settings: StoreSettings) -> None:
    _request(settings.endpoint, "POST", "/storage/v1/b", b'{"name": "%s"}' % BUCKET.encode(), {})


def _create_container(settings: StoreSettings) -> None:
    """Create the container with a request signed as Azure's "Shared Key" scheme says; obstore cannot create one."""
    path = f"{urlsplit(settings.endpoint).path}/{BUCKET}"
    headers = {"x-ms-date": formatdate(usegmt=True), "x-ms-version": "2021-12-02"}
    canonical = "".join(f"{name}:{value}\n" for name, value in sorted(headers.items()))
    text = f"PUT{chr(10) * 12}{canonical}/{AZURE_ACCOUNT}{path}\nrestype:container"
    digest = hmac.new(base64.b64decode(AZURE_KEY), text.encode(), hashlib.sha256).digest()
    signature = f"SharedKey {AZURE_ACCOUNT}:{base64.b64encode(digest).decode()}"
    _request(
        settings.endpoint, "PUT", f"{path}?restype=container", b"", {**headers, "Authorization": signature}
    )


def _request(endpoint: str, method: str, path: str, body: bytes, headers: dict[str, str]) -> None:
    connection = http.client.HTTPConnection(urlsplit(endpoint).netloc, timeout=5)
    with closing(connection):
        connection.request(method, path, body, headers)
        answer = connection.getresponse()
        # 409: it exists, from an earlier attempt.
        if answer.status not in {200, 201, 409}:
            raise ServiceUnavailable(f"{method} {path}: {answer.status} {answer.read()[:300]!r}")
