"""Cases of topics, the cluster and configs."""

from compat.compare.script import Script, case
from higgins_protocol.messages.alter_configs import AlterableConfig, AlterConfigsRequest, AlterConfigsResource
from higgins_protocol.messages.alter_partition_reassignments import (
    AlterPartitionReassignmentsRequest,
    ReassignablePartition,
    ReassignableTopic,
)
from higgins_protocol.messages.create_partitions import (
    CreatePartitionsAssignment,
    CreatePartitionsRequest,
    CreatePartitionsTopic,
)
from higgins_protocol.messages.create_topics import (
    CreatableReplicaAssignment,
    CreatableTopic,
    CreatableTopicConfig,
    CreateTopicsRequest,
)
from higgins_protocol.messages.delete_topics import DeleteTopicsRequest, DeleteTopicState
from higgins_protocol.messages.describe_cluster import DescribeClusterRequest
from higgins_protocol.messages.describe_configs import DescribeConfigsRequest, DescribeConfigsResource
from higgins_protocol.messages.describe_topic_partitions import (
    Cursor,
    DescribeTopicPartitionsRequest,
    TopicRequest,
)
from higgins_protocol.messages.elect_leaders import ElectLeadersRequest, TopicPartitions
from higgins_protocol.messages.incremental_alter_configs import (
    IncrementalAlterConfigsRequest,
    IncrementalConfig,
    IncrementalResource,
)
from higgins_protocol.messages.list_config_resources import ListConfigResourcesRequest
from higgins_protocol.messages.list_partition_reassignments import (
    ListPartitionReassignmentsRequest,
    ListPartitionReassignmentsTopics,
)
from higgins_protocol.messages.metadata import MetadataRequest, MetadataRequestTopic

TOPIC, BROKER, GROUP, LOGGER, METRICS = 2, 4, 32, 8, 16
SET, DELETE, APPEND, SUBTRACT = 0, 1, 2, 3
UNKNOWN_ID = bytes(range(1, 17))


@case(MetadataRequest)
def metadata(s: Script) -> None:
    name = s.topic(partitions=3)

    def asked(*names: str, **more: bool) -> MetadataRequest:
        create = {"allow_auto_topic_creation": False} if s.version >= 4 else {"allow_auto_topic_creation": True}
        return MetadataRequest([MetadataRequestTopic(name=each) for each in names], **{**create, **more})

    s.ask(asked(name), "one topic")
    s.ask(asked(name, name), "the same topic twice")
    if s.version >= 4:
        s.ask(asked(s.name("unknown")), "unknown, not to be created")
    for odd in ("", ".", "..", "a/b", "a b", "x" * 250, "ümlaut"):
        s.ask(asked(odd), f"name {odd[:10]!r}")
    if s.version >= 1:
        s.ask(asked(), "no topic")
    if s.version >= 8:
        s.ask(asked(name, include_topic_authorized_operations=True), "authorized operations")
    if s.version >= 12:
        by_id = MetadataRequest([MetadataRequestTopic(topic_id=UNKNOWN_ID, name=None)], False)
        s.ask(by_id, "unknown id")
    if 10 <= s.version < 12:
        s.ask(MetadataRequest([MetadataRequestTopic(topic_id=UNKNOWN_ID, name="x")], False), "an id too early")


