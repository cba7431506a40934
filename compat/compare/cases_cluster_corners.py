"""Corners of what tools ask of a cluster, of what is not kept here, and of bytes that are no request."""

import struct

from compat.compare.script import Script, case
from higgins_protocol.messages.alter_client_quotas import AlterClientQuotasRequest, EntityData, EntryData, OpData
from higgins_protocol.messages.alter_partition_reassignments import (
    AlterPartitionReassignmentsRequest,
    ReassignablePartition,
    ReassignableTopic,
)
from higgins_protocol.messages.alter_replica_log_dirs import (
    AlterReplicaLogDir,
    AlterReplicaLogDirsRequest,
    AlterReplicaLogDirTopic,
)
from higgins_protocol.messages.alter_user_scram_credentials import (
    AlterUserScramCredentialsRequest,
    ScramCredentialDeletion,
    ScramCredentialUpsertion,
)
from higgins_protocol.messages.api_versions import ApiVersionsRequest
from higgins_protocol.messages.create_acls import AclCreation, CreateAclsRequest
from higgins_protocol.messages.delete_acls import DeleteAclsFilter, DeleteAclsRequest
from higgins_protocol.messages.describe_acls import DescribeAclsRequest
from higgins_protocol.messages.describe_client_quotas import ComponentData, DescribeClientQuotasRequest
from higgins_protocol.messages.describe_cluster import DescribeClusterRequest
from higgins_protocol.messages.describe_log_dirs import DescribableLogDirTopic, DescribeLogDirsRequest
from higgins_protocol.messages.describe_quorum import DescribeQuorumRequest, PartitionRequest
from higgins_protocol.messages.describe_quorum import TopicRequest as QuorumOf
from higgins_protocol.messages.describe_transactions import DescribeTransactionsRequest
from higgins_protocol.messages.describe_user_scram_credentials import DescribeUserScramCredentialsRequest, UserName
from higgins_protocol.messages.elect_leaders import ElectLeadersRequest, TopicPartitions
from higgins_protocol.messages.list_partition_reassignments import (
    ListPartitionReassignmentsRequest,
    ListPartitionReassignmentsTopics,
)
from higgins_protocol.messages.list_transactions import ListTransactionsRequest

METADATA = "__cluster_metadata"


@case(DescribeClusterRequest)
def describe_cluster_corners(s: Script) -> None:
    if s.version >= 1:
        for kind in (0, -1, 3):
            s.ask(DescribeClusterRequest(False, kind), f"endpoint type {kind}")
        s.ask(DescribeClusterRequest(True, 2), "operations of controllers")
    if s.version >= 2:
        s.ask(DescribeClusterRequest(False, 1, True), "fenced ones, too")


@case(DescribeQuorumRequest)
def describe_quorum(s: Script) -> None:
    name = s.topic()

    def look(label: str, *rows: tuple[str, list[int]]) -> None:
        s.ask(DescribeQuorumRequest([QuorumOf(each, [PartitionRequest(i) for i in on]) for each, on in rows]), label)

    look("nothing")
    look("no partitions", (METADATA, []))
    look("partition one", (METADATA, [1]))
    look("another topic", (name, [0]))
    look("both", (METADATA, [0]), (name, [0]))
    look("twice", (METADATA, [0, 0]))
    look("empty topic", ("", [0]))


@case(DescribeLogDirsRequest)
def describe_log_dirs_corners(s: Script) -> None:
    name = s.topic()

    def look(label: str, *rows: tuple[str, list[int]]) -> None:
        s.ask(DescribeLogDirsRequest([DescribableLogDirTopic(*row) for row in rows]), label)

    look("no partitions", (name, []))
    look("unknown partitions", (name, [7, -1]))
    look("one of two unknown", (name, [0, 9]))
    look("a partition twice", (name, [0, 0]))
    look("a topic twice", (name, [0]), (name, [1]))
    look("empty topic", ("", [0]))


@case(AlterReplicaLogDirsRequest)
def alter_replica_log_dirs(s: Script) -> None:
    name = s.topic()

    def move(label: str, *rows: tuple[str, str, list[int]]) -> None:
        asked = [AlterReplicaLogDir(path, [AlterReplicaLogDirTopic(topic, on)]) for path, topic, on in rows]
        s.ask(AlterReplicaLogDirsRequest(asked), label)

    move("nothing")
    move("elsewhere", ("/nowhere", name, [0]))
    move("a path that is relative", ("nowhere", name, [0]))
    move("an empty path", ("", name, [0]))
    move("unknown partition elsewhere", ("/nowhere", name, [9]))
    move("unknown topic elsewhere", ("/nowhere", s.name("unknown"), [0]))
    move("one to two places", ("/nowhere", name, [0]), ("/elsewhere", name, [0]))


