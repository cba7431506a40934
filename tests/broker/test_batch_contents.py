"""What is in a batch: it is checked before it is stored, and what is stored is read on every path."""

import random
import struct

import msgspec
import pytest
import trio

from higgins.client.positions import PartitionPosition
from higgins_protocol.errors import ErrorCode
from higgins_protocol.messages.list_offsets import ListOffsetsPartition, ListOffsetsRequest, ListOffsetsTopic
from higgins_protocol.messages.private import PrivateRequest
from higgins_protocol.records.batch import (
    ATTRIBUTES_AT,
    CRC_AT,
    LOG_APPEND_TIME,
    MAX_TIMESTAMP_AT,
    assemble,
    read_header,
)
from higgins_protocol.records.compression import Codec, compress
from higgins_protocol.records.crc import crc32c
from higgins_protocol.records.record import OUTPUT_BYTES_MAX, Record, decode_records, encode_batch, encode_records
from tests.broker.peer import EPOCH_MS, StoryRuntime, batch, batches_of, fetch_request, produce_many
from tests.protocol.packed_forms import lz4_forms_for_nobody, packed_forms, zstd_raw

MIB = 1 << 20
HOUR_MS = 3_600_000
NEWEST = -3

codecs = pytest.mark.parametrize("codec", list(Codec))


def timed(*times, codec=Codec.NONE, size=1):
    return encode_batch([Record(timestamp=at_ms, value=b"v" * size) for at_ms in times], codec=codec)


def altered(data, position, form, value):
    changed = bytearray(data)
    struct.pack_into(f">{form}", changed, position, value)
    struct.pack_into(">I", changed, CRC_AT, crc32c(changed[ATTRIBUTES_AT:]))
    return bytes(changed)


def with_max(data, at_ms):
    return altered(data, MAX_TIMESTAMP_AT, "q", at_ms)


def packed(body, codec, *, count, at_ms=EPOCH_MS):
    return assemble(body, count=count, attributes=codec, base_timestamp=at_ms, max_timestamp=at_ms)


def code(row):
    return ErrorCode(row.error_code).name


async def offset_at(peer, topic, at_ms):
    error, offset, _ = await peer.offset_at(topic, at_ms)
    assert not error
    return offset


# ---- the max timestamp -----------------------------------------------------------------------------------------------


@codecs
@pytest.mark.parametrize("size", [1, 9000], ids=["at once", "in a thread"])
@pytest.mark.parametrize("claimed", [-1, 0, EPOCH_MS, EPOCH_MS + 9_000_000, 2**63 - 1], ids=str)
async def test_lookups_by_time_go_by_the_records_whatever_the_header_says(autojump_clock, peer, codec, size, claimed):
    t = EPOCH_MS
    rng = random.Random(1)
    values = [rng.randbytes(size) for _ in range(3)]
    records = [Record(timestamp=t + step, value=value) for step, value in zip((0, 2000, 1000), values, strict=True)]
    row = await peer.produce("t", with_max(encode_batch(records, codec=codec), claimed))
    assert code(row) == "NONE"
    assert await peer.offset_at("t", NEWEST) == (0, 1, t + 2000), "alone"
    await peer.produce("t", timed(t + 9000))
    wanted = {t: 0, t + 1: 1, t + 1500: 1, t + 2000: 1, t + 2001: 3, t + 9000: 3, t + 9001: -1}
    assert {at_ms: await offset_at(peer, "t", at_ms) for at_ms in wanted} == wanted
    stored, _ = batches_of(await peer.fetch("t", 0))
    header = read_header(stored)
    assert header.max_timestamp == t + 2000
    assert crc32c(stored[ATTRIBUTES_AT:]) == header.crc
    assert [record.value for record in decode_records(stored)] == values


async def test_a_producer_cannot_stamp_records_with_the_time_of_the_log(autojump_clock, peer):
    claims = altered(with_max(timed(EPOCH_MS, EPOCH_MS + 1000), EPOCH_MS + 7000), ATTRIBUTES_AT, "h", LOG_APPEND_TIME)
    assert code(await peer.produce("t", claims)) == "NONE"
    (stored,) = batches_of(await peer.fetch("t", 0))
    assert [record.timestamp for record in decode_records(stored)] == [EPOCH_MS, EPOCH_MS + 1000]
    assert await offset_at(peer, "t", EPOCH_MS + 500) == 1


@pytest.mark.parametrize("times", [(-1, -1), (-1, EPOCH_MS, -1), (-5, -3), (0, 0), (-7, 5)], ids=str)
async def test_records_without_a_time_and_of_1969_are_found_as_in_kafka(autojump_clock, peer, times):
    assert code(await peer.produce("t", timed(*times))) == "NONE"
    greatest = max(-1, *times)
    first = next((n for n, at_ms in enumerate(times) if at_ms >= greatest), -1)
    assert (await peer.offset_at("t", NEWEST))[1] == first
    for at_ms in (0, 5, EPOCH_MS):
        assert await offset_at(peer, "t", at_ms) == next((n for n, each in enumerate(times) if each >= at_ms), -1)


