"""Bytes from the store are checked: whatever is changed in a batch is noticed, and nothing damaged is served."""

import random

import pytest
import structlog.testing
import trio

from higgins.log.segment import FooterRow, footer
from higgins.log.verify import ON_LOOP_BYTES_MAX, Verifier, damage_in, damage_in_segment
from higgins.model.errors import Corrupt
from higgins.model.names import NO_TOPIC_ID, TopicId
from higgins.model.pointer import data_object, object_key
from higgins.runtime import Runtime
from higgins_protocol.records.batch import PREFIX_BYTES
from tests.log.world import batch

OBJECT = data_object(3, 4)
PATCHED = PREFIX_BYTES
"""Base offset, length and leader epoch: replaced when a batch is served. A changed length is noticed all the same."""
BATCHES = [batch(b"one", b"two"), batch(b"x" * 3_000), batch(b"three")]
STARTS = [0, len(BATCHES[0]), len(BATCHES[0]) + len(BATCHES[1])]


def test_sound_batches_pass() -> None:
    assert damage_in(memoryview(b"".join(BATCHES))) is None
    assert damage_in(memoryview(b"")) is None


def test_every_changed_byte_that_is_served_is_noticed_with_its_batch() -> None:
    data = b"".join(BATCHES)
    for n, start in enumerate(STARTS):
        for at in [*range(8, 12), *range(PATCHED, len(BATCHES[n]), 7)]:
            damaged = bytearray(data)
            damaged[start + at] ^= 0x10
            assert damage_in(memoryview(damaged)) == start, (n, at)


def test_every_cut_is_noticed() -> None:
    data = b"".join(BATCHES)
    for length in range(1, len(data)):
        if length not in STARTS:
            assert damage_in(memoryview(data[:length])) is not None, length


def test_runs_of_zeros_and_noise_are_damage() -> None:
    generator = random.Random(1)
    for data in (bytes(1000), generator.randbytes(1000), b"\xff" * 1000):
        assert damage_in(memoryview(data)) == 0


def segment(state: bytes = b"") -> bytes:
    first, second = BATCHES[0] + BATCHES[1], BATCHES[2]
    rows = [
        FooterRow(TopicId(b"t" * 16), 0, 0, len(first), 3),
        FooterRow(TopicId(b"t" * 16), 1, len(first), len(second), 1),
    ]
    if state:
        rows.append(FooterRow(NO_TOPIC_ID, 0, len(first) + len(second), len(state), 0))
    return first + second + state + footer(rows)


def test_a_whole_object_is_checked_by_its_footer() -> None:
    data = segment(b"state of an operator")
    assert damage_in_segment(memoryview(data)) is None
    for start in STARTS:
        damaged = bytearray(data)
        damaged[start + 70] ^= 1
        assert damage_in_segment(memoryview(damaged)) == start
    assert damage_in_segment(memoryview(data[:-1])) is not None


@pytest.mark.parametrize("size", [100, ON_LOOP_BYTES_MAX + 1], ids=["in the loop", "in a thread"])
async def test_a_damaged_place_is_named_once_and_always_refused(size: int) -> None:
    damaged = bytearray(batch(b"x" * size))
    damaged[-1] ^= 1
    verifier = Verifier(Runtime())
    with structlog.testing.capture_logs() as logs:
        for _ in range(3):
            with pytest.raises(Corrupt, match=object_key(OBJECT)):
                await verifier.check_batches(OBJECT, memoryview(damaged), 500)
    assert logs == [{"event": "object.damaged", "log_level": "error", "key": object_key(OBJECT), "position": 500}]
    await trio.lowlevel.checkpoint()
