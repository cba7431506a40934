"""The consumer protocol's subscriptions and assignments: against construct, kio and kafka-python, and damaged bytes."""

import random
from importlib import import_module
from io import BytesIO

import pytest
from kafka.protocol.consumer import metadata as kafka_python
from kio.serial import entity_reader, entity_writer

from higgins_protocol import consumer_protocol
from higgins_protocol.consumer_protocol import (
    ConsumerProtocolAssignment,
    ConsumerProtocolSubscription,
    TopicPartitions,
    decode_assignment,
    decode_subscription,
    encode_assignment,
    encode_subscription,
)
from higgins_protocol.errors import DecodeError, EncodeError
from higgins_protocol.grammar import message_grammar
from tests.protocol import reference
from tests.protocol.test_codec_against_grammar import mutated
from tests.protocol.test_codec_against_kio import assert_same
from tests.protocol.values import make

VALUES = 30
MUTATIONS = 400
OWNED = [TopicPartitions(topic="orders", partitions=[0, 2]), TopicPartitions(topic="größe", partitions=[1])]
FULL = ConsumerProtocolSubscription(
    topics=["orders", "größe"], user_data=b"opaque", owned_partitions=OWNED, generation_id=7, rack_id="r"
)

KINDS = {
    ConsumerProtocolSubscription: (encode_subscription, decode_subscription),
    ConsumerProtocolAssignment: (encode_assignment, decode_assignment),
}

every_version = pytest.mark.parametrize("version", range(4))
every_kind = pytest.mark.parametrize("message", KINDS, ids=lambda kind: kind.__name__)


def messages(message, version):
    rng = random.Random(f"{message.__name__} {version}")
    return [message(), *(make(rng, message, version) for _ in range(VALUES))]


def build(message, version):
    """The bytes as construct builds them."""
    grammar = message_grammar(type(message), version, flexible=False)
    return version.to_bytes(2, "big") + reference.build(grammar, message)


@every_version
@every_kind
def test_messages_are_written_as_construct_builds_them_and_read_back(message, version):
    encode, decode = KINDS[message]
    for value in messages(message, version):
        data = encode(value, version=version)
        assert data == build(value, version)
        assert decode(data) == decode(memoryview(data)) == value


@every_version
@every_kind
def test_kio_reads_what_we_write_and_we_read_what_it_writes(message, version):
    encode, decode = KINDS[message]
    package = "subscription" if message is ConsumerProtocolSubscription else "assignment"
    module = import_module(f"kio.schema.consumer_protocol_{package}.v{version}.data")
    read, write = (make(getattr(module, message.__name__)) for make in (entity_reader, entity_writer))
    for value in messages(message, version):
        data = encode(value, version=version)
        entity, end = read(data[2:], 0)
        assert end == len(data) - 2
        assert_same(value, entity, version)
        buffer = BytesIO()
        write(buffer, entity)
        assert decode(data[:2] + buffer.getvalue()) == value


@every_version
@every_kind
def test_kafka_python_reads_what_we_write_and_we_read_what_it_writes(message, version):
    encode, decode = KINDS[message]
    for value in messages(message, version):
        theirs = getattr(kafka_python, message.__name__).decode(encode(value, version=version))
        for name in ("assigned_partitions", "owned_partitions"):
            if hasattr(value, name) and (version or name == "assigned_partitions"):
                pairs = [(one.topic, list(one.partitions)) for one in getattr(theirs, name)]
                assert pairs == [(one.topic, one.partitions) for one in getattr(value, name)]
        assert theirs.user_data == value.user_data
        assert decode(theirs.encode(version=version)) == value


@every_kind
def test_a_later_version_is_read_as_the_last_known_one_and_what_follows_is_ignored(message):
    encode, decode = KINDS[message]
    for value in messages(message, 3):
        assert decode(b"\x00\x04" + encode(value)[2:] + b"a field of version 4") == value
        assert decode(b"\x7f\xff" + encode(value)[2:]) == value


