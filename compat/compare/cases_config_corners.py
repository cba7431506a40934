"""Corners of configs: resources that cannot be, keys asked for oddly, lists that grow and shrink, clashes."""

from compat.compare.cases_topics import APPEND, BROKER, DELETE, GROUP, LOGGER, METRICS, SET, SUBTRACT, TOPIC
from compat.compare.script import Script, case
from higgins_protocol.messages.alter_configs import AlterableConfig, AlterConfigsRequest, AlterConfigsResource
from higgins_protocol.messages.describe_configs import DescribeConfigsRequest, DescribeConfigsResource
from higgins_protocol.messages.incremental_alter_configs import (
    IncrementalAlterConfigsRequest,
    IncrementalConfig,
    IncrementalResource,
)
from higgins_protocol.messages.list_config_resources import ListConfigResourcesRequest

Change = tuple[str, int, str | None]


def resource(kind: int, on: str, *changes: Change) -> IncrementalResource:
    return IncrementalResource(kind, on, [IncrementalConfig(*change) for change in changes])


@case(DescribeConfigsRequest)
def describe_configs_corners(s: Script) -> None:
    name = s.topic(retention_ms="1000", compression_type="gzip")

    def look(label: str, *rows: DescribeConfigsResource, synonyms: bool = False, words: bool = False) -> None:
        s.ask(DescribeConfigsRequest(list(rows), synonyms, words and s.version >= 3), label)

    one = ["retention.ms"]
    look("empty topic", DescribeConfigsResource(TOPIC, "", None))
    look("kind zero", DescribeConfigsResource(0, name, None))
    look("a negative kind", DescribeConfigsResource(-1, name, None))
    look("an empty kind", DescribeConfigsResource(99, "", None))
    look("a key twice", DescribeConfigsResource(TOPIC, name, one * 2))
    look("only an unknown key", DescribeConfigsResource(TOPIC, name, ["no.such.config"]))
    look("an empty key", DescribeConfigsResource(TOPIC, name, [""]))
    look("a key in capitals", DescribeConfigsResource(TOPIC, name, ["Retention.Ms"]))
    look("with synonyms", DescribeConfigsResource(TOPIC, name, ["retention.ms", "segment.ms"]), synonyms=True)
    look("a group without a name", DescribeConfigsResource(GROUP, "", None))
    look("a group's key", DescribeConfigsResource(GROUP, s.name("g"), ["consumer.session.timeout.ms"]), synonyms=True)
    look("a group's unknown key", DescribeConfigsResource(GROUP, s.name("g"), ["retention.ms"]))
    look("metrics without a name", DescribeConfigsResource(METRICS, "", None))
    look("a logger without a broker", DescribeConfigsResource(LOGGER, "", None))
    look("a logger of no broker", DescribeConfigsResource(LOGGER, "one", None))
    look("a logger of another broker", DescribeConfigsResource(LOGGER, "4711", None))
    look("an unknown logger", DescribeConfigsResource(LOGGER, "1", ["no.such.Logger"]))
    look("a broker with zeros", DescribeConfigsResource(BROKER, "01", ["num.partitions"]))
    look("a negative broker", DescribeConfigsResource(BROKER, "-1", ["num.partitions"]))
    look("a broker with spaces", DescribeConfigsResource(BROKER, " 1", ["num.partitions"]))
    look("a broker's unknown key", DescribeConfigsResource(BROKER, "1", ["no.such.config"]))
    look("a topic's key of a broker", DescribeConfigsResource(BROKER, "1", one))
    look("a broker's key of a topic", DescribeConfigsResource(TOPIC, name, ["num.partitions"]))
    fixed = ["broker.id", "node.id", "group.min.session.timeout.ms", "offsets.retention.minutes"]
    look("fixed of a broker", DescribeConfigsResource(BROKER, "1", fixed))
    look("a topic and an unknown", DescribeConfigsResource(TOPIC, name, one),
         DescribeConfigsResource(TOPIC, s.name("unknown"), one))  # fmt: skip
    look("unknown twice", *[DescribeConfigsResource(TOPIC, s.name("unknown"), None)] * 2)
    look("a topic with and without keys", DescribeConfigsResource(TOPIC, name, one),
         DescribeConfigsResource(TOPIC, name, ["segment.ms"]))  # fmt: skip
    look("a topic and a group", DescribeConfigsResource(TOPIC, name, one), DescribeConfigsResource(GROUP, name, ["a"]))


