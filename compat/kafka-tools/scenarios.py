"""Kafka's own tools, each run as people run it, and what it must write; those for groups have a file of their own."""

import json
import re
import tempfile
import time

import tool_groups
from telling import numbers, same, scenario
from tool import at, attempt, consumed, filled, tool, topic_of, until

assert tool_groups, "imported for the stories it registers"

# ---- topics and configs ----------------------------------------------------------------------------------------------


@scenario("topics-create")
def topics_create(bootstrap: str) -> None:
    name = f"tools-{time.time_ns()}"
    given = ("--create", "--topic", name, "--partitions", "3", "--config", "retention.ms=3600000")
    assert f"Created topic {name}." in tool("topics", *at(bootstrap), *given)
    assert name in tool("topics", *at(bootstrap), "--list").splitlines()
    again = attempt("topics", *at(bootstrap), *given)
    assert again.code != 0 and f"Topic '{name}' already exists" in again.out + again.errors, again
    tool("topics", *at(bootstrap), *given, "--if-not-exists")


@scenario("topics-describe")
def topics_describe(bootstrap: str) -> None:
    name = f"tools-{time.time_ns()}"
    given = ("--topic", name, "--partitions", "3", "--config", "retention.ms=3600000")
    tool("topics", *at(bootstrap), "--create", *given)
    first, *lines = tool("topics", *at(bootstrap), "--describe", "--topic", name).splitlines()
    assert re.search(rf"Topic: {name}\s+TopicId: \S{{22}}\s+PartitionCount: 3\s+ReplicationFactor: 1", first), first
    assert "retention.ms=3600000" in first, first
    same([re.findall(r"Partition: (\d+)\s+Leader: \d+", line) for line in lines], [["0"], ["1"], ["2"]], "partitions")
    unavailable = tool("topics", *at(bootstrap), "--describe", "--unavailable-partitions", "--topic", name)
    same(unavailable.strip(), "", "partitions without a leader")
    overridden = tool("topics", *at(bootstrap), "--describe", "--topics-with-overrides")
    assert re.search(rf"Topic: {name}\b", overridden), overridden


@scenario("topics-alter")
def topics_alter(bootstrap: str) -> None:
    name = topic_of(2)
    tool("topics", *at(bootstrap), "--alter", "--topic", name, "--partitions", "5")
    assert "PartitionCount: 5" in tool("topics", *at(bootstrap), "--describe", "--topic", name)
    fewer = attempt("topics", *at(bootstrap), "--alter", "--topic", name, "--partitions", "3")
    assert fewer.code != 0 and "would not be an increase" in fewer.out + fewer.errors, fewer


@scenario("topics-delete")
def topics_delete(bootstrap: str) -> None:
    name = topic_of()
    tool("topics", *at(bootstrap), "--delete", "--topic", name)
    until(lambda: name not in tool("topics", *at(bootstrap), "--list").splitlines(), "a deleted topic leaves the list")
    again = attempt("topics", *at(bootstrap), "--delete", "--topic", name)
    assert again.code != 0 and "does not exist" in again.out + again.errors, again


@scenario("configs-topic")
def configs_topic(bootstrap: str) -> None:
    which = (*at(bootstrap), "--entity-type", "topics", "--entity-name", topic_of())
    added = tool("configs", *which, "--alter", "--add-config", "retention.ms=3600000,cleanup.policy=[compact,delete]")
    assert "Completed updating config for topic" in added, added
    described = tool("configs", *which, "--describe")
    assert "retention.ms=3600000" in described and "cleanup.policy=compact,delete" in described, described
    tool("configs", *which, "--alter", "--delete-config", "retention.ms")
    described = tool("configs", *which, "--describe")
    assert "retention.ms" not in described and "cleanup.policy=compact,delete" in described, described
    everything = tool("configs", *which, "--describe", "--all")
    synonyms = "{DYNAMIC_TOPIC_CONFIG:cleanup.policy=compact,delete, DEFAULT_CONFIG:log.cleanup.policy=delete}"
    assert f"cleanup.policy=compact,delete sensitive=false synonyms={synonyms}" in everything, everything
    assert " retention.ms=604800000 " in everything, everything
    wrong = attempt("configs", *which, "--alter", "--add-config", "retention.ms=long")
    assert wrong.code != 0 and "InvalidConfigurationException" in wrong.out + wrong.errors, wrong


