"""The throughput of an operator: records are produced, then a filter is applied, timed until its last output record.

usage: python -m tests.bench.derive [--store memory] [--records 2000000] [--partitions 1] [--rounds 3]

One process on one core reads, filters and writes. The values are the driver's JSON orders; `qty > 5` keeps four of ten.
"""

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from confluent_kafka import Consumer, TopicPartition

from tests.bench.measure import cpu_seconds
from tests.bench.peers import DRIVER_CORE, driver, started

TOPOGRAPHY = """
[streams.orders]
partitions = {partitions}

[streams.large]
base = "orders"
type = "filter"
where = "qty > 5"
"""
PATIENCE_S = 600
LOOK_EVERY_S = 0.05


def produce(address: str, records: int, partitions: int) -> None:
    subprocess.run([driver(), "create", address, "orders", "-p", str(partitions)], check=True, capture_output=True)
    command = ["taskset", "-c", DRIVER_CORE, str(driver()), "produce", address, "orders", "-n", str(records)]
    command += ["-s", "100"]
    command += ["-k", "100", "-p", str(partitions), "-X", "batch.size=1000000", "-X", "linger.ms=5"]
    subprocess.run(command, check=True, capture_output=True)


def apply(address: str, partitions: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "topography.toml"
        file.write_text(TOPOGRAPHY.format(partitions=partitions))
        subprocess.run([sys.executable, "-m", "higgins", "apply", str(file), "-b", address], check=True)


def wait_until_caught_up(address: str, partitions: int) -> None:
    """Wait until the operator has committed the end of its input. Its output is in the same commits."""
    consumer = Consumer({"bootstrap.servers": address, "group.id": "higgins.op.large"})
    wanted = [TopicPartition("orders", i) for i in range(partitions)]
    ends = [consumer.get_watermark_offsets(one, 10, cached=False)[1] for one in wanted]
    deadline = time.monotonic() + PATIENCE_S
    while [max(one.offset, 0) for one in consumer.committed(wanted, 10)] != ends:
        if time.monotonic() > deadline:
            sys.exit("the operator did not come to the end of its input")
        time.sleep(LOOK_EVERY_S)
    consumer.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--store", default="memory", help="memory, directory, directory-os, s3 or s3-slow")
    parser.add_argument("--records", type=int, default=2_000_000)
    parser.add_argument("--partitions", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    rates = []
    for _ in range(options.rounds):
        with started(options.store) as peer:
            produce(peer.address, options.records, options.partitions)
            before, begun_s = cpu_seconds(peer.pid), time.monotonic()
            apply(peer.address, options.partitions)
            wait_until_caught_up(peer.address, options.partitions)
            took_s = time.monotonic() - begun_s
            rates.append(options.records / took_s)
            spent_us = (cpu_seconds(peer.pid) - before) / options.records * 1e6
            print(f"{rates[-1]:,.0f} input records/s, {spent_us:.2f} us of CPU per record, {took_s:.2f} s", flush=True)
    print(f"median {statistics.median(rates):,.0f} input records/s")


if __name__ == "__main__":
    main()
