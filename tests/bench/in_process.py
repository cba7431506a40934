"""The time that a broker in a test's process takes to start and to stop.

usage: python -m tests.bench.in_process [ROUNDS]
"""

import statistics
import sys
import time

ROUNDS = 50


def milliseconds_since(started_at: float) -> float:
    return (time.perf_counter() - started_at) * 1000


def main(rounds: int) -> None:
    """Import it, then start and stop brokers one after another. A start counts until the first request is answered."""
    started_at = time.perf_counter()
    from higgins.testing import broker  # noqa: PLC0415 - the import is what is measured

    print(f"import  {milliseconds_since(started_at):.0f} ms")
    starts, ends = [], []
    for _ in range(rounds):
        started_at = time.perf_counter()
        with broker() as running:
            starts.append(milliseconds_since(started_at))
            running.create_topic("t")
            started_at = time.perf_counter()
        ends.append(milliseconds_since(started_at))
    for name, figures in (("start", starts), ("stop", ends)):
        print(f"{name:6}  median {statistics.median(figures):.1f} ms, maximum of {rounds} {max(figures):.1f} ms")


if __name__ == "__main__":
    main(int(sys.argv[1]) if sys.argv[1:] else ROUNDS)
