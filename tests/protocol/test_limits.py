"""What a hostile frame may cost: nothing is allocated for bytes that are not there, and errors name the limit."""

import os
import random
import tracemalloc
from collections.abc import Callable, Generator, Iterator
from typing import Any, TypeVar

import pytest

from higgins_protocol import apis, registry
from higgins_protocol.api import Api
from higgins_protocol.compiler import compile_decoder_in_steps, compile_encoder, compile_encoder_in_steps
from higgins_protocol.errors import DecodeError, EncodeError, ProtocolError
from higgins_protocol.grammar import message_grammar
from higgins_protocol.messages.fetch import FetchableTopicResponse, FetchResponse, PartitionData
from higgins_protocol.messages.metadata import MetadataRequest, MetadataRequestTopic
from higgins_protocol.messages.offset_fetch import OffsetFetchRequest, OffsetFetchRequestTopic
from higgins_protocol.messages.sync_group import SyncGroupRequest, SyncGroupRequestAssignment
from higgins_protocol.primitives import ELEMENTS_MAX, PARTITIONS_MAX, Kind
from higgins_protocol.registry import APIS
from higgins_protocol.schema import ArrayOf, Message, fields_of

T = TypeVar("T")

FUZZ_INPUTS = int(os.environ.get("HIGGINS_FUZZ_INPUTS", "6000"))

PLAIN_METADATA = bytes.fromhex("0003 0001 00000001 ffff")
FLEXIBLE_METADATA = bytes.fromhex("0003 0009 00000001 ffff 00")
API_VERSIONS = bytes.fromhex("0012 0003 00000001 ffff 00")


def decode(frame: bytes) -> Message:
    view = memoryview(frame)
    return registry.decode_request(registry.decode_header(view), view)


def refuse(frame: bytes) -> str:
    with pytest.raises(DecodeError) as caught:
        decode(frame)
    return str(caught.value)


@pytest.mark.parametrize(
    "frame",
    [
        PLAIN_METADATA + b"\x7f\xff\xff\xff",
        FLEXIBLE_METADATA + b"\xff\xff\xff\xff\x0f",
        PLAIN_METADATA + b"\x00\x0f\xff\xff" + bytes(1000),
    ],
)
def test_a_count_beyond_the_frame_allocates_nothing(frame: bytes) -> None:
    refuse(frame)
    tracemalloc.start()
    refuse(frame)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 64 << 10
    assert "bytes announced" in refuse(frame)


def test_a_length_below_minus_one_is_refused() -> None:
    assert "length -2" in refuse(PLAIN_METADATA + b"\xff\xff\xff\xfe")
    assert "length -5" in refuse(PLAIN_METADATA + b"\x00\x00\x00\x01\xff\xfb")


def test_null_in_a_field_that_is_not_nullable_is_refused() -> None:
    assert "null where" in refuse(PLAIN_METADATA + b"\x00\x00\x00\x01\xff\xff")
    assert "null where" in refuse(API_VERSIONS + b"\x00\x02b\x00")


def test_text_has_to_be_utf_8() -> None:
    assert "MetadataRequest v1.topics.name at byte 16: not valid UTF-8" in refuse(
        PLAIN_METADATA + b"\x00\x00\x00\x01\x00\x01\xff"
    )


def test_a_string_is_at_most_32767_bytes_in_both_encodings() -> None:
    decode(API_VERSIONS + b"\x80\x80\x02" + b"a" * 32_767 + b"\x02b\x00")
    refuse(API_VERSIONS + b"\x81\x80\x02" + b"a" * 32_768 + b"\x02b\x00")


BODY = API_VERSIONS + b"\x02a\x02b"


@pytest.mark.parametrize(
    ("tags", "why"),
    [
        (b"\x41" + b"".join(bytes([tag, 0]) for tag in range(65)), "65 tagged fields, at most 64"),
        (b"\x02\x05\x00\x05\x00", "tag 5 after tag 5"),
        (b"\x02\x05\x00\x04\x00", "tag 4 after tag 5"),
        (b"\x01\x05\x02\x00", "2 bytes announced, 1 left"),
        (b"\x01\x05\xff\xff\xff\xff\x1f", "32 bits"),
        (b"\x01\x05", "cut off"),
        (b"", "cut off"),
    ],
)
def test_tags_ascend_and_are_bounded(tags: bytes, why: str) -> None:
    assert why in refuse(BODY + tags)


def test_sixty_four_unknown_tags_are_skipped() -> None:
    assert decode(BODY + b"\x40" + b"".join(bytes([tag, 1, 9]) for tag in range(64))) == decode(BODY + b"\x00")


def test_a_known_tag_has_to_fill_its_size() -> None:
    fetch = bytes.fromhex("0001 000c 00000001 ffff 00") + bytes(4 * 4 + 1 + 8) + b"\x01\x01\x01"
    decode(fetch + b"\x01\x00\x02\x02a")
    assert "its size says" in refuse(fetch + b"\x01\x00\x03\x02a\x00")
    assert "its size says" in refuse(fetch + b"\x01\x00\x01\x02a")