@case(CreateTopicsRequest)
def create_topics(s: Script) -> None:
    def create(label: str, *topics: CreatableTopic, validate_only: bool = False) -> None:
        s.ask(CreateTopicsRequest(list(topics), 10_000, validate_only), label)

    def configured(rest: str, **configs: str | None) -> CreatableTopic:
        rows = [CreatableTopicConfig(key.replace("_", "."), value) for key, value in configs.items()]
        return CreatableTopic(s.name(rest), 1, 1, [], rows)

    create("plain", CreatableTopic(s.name("a"), 3, 1))
    create("once more", CreatableTopic(s.name("a"), 3, 1))
    create("nothing")
    create("two", CreatableTopic(s.name("b"), 1, 1), CreatableTopic(s.name("c"), 2, 1))
    create("twice in one", CreatableTopic(s.name("d"), 1, 1), CreatableTopic(s.name("d"), 2, 1))
    create("defaults", CreatableTopic(s.name("e"), -1, -1))
    create("no partitions", CreatableTopic(s.name("f"), 0, 1))
    create("minus two partitions", CreatableTopic(s.name("f"), -2, 1))
    create("no replicas", CreatableTopic(s.name("f"), 1, 0))
    create("three replicas", CreatableTopic(s.name("f3"), 1, 3))
    create("minus two replicas", CreatableTopic(s.name("f"), 1, -2))
    create("only checked", CreatableTopic(s.name("g"), 2, 1), validate_only=True)
    create("only checked, exists", CreatableTopic(s.name("a"), 2, 1), validate_only=True)
    for odd in ("", ".", "..", "a/b", "x" * 250):
        create(f"name {odd[:10]!r}", CreatableTopic(odd, 1, 1))
    create("with configs", configured("h", retention_ms="1000", cleanup_policy="compact"))
    create("unknown config", configured("i", no_such_config="1"))
    create("malformed number", configured("i", retention_ms="soon"))
    create("out of bounds", configured("i", max_message_bytes="-1"))
    create("malformed list", configured("i", cleanup_policy="shred"))
    create("null config", configured("i", retention_ms=None))
    create("empty config", configured("i", cleanup_policy=""))
    assigned = [CreatableReplicaAssignment(0, [1]), CreatableReplicaAssignment(1, [1])]
    create("assigned", CreatableTopic(s.name("j"), -1, -1, assigned))
    create("assigned and counted", CreatableTopic(s.name("k"), 2, 1, assigned))
    gap = [CreatableReplicaAssignment(0, [1]), CreatableReplicaAssignment(2, [1])]
    create("assigned with a gap", CreatableTopic(s.name("k"), -1, -1, gap))
    create("assigned to nobody", CreatableTopic(s.name("k"), -1, -1, [CreatableReplicaAssignment(0, [])]))
    create("assigned twice", CreatableTopic(s.name("k"), -1, -1, [CreatableReplicaAssignment(0, [1, 1])]))


@case(DeleteTopicsRequest)
def delete_topics(s: Script) -> None:
    name, other = s.topic("a"), s.topic("b")
    unknown = s.name("unknown")

    def delete(label: str, *names: str) -> None:
        if s.version >= 6:
            s.ask(DeleteTopicsRequest([DeleteTopicState(each) for each in names], [], 10_000), label)
        else:
            s.ask(DeleteTopicsRequest([], list(names), 10_000), label)

    delete("nothing")
    delete("unknown", unknown)
    delete("one and an unknown", name, unknown)
    delete("gone", name)
    delete("twice in one", other, other)
    delete("invalid name", "a/b")
    if s.version >= 6:
        s.ask(DeleteTopicsRequest([DeleteTopicState(None, UNKNOWN_ID)], [], 10_000), "unknown id")


@case(CreatePartitionsRequest)
def create_partitions(s: Script) -> None:
    name, other = s.topic("a"), s.topic("b")

    def grow(label: str, *topics: CreatePartitionsTopic, validate_only: bool = False) -> None:
        s.ask(CreatePartitionsRequest(list(topics), 10_000, validate_only), label)

    grow("nothing")
    grow("only checked", CreatePartitionsTopic(name, 4, None), validate_only=True)
    grow("more", CreatePartitionsTopic(name, 4, None))
    grow("as many", CreatePartitionsTopic(name, 4, None))
    grow("fewer", CreatePartitionsTopic(name, 1, None))
    grow("none", CreatePartitionsTopic(name, 0, None))
    grow("less than none", CreatePartitionsTopic(name, -1, None))
    grow("unknown", CreatePartitionsTopic(s.name("unknown"), 4, None))
    grow("twice in one", CreatePartitionsTopic(other, 4, None), CreatePartitionsTopic(other, 5, None))
    grow("one good, one bad", CreatePartitionsTopic(other, 3, None), CreatePartitionsTopic(s.name("u"), 4, None))
    grow("assigned", CreatePartitionsTopic(name, 5, [CreatePartitionsAssignment([1])]))
    grow("assigned too few", CreatePartitionsTopic(name, 9, [CreatePartitionsAssignment([1])]))