@case(ElectLeadersRequest)
def elect_leaders_corners(s: Script) -> None:
    name = s.topic()

    def elect(label: str, kind: int, *rows: tuple[str, list[int]]) -> None:
        s.ask(ElectLeadersRequest(kind, [TopicPartitions(*row) for row in rows], 5000), label)

    elect("nothing", 0)
    elect("no partitions", 0, (name, []))
    elect("empty topic", 0, ("", [0]))
    elect("negative partition", 0, (name, [-1]))
    elect("a partition twice", 0, (name, [0, 0]))
    elect("a topic twice", 0, (name, [0]), (name, [1]))
    elect("good beside bad", 0, (name, [0, 9]), (s.name("unknown"), [0]))
    if s.version >= 1:
        elect("no such kind", 9, (name, [0]))
        elect("a negative kind", -1, (name, [0]))
        elect("unclean, unknown", 1, (s.name("unknown"), [0]))


@case(AlterPartitionReassignmentsRequest)
def alter_reassignments_corners(s: Script) -> None:
    name = s.topic()

    def move(label: str, *rows: tuple[str, int, list[int] | None]) -> None:
        asked = [ReassignableTopic(topic, [ReassignablePartition(index, on)]) for topic, index, on in rows]
        s.ask(AlterPartitionReassignmentsRequest(5000, True, asked), label)

    move("nothing")
    move("empty topic", ("", 0, [1]))
    move("negative partition", (name, -1, [1]))
    move("cancel of an unknown", (s.name("unknown"), 0, None))
    move("to one twice", (name, 0, [1, 1]))
    move("to a negative broker", (name, 0, [-1]))
    move("also to an unknown broker", (name, 0, [1, 4711]))
    move("good beside bad", (name, 0, [1]), (s.name("unknown"), 0, [1]))


@case(ListPartitionReassignmentsRequest)
def list_reassignments_corners(s: Script) -> None:
    name = s.topic()

    def look(label: str, *rows: tuple[str, list[int]]) -> None:
        s.ask(ListPartitionReassignmentsRequest(5000, [ListPartitionReassignmentsTopics(*row) for row in rows]), label)

    look("nothing")
    look("no partitions", (name, []))
    look("unknown topic", (s.name("unknown"), [0]))
    look("unknown partition", (name, [9]))
    look("empty topic", ("", [0]))


@case(DescribeAclsRequest)
def describe_acls_corners(s: Script) -> None:
    s.ask(DescribeAclsRequest(2, "t", 3, "User:a", "*", 3, 3), "exactly one")
    s.ask(DescribeAclsRequest(2, "", 3, "", "", 3, 3), "empty names")


@case(CreateAclsRequest)
def create_acls_corners(s: Script) -> None:
    s.ask(CreateAclsRequest([AclCreation(2, "t", 3, "User:a", "*", 3, 3)] * 2), "twice in one")
    s.ask(CreateAclsRequest([AclCreation(2, "", 3, "nobody", "", 3, 3)]), "a principal that is none")


@case(DeleteAclsRequest)
def delete_acls_corners(s: Script) -> None:
    s.ask(DeleteAclsRequest([]), "nothing")
    s.ask(DeleteAclsRequest([DeleteAclsFilter(2, "t", 3, None, None, 1, 1)] * 2), "twice in one")


@case(DescribeClientQuotasRequest)
def describe_client_quotas_corners(s: Script) -> None:
    def look(label: str, *rows: tuple[str, int, str | None], strict: bool = False) -> None:
        s.ask(DescribeClientQuotasRequest([ComponentData(*row) for row in rows], strict), label)

    look("nothing, strictly", strict=True)
    look("a user twice", ("user", 0, "a"), ("user", 0, "b"))
    look("an empty type", ("", 0, "a"))
    look("an address and a user", ("ip", 0, "127.0.0.1"), ("user", 0, "a"))
    look("no such match", ("user", 9, None))
    look("exactly nobody", ("user", 0, None))
    look("the default by name", ("user", 1, "a"))
    look("any by name", ("user", 2, "a"))
    look("the default", ("client-id", 1, None))
    look("an address that is none", ("ip", 0, "nowhere at all"))


@case(AlterClientQuotasRequest)
def alter_client_quotas_corners(s: Script) -> None:
    def alter(label: str, entity: list[tuple[str, str | None]], *ops: tuple[str, float, bool]) -> None:
        entry = EntryData([EntityData(*each) for each in entity], [OpData(*op) for op in ops])
        s.ask(AlterClientQuotasRequest([entry], True), label)

    rate = ("producer_byte_rate", 1000.0, False)
    alter("one", [("user", "a")], rate)
    alter("nobody", [], rate)
    alter("no such entity", [("nonsense", "a")], rate)
    alter("no such quota", [("user", "a")], ("nonsense", 1.0, False))


