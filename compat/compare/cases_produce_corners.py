"""Corners of produce: batches whose bytes do not say what they are, and producers whose sequences do not fit."""

import struct
from itertools import count

from compat.compare.cases_records import NOW_MS, produced, records
from compat.compare.script import Script, case
from higgins_protocol.messages.describe_producers import DescribeProducersRequest
from higgins_protocol.messages.describe_producers import TopicRequest as ProducersOf
from higgins_protocol.messages.init_producer_id import InitProducerIdRequest
from higgins_protocol.messages.produce import PartitionProduceData, ProduceRequest, TopicProduceData
from higgins_protocol.records import batch as header
from higgins_protocol.records.compression import Codec
from higgins_protocol.records.crc import crc32c
from higgins_protocol.records.record import Record, encode_batch

MAGIC_AND_CRC = header.ATTRIBUTES_AT
"""From here on bytes are covered by the checksum."""


def altered(data: bytes, position: int, form: str, value: int) -> bytes:
    """A batch with one field of its header otherwise, and the checksum as it should be then."""
    changed = bytearray(data)
    struct.pack_into(f">{form}", changed, position, value)
    struct.pack_into(">I", changed, header.CRC_AT, crc32c(changed[MAGIC_AND_CRC:]))
    return bytes(changed)


def legacy(magic: int) -> bytes:
    """A message of the old formats, as producers before 0.11 sent it; its checksum is left wrong."""
    at = struct.pack(">q", NOW_MS) if magic else b""
    body = struct.pack(">bb", magic, 0) + at + struct.pack(">i1si1s", 1, b"k", 1, b"v")
    message = struct.pack(">I", 0) + body
    return struct.pack(">qi", 0, len(message)) + message


@case(ProduceRequest)
def produce_headers(s: Script) -> None:
    name = s.topic(partitions=40)
    good = records()
    partitions = count()

    def send(label: str, data: bytes) -> None:
        s.ask(produced(name, next(partitions), data), label)

    send("magic of three", altered(good, header.MAGIC_AT, "b", 3))
    send("a negative magic", altered(good, header.MAGIC_AT, "b", -1))
    send("magic of one", legacy(1))
    send("magic of zero", legacy(0))
    send("a base offset", altered(good, header.BASE_OFFSET_AT, "q", 7))
    squeezed = bytes(encode_batch([Record(0, NOW_MS, b"k", b"v")], codec=Codec.GZIP))
    send("a base offset, compressed", altered(squeezed, header.BASE_OFFSET_AT, "q", 7))
    send("a negative base offset", altered(good, header.BASE_OFFSET_AT, "q", -7))
    send("a leader epoch", altered(good, header.LEADER_EPOCH_AT, "i", 5))
    send("fewer records than said", altered(good, header.RECORD_COUNT_AT, "i", 4))
    send("more records than said", altered(good, header.RECORD_COUNT_AT, "i", 2))
    send("no records said", altered(good, header.RECORD_COUNT_AT, "i", 0))
    send("a negative count", altered(good, header.RECORD_COUNT_AT, "i", -1))
    send("last offset too far", altered(good, header.LAST_OFFSET_DELTA_AT, "i", 9))
    send("last offset too near", altered(good, header.LAST_OFFSET_DELTA_AT, "i", 1))
    send("last offset negative", altered(good, header.LAST_OFFSET_DELTA_AT, "i", -1))
    send("a negative length", altered(good, header.BATCH_LENGTH_AT, "i", -5))
    send("a length of zero", altered(good, header.BATCH_LENGTH_AT, "i", 0))
    send("a length beyond", altered(good, header.BATCH_LENGTH_AT, "i", len(good)))
    send("codec of five", altered(good, header.ATTRIBUTES_AT, "h", 5))
    send("codec of seven", altered(good, header.ATTRIBUTES_AT, "h", 7))
    send("gzip that is none", altered(good, header.ATTRIBUTES_AT, "h", 1))
    send("time of the log", altered(good, header.ATTRIBUTES_AT, "h", 8))
    send("transactional without a producer", altered(good, header.ATTRIBUTES_AT, "h", 0x10))
    send("control", altered(good, header.ATTRIBUTES_AT, "h", 0x20))
    send("transactional control", altered(good, header.ATTRIBUTES_AT, "h", 0x30))
    send("unused attributes", altered(good, header.ATTRIBUTES_AT, "h", 0x40))
    send("only a header", good[: header.HEADER_BYTES])
    send("less than a header", good[:20])
    send("a byte", b"x")
    send("zeros", bytes(100))
    send("junk behind", good + b"junk")
    send("half a batch behind", good + good[:70])
    send("no timestamp", records(1, -1))
    send("greatest timestamp wrong", altered(good, header.MAX_TIMESTAMP_AT, "q", NOW_MS + 999))


