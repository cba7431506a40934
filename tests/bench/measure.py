#!/usr/bin/env python3
"""Measures a running Kafka-compatible broker with the load driver drive.c, and prints a table or JSON lines.

    cc -O2 -o drive drive.c -lrdkafka -lpthread
    measure.py HOST:PORT --pid BROKER_PID [--name kafka] [--json] [--only produce-1,tail]
               [--megabytes 1000] [--driver ./drive]

The broker's CPU seconds (of its whole process tree) and resident memory are read from /proc around each run, so that
the cost is measured as well as the rate. Pin the broker to core 0 (`taskset -c 0 ...`); the driver is pinned to core 1.
To compare two brokers, measure them alternately in one session and compare ratios: absolute figures on a shared machine
are not stable.
"""

import argparse
import json
import os
import pathlib
import subprocess
import sys
import time
import uuid

HERE = pathlib.Path(__file__).resolve().parent
TICK = os.sysconf("SC_CLK_TCK")


def tree(pid):
    """The process and all its descendants, by pid."""
    parents = {}
    for p in pathlib.Path("/proc").iterdir():
        if p.name.isdigit():
            try:
                parents[int(p.name)] = int((p / "stat").read_text().rsplit(")", 1)[1].split()[1])
            except (OSError, IndexError):
                continue
    pids = [pid]
    for ancestor in pids:  # grows while it is iterated, so that grandchildren are included
        pids += [child for child, parent in parents.items() if parent == ancestor]
    return pids


def cpu_seconds(pid):
    total = 0.0
    for one in tree(pid):
        try:
            fields = pathlib.Path(f"/proc/{one}/stat").read_text().rsplit(")", 1)[1].split()
        except OSError:
            continue
        total += (int(fields[11]) + int(fields[12])) / TICK
    return total


def resident_mb(pid):
    kb = 0
    for one in tree(pid):
        try:
            for line in pathlib.Path(f"/proc/{one}/status").read_text().splitlines():
                if line.startswith("VmRSS"):
                    kb += int(line.split()[1])
        except OSError:
            continue
    return kb / 1024


def run(options, mode, topic, *rest):
    before, started = cpu_seconds(options.pid), time.monotonic()
    done = subprocess.run(
        ["taskset", "-c", options.core, options.driver, mode, options.address, topic, *map(str, rest)],
        check=False, capture_output=True,
        text=True,
        timeout=options.timeout,
    )
    wall, cpu_s = time.monotonic() - started, cpu_seconds(options.pid) - before
    if done.returncode or not done.stdout.strip():
        return {"error": (done.stderr.strip().splitlines() or [f"exit {done.returncode}"])[-1]}
    result = json.loads(done.stdout.strip().splitlines()[-1])
    gigabytes = result["mb_s"] * result["seconds"] / 1000
    result["broker_cpu_s"] = round(cpu_s, 2)
    result["broker_cpu_s_per_gb"] = round(cpu_s / gigabytes, 3) if gigabytes else None
    result["broker_cpu_us_per_record"] = round(cpu_s / result["records"] * 1e6, 2) if result["records"] else None
    result["broker_busy"] = round(cpu_s / wall, 2)
    result["rss_mb"] = round(resident_mb(options.pid))
    return result


def create(options, topic, partitions):
    done = subprocess.run(
        [options.driver, "create", options.address, topic, "-p", str(partitions)],
        check=False, capture_output=True,
        text=True,
        timeout=60,
    )
    if done.returncode:
        sys.exit(done.stderr.strip())


