"""Our codecs against those of kafka-python: every message and version, in both directions, as whole frames."""

import random
from typing import Any
from uuid import UUID

import pytest
from kafka.protocol import admin, consumer, metadata, producer

from higgins_protocol.messages.api_versions import ApiVersionsResponse
from higgins_protocol.primitives import ZERO_UUID, Kind
from higgins_protocol.registry import (
    PRIVATE,
    decode_header,
    decode_request,
    decode_response,
    encode_request,
    encode_response,
)
from higgins_protocol.schema import Field, Message, fields_of
from tests.protocol.lanes import LANES, Lane
from tests.protocol.values import any_value, make

VALUES = 6
NO_OPERATIONS = -0x80000000
MODULES = (admin, consumer, metadata, producer)

every_lane = pytest.mark.parametrize("lane", [lane for lane in LANES if lane.api_key != PRIVATE], ids=str)


def theirs(lane: Lane) -> Any:
    name = lane.message.__name__
    classes = [getattr(module, name) for module in MODULES if hasattr(module, name)]
    assert classes, f"kafka-python has no {name}"
    return classes[0]


def supported_value(rng: random.Random, field: Field, kind: Kind) -> Any:
    """kafka-python reads authorized operations as a set of bits."""
    if field.name.endswith("authorized_operations") and kind is Kind.INT32:
        return rng.choice((NO_OPERATIONS, 0, 0b1010, 0x7F))
    return any_value(rng, field, kind)


def without_errors(rng: random.Random, field: Field, kind: Kind) -> Any:
    """kafka-python reads an ApiVersions response with an error as v0, whatever its version."""
    return 0 if field.name == "error_code" else supported_value(rng, field, kind)


def assert_same(ours: Message, other: Any, version: int) -> None:
    for field in fields_of(type(ours)):
        if not field.is_in(version):
            continue
        mine = getattr(ours, field.name)
        if field.name.endswith("authorized_operations") and field.shape is Kind.INT32:
            bits = None if mine == NO_OPERATIONS else {bit for bit in range(31) if mine >> bit & 1}
            # In DescribeTopicPartitions, kafka-python leaves the number.
            read_as_set = hasattr(other, "authorized_operations")
            assert other.authorized_operations == bits if read_as_set else getattr(other, field.name) == mine
        else:
            assert_same_value(mine, getattr(other, field.name), field, version)


def assert_same_value(ours: Any, other: Any, field: Field, version: int) -> None:
    if other is None and field.is_tagged:
        assert ours == field.default
    elif isinstance(ours, Message):
        assert_same(ours, other, version)
    elif isinstance(ours, list) and ours and isinstance(ours[0], Message):
        assert len(ours) == len(other)
        for mine, their in zip(ours, other, strict=True):
            assert_same(mine, their, version)
    elif field.shape is Kind.UUID:
        assert ours == (other.bytes if isinstance(other, UUID) else other or ZERO_UUID)
    else:
        assert (list(other) if isinstance(other, tuple) else other) == ours, field.name


def frame_of(lane: Lane, message: Message) -> bytes:
    if lane.bounded:
        return b"".join(encode_request(lane.api_key, lane.version, 7, "us", message))
    return b"".join(encode_response(lane.api_key, lane.version, 7, message))


def message_of(lane: Lane, frame: bytes) -> Message:
    view = memoryview(frame)[4:]
    assert int.from_bytes(frame[:4], "big") == len(view)
    if not lane.bounded:
        correlation_id, response = decode_response(lane.api_key, lane.version, view)
        assert correlation_id == 7
        return response
    header = decode_header(view)
    assert (header.api_key, header.api_version) == (lane.api_key, lane.version)
    assert (header.correlation_id, header.client_id) == (7, "us")
    return decode_request(header, view)


@every_lane
def test_kafka_python_reads_our_frames_and_we_read_its(lane: Lane) -> None:
    rng = random.Random(f"kafka-python {lane}")
    choose = without_errors if lane.message is ApiVersionsResponse else supported_value
    for _ in range(VALUES):
        message = make(rng, lane.message, lane.version, choose)
        other = theirs(lane).decode(frame_of(lane, message), version=lane.version, header=True, framed=True)
        assert other.header.correlation_id == 7
        assert_same(message, other, lane.version)
        assert message_of(lane, bytes(other.encode(header=True, framed=True))) == message
