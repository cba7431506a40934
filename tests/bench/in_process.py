"""How long a broker in a test's own process takes to start and to end: `python -m tests.bench.in_process [ROUNDS]`."""

import statistics
import sys
import time

ROUNDS = 50


def milliseconds_since(begun: float) -> float:
    return (time.perf_counter() - begun) * 1000


def main(rounds: int) -> None:
    """Import it, then start and stop one after another; each is asked once, so that none is counted half awake."""
    begun = time.perf_counter()
    from higgins.testing import broker  # noqa: PLC0415 - the import is what is measured

    print(f"import  {milliseconds_since(begun):.0f} ms")
    starts, ends = [], []
    for _ in range(rounds):
        begun = time.perf_counter()
        with broker() as running:
            starts.append(milliseconds_since(begun))
            running.create_topic("t")
            begun = time.perf_counter()
        ends.append(milliseconds_since(begun))
    for name, figures in (("start", starts), ("stop", ends)):
        print(f"{name:6}  median {statistics.median(figures):.1f} ms, greatest of {rounds} {max(figures):.1f} ms")


if __name__ == "__main__":
    main(int(sys.argv[1]) if sys.argv[1:] else ROUNDS)
