"""Cases of records: produce, fetch, offsets, deletion, producers."""

import time

from compat.compare.script import Script, case
from higgins_protocol.messages.delete_records import DeleteRecordsPartition, DeleteRecordsRequest, DeleteRecordsTopic
from higgins_protocol.messages.describe_log_dirs import DescribableLogDirTopic, DescribeLogDirsRequest
from higgins_protocol.messages.describe_producers import DescribeProducersRequest
from higgins_protocol.messages.describe_producers import TopicRequest as ProducersOf
from higgins_protocol.messages.fetch import FetchPartition, FetchRequest, FetchTopic
from higgins_protocol.messages.init_producer_id import InitProducerIdRequest
from higgins_protocol.messages.list_offsets import ListOffsetsPartition, ListOffsetsRequest, ListOffsetsTopic
from higgins_protocol.messages.offset_for_leader_epoch import (
    OffsetForLeaderEpochRequest,
    OffsetForLeaderPartition,
    OffsetForLeaderTopic,
)
from higgins_protocol.messages.produce import PartitionProduceData, ProduceRequest, TopicProduceData
from higgins_protocol.records.record import Record, encode_batch

NOW_MS = time.time_ns() // 1_000_000 - 60_000


def records(count: int = 3, at_ms: int = NOW_MS, size: int = 5, **more: int) -> bytes:
    return bytes(encode_batch([Record(i, at_ms + i, b"key%d" % i, b"v" * size) for i in range(count)], **more))


def produced(topic: str, partition: int, data: bytes | None, acks: int = -1, **more: str) -> ProduceRequest:
    rows = [TopicProduceData(topic, [PartitionProduceData(partition, data)])]
    return ProduceRequest(more.get("transactional_id"), acks, 10_000, rows)


def fill(s: Script, topic: str, batches: int = 3) -> None:
    for i in range(batches):
        s.do(produced(topic, 0, records(at_ms=NOW_MS + 1000 * i)))


@case(ProduceRequest)
def produce(s: Script) -> None:
    name = s.topic()
    good = records()
    s.ask(produced(name, 0, good), "plain")
    s.ask(produced(name, 0, good, 1), "acks of one")
    s.ask(produced(name, 0, good, 2), "acks of two")
    s.ask(produced(name, 9, good), "unknown partition")
    s.ask(produced(name, -1, good), "negative partition")
    s.ask(produced(s.name("unknown"), 0, good), "unknown topic")
    s.ask(produced("a/b", 0, good), "invalid topic")
    s.ask(produced(name, 0, good[:20] + bytes([good[20] ^ 1]) + good[21:]), "a CRC that is wrong")
    s.ask(produced(name, 0, good[:-3]), "a batch cut off")
    s.ask(produced(name, 0, b""), "no records")
    s.ask(produced(name, 0, None), "null records")
    s.ask(produced(name, 0, good + good), "two batches")
    s.ask(produced(name, 0, records(size=1_200_000)), "too large")
    s.ask(produced(name, 0, records(at_ms=32_500_000_000_000)), "from the far future")
    s.ask(produced(name, 0, records(at_ms=-5)), "before the first second")
    compacted = s.topic("compacted", cleanup_policy="compact")
    keyless = bytes(encode_batch([Record(0, NOW_MS, None, b"v")]))
    s.ask(produced(compacted, 0, keyless), "without a key where keys are needed")
    both = [PartitionProduceData(0, good), PartitionProduceData(9, good)]
    s.ask(ProduceRequest(None, -1, 10_000, [TopicProduceData(name, both)]), "one good, one bad")
    s.ask(ProduceRequest(None, -1, 10_000, []), "nothing")


@case(ProduceRequest)
def produce_idempotently(s: Script) -> None:
    name = s.topic()
    producer = s.producer_id()

    def send(label: str, sequence: int, epoch: int = 0, producer_id: int = producer, partition: int = 0) -> None:
        data = records(2, producer_id=producer_id, producer_epoch=epoch, base_sequence=sequence)
        s.ask(produced(name, partition, data), label)

    send("first", 0)
    send("again", 0)
    send("second", 2)
    send("a gap", 9)
    send("the first once more", 0)
    send("a newer epoch, not from the start", 4, epoch=1)
    send("a newer epoch", 0, epoch=1)
    send("an older epoch", 4, epoch=0)
    send("not from the start elsewhere", 5, partition=1)


@case(FetchRequest)
def fetch(s: Script) -> None:
    name = s.topic()
    fill(s, name)

    def read(label: str, topic: str, partition: int, offset: int, *, most: int = 1 << 20, whole: int = 1 << 24,
             isolation: int = 0, epoch: int = -1) -> None:  # fmt: skip
        row = FetchPartition(partition, epoch, offset, -1, -1, most)
        asked = FetchRequest(replica_id=-1, max_wait_ms=1, min_bytes=0, max_bytes=whole, isolation_level=isolation,
                             session_epoch=-1, topics=[FetchTopic(topic, [row])])  # fmt: skip
        s.ask(asked, label)

    read("from the beginning", name, 0, 0)
    read("from the middle of a batch", name, 0, 4)
    read("committed only", name, 0, 0, isolation=1)
    read("at the end", name, 0, 9)
    read("beyond the end", name, 0, 10)
    read("before the start", name, 0, -1)
    read("little at a time", name, 0, 0, most=1)
    read("little in all", name, 0, 0, whole=1)
    read("an empty partition", name, 1, 0)
    read("unknown partition", name, 9, 0)
    read("unknown topic", s.name("unknown"), 0, 0)
    if s.version >= 9:
        read("the epoch there is", name, 0, 0, epoch=0)
        read("an epoch to come", name, 0, 0, epoch=5)


