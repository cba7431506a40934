"""Produce: every version, every refusal, and what an answer may be taken to mean."""

import msgspec
import pytest
import trio

from higgins.server.settings import Listener, ServerSettings
from higgins_protocol.errors import ErrorCode
from higgins_protocol.messages.api_versions import ApiVersionsRequest
from higgins_protocol.messages.create_partitions import CreatePartitionsRequest, CreatePartitionsTopic
from higgins_protocol.messages.delete_topics import DeleteTopicsRequest, DeleteTopicState
from higgins_protocol.messages.init_producer_id import InitProducerIdRequest
from higgins_protocol.messages.private import PrivateRequest
from higgins_protocol.records.batch import CONTROL, TRANSACTIONAL, assemble, read_header
from higgins_protocol.records.compression import Codec
from higgins_protocol.records.crc import crc32c
from higgins_protocol.records.record import Record, decode_records, encode_batch, encode_records
from tests.broker.peer import EPOCH_MS, as_served, batch, batches_of, fetch_request, produce_many, produce_request

SEQUENCE_MAX = 2**31 - 1


def code(row):
    return ErrorCode(row.error_code).name


@pytest.mark.parametrize("version", range(3, 11))
async def test_every_version_answers_offsets(autojump_clock, peer, version):
    first = await peer.produce("t", batch(b"a", b"b"), version=version)
    second = await peer.produce("t", batch(b"c"), version=version)
    assert [(row.index, row.error_code, row.base_offset) for row in (first, second)] == [(0, 0, 0), (0, 0, 2)]
    assert first.log_append_time_ms == -1, "CreateTime"
    assert first.log_start_offset == (0 if version >= 5 else -1)
    assert await peer.values("t") == [b"a", b"b", b"c"]


@pytest.mark.parametrize("version", [0, 1, 2])
async def test_versions_of_message_sets_are_advertised_and_close_the_connection(autojump_clock, start, version):
    door = (await start()).connect()
    ranges = {one.api_key: one.min_version for one in (await door.ask(ApiVersionsRequest(), 0)).api_keys}
    assert ranges[0] == 0
    await door.send_bytes((14).to_bytes(4, "big") + bytes([0, 0, 0, version]) + bytes(10))
    assert await door.is_closed()


@pytest.mark.parametrize("acks", [1, -1])
async def test_batches_are_kept_as_they_were_sent(autojump_clock, peer, acks):
    sent = [batch(b"x" * 100, b"y", codec=one) for one in Codec]
    for data in sent:
        await peer.produce("t", data, acks=acks)
    assert batches_of(await peer.fetch("t", 0)) == [as_served(data, 2 * n) for n, data in enumerate(sent)]


async def test_acks_0_is_stored_without_an_answer(autojump_clock, peer):
    await peer.send(produce_request("t", batch(b"a"), acks=0), answered=False)
    await peer.send(produce_request("t", batch(b"b"), acks=0), answered=False)
    assert (await peer.produce("t", batch(b"c"))).base_offset == 2, "the first answer belongs to the third request"
    assert await peer.values("t") == [b"a", b"b", b"c"]


@pytest.mark.parametrize(
    "topic, data",
    [("nowhere", batch(b"a")), ("t", batch(b"a")[:-1]), ("t", None)],
    ids=["an unknown topic", "a batch cut off", "no batch"],
)
async def test_acks_0_closes_where_there_would_be_an_error(autojump_clock, peer, topic, data):
    await peer.send(produce_request(topic, data, acks=0), answered=False)
    assert await peer.is_closed()


@pytest.mark.parametrize("acks", [2, -2, 7])
async def test_other_acks_are_refused(autojump_clock, peer, acks):
    assert code(await peer.produce("t", batch(b"a"), acks=acks)) == "INVALID_REQUIRED_ACKS"
    assert await peer.values("t") == []


def broken(data: bytes, at: int) -> bytes:
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]


def miscounted(count: int, delta: int) -> bytes:
    """A batch with a good checksum whose header counts otherwise."""
    body = encode_records([Record(value=b"a"), Record(value=b"b")], 0)
    data = bytearray(assemble(body, count=count, attributes=0, base_timestamp=0, max_timestamp=0))
    return reseal(data, 23, delta.to_bytes(4, "big", signed=True))