def _entries(s: Script, label: str, kind: int, name: str, keys: list[str] | None) -> None:
    s.ask(DescribeConfigsRequest([DescribeConfigsResource(kind, name, keys)], True, False), label)


@case(DescribeConfigsRequest)
def describe_configs(s: Script) -> None:
    name = s.topic(retention_ms="1000", cleanup_policy="compact")
    _entries(s, "a topic", TOPIC, name, None)
    _entries(s, "some of a topic", TOPIC, name, ["retention.ms", "max.message.bytes", "no.such.config"])
    _entries(s, "nothing of a topic", TOPIC, name, [])
    _entries(s, "unknown topic", TOPIC, s.name("unknown"), None)
    _entries(s, "invalid topic", TOPIC, "a/b", None)
    _entries(s, "unknown broker", BROKER, "4711", None)
    _entries(s, "no broker", BROKER, "one", None)
    _entries(s, "all brokers", BROKER, "", None)
    some = ["num.partitions", "log.retention.ms", "message.max.bytes", "log.cleanup.policy"]
    _entries(s, "some of a broker", BROKER, "1", some)
    _entries(s, "a group", GROUP, s.name("group"), None)
    _entries(s, "no such kind", 99, "x", None)
    _entries(s, "metrics", METRICS, s.name("metrics"), None)
    s.ask(DescribeConfigsRequest([], True, False), "nothing")
    twice = [DescribeConfigsResource(TOPIC, name, ["retention.ms"])] * 2
    s.ask(DescribeConfigsRequest(twice, False, False), "twice in one")


@case(IncrementalAlterConfigsRequest)
def incremental_alter_configs(s: Script) -> None:
    name = s.topic()

    def alter(
        label: str, *ops: tuple[str, int, str | None], kind: int = TOPIC, on: str = name, check: bool = False
    ) -> None:
        rows = [IncrementalConfig(*op) for op in ops]
        s.ask(IncrementalAlterConfigsRequest([IncrementalResource(kind, on, rows)], check), label)

    alter("only checked", ("retention.ms", SET, "5"), check=True)
    alter("set", ("retention.ms", SET, "1000"), ("cleanup.policy", APPEND, "compact"))
    alter("subtract", ("cleanup.policy", SUBTRACT, "delete"))
    alter("subtract what is not there", ("cleanup.policy", SUBTRACT, "nothing"))
    alter("append to no list", ("retention.ms", APPEND, "1"))
    alter("delete", ("retention.ms", DELETE, None))
    alter("delete what is not there", ("segment.ms", DELETE, None))
    alter("the same twice", ("segment.ms", SET, "5000"), ("segment.ms", SET, "6000"))
    alter("unknown", ("no.such.config", SET, "1"))
    alter("delete unknown", ("no.such.config", DELETE, None))
    alter("malformed", ("retention.ms", SET, "soon"))
    alter("null", ("retention.ms", SET, None))
    alter("no such operation", ("retention.ms", 9, "1"))
    alter("nothing")
    alter("unknown topic", ("retention.ms", SET, "1"), on=s.name("unknown"))
    alter("invalid topic", ("retention.ms", SET, "1"), on="a/b")
    alter("unknown broker", ("log.retention.ms", SET, "1"), kind=BROKER, on="4711")
    alter("read-only", ("broker.id", SET, "3"), kind=BROKER, on="1")
    alter("no such kind", ("a", SET, "1"), kind=99, on="x")
    alter("a group", ("consumer.session.timeout.ms", SET, "50000"), kind=GROUP, on=s.name("group"))
    alter("unknown of a group", ("no.such.config", SET, "1"), kind=GROUP, on=s.name("group"))
    twice = [IncrementalResource(TOPIC, name, [IncrementalConfig("segment.ms", SET, "7000")])] * 2
    s.ask(IncrementalAlterConfigsRequest(twice, False), "one resource twice")