@case(ListOffsetsRequest)
def list_offsets(s: Script) -> None:
    name = s.topic()
    for at_ms in (NOW_MS + 100, NOW_MS + 400, NOW_MS + 200):
        s.do(produced(name, 0, records(1, at_ms)))

    def look(label: str, topic: str, partition: int, timestamp: int, isolation: int = 0, epoch: int = -1) -> None:
        rows = [ListOffsetsTopic(topic, [ListOffsetsPartition(partition, epoch, timestamp)])]
        s.ask(ListOffsetsRequest(-1, isolation, rows), label)

    for timestamp in (-1, -2, -3, -4, -5, -6, -7, 0, NOW_MS, NOW_MS + 100, NOW_MS + 101, NOW_MS + 400, NOW_MS + 401):
        look(f"at {timestamp}", name, 0, timestamp)
        look(f"empty at {timestamp}", name, 1, timestamp)
    look("committed", name, 0, -1, 1)
    look("unknown partition", name, 9, -1)
    look("unknown topic", s.name("unknown"), 0, -1)
    if s.version >= 4:
        look("an epoch to come", name, 0, -1, 0, 5)
    twice = [ListOffsetsTopic(name, [ListOffsetsPartition(0, -1, -1), ListOffsetsPartition(0, -1, -2)])]
    s.ask(ListOffsetsRequest(-1, 0, twice), "twice in one")


@case(OffsetForLeaderEpochRequest)
def offset_for_leader_epoch(s: Script) -> None:
    name = s.topic()
    fill(s, name)
    for current, epoch in ((-1, 0), (0, 0), (-1, -1), (-1, 5), (5, 0)):
        row = OffsetForLeaderPartition(0, current, epoch)
        s.ask(OffsetForLeaderEpochRequest(-1, [OffsetForLeaderTopic(name, [row])]), f"epochs {current} {epoch}")
    row = OffsetForLeaderPartition(9, -1, 0)
    s.ask(OffsetForLeaderEpochRequest(-1, [OffsetForLeaderTopic(name, [row])]), "unknown partition")
    row = OffsetForLeaderPartition(0, -1, 0)
    s.ask(OffsetForLeaderEpochRequest(-1, [OffsetForLeaderTopic(s.name("u"), [row])]), "unknown topic")


@case(DeleteRecordsRequest)
def delete_records(s: Script) -> None:
    name = s.topic()
    fill(s, name)

    def delete(label: str, topic: str, partition: int, offset: int) -> None:
        rows = [DeleteRecordsTopic(topic, [DeleteRecordsPartition(partition, offset)])]
        s.ask(DeleteRecordsRequest(rows, 10_000), label)

    delete("some", name, 0, 4)
    delete("fewer", name, 0, 2)
    delete("beyond the end", name, 0, 10)
    delete("a negative offset", name, 0, -2)
    delete("all", name, 0, -1)
    delete("of nothing", name, 1, -1)
    delete("unknown partition", name, 9, 0)
    delete("unknown topic", s.name("unknown"), 0, 0)
    compacted = s.topic("compacted", cleanup_policy="compact")
    delete("where only compaction deletes", compacted, 0, -1)


@case(DescribeLogDirsRequest)
def describe_log_dirs(s: Script) -> None:
    name = s.topic()
    s.ask(DescribeLogDirsRequest([DescribableLogDirTopic(name, [0, 1])]), "empty partitions")
    s.ask(DescribeLogDirsRequest([DescribableLogDirTopic(s.name("unknown"), [0])]), "unknown topic")
    s.ask(DescribeLogDirsRequest([]), "nothing")


@case(DescribeProducersRequest)
def describe_producers(s: Script) -> None:
    name = s.topic()
    s.ask(DescribeProducersRequest([ProducersOf(name, [0])]), "nobody")
    producer = s.producer_id()
    s.do(produced(name, 0, records(2, producer_id=producer, producer_epoch=0, base_sequence=0)))
    s.ask(DescribeProducersRequest([ProducersOf(name, [0])]), "one")
    s.ask(DescribeProducersRequest([ProducersOf(name, [9])]), "unknown partition")
    s.ask(DescribeProducersRequest([ProducersOf(s.name("unknown"), [0])]), "unknown topic")


@case(InitProducerIdRequest)
def init_producer_id(s: Script) -> None:
    s.ask(InitProducerIdRequest(None, 60_000), "idempotent")
    s.ask(InitProducerIdRequest("", 60_000), "empty transactional id")
    if s.version >= 3:
        s.ask(InitProducerIdRequest(None, 60_000, 5, -1), "an id without an epoch")
        s.ask(InitProducerIdRequest(None, 60_000, -1, 5), "an epoch without an id")