@every_version
def test_the_fields_of_version_0_can_be_read_alone(version):
    data = encode_subscription(FULL, version=version)
    assert decode_subscription(data, last_version=0) == ConsumerProtocolSubscription(FULL.topics, FULL.user_data)


def test_fields_that_a_version_lacks_are_dropped():
    assert decode_subscription(encode_subscription(FULL, version=0)) == ConsumerProtocolSubscription(
        FULL.topics, FULL.user_data
    )
    assert decode_subscription(encode_subscription(FULL, version=2)).rack_id is None


def test_a_member_that_writes_version_1_without_owned_partitions_is_read():
    version_0 = encode_subscription(FULL, version=0)
    assert decode_subscription(b"\x00\x01" + version_0[2:]) == decode_subscription(version_0)


def test_no_bytes_are_an_assignment_of_nothing_and_not_a_subscription():
    assert decode_assignment(b"") == decode_assignment(memoryview(b"")) == ConsumerProtocolAssignment()
    with pytest.raises(DecodeError, match="version at byte 0: cut off"):
        decode_subscription(b"")


@every_version
@every_kind
def test_bytes_cut_anywhere_are_refused(message, version):
    encode, decode = KINDS[message]
    value = FULL if message is ConsumerProtocolSubscription else ConsumerProtocolAssignment(OWNED, b"opaque")
    data = encode(value, version=version)
    read_as_version_0 = {len(encode_subscription(FULL, version=0))} if message is ConsumerProtocolSubscription else {0}
    for cut in set(range(len(data))) - read_as_version_0:
        with pytest.raises(DecodeError):
            decode(data[:cut])


@pytest.mark.parametrize("version", [b"\xff\xff", b"\x80\x00"])
def test_a_negative_version_is_refused(version):
    for decode in (decode_subscription, decode_assignment):
        with pytest.raises(DecodeError, match="consumer protocol version at byte 0: version -"):
            decode(version + bytes(8))


@every_version
@every_kind
def test_mutated_bytes_are_read_as_construct_reads_them_or_refused(message, version):
    _, decode = KINDS[message]
    rng = random.Random(f"mutate {message.__name__} {version}")
    values = messages(message, version)
    for _ in range(MUTATIONS):
        damaged = mutated(rng, build(rng.choice(values), version))
        try:
            value = decode(damaged)
        except DecodeError:
            value = None
        assert value == parsed(message, damaged), damaged.hex()


def parsed(message, data):
    """As construct reads it: in the version that the bytes name, or in version 0 where that fills the bytes."""
    version = int.from_bytes(data[:2], "big", signed=True)
    if not data and message is ConsumerProtocolAssignment:
        return message()
    if len(data) < 2 or version < 0:
        return None
    try:
        return parse_prefix(message, data, min(version, 3))
    except DecodeError:
        pass
    try:
        grammar = message_grammar(message, 0, flexible=False)
        return reference.parse(grammar, data[2:], bounded=False) if message is ConsumerProtocolSubscription else None
    except DecodeError:
        return None


def parse_prefix(message, data, version):
    """What construct parses at the beginning of the bytes, whatever follows."""
    return reference.parse(message_grammar(message, version, flexible=False), data[2:], bounded=False, whole=False)


def test_a_count_beyond_the_bytes_is_refused_before_anything_is_made():
    with pytest.raises(
        DecodeError, match=r"ConsumerProtocolAssignment v0\.assigned_partitions .* bytes announced, 0 left"
    ):
        decode_assignment(b"\x00\x00\x7f\xff\xff\xff")


def test_a_value_that_does_not_fit_is_an_encode_error():
    with pytest.raises(EncodeError, match="ConsumerProtocolSubscription v3"):
        encode_subscription(ConsumerProtocolSubscription(generation_id=1 << 31))
    with pytest.raises(AssertionError, match="no version 4"):
        encode_assignment(ConsumerProtocolAssignment(), version=consumer_protocol.LAST_VERSION + 1)