@case(ProduceRequest)
def produce_values(s: Script) -> None:
    name = s.topic()
    for codec in Codec:
        data = encode_batch([Record(0, NOW_MS, b"k", b"v" * 500), Record(1, NOW_MS, b"k", b"v" * 500)], codec=codec)
        s.ask(produced(name, 0, bytes(data)), f"codec {codec.name}")
        s.ask(produced(name, 0, bytes(data[:-4] + b"abcd")), f"codec {codec.name}, broken, wrong CRC")
        broken = altered(bytes(data[:-4] + b"abcd"), header.LEADER_EPOCH_AT, "i", 0)
        s.ask(produced(name, 1, broken), f"codec {codec.name}, broken, right CRC")
    s.ask(produced(name, 0, bytes(encode_batch([Record(0, NOW_MS, b"", b"")]))), "empty key and value")
    s.ask(produced(name, 0, bytes(encode_batch([Record(0, NOW_MS)]))), "null key and value")
    headed = Record(0, NOW_MS, b"k", b"v", (("h", None), ("h", b"x"), ("", b"")))
    s.ask(produced(name, 0, bytes(encode_batch([headed]))), "headers")
    s.ask(ProduceRequest(None, -1, 10_000, [TopicProduceData(name, [])]), "a topic without partitions")
    s.ask(produced("", 0, records()), "empty topic")
    s.ask(produced(name, 0, records(), -2), "acks of minus two")
    for label, timeout_ms in (("no time", 0), ("negative time", -1)):
        row = PartitionProduceData(0, records())
        s.ask(ProduceRequest(None, -1, timeout_ms, [TopicProduceData(name, [row])]), label)
    rows = [PartitionProduceData(0, records()), PartitionProduceData(0, records())]
    s.ask(ProduceRequest(None, -1, 10_000, [TopicProduceData(name, rows)]), "a partition twice")
    topics = [TopicProduceData(name, [PartitionProduceData(0, records())])] * 2
    s.ask(ProduceRequest(None, -1, 10_000, topics), "a topic twice")
    stamped = s.topic("stamped", message_timestamp_type="LogAppendTime")
    s.ask(produced(stamped, 0, records()), "stamped")
    s.ask(produced(stamped, 0, records(at_ms=5)), "stamped, long ago")
    small = s.topic("small", max_message_bytes="100")
    s.ask(produced(small, 0, records(1, size=5)), "small enough")
    s.ask(produced(small, 0, records(1, size=100)), "too large for the topic")
    both = [PartitionProduceData(0, records(1, size=100)), PartitionProduceData(1, records(1, size=5))]
    s.ask(ProduceRequest(None, -1, 10_000, [TopicProduceData(small, both)]), "too large beside a good")
    early = s.topic("early", message_timestamp_before_max_ms="1000")
    s.ask(produced(early, 0, records()), "too early")
    compacted = s.topic("compacted", cleanup_policy="compact")
    mixed = [Record(0, NOW_MS, b"k", b"v"), Record(1, NOW_MS, None, b"v"), Record(2, NOW_MS, b"", b"v")]
    s.ask(produced(compacted, 0, bytes(encode_batch(mixed))), "one of three without a key")
    if s.version >= 7:
        squeezed = bytes(encode_batch(mixed, codec=Codec.ZSTD))
        s.ask(produced(compacted, 0, squeezed), "one of three without a key, compressed")


