"""S3 services for tests: moto's server in this process, and versitygw as a process of its own.

The versitygw binary comes from the PATH, or from a cache folder into which it is built once where Go is installed.
"""

import os
import secrets
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import obstore
import trio
from obstore.store import S3Store

from higgins.storage.settings import StoreSettings

VERSITYGW = "github.com/versity/versitygw/cmd/versitygw@v1.8.0"
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "higgins-tests" / "bin"
BUILD_TIMEOUT_S = 600
START_TIMEOUT_S = 30
ACCESS, SECRET = "higgins-tests", "higgins-tests-secret"
BUCKET = "conformance"
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


def settings_for(endpoint: str, prefix: str) -> StoreSettings:
    """Settings of a store under a prefix of the test bucket."""
    return StoreSettings(
        url=f"s3://{BUCKET}/{prefix}", endpoint=endpoint, access_key_id=ACCESS, secret_access_key=SECRET
    )


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


def versitygw_binary() -> Path:
    """The gateway's binary, built if necessary. Raises: ServiceUnavailable."""
    on_path = shutil.which("versitygw")
    if on_path:
        return Path(on_path)
    cached = CACHE / "versitygw"
    if cached.exists():
        return cached
    if not shutil.which("go"):
        raise ServiceUnavailable("versitygw is not on the PATH, and Go is not installed to build it")
    CACHE.mkdir(parents=True, exist_ok=True)
    build = subprocess.run(
        ["go", "install", VERSITYGW],
        env={**os.environ, "GOBIN": str(CACHE)},
        capture_output=True,
        text=True,
        timeout=BUILD_TIMEOUT_S,
        check=False,
    )
    if build.returncode or not cached.exists():
        raise ServiceUnavailable(f"versitygw cannot be built: {build.stderr.strip()[-300:]}")
    return cached


@contextmanager
def versitygw(folder: Path, port: int | None = None) -> Iterator[str]:
    """The endpoint of a gateway over a folder, with the test bucket. Raises: ServiceUnavailable."""
    binary = versitygw_binary()
    port = port or free_port()
    (folder / "objects" / BUCKET).mkdir(parents=True, exist_ok=True)
    (folder / "sidecar").mkdir(exist_ok=True)
    with (folder / "gateway.log").open("wb") as log:
        process = subprocess.Popen(
            [
                binary,
                "--access",
                ACCESS,
                "--secret",
                SECRET,
                "--port",
                f"127.0.0.1:{port}",
                "--region",
                "us-east-1",
                "--quiet",
                "posix",
                "--sidecar",
                str(folder / "sidecar"),
                str(folder / "objects"),
            ],
            stdout=log,
            stderr=log,
        )
    try:
        trio.run(_wait_until_ready, f"http://127.0.0.1:{port}", process)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(10)


async def _wait_until_ready(endpoint: str, process: "subprocess.Popen[bytes]") -> None:
    probe = S3Store(
        BUCKET,
        config={"endpoint": endpoint, "region": "us-east-1", "access_key_id": ACCESS, "secret_access_key": SECRET},
        client_options={"allow_http": True, "timeout": "1s"},
        retry_config={"max_retries": 0},
    )
    with trio.move_on_after(START_TIMEOUT_S):
        while process.poll() is None:
            try:
                await trio.to_thread.run_sync(lambda: list(obstore.list(probe)))
                return
            except Exception:  # refused connections and errors of a service that is still starting
                await trio.sleep(0.05)
    raise ServiceUnavailable(f"versitygw did not start (exit code {process.poll()})")