def reseal(data: bytearray, at: int, new: bytes) -> bytes:
    data[at : at + len(new)] = new
    data[17:21] = crc32c(bytes(data[21:])).to_bytes(4, "big")
    return bytes(data)


def with_attributes(bits: int) -> bytes:
    body = encode_records([Record(value=b"a")], 0)
    return assemble(body, count=1, attributes=bits, base_timestamp=0, max_timestamp=0)


REFUSED = {
    "no records": (None, "INVALID_RECORD"),
    "no bytes": (b"", "INVALID_RECORD"),
    "a flipped bit": (broken(batch(b"abc"), 70), "CORRUPT_MESSAGE"),
    "cut off": (batch(b"abc")[:-2], "INVALID_RECORD"),
    "less than a header": (batch(b"abc")[:40], "INVALID_RECORD"),
    "two batches": (batch(b"a") + batch(b"b"), "INVALID_RECORD"),
    "an old message set": (batch(b"a")[:16] + b"\x01" + batch(b"a")[17:], "INVALID_RECORD"),
    "fewer records than offsets": (miscounted(2, 5), "INVALID_RECORD"),
    "more records than offsets": (miscounted(2, 0), "INVALID_RECORD"),
    "a count of none": (miscounted(0, -1), "INVALID_RECORD"),
    "a control batch": (with_attributes(CONTROL), "INVALID_RECORD"),
    "a transactional batch": (with_attributes(TRANSACTIONAL), "INVALID_RECORD"),
    "an unknown codec": (with_attributes(5), "UNSUPPORTED_COMPRESSION_TYPE"),
    "a producer without a sequence": (batch(b"a", producer_id=1, producer_epoch=0, base_sequence=-1), "INVALID_RECORD"),
    "more than max.message.bytes": (batch(bytes(1_100_000)), "MESSAGE_TOO_LARGE"),
}


@pytest.mark.parametrize("data, wanted", REFUSED.values(), ids=REFUSED.keys())
async def test_what_cannot_be_stored_is_refused(autojump_clock, peer, data, wanted):
    row = await peer.produce("t", data)
    assert (code(row), row.base_offset, row.log_start_offset) == (wanted, -1, -1)
    assert row.error_message, "from v8 on the refusal says why"
    assert (await peer.produce("t", batch(b"good"))).base_offset == 0


@pytest.mark.parametrize("version, wanted", [(6, "UNSUPPORTED_COMPRESSION_TYPE"), (7, "NONE")])
async def test_zstd_needs_version_7(autojump_clock, peer, version, wanted):
    assert code(await peer.produce("t", batch(b"a", codec=Codec.ZSTD), version=version)) == wanted


@pytest.mark.parametrize(
    "topic, partition, wanted",
    [
        ("nowhere", 0, "UNKNOWN_TOPIC_OR_PARTITION"),
        ("t", 1, "UNKNOWN_TOPIC_OR_PARTITION"),
        ("t", -1, "UNKNOWN_TOPIC_OR_PARTITION"),
        ("no/name", 0, "UNKNOWN_TOPIC_OR_PARTITION"),
        ("", 0, "UNKNOWN_TOPIC_OR_PARTITION"),
    ],
)
async def test_a_produce_makes_no_topic(autojump_clock, peer, topic, partition, wanted):
    assert code(await peer.produce(topic, batch(b"a"), partition=partition)) == wanted


async def test_what_another_node_has_just_made_is_written_to_at_once(autojump_clock, start):
    """A partition, a topic, and a topic deleted and made again, which this node has not heard of yet."""
    elsewhere = Listener("127.0.0.1:9093", "127.0.0.1", 9093, "127.0.0.1", 9093)
    one, two = await start(), await start(server=ServerSettings(listeners=(elsewhere,)))
    first, second = one.connect(), two.connect()
    await first.create("t")
    assert code(await second.produce("t", batch(b"a"))) == "NONE"

    await first.ask(CreatePartitionsRequest([CreatePartitionsTopic("t", 3, None)]))
    assert two.broker.node.state.topics.by_name["t"].partitions == 1, "nobody has told it"
    assert code(await second.produce("t", batch(b"b"), partition=2)) == "NONE"
    assert code(await second.produce("t", batch(b"b"), partition=3)) == "UNKNOWN_TOPIC_OR_PARTITION"

    await first.create("fresh")
    assert "fresh" not in two.broker.node.state.topics.by_name
    assert code(await second.produce("fresh", batch(b"c"))) == "NONE"

    await first.ask(DeleteTopicsRequest([DeleteTopicState("fresh")]))
    await first.create("fresh", 2)
    assert two.broker.node.state.topics.by_name["fresh"].partitions == 1
    assert (await second.produce("fresh", batch(b"d"), partition=1)).base_offset == 0


