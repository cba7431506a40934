"""Which output of lz4 clients can read: one frame of independent blocks, whatever else its header says."""

import random

import pytest

from higgins_protocol.errors import ErrorCode, RecordError
from higgins_protocol.records.lz4_frames import check_readable
from tests.protocol.packed_forms import SKIPPABLE, lz4_forms, lz4_forms_for_nobody, lz4_stored

TEXT = b"the same line again. " * 40
DATA = random.Random(8).randbytes(20_000) + TEXT


def frame_with_a_dictionary(data: bytes) -> bytes:
    """A frame whose header names a dictionary; the checksums are not those of lz4, as the walk does not read them."""
    return b"\x04\x22\x4d\x18\x61\x40" + b"dict" + b"\x00" + lz4_stored(data) + bytes(4)


def refusal(data: bytes) -> RecordError:
    with pytest.raises(RecordError) as caught:
        check_readable(memoryview(data))
    assert caught.value.code is ErrorCode.INVALID_RECORD
    return caught.value


@pytest.mark.parametrize("data", [TEXT, DATA], ids=["short", "long"])
def test_one_frame_of_independent_blocks_is_readable(data: bytes) -> None:
    for _, form in lz4_forms(data):
        check_readable(memoryview(form))
    check_readable(memoryview(frame_with_a_dictionary(data)))


@pytest.mark.parametrize("data", [TEXT, DATA], ids=["short", "long"])
def test_forms_that_clients_cannot_read_are_refused(data: bytes) -> None:
    for _, form in lz4_forms_for_nobody(data):
        refusal(form)


def test_a_second_frame_is_found_behind_every_form_of_the_first_even_cut_off() -> None:
    """Its magic number alone is enough, as the end of the data may be anywhere behind it."""
    second = frame_with_a_dictionary(TEXT)
    forms = [form for name, form in lz4_forms(DATA) if "skippable" not in name]
    for form in (*forms, second):
        for length in (4, 5, len(second)):
            assert "more than one" in refusal(form + second[:length]).what
        check_readable(memoryview(form + second[:3]))


@pytest.mark.parametrize("kind", range(16))
def test_a_skippable_frame_of_any_kind_may_not_come_first(kind: int) -> None:
    assert "skippable" in refusal(bytes([0x50 | kind]) + SKIPPABLE[1:] + frame_with_a_dictionary(TEXT)).what


@pytest.mark.parametrize("data", [b"", b"\x04", b"\x04\x22\x4d\x18", b"\x05\x22\x4d\x18\x60\x40\x82", bytes(40)])
def test_bytes_that_do_not_begin_a_frame_are_refused(data: bytes) -> None:
    assert "no lz4 frame" in refusal(data).what