@case(IncrementalAlterConfigsRequest)
def alter_resources_incrementally(s: Script) -> None:
    name = s.topic()

    def alter(label: str, *rows: IncrementalResource, check: bool = False) -> None:
        s.ask(IncrementalAlterConfigsRequest(list(rows), check), label)

    good = ("segment.ms", SET, "70000")
    alter("no resources")
    alter("no resources, only checked", check=True)
    alter("empty topic", resource(TOPIC, "", good))
    alter("kind zero", resource(0, name, good))
    alter("a negative kind", resource(-1, name, good))
    alter("a group without a name", resource(GROUP, "", ("consumer.session.timeout.ms", SET, "50000")))
    alter("metrics without a name", resource(METRICS, "", ("interval.ms", SET, "1000")))
    alter("no broker", resource(BROKER, "one", ("log.retention.ms", SET, "1000")))
    alter("a negative broker", resource(BROKER, "-1", ("log.retention.ms", SET, "1000")))
    alter("unknown of a broker", resource(BROKER, "1", ("no.such.config", SET, "1")), check=True)
    alter("malformed of a broker", resource(BROKER, "1", ("log.retention.ms", SET, "soon")), check=True)
    alter("malformed of all brokers", resource(BROKER, "", ("log.retention.ms", SET, "soon")), check=True)
    alter("read-only of all brokers", resource(BROKER, "", ("broker.id", SET, "3")), check=True)
    alter("of one broker alone", resource(BROKER, "", ("advertised.listeners", SET, "PLAINTEXT://x:1")), check=True)
    alter("a logger of no broker", resource(LOGGER, "one", ("root", SET, "INFO")))
    alter("a logger without a broker", resource(LOGGER, "", ("root", SET, "INFO")))
    alter("good beside unknown", resource(TOPIC, name, good), resource(TOPIC, s.name("unknown"), good))
    alter("good beside invalid", resource(TOPIC, name, good), resource(TOPIC, "a/b", good))
    alter("good beside no kind", resource(TOPIC, name, good), resource(99, "x", good))
    alter("good beside twice", resource(TOPIC, name, good), *[resource(GROUP, s.name("g"))] * 2)
    alter("twice, only checked", *[resource(TOPIC, name, good)] * 2, check=True)
    alter("unknown, only checked", resource(TOPIC, s.name("unknown"), good), check=True)
    alter("unknown, without changes", resource(TOPIC, s.name("unknown")))
    alter("no kind, without changes", resource(99, "x"))
    alter("of metrics", resource(METRICS, s.name("m"), ("interval.ms", SET, "1000")), check=True)
    alter("malformed of metrics", resource(METRICS, s.name("m"), ("interval.ms", SET, "1")), check=True)
    alter("unknown of metrics", resource(METRICS, s.name("m"), ("no.such.config", SET, "1")), check=True)
    alter("out of bounds of a group", resource(GROUP, s.name("g"), ("consumer.session.timeout.ms", SET, "1")))
    alter("delete unknown of a group", resource(GROUP, s.name("g"), ("no.such.config", DELETE, None)))