# ---- bounds of timestamps --------------------------------------------------------------------------------------------


@codecs
@pytest.mark.parametrize("before_ms", [60_000, 2**63 - 1], ids=["bounded before", "unbounded before"])
@pytest.mark.parametrize("size", [1, 9000], ids=["at once", "in a thread"])
async def test_each_record_is_judged_by_its_own_time(autojump_clock, peer, codec, before_ms, size):
    await peer.create("timely", configs={"message.timestamp.before.max.ms": str(before_ms)})
    now = EPOCH_MS
    rng = random.Random(2)
    for _ in range(12):
        steps = rng.choices((0, -59_000, -HOUR_MS, -2 * HOUR_MS, HOUR_MS - 1000, HOUR_MS * 2), (8, 2, 1, 1, 2, 1), k=9)
        times = [-1 if rng.random() < 0.1 else now + step for step in steps]
        values = [rng.randbytes(size) for _ in times]
        records = [Record(timestamp=at_ms, value=value) for at_ms, value in zip(times, values, strict=True)]
        claimed = rng.choice((-1, now, now + 48 * HOUR_MS, max(times)))
        outside = [n for n, at_ms in enumerate(times)
                   if at_ms > now + HOUR_MS or (at_ms != -1 and at_ms < now - before_ms)]  # fmt: skip
        before = await offset_at(peer, "timely", -1)
        row = await peer.produce("timely", with_max(encode_batch(records, codec=codec), claimed))
        if outside:
            assert code(row) == "INVALID_TIMESTAMP"
            assert [one.batch_index for one in row.record_errors] == outside
            assert await offset_at(peer, "timely", -1) == before, "nothing is stored"
        else:
            assert code(row) == "NONE", times


async def test_no_time_is_refused_where_the_log_stamps(autojump_clock, peer):
    configs = {"message.timestamp.type": "LogAppendTime", "message.timestamp.before.max.ms": "1000"}
    await peer.create("stamped", configs=configs)
    assert code(await peer.produce("stamped", with_max(timed(5, EPOCH_MS + 99 * HOUR_MS), 2**62))) == "NONE"
    assert await offset_at(peer, "stamped", EPOCH_MS) == 0


# ---- every form that clients read ------------------------------------------------------------------------------------


async def apply(peer, text):
    applied = await peer.ask(PrivateRequest(verb="apply", document=msgspec.json.encode({"document": text})))
    assert not applied.error_code, applied


FILTER = '[streams.orders]\nformat = "json"\n[streams.large]\nbase = "orders"\ntype = "filter"\nwhere = "qty > 5"\n'


async def read_to_end(peer, topic, count):
    """The batches of a topic, once it has this many records."""
    found, offset = [], 0
    while offset < count:
        answer = await peer.ask(fetch_request([(topic, 0, offset)], min_bytes=1, max_wait_ms=60_000))
        batches = batches_of(answer.responses[0].partitions[0])
        assert batches, f"{offset} records, not {count}"
        found += batches
        offset = read_header(batches[-1]).base_offset + read_header(batches[-1]).count
    return found


@pytest.mark.parametrize("count", [3, 700], ids=["at once", "in a thread"])
async def test_every_legal_form_of_every_codec_is_read_on_every_path(autojump_clock, peer, count):
    await peer.create("orders")
    await peer.create("kept", configs={"cleanup.policy": "compact"})
    await apply(peer, FILTER)
    rng = random.Random(3)
    records = [
        Record(timestamp=EPOCH_MS + n, key=b"%d" % n, value=b'{"qty":9,"pad":"%s"}' % rng.randbytes(30).hex().encode())
        for n in range(count)
    ]
    body = bytes(encode_records(records, EPOCH_MS))
    forms = list(packed_forms(body))
    position = PartitionPosition(0)
    for name, codec, form in forms:
        data = packed(form, codec, count=count)
        assert code(await peer.produce("orders", data)) == "NONE", name
        assert code(await peer.produce("kept", data)) == "NONE", name
        await peer.create(name := name.replace(":", "").replace(" ", "-").replace(",", "").replace("^", "").lower())
        await peer.produce(name, data)
        assert await peer.offset_at(name, EPOCH_MS + count - 2) == (0, count - 2, EPOCH_MS + count - 2), name
        assert await peer.offset_at(name, NEWEST) == (0, count - 1, EPOCH_MS + count - 1), name
    total = count * len(forms)
    position.add_fetched([memoryview(data) for data in await read_to_end(peer, "orders", total)])
    consumed = [record.value for record in position.take_records(total, OUTPUT_BYTES_MAX)]
    assert consumed == [record.value for record in records] * len(forms)
    derived = [record.value for data in await read_to_end(peer, "large", total) for record in decode_records(data)]
    assert derived == consumed


