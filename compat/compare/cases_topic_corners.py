"""Corners of topics: names that are empty, null or doubled, counts and assignments that do not fit, cursors astray."""

from compat.compare.script import Script, case
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
from higgins_protocol.messages.describe_topic_partitions import Cursor, DescribeTopicPartitionsRequest, TopicRequest
from higgins_protocol.messages.metadata import MetadataRequest, MetadataRequestTopic
from higgins_protocol.primitives import ZERO_UUID

UNKNOWN_ID = bytes(range(1, 17))
MANY = 2_000_000_000


def id_of(s: Script, name: str) -> bytes:
    """A topic's id, which each cluster has chosen by itself."""
    return bytes(s.do(MetadataRequest([MetadataRequestTopic(name=name)], False)).topics[0].topic_id)


@case(MetadataRequest)
def metadata_corners(s: Script) -> None:
    name = s.topic(partitions=1)

    def look(label: str, *topics: MetadataRequestTopic, **more: bool) -> None:
        create = {"allow_auto_topic_creation": s.version < 4}
        s.ask(MetadataRequest(list(topics), **{**create, **more}), label)

    def named(each: str) -> MetadataRequestTopic:
        return MetadataRequestTopic(name=each)

    look("one good, one bad name", named(name), named("a/b"))
    if s.version >= 4:
        look("one good, one unknown", named(name), named(s.name("unknown")))
        look("unknown twice", named(s.name("unknown")), named(s.name("unknown")))
        look("invalid twice", named("a/b"), named("a/b"))
        look("unknown, to be created", named(s.name("new")), allow_auto_topic_creation=True)
        look("invalid, to be created", named("a/b"), allow_auto_topic_creation=True)
    look("as long as can be", named(name), named("y" * 250))
    s.do(CreateTopicsRequest([CreatableTopic(s.name("o.p"), 1, 1)], 10_000, False))
    look("unknown, but alike", named(s.name("o_p")), allow_auto_topic_creation=True)
    if 8 <= s.version <= 10:
        look("operations of the cluster", named(name), include_cluster_authorized_operations=True)
    if s.version >= 8:
        look("operations of an unknown", named(s.name("unknown")), include_topic_authorized_operations=True)
    if s.version >= 12:
        known = id_of(s, name)
        look("by id", MetadataRequestTopic(known, None))
        look("by id twice", MetadataRequestTopic(known, None), MetadataRequestTopic(known, None))
        look("by id and name", MetadataRequestTopic(known, name))
        look("by id and another name", MetadataRequestTopic(known, s.name("other")))
        look("neither id nor name", MetadataRequestTopic(ZERO_UUID, None))
        look("a known and an unknown id", MetadataRequestTopic(known, None), MetadataRequestTopic(UNKNOWN_ID, None))
        look("one by id, one by name", MetadataRequestTopic(known, None), MetadataRequestTopic(ZERO_UUID, name))
        look("operations by id", MetadataRequestTopic(known, None), include_topic_authorized_operations=True)


@case(CreateTopicsRequest)
def create_topics_assigned(s: Script) -> None:
    def create(label: str, *assigned: tuple[int, list[int]], validate_only: bool = False) -> None:
        rows = [CreatableReplicaAssignment(*each) for each in assigned]
        name = s.name(label.replace(" ", "-"))
        s.ask(CreateTopicsRequest([CreatableTopic(name, -1, -1, rows)], 10_000, validate_only), label)

    create("to an unknown broker", (0, [4711]))
    create("to a negative broker", (0, [-1]))
    create("one partition twice", (0, [1]), (0, [1]))
    create("not from zero", (1, [1]))
    create("a negative partition", (-1, [1]))
    create("backwards", (1, [1]), (0, [1]))
    create("unequal", (0, [1]), (1, [1, 2]))
    create("far out", (MANY, [1]))
    create("only checked, unknown broker", (0, [4711]), validate_only=True)
    create("only checked", (0, [1]), validate_only=True)


