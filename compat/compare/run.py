"""Asks two brokers the same and says where their answers differ.

usage: python -m compat.compare.run [HIGGINS KAFKA] [--only API[,API…]] [--all]

Without addresses both are started here. Exit code 1 when they differ in a way that differences.py does not list.
"""

import argparse
import contextlib
import os
import secrets
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

from compat.compare import (
    cases_batch_contents,
    cases_cluster_corners,
    cases_config_corners,
    cases_fetch_corners,
    cases_groups,
    cases_member_corners,
    cases_offset_corners,
    cases_produce_corners,
    cases_records,
    cases_topic_corners,
    cases_topics,
)
from compat.compare.differences import reason
from compat.compare.script import CASES, Case, Script, flat
from compat.compare.wire import KEYS, Wire
from higgins_protocol.registry import APIS
from higgins_protocol.schema import Message

SUITES = (
    cases_topics,
    cases_topic_corners,
    cases_config_corners,
    cases_records,
    cases_produce_corners,
    cases_batch_contents,
    cases_fetch_corners,
    cases_groups,
    cases_member_corners,
    cases_offset_corners,
    cases_cluster_corners,
)
"""Registered by being imported."""

COMPAT = Path(__file__).resolve().parents[1]
START_PATIENCE_S = 20
BROKER_SETTINGS = ("num.partitions=4", "group.initial.rebalance.delay.ms=0", "group.min.session.timeout.ms=1000")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("addresses", nargs="*", help="HIGGINS KAFKA, both HOST:PORT")
    parser.add_argument("--only", default="", help="APIs by name, e.g. CreateTopics,Fetch")
    parser.add_argument("--all", action="store_true", help="show the listed differences, too")
    options = parser.parse_args()
    with ExitStack() as stack:
        addresses = options.addresses or [stack.enter_context(higgins()), stack.enter_context(kafka())]
        ours, theirs = (Wire(address) for address in addresses)
        only = set(options.only.split(",")) - {""}
        unlisted = listed = asked = 0
        for request, case in CASES:
            if only and APIS[KEYS[request]].name not in only:
                continue
            for place, mine, other, why in differences(request, case, ours, theirs):
                if why is None or options.all:
                    print(f"{place}\n    here {mine!r}\n    Kafka {other!r}" + (f"\n    {why}" if why else ""))
                listed, unlisted = listed + (why is not None), unlisted + (why is None)
            asked += 1
    print(f"{asked} cases compared: {unlisted} differences not listed, {listed} listed")
    sys.exit(1 if unlisted else 0)


def differences(
    request: type[Message], case: Case, ours: Wire, theirs: Wire
) -> Iterator[tuple[str, object, object, str | None]]:
    """(place, our value, Kafka's value, the reason if it is listed) for each field that differs, in every version."""
    key = KEYS[request]
    api = APIS[key]
    if key not in theirs.versions:
        return
    low, high = max(api.versions[0], theirs.versions[key][0]), min(api.versions[1], theirs.versions[key][1])
    for version in range(low, high + 1):
        tag = f"compare-{secrets.token_hex(4)}"
        answers = [told(wire, request, case, version, tag) for wire in (ours, theirs)]
        for (label, mine), (_, other) in zip(*answers, strict=False):
            for path, here, there in unequal(dict(flat(mine, tag)), dict(flat(other, tag))):
                place = f"{api.name} v{version}, {label}: {path}"
                yield place, here, there, reason(api.name, label, path)
        if len(answers[0]) != len(answers[1]):
            yield f"{api.name} v{version}", f"{len(answers[0])} answers", f"{len(answers[1])} answers", None


def unequal(left: dict[str, object], right: dict[str, object]) -> Iterator[tuple[str, object, object]]:
    """(path, here, there) of what differs; where error codes differ or a row is missing, that alone is told."""
    covered: tuple[str, ...] = ()
    paths = sorted({*left, *right}, key=lambda path: (not path.endswith(("error_code", ".length")), path))
    for path in paths:
        here, there = left.get(path, "absent"), right.get(path, "absent")
        if here == there or path.startswith(covered):
            continue
        if path.endswith("error_code"):
            covered = (*covered, path.removesuffix("error_code"))
        elif path.endswith(".length"):
            covered = (*covered, path.removesuffix(".length"))
        yield path, here, there


def told(wire: Wire, request: type[Message], case: Case, version: int, tag: str) -> list[tuple[str, object]]:
    """The answers of one side; what went wrong on the way is the last of them."""
    script = Script(wire, request, version, tag)
    try:
        case(script)
    except Exception as error:
        script.answers.append(("the case itself", f"failed: {error!r}"))
    return script.answers


@contextlib.contextmanager
def higgins() -> Iterator[str]:
    """A broker of ours over memory."""
    with tempfile.TemporaryDirectory() as folder:
        address = "127.0.0.1:39192"
        command = [sys.executable, "-m", "higgins", "up", "--store", "memory://", "--listen", address]
        for setting in BROKER_SETTINGS:
            command += ["--set", setting]
        log = Path(folder) / "log"
        with log.open("wb") as out:
            process = subprocess.Popen(command, stdout=out, stderr=out, cwd=folder, env={**os.environ})
        try:
            ping = [sys.executable, "-m", "higgins", "ping", "--bootstrap", address]
            until = time.monotonic() + START_PATIENCE_S
            while subprocess.run(ping, capture_output=True, check=False).returncode:
                if process.poll() is not None or time.monotonic() > until:
                    sys.exit(f"the broker did not start:\n{log.read_text()}")
            yield address
        finally:
            process.terminate()
            process.wait(15)
            said = log.read_text()
            if "Traceback" in said:
                print(said)


@contextlib.contextmanager
def kafka() -> Iterator[str]:
    """Apache Kafka, by the script beside this folder."""
    said = subprocess.run([COMPAT / "kafka.sh", "start"], stdout=subprocess.PIPE, text=True, check=True).stdout
    try:
        yield said.split()[1]
    finally:
        subprocess.run([COMPAT / "kafka.sh", "stop"], check=False)


if __name__ == "__main__":
    main()