@scenario("configs-broker")
def configs_broker(bootstrap: str) -> None:
    everywhere = (*at(bootstrap), "--entity-type", "brokers", "--entity-default")
    tool("configs", *everywhere, "--alter", "--add-config", "log.retention.ms=7200000")
    until(lambda: "log.retention.ms=7200000" in tool("configs", *everywhere, "--describe"), "what was set is described")
    tool("configs", *everywhere, "--alter", "--delete-config", "log.retention.ms")
    one = (*at(bootstrap), "--entity-type", "brokers", "--entity-name", node(bootstrap))
    everything = tool("configs", *one, "--describe", "--all")
    assert "num.partitions=4" in everything and "log.retention.ms=7200000" not in everything, everything


@scenario("configs-group")
def configs_group(bootstrap: str) -> None:
    which = (*at(bootstrap), "--entity-type", "groups", "--entity-name", f"tools-{time.time_ns()}")
    tool("configs", *which, "--alter", "--add-config", "consumer.session.timeout.ms=50000")
    described = tool("configs", *which, "--describe")
    assert "consumer.session.timeout.ms=50000" in described, described


def node(bootstrap: str) -> str:
    found = re.search(r"id: (\d+)", tool("broker-api-versions", *at(bootstrap)))
    assert found is not None
    return found[1]


# ---- records ---------------------------------------------------------------------------------------------------------


@scenario("console")
def console(bootstrap: str) -> None:
    topic = topic_of()
    keyed = ("--reader-property", "parse.key=true", "--reader-property", "key.separator=:")
    tool("console-producer", *at(bootstrap), "--topic", topic, *keyed, typed="a:1\nb:2\na:3\n")
    shown = ("--formatter-property", "print.key=true", "--formatter-property", "print.offset=true")
    found = consumed(bootstrap, topic, 3, *shown, "--from-beginning")
    same(found, ["Offset:0\ta\t1", "Offset:1\tb\t2", "Offset:2\ta\t3"], "what the console shows")
    same(consumed(bootstrap, topic, 1, "--partition", "0", "--offset", "2"), ["3"], "from an offset")


@scenario("get-offsets")
def get_offsets(bootstrap: str) -> None:
    topic = filled(bootstrap)
    which = (*at(bootstrap), "--topic", topic)
    same(tool("get-offsets", *which).split(), [f"{topic}:0:10"], "the next offset")
    same(tool("get-offsets", *which, "--time", "earliest").split(), [f"{topic}:0:0"], "the first offset")
    same(tool("get-offsets", *which, "--time", "1").split(), [f"{topic}:0:0"], "the first not before a time")
    newest = tool("get-offsets", *which, "--time", "max-timestamp").strip()
    assert re.fullmatch(rf"{topic}:0:\d", newest), f"the newest record: {newest}"


@scenario("delete-records")
def delete_records(bootstrap: str) -> None:
    topic = filled(bootstrap)
    with tempfile.NamedTemporaryFile("w", suffix=".json") as wanted:
        json.dump({"partitions": [{"topic": topic, "partition": 0, "offset": 4}], "version": 1}, wanted)
        wanted.flush()
        said = tool("delete-records", *at(bootstrap), "--offset-json-file", wanted.name)
    assert re.search(rf"partition: {topic}-0\s+low_watermark: 4", said), said
    which = (*at(bootstrap), "--topic", topic, "--time", "earliest")
    same(tool("get-offsets", *which).split(), [f"{topic}:0:4"], "the first offset")
    same(consumed(bootstrap, topic, 6, "--from-beginning"), numbers(4, 10), "what is left")