def scenarios(options):
    n = options.megabytes * 1000 * 1000 // 1024
    tag = uuid.uuid4().hex[:6]
    one, eight, small, slow, single = (f"bench-{kind}-{tag}" for kind in ("one", "eight", "small", "slow", "single"))
    batching = ["-X", "batch.size=1000000", "-X", "linger.ms=5", "-X", "max.in.flight=5"]
    yield (
        "warm",
        "the first run of all, to warm the broker up",
        ("produce", one + "w", "-n", n // 2, "-s", 1024, "-p", 1, *batching),
    )
    yield (
        "produce-1",
        "1 KiB records, 1 partition, 1 MB batches, acks=all",
        ("produce", one, "-n", n, "-s", 1024, "-p", 1, *batching),
    )
    yield "consume-1", "the same, read from the beginning by one consumer", ("consume", one, "-n", n, "-p", 1)
    yield "produce-8", "1 KiB records, 8 partitions", ("produce", eight, "-n", n, "-s", 1024, "-p", 8, *batching)
    yield "consume-8", "the same, read from the beginning", ("consume", eight, "-n", n, "-p", 8)
    yield (
        "produce-100b",
        "100-byte records, 1 partition",
        ("produce", small, "-n", 2_000_000, "-s", 100, "-p", 1, *batching),
    )
    yield "consume-100b", "the same, read from the beginning", ("consume", small, "-n", 2_000_000, "-p", 1)
    yield (
        "produce-slow",
        "1 000 records/s of 1 KiB, linger 0: send to acknowledged",
        ("produce", slow, "-n", 10_000, "-s", 1024, "-r", 1000, "-X", "linger.ms=0"),
    )
    yield (
        "single",
        "one record at a time (max.in.flight 1, batches of one)",
        (
            "produce",
            single,
            "-n",
            10_000,
            "-s",
            100,
            "-X",
            "linger.ms=0",
            "-X",
            "batch.num.messages=1",
            "-X",
            "max.in.flight=1",
        ),
    )
    yield (
        "tail",
        "1 000 records/s of 1 KiB: send to seen by a tailing consumer",
        ("roundtrip", slow + "t", "-n", 10_000, "-s", 1024, "-r", 1000, "-X", "linger.ms=0"),
    )
    yield (
        "tail-fast",
        "50 000 records/s of 1 KiB, 8 partitions: send to seen",
        ("roundtrip", eight + "t", "-n", 500_000, "-s", 1024, "-r", 50_000, "-p", 8, "-X", "linger.ms=5"),
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("address")
    parser.add_argument("--pid", type=int, required=True)
    parser.add_argument("--name", default="broker")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--only", default="")
    parser.add_argument("--megabytes", type=int, default=1000)
    parser.add_argument("--driver", default=str(HERE / "drive"))
    parser.add_argument("--core", default="1")
    parser.add_argument("--timeout", type=float, default=300)
    options = parser.parse_args()
    wanted = [w for w in options.only.split(",") if w]
    failed = 0
    for key, words, (mode, topic, *rest) in scenarios(options):
        if wanted and key not in wanted:
            continue
        if mode != "consume":
            create(options, topic, rest[rest.index("-p") + 1] if "-p" in rest else 1)
        try:
            result = run(options, mode, topic, *rest)
        except subprocess.TimeoutExpired:
            result = {"error": f"no end after {options.timeout:.0f} s"}
        failed += "error" in result or bool(result.get("failed"))
        if options.json:
            print(json.dumps({"broker": options.name, "case": key, **result}), flush=True)
        elif "error" in result:
            print(f"{options.name:10} {key:13} {result['error']}", flush=True)
        else:
            latency = f" p50 {result['p50_ms']:.2f} p99 {result['p99_ms']:.2f} ms" if "p50_ms" in result else ""
            spent = f"{result['broker_cpu_s']:.2f} CPU-s, {result['broker_cpu_s_per_gb']} per GB"
            cost = f"{spent}, {result['broker_cpu_us_per_record']} us/rec, busy {result['broker_busy']}"
            rate = f"{result['mb_s']:8.1f} MB/s {result['records_s']:>9,.0f} rec/s"
            failures = f"  FAILED {result['failed']}" if result.get("failed") else ""
            memory = f"{result['rss_mb']} MB{latency}{failures}   ({words})"
            print(f"{options.name:10} {key:13} {rate}  broker {cost}, {memory}", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
