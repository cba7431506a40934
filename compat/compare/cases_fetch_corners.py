"""Corners of reading: fetches, offsets by time, ends of epochs, and records that are deleted."""

from compat.compare.cases_records import NOW_MS, fill, produced, records
from compat.compare.script import Script, case
from higgins_protocol.messages.delete_records import DeleteRecordsPartition, DeleteRecordsRequest, DeleteRecordsTopic
from higgins_protocol.messages.fetch import FetchPartition, FetchRequest, FetchTopic, ForgottenTopic
from higgins_protocol.messages.list_offsets import ListOffsetsPartition, ListOffsetsRequest, ListOffsetsTopic
from higgins_protocol.messages.offset_for_leader_epoch import (
    OffsetForLeaderEpochRequest,
    OffsetForLeaderPartition,
    OffsetForLeaderTopic,
)
from higgins_protocol.records.compression import Codec
from higgins_protocol.records.record import Record, encode_batch

FAR = 1 << 60


def asking(*rows: tuple[str, int, int], most: int = 1 << 20, epoch: int = -1, **more: object) -> FetchRequest:
    """(topic, partition, offset) each, a topic's rows beside one another or not."""
    topics = [FetchTopic(topic, [FetchPartition(index, epoch, at, -1, -1, most)]) for topic, index, at in rows]
    given = {"replica_id": -1, "max_wait_ms": 1, "min_bytes": 0, "max_bytes": 1 << 24, "session_epoch": -1, **more}
    return FetchRequest(topics=topics, **given)  # type: ignore[arg-type]


@case(FetchRequest)
def fetch_corners(s: Script) -> None:
    name = s.topic(partitions=3)
    fill(s, name)
    s.do(produced(name, 1, records()))

    def read(label: str, *rows: tuple[str, int, int], **more: int) -> None:
        s.ask(asking(*rows, **more), label)

    read("nothing")
    read("empty topic", ("", 0, 0))
    read("invalid topic", ("a/b", 0, 0))
    read("negative partition", (name, -1, 0))
    read("far out", (name, 0, FAR))
    read("special offsets", (name, 0, -2))
    read("nothing in all", (name, 0, 0), max_bytes=0)
    read("negative in all", (name, 0, 0), max_bytes=-1)
    read("nothing of a partition", (name, 0, 0), most=0)
    read("negative of a partition", (name, 0, 0), most=-1)
    read("nothing of two", (name, 0, 0), (name, 1, 0), most=0)
    read("one byte in all of two", (name, 0, 0), (name, 1, 0), max_bytes=1)
    read("one byte in all, the first empty", (name, 2, 0), (name, 1, 0), max_bytes=1)
    read("a partition twice", (name, 0, 0), (name, 0, 3))
    read("negative wait", (name, 0, 9), max_wait_ms=-1, min_bytes=1)
    read("negative least", (name, 0, 9), min_bytes=-1)
    read("no wait", (name, 0, 9), max_wait_ms=0, min_bytes=1)
    read("an odd isolation", (name, 0, 0), isolation_level=7)
    read("good beside unknown", (name, 0, 0), (s.name("unknown"), 0, 0))
    read("good beside beyond", (name, 0, 0), (name, 1, 99))
    read("a debug consumer", (name, 0, 0), replica_id=-2)
    read("a replica", (name, 0, 0), replica_id=4711)
    read("half of the second batch", (name, 0, 3), most=100)
    read("two batches and a half", (name, 0, 0), most=250)
    if s.version >= 9:
        read("a negative epoch", (name, 0, 0), epoch=-5)
        read("an epoch to come, beyond the end", (name, 0, 99), epoch=5)
        read("an epoch to come, unknown partition", (name, 9, 0), epoch=5)
    if s.version >= 12:
        row = FetchPartition(0, -1, 0, 0, -1, 1 << 20)
        s.ask(FetchRequest(max_wait_ms=1, topics=[FetchTopic(name, [row])]), "the last epoch there was")
        row = FetchPartition(0, -1, 0, 5, -1, 1 << 20)
        s.ask(FetchRequest(max_wait_ms=1, topics=[FetchTopic(name, [row])]), "a last epoch that never was")
    s.do(DeleteRecordsRequest([DeleteRecordsTopic(name, [DeleteRecordsPartition(0, 4)])], 10_000))
    read("deleted", (name, 0, 3))
    read("the first that is left, in a batch", (name, 0, 4))


@case(FetchRequest)
def fetch_sessions(s: Script) -> None:
    if s.version < 7:
        return
    name = s.topic()
    fill(s, name)
    for session_id, epoch in ((0, -1), (0, 5), (5, -1), (5, 0), (5, 3), (-1, -1), (0, -7)):
        s.ask(asking((name, 0, 0), session_id=session_id, session_epoch=epoch), f"session {session_id} epoch {epoch}")
    s.ask(asking(session_id=5, session_epoch=3), "a session unknown, nothing new")
    forgotten = [ForgottenTopic(name, [0])]
    s.ask(asking((name, 0, 0), forgotten_topics_data=forgotten), "forgotten and asked for")
    s.ask(asking(forgotten_topics_data=forgotten), "forgotten")