async def test_a_topic_may_take_larger_batches_than_the_broker(autojump_clock, peer):
    await peer.create("wide", configs={"max.message.bytes": "3000000"})
    await peer.create("narrow", configs={"max.message.bytes": "100"})
    assert code(await peer.produce("wide", batch(bytes(2_000_000)))) == "NONE"
    assert code(await peer.produce("narrow", batch(bytes(200)))) == "MESSAGE_TOO_LARGE"


async def test_one_partitions_error_is_its_own(autojump_clock, peer):
    await peer.create("many", 3)
    parts = [
        ("t", 0, batch(b"a")),
        ("many", 0, batch(b"b")),
        ("many", 1, broken(batch(b"c"), 65)),
        ("many", 9, batch(b"d")),
        ("many", 2, batch(b"e")),
        ("nowhere", 0, batch(b"f")),
    ]
    answer = await peer.ask(produce_many(parts))
    found = [(topic.name, row.index, code(row)) for topic in answer.responses for row in topic.partition_responses]
    assert found == [
        ("t", 0, "NONE"),
        ("many", 0, "NONE"),
        ("many", 1, "CORRUPT_MESSAGE"),
        ("many", 9, "UNKNOWN_TOPIC_OR_PARTITION"),
        ("many", 2, "NONE"),
        ("nowhere", 0, "UNKNOWN_TOPIC_OR_PARTITION"),
    ]
    assert await peer.values("many", partition=2) == [b"e"]


# ---- time ------------------------------------------------------------------------------------------------------------


async def test_log_append_time_is_the_brokers(autojump_clock, peer):
    await peer.create("stamped", configs={"message.timestamp.type": "LogAppendTime"})
    await trio.sleep(5)
    row = await peer.produce("stamped", batch(b"a", b"b", timestamp=77))
    assert row.log_append_time_ms >= EPOCH_MS + 5_000
    (stored,) = batches_of(await peer.fetch("stamped", 0))
    assert [one.timestamp for one in decode_records(stored)] == [row.log_append_time_ms] * 2
    assert crc32c(stored[21:]) == read_header(stored).crc, "the checksum is made anew"
    assert await peer.offset_at("stamped", row.log_append_time_ms) == (0, 0, row.log_append_time_ms)


async def test_timestamps_far_from_the_clock_are_refused(autojump_clock, peer):
    await peer.create(
        "timely", configs={"message.timestamp.before.max.ms": "60000", "message.timestamp.after.max.ms": "60000"}
    )
    for distance_ms, wanted in ((-120_000, "INVALID_TIMESTAMP"), (0, "NONE"), (120_000, "INVALID_TIMESTAMP")):
        assert code(await peer.produce("timely", batch(b"a", timestamp=EPOCH_MS + distance_ms))) == wanted
    assert code(await peer.produce("timely", batch(b"a", timestamp=-1))) == "NONE", "no timestamp is none too old"


# ---- who may write what ----------------------------------------------------------------------------------------------


async def test_a_compacted_topic_takes_only_keys_and_names_the_records_without(autojump_clock, peer):
    await peer.create("kept", configs={"cleanup.policy": "compact"})
    mixed = encode_batch([Record(key=b"k", value=b"a"), Record(value=b"b"), Record(key=b"", value=b"c"), Record()])
    row = await peer.produce("kept", mixed)
    assert code(row) == "INVALID_RECORD"
    assert [one.batch_index for one in row.record_errors] == [1, 3]
    assert code(await peer.produce("kept", mixed, version=7)) == "INVALID_RECORD"
    assert code(await peer.produce("kept", encode_batch([Record(key=b"k")], codec=Codec.GZIP))) == "NONE"


