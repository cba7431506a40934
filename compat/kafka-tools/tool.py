"""Kafka's own tools as people run them, by the names of their scripts, and what their stories share."""

import os
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple

from telling import PATIENCE_S, ask, numbers

TOOL_S = 60.0
JARS = "KAFKA_TOOLS_JARS"
MACHINE = ("-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Xmx256m", "-Dlog4j2.level=OFF")
CLASSES = {
    "broker-api-versions": "org.apache.kafka.tools.BrokerApiVersionsCommand",
    "cluster": "org.apache.kafka.tools.ClusterTool",
    "configs": "kafka.admin.ConfigCommand",
    "console-consumer": "org.apache.kafka.tools.consumer.ConsoleConsumer",
    "console-producer": "org.apache.kafka.tools.ConsoleProducer",
    "consumer-groups": "org.apache.kafka.tools.consumer.group.ConsumerGroupCommand",
    "consumer-perf-test": "org.apache.kafka.tools.ConsumerPerformance",
    "delete-records": "org.apache.kafka.tools.DeleteRecordsCommand",
    "get-offsets": "org.apache.kafka.tools.GetOffsetShell",
    "groups": "org.apache.kafka.tools.GroupsCommand",
    "leader-election": "org.apache.kafka.tools.LeaderElectionCommand",
    "log-dirs": "org.apache.kafka.tools.LogDirsCommand",
    "producer-perf-test": "org.apache.kafka.tools.ProducerPerformance",
    "reassign-partitions": "org.apache.kafka.tools.reassign.ReassignPartitionsCommand",
    "topics": "org.apache.kafka.tools.TopicCommand",
    "verifiable-consumer": "org.apache.kafka.tools.VerifiableConsumer",
    "verifiable-producer": "org.apache.kafka.tools.VerifiableProducer",
}


class Said(NamedTuple):
    """What a tool wrote, and its exit code."""

    code: int
    out: str
    errors: str


def command(name: str, arguments: Sequence[str]) -> list[str]:
    return ["java", *MACHINE, "-cp", os.environ[JARS] + "/*", CLASSES[name], *arguments]


def attempt(name: str, *arguments: str, typed: str = "") -> Said:
    """Run a tool until it ends, however it ends."""
    done = subprocess.run(
        command(name, arguments), input=typed, capture_output=True, text=True, timeout=TOOL_S, check=False
    )
    return Said(done.returncode, done.stdout, done.stderr)


def tool(name: str, *arguments: str, typed: str = "") -> str:
    """What a tool writes; it has to end well."""
    said = attempt(name, *arguments, typed=typed)
    assert said.code == 0, f"{name} ends with {said.code}: {said.out}{said.errors}"
    return said.out


@contextmanager
def running(name: str, *arguments: str) -> Iterator[None]:
    """A tool that runs as long as the block, and is then told to stop."""
    with tempfile.TemporaryFile() as said:
        process = subprocess.Popen(command(name, arguments), stdout=said, stderr=said)
        try:
            yield
        finally:
            process.terminate()
            try:
                process.wait(TOOL_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def rows(out: str) -> list[dict[str, str]]:
    """A table as the tools print them, each row under the names of its columns."""
    lines = [line.split() for line in out.splitlines() if line.strip()]
    head = next((number for number, line in enumerate(lines) if line[0] in {"GROUP", "TOPIC"}), len(lines))
    names = lines[head] if head < len(lines) else []
    return [dict(zip(names, line, strict=False)) for line in lines[head + 1 :]]


def at(bootstrap: str) -> tuple[str, str]:
    return "--bootstrap-server", bootstrap


def topic_of(partitions: int = 1) -> str:
    name = f"tools-{time.time_ns()}"
    ask("create", topic=name, partitions=partitions)
    return name


def filled(bootstrap: str, count: int = 10) -> str:
    """A topic of one partition with records v0, v1 …"""
    topic = topic_of()
    tool("console-producer", *at(bootstrap), "--topic", topic, typed="".join(f"{one}\n" for one in numbers(0, count)))
    return topic


def consumed(bootstrap: str, topic: str, count: int, *more: str) -> list[str]:
    arguments = ("--topic", topic, "--max-messages", str(count), "--timeout-ms", "30000", *more)
    return tool("console-consumer", *at(bootstrap), *arguments).splitlines()


def until(found: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not found():
        assert time.monotonic() < deadline, f"not in {PATIENCE_S:.0f} s: {what}"
        time.sleep(0.2)