@case(ListOffsetsRequest)
def list_offsets_corners(s: Script) -> None:
    name = s.topic(partitions=3)
    many = [Record(i, NOW_MS + at, b"k", b"v") for i, at in enumerate((5, 50, 20, 50, 10))]
    s.do(produced(name, 0, bytes(encode_batch(many))))
    squeezed = [Record(i, NOW_MS + at, b"k", b"v") for i, at in enumerate((200, 300, 100))]
    s.do(produced(name, 0, bytes(encode_batch(squeezed, codec=Codec.GZIP))))
    s.do(produced(name, 1, records(1, -1)))

    def look(label: str, *rows: tuple[str, int, int], isolation: int = 0, epoch: int = -1, replica: int = -1) -> None:
        topics = [ListOffsetsTopic(topic, [ListOffsetsPartition(index, epoch, at)]) for topic, index, at in rows]
        s.ask(ListOffsetsRequest(replica, isolation, topics), label)

    look("nothing")
    s.ask(ListOffsetsRequest(-1, 0, [ListOffsetsTopic(name, [])]), "no partitions")
    for at_ms in (1, 5, 6, 10, 20, 50, 51, 100, 101, 200, 201, 300, 301):
        look(f"within batches at {at_ms}", (name, 0, NOW_MS + at_ms))
    for special in (-3, -4, -5):
        look(f"newest {special}", (name, 0, special))
        look(f"newest without a time {special}", (name, 1, special))
    look("without a time", (name, 1, 0))
    look("without a time, later", (name, 1, 5))
    look("far out", (name, 0, FAR))
    look("far back", (name, 0, -FAR))
    look("empty topic", ("", 0, -1))
    look("invalid topic", ("a/b", 0, -1))
    look("negative partition", (name, -1, -1))
    look("a topic twice", (name, 0, -1), (name, 1, -1))
    look("a partition in two rows", (name, 0, -1), (name, 0, -2))
    look("good beside unknown", (name, 0, -1), (s.name("unknown"), 0, -1))
    look("a debug consumer", (name, 0, -1), replica=-2)
    look("a replica", (name, 0, -1), replica=4711)
    look("an odd isolation", (name, 0, -1), isolation=7)
    look("committed by time", (name, 0, NOW_MS), isolation=1)
    if s.version >= 4:
        for epoch in (0, -2, 5):
            for at_ms in (-1, -2, NOW_MS):
                look(f"epoch {epoch} at {at_ms}", (name, 0, at_ms), epoch=epoch)
        look("an epoch to come, unknown partition", (name, 9, -1), epoch=5)
    s.do(DeleteRecordsRequest([DeleteRecordsTopic(name, [DeleteRecordsPartition(0, 2)])], 10_000))
    for at_ms in (-2, -1, -3, NOW_MS, NOW_MS + 50):
        look(f"after deletion at {at_ms}", (name, 0, at_ms))
    s.do(DeleteRecordsRequest([DeleteRecordsTopic(name, [DeleteRecordsPartition(0, -1)])], 10_000))
    for at_ms in (-2, -1, -3, NOW_MS):
        look(f"all deleted at {at_ms}", (name, 0, at_ms))


@case(OffsetForLeaderEpochRequest)
def offset_for_leader_epoch_corners(s: Script) -> None:
    name = s.topic()
    fill(s, name)

    def look(label: str, *rows: tuple[str, int, int, int], replica: int = -1) -> None:
        topics = [OffsetForLeaderTopic(each, [OffsetForLeaderPartition(*row)]) for each, *row in rows]
        s.ask(OffsetForLeaderEpochRequest(replica, topics), label)

    look("nothing")
    look("empty topic", ("", 0, -1, 0))
    look("invalid topic", ("a/b", 0, -1, 0))
    look("negative partition", (name, -1, -1, 0))
    look("an empty partition", (name, 1, -1, 0))
    look("an empty partition, no epoch", (name, 1, -1, -1))
    look("a negative epoch", (name, 0, -1, -2))
    look("a negative epoch now", (name, 0, -5, 0))
    look("twice", (name, 0, -1, 0), (name, 0, -1, 5))
    look("unknown, an epoch to come", (name, 9, 5, 0))
    look("a debug consumer", (name, 0, -1, 0), replica=-2)
    look("a replica", (name, 0, -1, 0), replica=4711)
    s.do(DeleteRecordsRequest([DeleteRecordsTopic(name, [DeleteRecordsPartition(0, -1)])], 10_000))
    look("all deleted", (name, 0, -1, 0))
    look("all deleted, before", (name, 0, -1, -2))


@case(DeleteRecordsRequest)
def delete_records_corners(s: Script) -> None:
    name = s.topic()
    fill(s, name)

    def delete(label: str, *rows: tuple[str, int, int], timeout_ms: int = 10_000) -> None:
        topics = [DeleteRecordsTopic(topic, [DeleteRecordsPartition(index, at)]) for topic, index, at in rows]
        s.ask(DeleteRecordsRequest(topics, timeout_ms), label)

    delete("nothing")
    s.ask(DeleteRecordsRequest([DeleteRecordsTopic(name, [])], 10_000), "no partitions")
    delete("empty topic", ("", 0, 0))
    delete("invalid topic", ("a/b", 0, 0))
    delete("negative partition", (name, -1, 0))
    delete("to where it is", (name, 0, 0))
    delete("within a batch", (name, 0, 1))
    delete("far out", (name, 0, FAR))
    delete("far back", (name, 0, -FAR))
    delete("good beside bad", (name, 0, 2), (name, 9, 0), (s.name("unknown"), 0, 0))
    delete("a topic twice", (name, 0, 3), (name, 1, 0))
    delete("no time", (name, 0, 4), timeout_ms=0)
    delete("to the end", (name, 0, 9))
    delete("to the end again", (name, 0, 9))
    delete("beyond the end of nothing", (name, 1, 1))
    both = s.topic("both", cleanup_policy="compact,delete")
    delete("where both delete", (both, 0, -1))
    neither = s.topic("neither", cleanup_policy="")
    delete("where nothing deletes", (neither, 0, -1))