async def test_a_derived_topic_is_its_operators(autojump_clock, peer):
    await peer.create("orders")
    text = '[streams.orders]\nformat = "json"\n[streams.large]\nbase = "orders"\ntype = "filter"\nwhere = "qty > 5"\n'
    applied = await peer.ask(PrivateRequest(verb="apply", document=msgspec.json.encode({"document": text})))
    assert not applied.error_code, applied
    row = await peer.produce("large", batch(b'{"qty": 9}'))
    assert code(row) == "POLICY_VIOLATION"
    assert "higgins operator delete large" in row.error_message
    await peer.produce("orders", batch(b'{"qty": 9}', b'{"qty": 1}'))
    answer = await peer.ask(fetch_request([("large", 0, 0)], min_bytes=1, max_wait_ms=60_000))
    assert [one.value for one in decode_records(batches_of(answer.responses[0].partitions[0])[0])] == [b'{"qty": 9}']


# ---- idempotent producers --------------------------------------------------------------------------------------------


async def producer_id(peer) -> int:
    answer = await peer.ask(InitProducerIdRequest(transactional_id=None))
    assert (answer.error_code, answer.producer_epoch) == (0, 0)
    return answer.producer_id


def numbered(producer, sequence, *values, epoch=0):
    return batch(*values, producer_id=producer, producer_epoch=epoch, base_sequence=sequence)


async def test_a_repeat_is_answered_with_its_first_offset(autojump_clock, peer):
    producer = await producer_id(peer)
    await peer.produce("t", batch(b"other"))
    for n in range(6):
        assert (await peer.produce("t", numbered(producer, n, b"%d" % n))).base_offset == n + 1
    for n in range(1, 6):
        row = await peer.produce("t", numbered(producer, n, b"%d" % n))
        assert (code(row), row.base_offset) == ("NONE", n + 1)
    assert code(await peer.produce("t", numbered(producer, 0, b"0"))) == "DUPLICATE_SEQUENCE_NUMBER", "of long ago"
    assert await peer.values("t") == [b"other", b"0", b"1", b"2", b"3", b"4", b"5"]


async def test_five_batches_sent_without_waiting_may_all_be_sent_again(autojump_clock, peer):
    producer = await producer_id(peer)
    for _ in range(2):
        for n in range(5):
            await peer.send(produce_request("t", numbered(producer, 2 * n, b"a", b"b")))
    rows = [(await peer.receive()).responses[0].partition_responses[0] for _ in range(10)]
    assert [(code(row), row.base_offset) for row in rows] == [("NONE", offset) for offset in (0, 2, 4, 6, 8)] * 2
    assert len(await peer.values("t")) == 10


async def test_a_producer_goes_on_after_its_topic_was_deleted_and_made_again(autojump_clock, peer):
    """librdkafka does not begin again at sequence 0, and takes a refusal for the end of the producer."""
    producer = await producer_id(peer)
    for n in range(10):
        await peer.produce("t", numbered(producer, n, b"old"))
    await peer.ask(DeleteTopicsRequest([DeleteTopicState("t")]))
    await peer.create("t")
    values = [b"%d" % n for n in range(10, 20)]
    for n, value in enumerate(values, 10):
        await peer.send(produce_request("t", numbered(producer, n, value)))
    rows = [(await peer.receive()).responses[0].partition_responses[0] for _ in values]
    assert [(code(row), row.base_offset) for row in rows] == [("NONE", offset) for offset in range(10)]
    assert await peer.values("t") == values
    assert code(await peer.produce("t", numbered(producer, 25, b"x"))) == "OUT_OF_ORDER_SEQUENCE_NUMBER"


@pytest.mark.parametrize("sequence", [1, 5, SEQUENCE_MAX])
async def test_a_partition_that_does_not_know_a_producer_takes_any_first_sequence(autojump_clock, peer, sequence):
    producer = await producer_id(peer)
    assert (await peer.produce("t", numbered(producer, sequence, b"a"))).base_offset == 0
    following = 0 if sequence == SEQUENCE_MAX else sequence + 1
    assert (await peer.produce("t", numbered(producer, following, b"b"))).base_offset == 1
    assert (await peer.produce("t", numbered(producer, sequence, b"a"))).base_offset == 0, "a repeat"