@pytest.mark.parametrize("codec", [Codec.GZIP, Codec.SNAPPY, Codec.LZ4, Codec.ZSTD])
async def test_equal_records_are_read_on_every_path_whatever_they_compress_to(autojump_clock, peer, codec):
    await peer.create("orders")
    await peer.create("kept", configs={"cleanup.policy": "compact"})
    await apply(peer, FILTER)
    value = b'{"qty":9,"pad":"%s"}' % (b"x" * 1000)
    data = encode_batch([Record(timestamp=EPOCH_MS, key=b"k", value=value)] * 6000, codec=codec)
    assert len(data) < MIB
    for topic in ("orders", "kept"):
        assert code(await peer.produce(topic, data)) == "NONE"
        assert await peer.offset_at(topic, EPOCH_MS) == (0, 0, EPOCH_MS)
        assert await peer.offset_at(topic, NEWEST) == (0, 0, EPOCH_MS)
    derived = await read_to_end(peer, "large", 6000)
    assert sum(read_header(one).count for one in derived) == 6000


@pytest.mark.parametrize("codec", [Codec.GZIP, Codec.LZ4, Codec.ZSTD])
async def test_the_bound_of_what_a_batch_decompresses_to_is_told_when_it_is_produced(autojump_clock, peer, codec):
    def of(size):
        return compress(codec, bytes(encode_records([Record(value=bytes(size))], -1)))

    within = packed(of(OUTPUT_BYTES_MAX - 100), codec, count=1, at_ms=-1)
    beyond = packed(of(OUTPUT_BYTES_MAX + 100), codec, count=1, at_ms=-1)
    assert len(beyond) < MIB
    row = await peer.produce("t", beyond)
    assert code(row) == "MESSAGE_TOO_LARGE"
    assert str(OUTPUT_BYTES_MAX) in row.error_message
    assert code(await peer.produce("t", within)) == "NONE"
    assert (await peer.offset_at("t", NEWEST))[:2] == (0, 0)


# ---- batches that nobody could read ----------------------------------------------------------------------------------


