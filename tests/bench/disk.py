"""The floor under the directory store: what the disk alone does with the same creates.

usage: python -m tests.bench.disk [FOLDER] [--seconds 10] [--rate 1000]

Prints one fsync (append 1 KiB and sync), one durable create (write, sync, link, sync the folder), and the latency of
records that arrive at `rate` and share a create with whatever arrived while the one before was under way: no broker
can be faster than that on this disk. Run it in the same sitting as what it is compared with, and after it: this deletes
thousands of files, and where ext4 has no journal that slows creates down for a minute or more.
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
    taken = []
    for _ in range(count):
        begun = time.perf_counter()
        function()
        taken.append(time.perf_counter() - begun)
    return taken


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
        """Latencies of records arriving evenly, all that wait going into the next create."""
        begun = time.perf_counter()
        taken: list[float] = []
        while len(taken) < rate * seconds:
            now = time.perf_counter()
            due = int((now - begun) * rate) + 1 - len(taken)
            if due <= 0:
                time.sleep(begun + len(taken) / rate - now)
                continue
            self.create(due)
            done = time.perf_counter()
            taken += [done - begun - (len(taken) + i) / rate for i in range(due)]
        return taken


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", nargs="?", default=None)
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--rate", type=int, default=1000)
    asked = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="higgins-disk-", dir=asked.folder))
    try:
        disk = Disk(folder)
        quantiles("one fsync", timed(2000, disk.append))
        quantiles("one durable create", timed(2000, disk.create))
        quantiles(f"records at {asked.rate}/s, creates shared", disk.shared(asked.rate, asked.seconds))
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
