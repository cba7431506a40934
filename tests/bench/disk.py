"""The lower bound of the directory store's latency: the same creates on the disk, without a broker.

usage: python -m tests.bench.disk [FOLDER] [--seconds 10] [--rate 1000]

Prints one fsync (append 1 KiB and sync), one durable create (write, sync, link, sync the folder), and the latency of
records that arrive at `rate`, where each create takes all records that arrived during the previous one: no broker can
be faster than that on this disk. Run it after the measurement that it is compared with, not before: it deletes
thousands of files, and on ext4 without a journal that slows creates down for a minute or more.
"""

import argparse
import os
import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

RECORD = os.urandom(1024)


def quantiles(name: str, seconds: list[float]) -> None:
    ordered = sorted(seconds)
    shown = (f"p{100 * share:g} {1000 * ordered[min(int(len(ordered) * share), len(ordered) - 1)]:.2f}"
             for share in (0.5, 0.9, 0.99, 0.999))  # fmt: skip
    print(f"{name:34} {'  '.join(shown)} ms", flush=True)


def timed(count: int, function: Callable[[], None]) -> list[float]:
    latencies = []
    for _ in range(count):
        started_at = time.perf_counter()
        function()
        latencies.append(time.perf_counter() - started_at)
    return latencies


class Disk:
    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._log = os.open(folder / "log", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        (folder / "objects").mkdir()
        self._objects = os.open(folder / "objects", os.O_RDONLY)
        self._serial = 0

    def append(self) -> None:
        os.write(self._log, RECORD)
        os.fsync(self._log)

    def create(self, records: int = 1) -> None:
        self._serial += 1
        temporary = self._folder / "temporary"
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
        os.write(descriptor, RECORD * records)
        os.fsync(descriptor)
        os.close(descriptor)
        os.link(temporary, self._folder / "objects" / str(self._serial))
        os.fsync(self._objects)
        os.unlink(temporary)

    def shared(self, rate: int, seconds: float) -> list[float]:
        """Latencies of records that arrive evenly; each create takes all that are waiting."""
        started_at = time.perf_counter()
        latencies: list[float] = []
        while len(latencies) < rate * seconds:
            now = time.perf_counter()
            due = int((now - started_at) * rate) + 1 - len(latencies)
            if due <= 0:
                time.sleep(started_at + len(latencies) / rate - now)
                continue
            self.create(due)
            done = time.perf_counter()
            latencies += [done - started_at - (len(latencies) + i) / rate for i in range(due)]
        return latencies


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", nargs="?", default=None)
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--rate", type=int, default=1000)
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="higgins-disk-", dir=options.folder))
    try:
        disk = Disk(folder)
        quantiles("one fsync", timed(2000, disk.append))
        quantiles("one durable create", timed(2000, disk.create))
        quantiles(f"records at {options.rate}/s, creates shared", disk.shared(options.rate, options.seconds))
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