@scenario("perf-test")
def perf_test(bootstrap: str) -> None:
    topic = topic_of(3)
    load = ("--num-records", "20000", "--record-size", "100", "--throughput", "-1")
    said = tool("producer-perf-test", "--topic", topic, *load, "--producer-props", f"bootstrap.servers={bootstrap}")
    assert re.search(r"^20000 records sent, .*99th", said, re.M), said
    said = tool("consumer-perf-test", *at(bootstrap), "--topic", topic, "--messages", "20000", "--timeout", "30000")
    head, line = (text.split(", ") for text in said.splitlines()[-2:])
    same(dict(zip(head, line, strict=True))["data.consumed.in.nMsg"], "20000", "records consumed")


@scenario("verifiable")
def verifiable(bootstrap: str) -> None:
    topic = topic_of(2)
    sent = events(tool("verifiable-producer", *at(bootstrap), "--topic", topic, "--max-messages", "200"))
    same((sent["tool_data"][-1]["sent"], sent["tool_data"][-1]["acked"]), (200, 200), "sent and acknowledged")
    arguments = ("--topic", topic, "--group-id", topic, "--max-messages", "200", "--reset-policy", "earliest")
    seen = events(tool("verifiable-consumer", *at(bootstrap), *arguments))
    same(sum(one["count"] for one in seen["records_consumed"]), 200, "records consumed")
    assert all(one["success"] for one in seen["offsets_committed"]), seen["offsets_committed"]
    assert "shutdown_complete" in seen, seen.keys()


def events(out: str) -> dict[str, list[dict[str, int]]]:
    found: dict[str, list[dict[str, int]]] = {}
    for line in out.splitlines():
        if line.startswith("{"):
            event = json.loads(line)
            found.setdefault(event["name"], []).append(event)
    return found


# ---- the cluster -----------------------------------------------------------------------------------------------------


@scenario("broker-api-versions")
def broker_api_versions(bootstrap: str) -> None:
    said = tool("broker-api-versions", *at(bootstrap))
    assert re.search(rf"^{re.escape(bootstrap)} \(id: \d+ rack: null isFenced: false\) -> \($", said, re.M), said
    assert re.search(r"Produce\(0\): 0 to \d+ \[usable: \d+\]", said), said
    assert re.search(r"ApiVersions\(18\): 0 to 4 \[usable: 4\]", said), said


@scenario("cluster")
def cluster(bootstrap: str) -> None:
    said = tool("cluster", "cluster-id", *at(bootstrap))
    assert re.search(r"^Cluster ID: \S{22}$", said, re.M), said
    host, port = bootstrap.split(":")
    endpoints = tool("cluster", "list-endpoints", *at(bootstrap))
    assert re.search(rf"^\d+\s+{re.escape(host)}\s+{port}\s", endpoints, re.M), endpoints


@scenario("log-dirs")
def log_dirs(bootstrap: str) -> None:
    topic = filled(bootstrap)
    said = tool("log-dirs", *at(bootstrap), "--describe", "--topic-list", topic)
    described = json.loads(next(line for line in said.splitlines() if line.startswith("{")))
    found = [one for broker in described["brokers"] for folder in broker["logDirs"] for one in folder["partitions"]]
    same([one["partition"] for one in found], [f"{topic}-0"], "partitions of the topic")
    assert found[0]["size"] > 0, found


@scenario("leader-election")
def leader_election(bootstrap: str) -> None:
    topic = topic_of()
    which = ("--topic", topic, "--partition", "0", "--election-type", "preferred")
    said = tool("leader-election", *at(bootstrap), *which)
    assert "Valid replica already elected for partitions" in said, said


@scenario("reassign-partitions")
def reassign_partitions(bootstrap: str) -> None:
    assert "No partition reassignments found." in tool("reassign-partitions", *at(bootstrap), "--list")
