"""Frames are split correctly however the bytes arrive."""

import random

import pytest

from higgins_protocol.errors import DecodeError
from higgins_protocol.framing import FrameSplitter


def framed(*bodies: bytes) -> bytes:
    return b"".join(len(body).to_bytes(4, "big") + body for body in bodies)


def test_frames_are_whole_however_the_bytes_arrive() -> None:
    bodies = [b"one", b"", b"x" * 1000, b"last"]
    stream = framed(*bodies)
    for seed in range(50):
        rng = random.Random(seed)
        splitter = FrameSplitter(1000)
        found: list[memoryview] = []
        position = 0
        while position < len(stream):
            step = rng.choice((1, 3, 7, 400))
            found += splitter.feed(stream[position : position + step])
            position += step
        assert found == bodies
        assert splitter.is_between_frames


def test_earlier_frames_stay_valid_while_later_ones_arrive() -> None:
    splitter = FrameSplitter(100)
    (first,) = splitter.feed(framed(b"first") + b"\x00\x00")
    assert not splitter.is_between_frames
    (second,) = splitter.feed(framed(b"second")[2:])
    assert (bytes(first), bytes(second)) == (b"first", b"second")


@pytest.mark.parametrize(("length", "what"), [(101, "at most 100"), (0x47455420, "at most 100"), (0xFFFFFFFF, "-1")])
def test_an_invalid_length_is_refused_before_its_bytes_arrive(length: int, what: str) -> None:
    with pytest.raises(DecodeError, match=what):
        FrameSplitter(100).feed(length.to_bytes(4, "big"))
