"""Batches whose header or structure does not fit their records: what is refused, what is stored, what lookups find."""

from itertools import count

from compat.compare.cases_produce_corners import altered
from compat.compare.cases_records import NOW_MS, produced
from compat.compare.script import Script, case
from higgins_protocol.messages.fetch import FetchPartition, FetchRequest, FetchTopic
from higgins_protocol.messages.list_offsets import ListOffsetsPartition, ListOffsetsRequest, ListOffsetsTopic
from higgins_protocol.messages.produce import ProduceRequest
from higgins_protocol.records import batch as header
from higgins_protocol.records.batch import assemble
from higgins_protocol.records.compression import Codec, compress
from higgins_protocol.records.record import Record, encode_batch, encode_records
from higgins_protocol.varint import write_signed

HOUR_MS = 3_600_000
CODECS = (Codec.NONE, Codec.GZIP, Codec.SNAPPY, Codec.LZ4)
"""Those that every version of Produce takes."""


def batch(*times: int, codec: int = Codec.NONE) -> bytes:
    return bytes(encode_batch([Record(0, at_ms, b"k", b"v") for at_ms in times], codec=codec))


def with_max(data: bytes, at_ms: int) -> bytes:
    return altered(data, header.MAX_TIMESTAMP_AT, "q", at_ms)


def body(records: bytes, codec: int = Codec.NONE, of: int = 1, base_ms: int = NOW_MS) -> bytes:
    """A batch with these bytes for its records."""
    packed = compress(codec, records) if codec else records
    return bytes(assemble(packed, count=of, attributes=codec, base_timestamp=base_ms, max_timestamp=base_ms))


def record(content: bytes) -> bytes:
    return write_signed(len(content)) + content


PLAIN = bytes(encode_records([Record(0, NOW_MS, b"k", b"v")], NOW_MS))
TWO = bytes(encode_records([Record(0, NOW_MS, b"k", b"v")] * 2, NOW_MS))
DAMAGED = {
    "garbage": b"\xf3\x07 garbage \xff\xff\xff",
    "no bytes": b"",
    "a record of 4 GiB": b"\xfc\xff\xff\xff\x1f" + PLAIN[1:],
    "a record of negative length": b"\x01" + PLAIN[1:],
    "a record longer than the batch": b"\x7e" + PLAIN[1:],
    "a record shorter than its parts": record(PLAIN[1:])[:-1].replace(b"\x10", b"\x0e", 1),
    "bytes behind the records": PLAIN + b"junk",
    "a second record": TWO,
    "an offset delta of one": record(b"\0\0\x02\x02k\x02v\0"),
    "a negative offset delta": record(b"\0\0\x01\x02k\x02v\0"),
    "a key longer than the record": record(b"\0\0\0\x40k\x02v\0"),
    "a key of length -2": record(b"\0\0\0\x03\x02v\0"),
    "a value longer than the record": record(b"\0\0\0\x02k\x40v\0"),
    "a value of length -2": record(b"\0\0\0\x02k\x03\0"),
    "a header without a name": record(b"\0\0\0\x02k\x02v\x02\x01\x02h"),
    "a negative number of headers": record(b"\0\0\0\x02k\x02v\x01"),
    "more headers than bytes": record(b"\0\0\0\x02k\x02v\x20\x02h\x02h"),
    "bytes behind the headers": record(b"\0\0\0\x02k\x02v\0\0"),
    "an endless timestamp": record(b"\0" + b"\xff" * 10 + b"\x01\0\x02k\x02v\0"),
    "a long form of a length": b"\x90\x80\x00" + PLAIN[1:],
    "attributes": record(b"\x7f\0\0\x02k\x02v\0"),
}


@case(ProduceRequest)
def produce_damaged_records(s: Script) -> None:
    name = s.topic(partitions=len(DAMAGED) * len(CODECS) + 8)
    partitions = count()
    for codec in CODECS:
        for label, records in DAMAGED.items():
            s.ask(produced(name, next(partitions), body(records, codec)), f"{label}, codec {codec}")
    s.ask(produced(name, next(partitions), body(PLAIN, of=3)), "three records said, one there")
    s.ask(produced(name, next(partitions), body(PLAIN, of=2**31 - 1)), "two billion records said, one there")
    s.ask(produced(name, next(partitions), body(b"", of=2**31 - 1)), "two billion records said, none there")
    for codec in (Codec.GZIP, Codec.LZ4):
        data = body(PLAIN, codec, of=2**31 - 1)
        s.ask(produced(name, next(partitions), data), f"two billion records said, codec {codec}")