@case(IncrementalAlterConfigsRequest)
def alter_values_incrementally(s: Script) -> None:
    name = s.topic(cleanup_policy="compact")

    def alter(label: str, *changes: Change, check: bool = False) -> None:
        s.ask(IncrementalAlterConfigsRequest([resource(TOPIC, name, *changes)], check), label)
        if not check:
            s.pause()
            keys = ["cleanup.policy", "retention.ms", "follower.replication.throttled.replicas"]
            row = s.do(DescribeConfigsRequest([DescribeConfigsResource(TOPIC, name, keys)], False, False)).results[0]
            s.note(f"{label}, then", {each.name: (each.value, each.config_source) for each in row.configs})

    policy, throttled = "cleanup.policy", "follower.replication.throttled.replicas"
    alter("append what is there", (policy, APPEND, "compact"))
    alter("append another", (policy, APPEND, "delete"))
    alter("append twice", (policy, APPEND, "delete"), (policy, APPEND, "compact"))
    alter("append a malformed", (policy, APPEND, "shred"))
    alter("append nothing", (policy, APPEND, ""))
    alter("append null", (policy, APPEND, None))
    alter("subtract one of two", (policy, SUBTRACT, "delete"))
    alter("subtract the last", (policy, SUBTRACT, "compact"))
    alter("subtract null", (policy, SUBTRACT, None))
    alter("subtract from no list", ("retention.ms", SUBTRACT, "1"))
    alter("append to unknown", ("no.such.config", APPEND, "1"))
    alter("subtract from unknown", ("no.such.config", SUBTRACT, "1"))
    alter("subtract from a default", (throttled, SUBTRACT, "0:1"))
    alter("append to a default", (throttled, APPEND, "0:1,1:1"))
    alter("append many", (throttled, APPEND, "2:1,0:1"))
    alter("subtract many", (throttled, SUBTRACT, "0:1,1:1"))
    alter("a list malformed", (throttled, SET, "nobody"))
    alter("delete with a value", ("retention.ms", DELETE, "5"))
    alter("a good beside a bad", ("retention.ms", SET, "77"), ("segment.ms", SET, "soon"))
    alter("set and delete", ("retention.ms", SET, "78"), ("retention.ms", DELETE, None))
    alter("an empty number", ("retention.ms", SET, ""))
    alter("an empty list", (policy, SET, ""))
    alter("an empty name", ("", SET, "1"))
    alter("delete an empty name", ("", DELETE, None))
    alter("a negative operation", ("retention.ms", -1, "1"))
    alter("malformed, only checked", ("retention.ms", SET, "soon"), check=True)
    alter("append to no list, only checked", ("retention.ms", APPEND, "1"), check=True)
    alter("minus one", ("retention.ms", SET, "-1"))
    alter("minus two", ("retention.ms", SET, "-2"))
    alter("lags crossed", ("min.compaction.lag.ms", SET, "9"), ("max.compaction.lag.ms", SET, "5"))


@case(AlterConfigsRequest)
def alter_configs_corners(s: Script) -> None:
    name = s.topic(retention_ms="1000")

    def alter(
        label: str, *rows: tuple[str, str | None], kind: int = TOPIC, on: str = name, check: bool = False
    ) -> None:
        configs = [AlterableConfig(*row) for row in rows]
        s.ask(AlterConfigsRequest([AlterConfigsResource(kind, on, configs)], check), label)

    alter("empty topic", ("retention.ms", "1"), on="")
    alter("invalid topic", ("retention.ms", "1"), on="a/b")
    alter("kind zero", ("a", "1"), kind=0)
    alter("a negative kind", ("a", "1"), kind=-1)
    alter("one twice", ("segment.ms", "60000"), ("segment.ms", "70000"))
    alter("an empty name", ("", "1"))
    alter("an empty value", ("segment.ms", ""))
    alter("good beside bad", ("segment.ms", "60000"), ("retention.ms", "soon"))
    alter("malformed, only checked", ("retention.ms", "soon"), check=True)
    alter("null, only checked", ("retention.ms", None), check=True)
    alter("unknown topic, only checked", ("retention.ms", "1"), on=s.name("unknown"), check=True)
    alter("a group", ("consumer.session.timeout.ms", "50000"), kind=GROUP, on=s.name("g"), check=True)
    alter("a group without a name", ("consumer.session.timeout.ms", "50000"), kind=GROUP, on="", check=True)
    alter("no broker", ("log.retention.ms", "1000"), kind=BROKER, on="one", check=True)
    alter("unknown broker", ("log.retention.ms", "1000"), kind=BROKER, on="4711", check=True)
    alter("a logger", ("root", "INFO"), kind=LOGGER, on="1", check=True)
    s.ask(AlterConfigsRequest([], False), "no resources")
    rows = [AlterConfigsResource(TOPIC, each, [AlterableConfig("segment.ms", "60000")]) for each in (name, "a/b")]
    s.ask(AlterConfigsRequest(rows, False), "good beside invalid")


@case(ListConfigResourcesRequest)
def list_config_resources_corners(s: Script) -> None:
    if s.version >= 1:
        for kinds in ([0], [-1], [METRICS, 99], [METRICS, METRICS], [BROKER], [LOGGER], [BROKER, BROKER]):
            s.ask(ListConfigResourcesRequest(kinds), f"kinds {kinds}")