def bodies():
    good = bytes(encode_records([Record(timestamp=EPOCH_MS, value=b"abc")] * 3, EPOCH_MS))
    rng = random.Random(4)
    yield "garbage", rng.randbytes(100)
    yield "much garbage", rng.randbytes(20_000)
    yield "nothing", b""
    yield "one record too few", good[: len(good) // 3 * 2]
    yield "one record too many", good + good[: len(good) // 3]
    yield "a record of 4 GiB", b"\xfc\xff\xff\xff\x1f" + good[1:]
    yield "cut off", good[:-1]
    yield "a byte more", good + b"\0"


DAMAGED = dict(bodies())


@codecs
@pytest.mark.parametrize("name", DAMAGED)
async def test_records_that_nobody_can_read_are_refused(autojump_clock, peer, codec, name):
    body = DAMAGED[name]
    row = await peer.produce("t", packed(compress(codec, body) if codec else body, codec, count=3))
    assert (code(row), row.log_start_offset) == ("INVALID_RECORD", 0)
    assert row.error_message
    assert await offset_at(peer, "t", -1) == 0


@pytest.mark.parametrize("codec", [Codec.GZIP, Codec.SNAPPY, Codec.LZ4, Codec.ZSTD])
@pytest.mark.parametrize("size", [1, 20, 5000, 300_000])
async def test_what_cannot_be_decompressed_is_refused_for_good(autojump_clock, peer, codec, size):
    row = await peer.produce("t", packed(random.Random(size).randbytes(size), codec, count=3))
    assert code(row) == "INVALID_RECORD", "clients would send a CORRUPT_MESSAGE again"


@pytest.mark.parametrize("size", [10, 50_000], ids=["at once", "in a thread"])
async def test_forms_of_lz4_that_clients_do_not_read_are_refused(autojump_clock, peer, size):
    records = [Record(timestamp=EPOCH_MS, value=random.Random(n).randbytes(size)) for n in range(2)]
    for name, form in lz4_forms_for_nobody(bytes(encode_records(records, EPOCH_MS))):
        row = await peer.produce("t", packed(form, Codec.LZ4, count=2))
        assert code(row) == "INVALID_RECORD", name
        assert "clients cannot read this lz4" in row.error_message, name
    assert await offset_at(peer, "t", -1) == 0


@codecs
async def test_a_count_of_two_billion_does_not_move_offsets(autojump_clock, peer, codec):
    body = bytes(encode_records([Record(timestamp=EPOCH_MS)], EPOCH_MS))
    for records in (body, b""):
        row = await peer.produce("t", packed(compress(codec, records), codec, count=2**31 - 1))
        assert code(row) == "INVALID_RECORD"
    assert (await peer.produce("t", batch(b"a"))).base_offset == 0


async def test_a_refused_batch_beside_good_ones_is_alone_in_it(autojump_clock, peer):
    """Small and large ones, which are validated at once and in a thread; the order of partitions does not matter."""
    await peer.create("many", 8)
    rng = random.Random(5)
    small, bad = batch(b"a"), packed(b"garbage", Codec.NONE, count=3)
    large = encode_batch([Record(value=rng.randbytes(40_000))], codec=Codec.ZSTD)
    large_bad = packed(zstd_raw(rng.randbytes(40_000)), Codec.ZSTD, count=3)
    parts = [("many", n, each) for n, each in enumerate((small, large, bad, large_bad, small, large_bad, bad, large))]
    answer = await peer.ask(produce_many(parts))
    found = {row.index: code(row) for topic in answer.responses for row in topic.partition_responses}
    assert found == {n: "NONE" if n in (0, 1, 4, 7) else "INVALID_RECORD" for n in range(8)}


async def test_batches_validated_in_a_thread_are_not_overtaken(autojump_clock, peer):
    rng = random.Random(6)
    sent = []
    for n in range(12):
        record = Record(value=b"%d" % n + rng.randbytes(30_000 if n % 3 else 10))
        sent.append(record.value)
        await peer.send(produce_many([("t", 0, encode_batch([record], codec=Codec.LZ4 if n % 3 else Codec.NONE))]))
    for _ in sent:
        answer = await peer.receive()
        assert code(answer.responses[0].partition_responses[0]) == "NONE"
    assert await peer.values("t") == sent


@pytest.mark.parametrize("kind", ["records", "headers", "a bomb", "keyless"])
async def test_no_batch_is_validated_on_the_event_loop_for_long(autojump_clock, peer, monkeypatch, kind):
    """More than a few thousand steps of Python are left for a thread."""
    rng = random.Random(7)
    if kind == "headers":
        data = encode_batch([Record(timestamp=EPOCH_MS, headers=(("", b""),) * 100_000)])
    elif kind == "records":
        data = encode_batch([Record(timestamp=EPOCH_MS, value=bytes(rng.randrange(60))) for _ in range(20_000)])
    elif kind == "keyless":
        data = encode_batch([Record(timestamp=EPOCH_MS)] * 100_000)
    else:
        data = packed(compress(Codec.ZSTD, bytes(32 * MIB)), Codec.ZSTD, count=3)
    offloaded = []
    offload = StoryRuntime.offload

    async def noted(self, limiter, function, *args):
        offloaded.append(limiter)
        return await offload(self, limiter, function, *args)

    await peer.create("kept", configs={"cleanup.policy": "compact"})
    monkeypatch.setattr(StoryRuntime, "offload", noted)
    row = await peer.produce("kept" if kind == "keyless" else "t", data)
    assert code(row) == ("NONE" if kind in {"records", "headers"} else "INVALID_RECORD")
    assert "validate" in offloaded


async def test_a_batch_of_records_alike_is_validated_at_once(autojump_clock, peer, monkeypatch):
    """What benchmarks and most producers send must not pay for a thread."""
    monkeypatch.setattr(StoryRuntime, "offload", None)
    assert code(await peer.produce("t", batch(*[bytes(100)] * 9000))) == "NONE"


# ---- batches of earlier versions, which did not validate them --------------------------------------------------------


async def stored_unseen(house, peer, data):
    """Put a batch into the log as a version before did: without looking into it."""
    (topic,) = (one for one in house.broker.node.state.topics.by_id.values() if one.name == "t")
    done = trio.Event()
    view = memoryview(data)
    house.broker.node.writer.append(topic.id, 0, [(read_header(view), view)], lambda *_: done.set())
    await done.wait()


@codecs
async def test_a_batch_that_cannot_be_read_is_an_error_of_its_partition_alone(autojump_clock, start, codec, capsys):
    house = await start()
    peer = house.connect()
    await peer.create("t", 2)
    garbage = random.Random(8).randbytes(50_000)
    await stored_unseen(house, peer, packed(garbage, codec, count=3))
    await peer.produce("t", timed(EPOCH_MS + 5), partition=1)
    for at_ms in (0, EPOCH_MS, NEWEST):
        partitions = [ListOffsetsPartition(n, timestamp=at_ms) for n in (0, 1)]
        answer = await peer.ask(ListOffsetsRequest(-1, topics=[ListOffsetsTopic("t", partitions)]))
        found = [(code(row), row.offset) for row in answer.topics[0].partitions]
        assert found == [("CORRUPT_MESSAGE", -1), ("NONE", 0)]
    assert "Traceback" not in capsys.readouterr().out