@case(ProduceRequest)
def produce_sequences(s: Script) -> None:
    name = s.topic(partitions=6)
    producer = s.producer_id()

    def send(label: str, sequence: int, *, epoch: int = 0, producer_id: int = producer, partition: int = 0,
             of: int = 2) -> None:  # fmt: skip
        data = records(of, producer_id=producer_id, producer_epoch=epoch, base_sequence=sequence)
        s.ask(produced(name, partition, data), label)

    send("a sequence without a producer", 0, producer_id=-1, epoch=-1)
    send("a producer without a sequence", -1, partition=4)
    send("a producer without an epoch", 0, epoch=-1, partition=4)
    send("a negative producer", 0, producer_id=-5, partition=5)
    send("a producer nobody was given", 0, producer_id=1 << 40, partition=1)
    send("nor from the start", 5, producer_id=(1 << 40) + 1, partition=1)
    for sequence in range(0, 14, 2):
        send(f"sequence {sequence}", sequence)
    send("the last again", 12)
    send("the fifth last again", 4)
    send("the sixth last again", 2)
    send("the first again", 0)
    send("an overlap", 13)
    send("half of one", 12, of=1)
    send("more than one", 10, of=4)
    send("back to zero", 0, of=1)
    send("goes on", 14)
    send("a newer epoch by far", 0, epoch=9)
    send("that epoch goes on", 2, epoch=9)
    send("that epoch again", 0, epoch=9)
    send("that epoch with a gap", 9, epoch=9)
    send("the first epoch again", 0, epoch=0)
    send("the greatest epoch", 0, epoch=32767, partition=2)
    send("the greatest sequence", 2**31 - 2, partition=3)
    s.ask(produced(name, 0, records()), "without a producer in between")
    send("that epoch goes on after it", 4, epoch=9)


@case(InitProducerIdRequest)
def init_producer_id_corners(s: Script) -> None:
    s.producer_id()
    s.ask(InitProducerIdRequest(None, 0), "no timeout")
    s.ask(InitProducerIdRequest(None, -1), "a negative timeout")
    s.ask(InitProducerIdRequest(None, 2**31 - 1), "an endless timeout")
    s.ask(InitProducerIdRequest("", 0), "an empty id without a timeout")
    if s.version >= 3:
        s.ask(InitProducerIdRequest(None, 60_000, 5, 0), "an id and an epoch of its own")
        s.ask(InitProducerIdRequest(None, 60_000, -1, -1), "neither id nor epoch")
        s.ask(InitProducerIdRequest(None, 60_000, -2, -2), "both negative")
        s.ask(InitProducerIdRequest("", 60_000, 5, 0), "an empty id with a producer")
        s.ask(InitProducerIdRequest(None, 60_000, 5, 32767), "an epoch that is used up")


@case(DescribeProducersRequest)
def describe_producers_corners(s: Script) -> None:
    name = s.topic()
    producer = s.producer_id()
    for epoch, sequence in ((0, 0), (0, 3), (4, 0)):
        s.do(produced(name, 0, records(3, producer_id=producer, producer_epoch=epoch, base_sequence=sequence)))

    def describe(label: str, *rows: tuple[str, list[int]]) -> None:
        s.ask(DescribeProducersRequest([ProducersOf(*row) for row in rows]), label)

    describe("nothing")
    describe("no partitions", (name, []))
    describe("empty topic", ("", [0]))
    describe("invalid topic", ("a/b", [0]))
    describe("a later epoch", (name, [0, 1]))
    describe("a negative partition", (name, [-1]))
    describe("a partition twice", (name, [0, 0]))
    describe("a topic twice", (name, [0]), (name, [1]))
    describe("good beside unknown", (name, [0, 9]), (s.name("unknown"), [0]))