@case(CreateTopicsRequest)
def create_topics_corners(s: Script) -> None:
    def create(label: str, *topics: CreatableTopic, validate_only: bool = False, timeout_ms: int = 10_000) -> None:
        s.ask(CreateTopicsRequest(list(topics), timeout_ms, validate_only), label)

    def configured(rest: str, *rows: tuple[str, str | None], partitions: int = 1) -> CreatableTopic:
        return CreatableTopic(s.name(rest), partitions, 1, [], [CreatableTopicConfig(*row) for row in rows])

    create("empty twice", CreatableTopic("", 1, 1), CreatableTopic("", 1, 1))
    create("good beside twice", CreatableTopic(s.name("a"), 1, 1), *[CreatableTopic(s.name("b"), 1, 1)] * 3)
    create("good beside invalid", CreatableTopic(s.name("c"), 1, 1), CreatableTopic("a/b", 1, 1))
    create("as long as can be", CreatableTopic(s.name("l").ljust(249, "x"), 1, 1))
    create("a dot where an underscore is", CreatableTopic(s.name("d_e"), 1, 1))
    create("an underscore where a dot is", CreatableTopic(s.name("d.e"), 1, 1))
    create("alike, only checked", CreatableTopic(s.name("d.e"), 1, 1), validate_only=True)
    create("alike, bad config", CreatableTopic(s.name("d.e"), 1, 1, [], [CreatableTopicConfig("x", "y")]))
    create("alike, no partitions", CreatableTopic(s.name("d.e"), 0, 1))
    create("good beside alike", CreatableTopic(s.name("d2"), 1, 1), CreatableTopic(s.name("d.e"), 1, 1))
    s.do(DeleteTopicsRequest([DeleteTopicState(s.name("d_e"))], [s.name("d_e")], 10_000))
    create("free again", CreatableTopic(s.name("d.e"), 1, 1))
    create("too many partitions", CreatableTopic(s.name("m"), MANY, 1), validate_only=True)
    create("far too many replicas", CreatableTopic(s.name("m"), 1, 30_000), validate_only=True)
    create("no time", CreatableTopic(s.name("n"), 1, 1), timeout_ms=0)
    create("invalid, only checked", CreatableTopic("a/b", 1, 1), validate_only=True)
    create("configs only checked", configured("p", ("retention.ms", "soon")), validate_only=True)
    create("invalid name and config", CreatableTopic("a/b", 0, 1, [], [CreatableTopicConfig("x", "y")]))
    create("no partitions, bad config", configured("q", ("x", "y"), partitions=0))
    create("a config twice", configured("r", ("retention.ms", "1000"), ("retention.ms", "2000")))
    create("a config without a name", configured("s", ("", "1")))
    create("spaces around", configured("t", ("retention.ms", " 1000 ")))
    create("a boolean in capitals", configured("u", ("preallocate", "TRUE")))
    create("a boolean that is none", configured("u2", ("preallocate", "yes")))
    create("a list with spaces", configured("v", ("cleanup.policy", "compact , delete")))
    create("a list that repeats", configured("w", ("cleanup.policy", "compact,compact")))
    create("a list with a comma too many", configured("w2", ("cleanup.policy", "compact,")))
    create("minimum above maximum", configured("x", ("min.compaction.lag.ms", "9"), ("max.compaction.lag.ms", "5")))
    create("a fraction", configured("y", ("min.cleanable.dirty.ratio", "0.25")))
    create("a fraction too large", configured("y2", ("min.cleanable.dirty.ratio", "1.5")))
    create("a number too large", configured("z", ("segment.bytes", "99999999999")))
    create("a plus", configured("z2", ("retention.ms", "+5")))
    create("an exponent", configured("z3", ("retention.ms", "1e3")))
    create("another codec", configured("z4", ("compression.type", "LZ4")))
    create("an unknown codec", configured("z5", ("compression.type", "rar")))
    create("times of the log", configured("z6", ("message.timestamp.type", "LogAppendTime")))
    create("a broker's config", configured("z7", ("log.retention.ms", "1000")))