def test_noise_and_damaged_frames_raise_only_protocol_errors() -> None:
    rng = random.Random(7)
    whole = [
        b"".join(registry.encode_request(key, api.versions[1], 1, "c", api.request())) for key, api in APIS.items()
    ]
    for _ in range(FUZZ_INPUTS):
        frame = bytearray(rng.choice(whole)[4:])
        for _ in range(rng.choice((1, 2, 6))):
            frame[rng.randrange(len(frame))] = rng.choice((0, 1, 0x7F, 0x80, 0xFF, rng.randrange(256)))
        frame = frame[: rng.choice((len(frame), rng.randrange(len(frame) + 1)))] + rng.randbytes(rng.choice((0, 0, 3)))
        try:
            decode(bytes(frame))
        except ProtocolError:
            continue


def partitions(count: int) -> OffsetFetchRequest:
    half = count // 2
    split = [list(range(half)), list(range(count - half))]
    return OffsetFetchRequest(
        group_id="g", topics=[OffsetFetchRequestTopic(name="t", partition_indexes=part) for part in split]
    )


def topics(count: int) -> MetadataRequest:
    return MetadataRequest(topics=[MetadataRequestTopic(name="t")] * count)


def assignments(count: int) -> SyncGroupRequest:
    return SyncGroupRequest(assignments=[SyncGroupRequestAssignment(member_id="m")] * count)


@pytest.mark.parametrize(
    ("key", "version", "make", "most"),
    [
        (apis.OFFSET_FETCH, 1, partitions, PARTITIONS_MAX),
        (apis.OFFSET_FETCH, 7, partitions, PARTITIONS_MAX),
        (apis.METADATA, 1, topics, ELEMENTS_MAX),
        (apis.SYNC_GROUP, 5, assignments, ELEMENTS_MAX),
    ],
)
def test_a_request_has_a_bounded_number_of_elements(
    key: int, version: int, make: Callable[[int], Message], most: int
) -> None:
    def frame(count: int) -> bytes:
        return b"".join(registry.encode_request(key, version, 1, None, make(count)))[4:]

    assert decode(frame(most)) == make(most)
    assert f"more than {most}" in refuse(frame(most + 1))


# ---- steps -----------------------------------------------------------------------------------------------------------


def filled(message: type[Message], version: int, count: int) -> Message:
    """`count` elements in every array of the message, and one in each array of these."""
    values: dict[str, Any] = {}
    for field in fields_of(message):
        if not field.is_in(version):
            continue
        if isinstance(field.shape, ArrayOf):
            element = field.shape.element
            values[field.name] = [
                filled(element, version, 1) if not isinstance(element, Kind) else sample(element)
            ] * count
        elif not isinstance(field.shape, Kind) and not field.can_be_none:
            values[field.name] = filled(field.shape, version, 1)
    return message(**values)


def sample(kind: Kind) -> Any:
    return {Kind.STRING: "n", Kind.BYTES: b"b", Kind.RECORDS: b"r", Kind.UUID: bytes(16), Kind.BOOL: True}.get(kind, 1)


@pytest.mark.parametrize("api", registry.APIS.values(), ids=lambda api: api.name)
def test_a_long_message_is_coded_in_steps_of_a_bounded_number_of_elements(api: Api) -> None:
    """An array of numbers is one element: it is read and written by one call."""
    version = api.versions[1]
    for message in (api.request, api.response):
        flexible = version >= api.flexible_from
        grammar = message_grammar(message, version, flexible=flexible)
        value = filled(message, version, 2_000)
        encoding = compile_encoder_in_steps(grammar)(value, bytearray())
        written = list(steps_of(encoding))
        body = b"".join(compile_encoder(grammar)(value, bytearray()))
        arrays = [
            field
            for field in fields_of(message)
            if field.is_in(version)
            and isinstance(field.shape, ArrayOf)
            and not field.is_tagged
            and (not isinstance(field.shape.element, Kind) or field.shape.element in (Kind.STRING, Kind.BYTES))
        ]
        assert len(written) >= 2_000 * len(arrays) // 512
        assert all(size <= (64 << 10) + 5_000 for size in written)
        decoding = compile_decoder_in_steps(grammar, bounded=False)(memoryview(body), 0, len(body))
        assert len(list(steps_of(decoding))) >= 2_000 * len(arrays) // 512


def steps_of(generator: Generator[T, None, object]) -> Iterator[T]:
    yield from generator


def test_no_frame_is_longer_than_its_length_can_say() -> None:
    rows = [PartitionData(index, 0, 0, 0, 0, records=[bytes(1 << 20)] * 1_024) for index in range(2)]
    response = FetchResponse(responses=[FetchableTopicResponse("t", rows)])
    with pytest.raises(EncodeError, match="a frame of"):
        registry.encode_response(apis.FETCH, 4, 1, response)
    with pytest.raises(EncodeError, match="a frame of"):
        list(registry.encode_response_in_steps(apis.FETCH, 4, 1, response))
