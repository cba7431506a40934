"""Starts the brokers to measure, one at a time, each pinned to one core, and removes their data afterwards."""

import atexit
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple

from tests.conformance.services import ACCESS, BUCKET, SECRET, free_port, versitygw

HERE = Path(__file__).resolve().parent
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "higgins-tests" / "bin"
BROKER_CORE, DRIVER_CORE = "0", "1"
START_PATIENCE_S = 60
PUT_DELAY_S = 0.04
"""The latency of a put to a cloud store, which a proxy in front of the local one adds."""


class Peer(NamedTuple):
    """A running broker: its process, its address, and the folder of its store, if it has one."""

    pid: int
    address: str
    folder: Path | None


def driver() -> Path:
    """The load driver, compiled if its source is newer. Needs a C compiler and librdkafka's headers."""
    source, binary = HERE / "drive.c", CACHE / "drive"
    if not binary.exists() or binary.stat().st_mtime < source.stat().st_mtime:
        CACHE.mkdir(parents=True, exist_ok=True)
        subprocess.run(["cc", "-O2", "-o", binary, source, "-lrdkafka", "-lpthread"], check=True)
    return binary


@contextmanager
def higgins(store: str, environment: dict[str, str] | None = None, folder: Path | None = None) -> Iterator[Peer]:
    """A Higgins node on a store."""
    address = f"127.0.0.1:{free_port()}"
    command = ["taskset", "-c", BROKER_CORE, sys.executable, "-m", "higgins", "up", "--store", store]
    command += ["--listen", address, "--log-level", "error"]
    process = subprocess.Popen(command, env={**os.environ, **(environment or {})}, stdout=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + START_PATIENCE_S
        ping = [sys.executable, "-m", "higgins", "ping", "-b", address]
        while subprocess.run(ping, capture_output=True, check=False).returncode:
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"the broker over {store} does not answer")
            time.sleep(0.1)
        yield Peer(process.pid, address, folder)
    finally:
        process.terminate()
        process.wait(20)


@contextmanager
def kafka() -> Iterator[Peer]:
    """Apache Kafka, started by the script of the compat suite."""
    script = HERE.parents[1] / "compat" / "kafka.sh"
    environment = {**os.environ, "KAFKA_CORE": BROKER_CORE}
    said = subprocess.run([script, "start"], env=environment, stdout=subprocess.PIPE, text=True, check=True).stdout
    pid, address = said.split()
    try:
        yield Peer(int(pid), address, None)
    finally:
        subprocess.run([script, "stop"], check=False)


@contextmanager
def started(name: str) -> Iterator[Peer]:
    """A peer by name: kafka, memory, directory, directory-os, s3 or s3-slow (with the latency of a cloud store)."""
    with ExitStack() as stack:
        if name == "kafka":
            yield stack.enter_context(kafka())
            return
        if name == "memory":
            yield stack.enter_context(higgins("memory://"))
            return
        folder = Path(tempfile.mkdtemp(prefix="higgins-bench-"))
        # Deleted only at the end of the process: on ext4 without a journal, each create is several times slower while
        # inodes were deleted within the last minute or so, and one round would slow down the next.
        atexit.register(shutil.rmtree, folder, ignore_errors=True)
        if name.startswith("directory"):
            durability = {"HIGGINS_STORE_DURABILITY": "os"} if name.endswith("-os") else {}
            yield stack.enter_context(higgins(str(folder / "store"), durability, folder / "store"))
            return
        endpoint = stack.enter_context(versitygw(folder))
        if name == "s3-slow":
            endpoint = stack.enter_context(_delayed(endpoint))
        environment = {
            "HIGGINS_STORE_ENDPOINT": endpoint,
            "HIGGINS_STORE_ACCESS_KEY_ID": ACCESS,
            "HIGGINS_STORE_SECRET_ACCESS_KEY": SECRET,
        }
        yield stack.enter_context(higgins(f"s3://{BUCKET}/bench", environment, folder / "objects"))


@contextmanager
def _delayed(endpoint: str) -> Iterator[str]:
    port = free_port()
    target = endpoint.removeprefix("http://")
    command = [sys.executable, "-m", "tests.bench.delay", str(port), target, str(PUT_DELAY_S)]
    proxy = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        proxy.terminate()
        proxy.wait(10)


def objects_in(folder: Path | None) -> int:
    """The number of objects in a store's folder; each was one put."""
    if folder is None:
        return 0
    return sum(1 for path in folder.rglob("*") if path.is_file() and "temporary" not in path.parts)