@case(DescribeUserScramCredentialsRequest)
def describe_scram_corners(s: Script) -> None:
    s.ask(DescribeUserScramCredentialsRequest([]), "nobody")
    s.ask(DescribeUserScramCredentialsRequest([UserName("")]), "no name")
    s.ask(DescribeUserScramCredentialsRequest([UserName("a"), UserName("b"), UserName("a")]), "one of two twice")


@case(AlterUserScramCredentialsRequest)
def alter_scram(s: Script) -> None:
    user = s.name("user")

    def alter(label: str, gone: list[tuple[str, int]], *there: tuple[str, int, int]) -> None:
        rows = [ScramCredentialUpsertion(*each, b"salt", b"password") for each in there]
        s.ask(AlterUserScramCredentialsRequest([ScramCredentialDeletion(*each) for each in gone], rows), label)

    alter("nothing", [])
    alter("delete what is not there", [(user, 1)])
    alter("delete twice", [(user, 1), (user, 1)])
    alter("delete without a name", [("", 1)])
    alter("delete of no mechanism", [(user, 9)])
    alter("no name", [], ("", 1, 4096))
    alter("no mechanism", [], (user, 9, 4096))
    alter("too few iterations", [], (user, 1, 1))
    alter("too many iterations", [], (user, 1, 1 << 30))
    alter("twice", [], (user, 1, 4096), (user, 1, 4096))
    alter("deleted and set", [(user, 1)], (user, 1, 4096))


@case(ListTransactionsRequest)
def list_transactions_corners(s: Script) -> None:
    s.ask(ListTransactionsRequest(["ongoing", "Ongoing", ""]), "states in odd spellings")
    s.ask(ListTransactionsRequest(["Nonsense", "Nonsense"]), "no such state twice")
    s.ask(ListTransactionsRequest([], [-1, 4711]), "producers")
    if s.version >= 1:
        s.ask(ListTransactionsRequest([], [], -5), "a negative duration")
    if s.version >= 2:
        for pattern in ("", "a.*", "(", "*", None):
            s.ask(ListTransactionsRequest([], [], -1, pattern), f"pattern {pattern!r}")


@case(DescribeTransactionsRequest)
def describe_transactions_corners(s: Script) -> None:
    s.ask(DescribeTransactionsRequest([s.transactional_id("unknown")] * 2), "twice in one")
    s.ask(DescribeTransactionsRequest([""]), "an empty id")


@case(ApiVersionsRequest)
def api_versions(s: Script) -> None:
    for label, name, version in (("plain", "compare", "1"), ("no name", "", "1"), ("no version", "a", ""),
                                 ("odd signs", "a b", "1"), ("a dash in front", "-a", "1")):  # fmt: skip
        found = s.do(ApiVersionsRequest(name, version), s.version)
        s.note(label, (found.error_code, bool(found.api_keys), found.throttle_time_ms))


@case(ApiVersionsRequest)
def frames(s: Script) -> None:
    if s.version:
        return

    def head(key: int, version: int, client: bytes = b"\0\1c") -> bytes:
        return struct.pack(">hhi", key, version, 7) + client

    s.ask_bytes("versions of a version to come", head(18, 99) + b"\0", keep=6)
    s.ask_bytes("versions, a negative version", head(18, -1), keep=6)
    s.ask_bytes("versions, no client id", head(18, 0, b"\xff\xff"), keep=6)
    s.ask_bytes("versions, a client id cut off", head(18, 0, b"\0\7c"), keep=6)
    s.ask_bytes("versions, more behind", head(18, 0) + b"more", keep=6)
    s.ask_bytes("no such API", head(999, 0))
    s.ask_bytes("a negative API", head(-1, 0))
    s.ask_bytes("an API of brokers alone", head(4, 0))
    s.ask_bytes("a version that is gone", head(3, -1))
    s.ask_bytes("a version to come", head(3, 99))
    s.ask_bytes("a body cut off", head(12, 0) + b"\0\5ab")
    s.ask_bytes("a body missing", head(12, 0))
    s.ask_bytes("a count beyond the body", head(20, 1) + struct.pack(">i", 1 << 30))
    s.ask_bytes("a negative count", head(20, 1) + struct.pack(">i", -5) + struct.pack(">i", 1000))
    s.ask_bytes("more behind a body", head(12, 0) + b"\0\0" + struct.pack(">i", 1) + b"\0\1m" + b"more")
    s.ask_bytes("a name that is no UTF-8", head(12, 0) + b"\0\1\xff" + struct.pack(">i", 1) + b"\0\1m")
    s.ask_bytes("an empty frame", b"")
    s.ask_bytes("half a header", b"\0\x12\0")
    s.ask_bytes("a negative length", b"", length=-1)
    s.ask_bytes("too long a frame", b"", length=2**31 - 1)
