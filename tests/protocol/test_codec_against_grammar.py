"""The generated codecs against construct, every message and version: the same bytes, values and refusals.

HIGGINS_FUZZ_INPUTS sets how many mutated frames are tried in all; the seeds are fixed, so a failure repeats.
"""

import os
import random

import pytest

from higgins_protocol.errors import DecodeError, EncodeError
from higgins_protocol.primitives import Kind
from higgins_protocol.schema import Message, fields_of
from tests.protocol.lanes import (
    LANES,
    Lane,
    build,
    decode,
    decode_or_none,
    encode,
    parse,
    parse_or_none,
)
from tests.protocol.values import make

VALUES = 8
FUZZ_INPUTS = int(os.environ.get("HIGGINS_FUZZ_INPUTS", "6000"))
MUTATIONS = max(1, FUZZ_INPUTS // len(LANES))

every_lane = pytest.mark.parametrize("lane", LANES, ids=str)


def messages(lane: Lane, count: int) -> list[Message]:
    rng = random.Random(str(lane))
    return [make(rng, lane.message, lane.version) for _ in range(count)]


@every_lane
def test_the_codec_writes_what_the_grammar_builds_and_reads_it_back(lane: Lane) -> None:
    for message in [*messages(lane, VALUES), lane.message()]:
        body = build(lane, message)
        assert encode(lane, message) == body
        assert decode(lane, body) == message
        assert parse(lane, body) == message


@every_lane
def test_a_body_cut_anywhere_is_refused(lane: Lane) -> None:
    for message in messages(lane, 2):
        body = encode(lane, message)
        cuts = range(len(body))
        assert [cut for cut in cuts if decode_or_none(lane, body[:cut]) is not None] == []
        rng = random.Random(str(lane))
        for cut in rng.sample(cuts, min(8, len(body))):
            assert parse_or_none(lane, body[:cut]) is None


def mutated(rng: random.Random, body: bytes) -> bytes:
    """A body with a few bytes changed, inserted, deleted or duplicated."""
    data = bytearray(body)
    for _ in range(rng.choice((1, 1, 1, 2, 4))):
        at = rng.randrange(len(data) + 1)
        match rng.randrange(5):
            case 0 if data:
                data[at % len(data)] = rng.choice((0, 1, 0x7F, 0x80, 0xFF, rng.randrange(256)))
            case 1 if data:
                data[at % len(data)] ^= 1 << rng.randrange(8)
            case 2:
                data[at:at] = rng.randbytes(rng.choice((1, 2, 4)))
            case 3:
                del data[at : at + rng.choice((1, 2, 4))]
            case _:
                data[at:at] = data[at : at + rng.randrange(12)]
    return bytes(data)


def assert_same(ours: Message | None, theirs: Message | None, body: bytes) -> None:
    # NaN is unequal to itself, so equal representations count as equal values.
    assert ours == theirs or repr(ours) == repr(theirs), body.hex()


@every_lane
def test_a_mutated_body_gets_the_same_value_or_the_same_refusal(lane: Lane) -> None:
    rng = random.Random(f"mutate {lane}")
    for number in range(MUTATIONS):
        if number % 8 == 0:
            body = encode(lane, make(rng, lane.message, lane.version))
        damaged = mutated(rng, body)
        assert_same(decode_or_none(lane, damaged), parse_or_none(lane, damaged), damaged)


@every_lane
def test_noise_gets_the_same_value_or_the_same_refusal(lane: Lane) -> None:
    rng = random.Random(f"noise {lane}")
    for _ in range(max(1, MUTATIONS // 4)):
        noise = rng.choice((b"", b"\x00" * 12, b"\xff" * 8, b"\x01" * 20)) + rng.randbytes(rng.randrange(40))
        assert_same(decode_or_none(lane, noise), parse_or_none(lane, noise), noise)


@every_lane
def test_a_refused_body_names_message_and_field(lane: Lane) -> None:
    body = encode(lane, messages(lane, 1)[0])
    if not body:
        return
    with pytest.raises(DecodeError, match=rf"{lane.message.__name__} v{lane.version}\.\w+"):
        decode(lane, body[:-1])


@every_lane
def test_fields_that_a_version_lacks_are_dropped_or_refused_by_both(lane: Lane) -> None:
    """A field is set that the version does not have: both refuse it, or both write the same bytes."""
    for field in fields_of(lane.message):
        if field.is_in(lane.version):
            continue
        rng = random.Random(field.name)
        later = make(rng, lane.message, field.marks.since if field.marks.since > lane.version else field.marks.until)
        message = lane.message(**{field.name: getattr(later, field.name)})
        if field.marks.ignorable or message == lane.message():
            assert encode(lane, message) == build(lane, message) == encode(lane, lane.message())
        else:
            with pytest.raises(EncodeError, match=field.name):
                encode(lane, message)
            with pytest.raises(EncodeError, match=field.name):
                build(lane, message)


@every_lane
def test_null_is_written_only_where_the_version_has_it(lane: Lane) -> None:
    for field in fields_of(lane.message):
        if not field.is_in(lane.version) or field.default is None or field.shape is Kind.BOOL:
            continue
        message = lane.message(**{field.name: None})
        if field.is_nullable(lane.version):
            assert decode(lane, encode(lane, message)) == message
        else:
            with pytest.raises(EncodeError, match=lane.message.__name__):
                encode(lane, message)
            with pytest.raises(EncodeError):
                build(lane, message)