@case(DeleteTopicsRequest)
def delete_topics_corners(s: Script) -> None:
    name, other, third = s.topic("a"), s.topic("b"), s.topic("c")

    def delete(label: str, *rows: DeleteTopicState) -> None:
        if s.version >= 6:
            s.ask(DeleteTopicsRequest(list(rows), [], 10_000), label)
        elif all(row.name is not None and row.topic_id == ZERO_UUID for row in rows):
            s.ask(DeleteTopicsRequest([], [row.name or "" for row in rows], 10_000), label)

    known, doomed = id_of(s, name), id_of(s, third)
    delete("empty name", DeleteTopicState(""))
    delete("empty name twice", DeleteTopicState(""), DeleteTopicState(""))
    delete("unknown twice", *[DeleteTopicState(s.name("unknown"))] * 2)
    delete("both name and id", DeleteTopicState(name, known))
    delete("neither", DeleteTopicState(None))
    delete("neither twice", DeleteTopicState(None), DeleteTopicState(None))
    delete("an id twice", DeleteTopicState(None, known), DeleteTopicState(None, known))
    delete("an unknown id twice", DeleteTopicState(None, UNKNOWN_ID), DeleteTopicState(None, UNKNOWN_ID))
    delete("by name and by id", DeleteTopicState(name), DeleteTopicState(None, known))
    delete("good beside both", DeleteTopicState(other), DeleteTopicState(name, known))
    delete("good beside twice", DeleteTopicState(third), DeleteTopicState(name), DeleteTopicState(name))
    delete("gone by id", DeleteTopicState(None, doomed))
    delete("by id", DeleteTopicState(None, known))


@case(CreatePartitionsRequest)
def create_partitions_corners(s: Script) -> None:
    name, other = s.topic("a"), s.topic("b")

    def grow(label: str, *rows: tuple[str, int, list[list[int]] | None], check: bool = False) -> None:
        topics = [
            CreatePartitionsTopic(
                each, count, None if assigned is None else [CreatePartitionsAssignment(ids) for ids in assigned]
            )
            for each, count, assigned in rows
        ]
        s.ask(CreatePartitionsRequest(topics, 10_000, check), label)

    grow("empty name", ("", 3, None))
    grow("invalid name", ("a/b", 3, None))
    grow("assigned to an unknown broker", (name, 3, [[4711]]))
    grow("assigned to a negative broker", (name, 3, [[-1]]))
    grow("assigned to nobody", (name, 3, [[]]))
    grow("assigned to one twice", (name, 3, [[1, 1]]))
    grow("assigned too many", (name, 3, [[1], [1]]))
    grow("no assignments", (name, 3, []))
    grow("assigned, as many", (name, 2, []))
    grow("assigned, fewer", (name, 1, [[1]]))
    grow("assigned, only checked", (name, 3, [[1]]), check=True)
    grow("fewer, only checked", (name, 1, None), check=True)
    grow("unknown, only checked", (s.name("unknown"), 3, None), check=True)
    grow("far too many, only checked", (name, MANY, None), check=True)
    grow("good beside twice", (other, 4, None), (name, 4, None), (name, 4, None))
    grow("unknown twice", (s.name("unknown"), 3, None), (s.name("unknown"), 3, None))


@case(DescribeTopicPartitionsRequest)
def describe_topic_partitions_corners(s: Script) -> None:
    name, other = s.topic("a", partitions=5), s.topic("b", partitions=2)
    unknown = s.name("aa-unknown")

    def describe(label: str, *names: str, limit: int = 2000, cursor: Cursor | None = None) -> None:
        s.ask(DescribeTopicPartitionsRequest([TopicRequest(each) for each in names], limit, cursor), label)

    describe("empty name", "")
    describe("empty beside good", "", name)
    describe("no limit", name, limit=0)
    describe("a negative limit", name, limit=-1)
    describe("a limit of one", name, other, limit=1)
    describe("exactly the first", name, other, limit=5)
    describe("one more than the first", name, other, limit=6)
    describe("all", name, other, limit=7)
    describe("an unknown at the limit", name, unknown, other, limit=5)
    describe("a cursor at the end", name, other, cursor=Cursor(name, 5))
    describe("a cursor beyond the end", name, other, cursor=Cursor(name, 50))
    describe("a negative cursor", name, cursor=Cursor(name, -1))
    describe("a cursor elsewhere", name, cursor=Cursor(s.name("zz"), 0))
    describe("a cursor before", name, other, cursor=Cursor(s.name("0"), 0))
    describe("a cursor without a name", name, other, cursor=Cursor("", 0))
    describe("a cursor at an unknown", name, unknown, cursor=Cursor(unknown, 0))