async def test_a_gap_is_refused_and_what_closes_it_taken(autojump_clock, peer):
    producer = await producer_id(peer)
    await peer.produce("t", numbered(producer, 0, b"0", b"1"))
    assert code(await peer.produce("t", numbered(producer, 3, b"3"))) == "OUT_OF_ORDER_SEQUENCE_NUMBER"
    assert code(await peer.produce("t", numbered(producer, 2, b"2"))) == "NONE"
    assert await peer.values("t") == [b"0", b"1", b"2"]


async def test_a_batch_that_overtook_its_predecessor_waits_for_it(autojump_clock, start):
    house = await start()
    early, late = house.connect(), house.connect()
    await early.create("t")
    producer = await producer_id(early)
    await early.send(produce_request("t", numbered(producer, 1, b"1")))
    await late.send(produce_request("t", numbered(producer, 0, b"0")))
    answers = [await one.receive() for one in (late, early)]
    assert [answer.responses[0].partition_responses[0].base_offset for answer in answers] == [0, 1]


async def test_sequences_wrap(autojump_clock, peer):
    # Nobody remembers this producer, so it may begin anywhere.
    old = 1 << 40
    assert code(await peer.produce("t", numbered(old, SEQUENCE_MAX - 1, b"a", b"b"))) == "NONE"
    assert code(await peer.produce("t", numbered(old, 0, b"c"))) == "NONE"
    assert code(await peer.produce("t", numbered(old, 2, b"x"))) == "OUT_OF_ORDER_SEQUENCE_NUMBER"
    assert code(await peer.produce("t", numbered(old, 1, b"d"))) == "NONE"
    assert (await peer.produce("t", numbered(old, SEQUENCE_MAX - 1, b"a", b"b"))).base_offset == 0, "a repeat"
    assert await peer.values("t") == [b"a", b"b", b"c", b"d"]


async def test_one_batch_may_wrap_in_the_middle(autojump_clock, peer):
    old = 1 << 40
    assert code(await peer.produce("t", numbered(old, SEQUENCE_MAX, b"a", b"b", b"c"))) == "NONE"
    assert code(await peer.produce("t", numbered(old, 2, b"d"))) == "NONE"
    assert (await peer.produce("t", numbered(old, SEQUENCE_MAX, b"a", b"b", b"c"))).base_offset == 0


async def test_a_newer_epoch_fences_the_older_and_begins_at_0(autojump_clock, peer):
    producer = await producer_id(peer)
    await peer.produce("t", numbered(producer, 0, b"a"))
    assert code(await peer.produce("t", numbered(producer, 1, b"x", epoch=1))) == "OUT_OF_ORDER_SEQUENCE_NUMBER"
    assert code(await peer.produce("t", numbered(producer, 0, b"b", epoch=1))) == "NONE"
    assert code(await peer.produce("t", numbered(producer, 1, b"x", epoch=0))) == "INVALID_PRODUCER_EPOCH"
    assert await peer.values("t") == [b"a", b"b"]


async def test_each_partition_counts_for_itself(autojump_clock, peer):
    await peer.create("two", 2)
    producer = await producer_id(peer)
    rows = [await peer.produce("two", numbered(producer, 0, b"a"), partition=one) for one in (0, 1)]
    assert [(code(row), row.base_offset) for row in rows] == [("NONE", 0), ("NONE", 0)]


async def test_a_producer_is_remembered_across_a_restart(autojump_clock, start, store):
    house = await start()
    peer = house.connect()
    await peer.create("t")
    producer = await producer_id(peer)
    await peer.produce("t", numbered(producer, 0, b"a"))
    house.broker.stop()
    assert await peer.is_closed()
    again = (await start()).connect()
    assert (await again.produce("t", numbered(producer, 0, b"a"))).base_offset == 0
    assert (await again.produce("t", numbered(producer, 1, b"b"))).base_offset == 1
    assert await producer_id(again) != producer
    assert await again.values("t") == [b"a", b"b"]


async def test_a_topic_made_again_is_another(autojump_clock, peer):
    first = await peer.create("again")
    await peer.produce("again", batch(b"old"))
    deleted = await peer.ask(DeleteTopicsRequest(topics=[DeleteTopicState("again")]))
    assert [row.error_code for row in deleted.responses] == [0]
    assert await peer.create("again") != first
    assert (await peer.produce("again", batch(b"new"))).base_offset == 0
    assert await peer.values("again") == [b"new"]