@case(AlterConfigsRequest)
def alter_configs(s: Script) -> None:
    name = s.topic(retention_ms="1000")

    def alter(
        label: str, *rows: tuple[str, str | None], kind: int = TOPIC, on: str = name, check: bool = False
    ) -> None:
        configs = [AlterableConfig(*row) for row in rows]
        s.ask(AlterConfigsRequest([AlterConfigsResource(kind, on, configs)], check), label)

    alter("only checked", ("retention.ms", "5"), check=True)
    alter("set", ("segment.ms", "5000"))
    alter("nothing")
    alter("unknown", ("no.such.config", "1"))
    alter("malformed", ("retention.ms", "soon"))
    alter("null", ("retention.ms", None))
    alter("unknown topic", ("retention.ms", "1"), on=s.name("unknown"))
    alter("no such kind", ("a", "1"), kind=99, on="x")
    twice = [AlterConfigsResource(TOPIC, name, [AlterableConfig("segment.ms", "7000")])] * 2
    s.ask(AlterConfigsRequest(twice, False), "one resource twice")


@case(ListConfigResourcesRequest)
def list_config_resources(s: Script) -> None:
    if s.version >= 1:
        s.ask(ListConfigResourcesRequest([99]), "no such kind")
        s.ask(ListConfigResourcesRequest([METRICS]), "metrics")
    else:
        s.ask(ListConfigResourcesRequest(), "all")


@case(DescribeClusterRequest)
def describe_cluster(s: Script) -> None:
    s.ask(DescribeClusterRequest(), "plain")
    s.ask(DescribeClusterRequest(True), "with operations")
    if s.version >= 1:
        s.ask(DescribeClusterRequest(False, 2), "controllers")
        s.ask(DescribeClusterRequest(False, 9), "no such endpoint type")


@case(DescribeTopicPartitionsRequest)
def describe_topic_partitions(s: Script) -> None:
    name, other = s.topic("a", partitions=5), s.topic("b", partitions=1)

    def describe(label: str, *names: str, limit: int = 2000, cursor: Cursor | None = None) -> None:
        s.ask(DescribeTopicPartitionsRequest([TopicRequest(each) for each in names], limit, cursor), label)

    describe("one", name)
    describe("two", other, name)
    describe("twice in one", name, name)
    describe("unknown", s.name("unknown"))
    describe("invalid name", "a/b")
    describe("a page", name, other, limit=2)
    describe("from a cursor", name, other, cursor=Cursor(name, 3))
    describe("from a cursor behind", name, other, cursor=Cursor(other, 0))


@case(ElectLeadersRequest)
def elect_leaders(s: Script) -> None:
    name = s.topic()
    s.ask(ElectLeadersRequest(0, [TopicPartitions(name, [0, 1])], 5000), "preferred")
    s.ask(ElectLeadersRequest(0, [TopicPartitions(name, [7])], 5000), "unknown partition")
    s.ask(ElectLeadersRequest(0, [TopicPartitions(s.name("unknown"), [0])], 5000), "unknown topic")
    if s.version >= 1:
        s.ask(ElectLeadersRequest(1, [TopicPartitions(name, [0])], 5000), "unclean")


@case(AlterPartitionReassignmentsRequest)
def alter_reassignments(s: Script) -> None:
    name = s.topic()

    def move(label: str, topic: str, partition: int, replicas: list[int] | None) -> None:
        rows = [ReassignableTopic(topic, [ReassignablePartition(partition, replicas)])]
        s.ask(AlterPartitionReassignmentsRequest(5000, True, rows), label)

    move("cancel nothing", name, 0, None)
    move("where it is", name, 0, [1])
    move("to nobody", name, 0, [])
    move("to an unknown broker", name, 0, [4711])
    move("unknown partition", name, 9, [1])
    move("unknown topic", s.name("unknown"), 0, [1])


@case(ListPartitionReassignmentsRequest)
def list_reassignments(s: Script) -> None:
    s.ask(ListPartitionReassignmentsRequest(5000, None), "all")
    name = s.topic()
    s.ask(ListPartitionReassignmentsRequest(5000, [ListPartitionReassignmentsTopics(name, [0])]), "of one")