@case(ProduceRequest)
def produce_times(s: Script) -> None:
    default = s.topic("default", partitions=60)
    bounded = s.topic("bounded", partitions=60, message_timestamp_before_max_ms="60000")
    recent = NOW_MS + 59_000
    partitions = count()
    for codec in CODECS:
        p = next(partitions)
        data = batch(recent, recent - HOUR_MS, codec=codec)
        s.ask(produced(bounded, p, data), f"the second too early, codec {codec}")
        data = with_max(batch(recent, recent + 48 * HOUR_MS, codec=codec), recent)
        s.ask(produced(default, p, data), f"the second too late in secret, codec {codec}")
        data = with_max(batch(recent, recent + 1, codec=codec), recent + 48 * HOUR_MS)
        s.ask(produced(default, p, data), f"too late by the header alone, codec {codec}")
    p = next(partitions)
    middle = batch(recent, recent + 48 * HOUR_MS, recent, recent + 48 * HOUR_MS, recent)
    s.ask(produced(default, p, middle), "two in the middle too late")
    s.ask(produced(bounded, p, batch(recent, -1, recent)), "one without a time among bounded")
    s.ask(produced(bounded, p, batch(-1, -1)), "none with a time, bounded")
    s.ask(produced(bounded, p, batch(recent, -5)), "one of 1969, bounded")
    s.ask(produced(default, p, batch(-5, -7)), "of 1969")
    s.ask(produced(bounded, p, altered(batch(recent), header.BASE_TIMESTAMP_AT, "q", 5)), "an early base alone")
    stamped = s.topic("stamped", message_timestamp_type="LogAppendTime")
    s.ask(produced(stamped, 0, with_max(batch(5, recent + 48 * HOUR_MS), -1)), "any time where the log stamps")


@case(ListOffsetsRequest)
def offsets_of_odd_times(s: Script) -> None:
    t = NOW_MS
    odd = {
        "max unset": with_max(batch(t, t + 1000, t + 2000), -1),
        "max too early": with_max(batch(t, t + 1000, t + 2000), t),
        "max too late": with_max(batch(t, t + 1000, t + 2000), t + 5000),
        "descending": batch(t + 2000, t + 1000, t),
        "peak within": batch(t, t + 2000, t + 1000),
        "stamped by the producer": altered(batch(t, t + 1000, t + 2000), header.ATTRIBUTES_AT, "h", 8),
        "some without": batch(-1, t + 1000, -1, t + 2000),
        "none with": batch(-1, -1),
        "of 1969": batch(-5, -3),
        "two alike": batch(t + 2000, t + 2000),
    }
    for label, data in odd.items():
        for codec in CODECS:
            name = s.topic(f"odd-{label.replace(' ', '-')}-{codec}")
            head = bytes(data[: header.HEADER_BYTES])
            packed = compress(codec, data[header.HEADER_BYTES :])
            length = len(head) + len(packed) - header.LENGTH_OVERHEAD
            packed_batch = altered(head + packed, header.BATCH_LENGTH_AT, "i", length)
            attributes = int.from_bytes(head[header.ATTRIBUTES_AT : header.ATTRIBUTES_AT + 2], "big") | codec
            s.do(produced(name, 0, altered(packed_batch, header.ATTRIBUTES_AT, "h", attributes)))
            for times in (("alone",), ("followed",)):
                for at_ms in (0, t - 1, t, t + 500, t + 1000, t + 1500, t + 2000, t + 2001, t + 9000, t + 9001, -3):
                    if at_ms == -3 and s.version < 7:
                        continue
                    row = ListOffsetsTopic(name, [ListOffsetsPartition(0, -1, at_ms)])
                    s.ask(ListOffsetsRequest(-1, 0, [row]), f"{label}, {times[0]}, at {at_ms - t}")
                s.do(produced(name, 0, batch(t + 9000)))


@case(FetchRequest)
def fetch_corrected_headers(s: Script) -> None:
    t = NOW_MS
    for label, data in {
        "max unset": with_max(batch(t, t + 1000, t + 2000), -1),
        "max too late": with_max(batch(t, t + 1000, codec=Codec.GZIP), t + 5000),
        "stamped by the producer": altered(batch(t, t + 1000, t + 2000), header.ATTRIBUTES_AT, "h", 8),
        "of 1969": batch(-5, -3),
    }.items():
        name = s.topic(label.replace(" ", "-"))
        s.do(produced(name, 0, data))
        row = FetchPartition(0, -1, 0, -1, -1, 1 << 20)
        s.ask(
            FetchRequest(replica_id=-1, max_wait_ms=1, min_bytes=0, max_bytes=1 << 20, session_epoch=-1,
                         topics=[FetchTopic(name, [row])]),
            label,
        )  # fmt: skip
