"""Counts that do not match the records, and output beyond its limit, are refused at once."""

import tracemalloc
import zlib

import msgspec
import pytest

from higgins_protocol.errors import ErrorCode, RecordError
from higgins_protocol.records.batch import HEADER_BYTES, read_header
from higgins_protocol.records.compression import Codec, decompress
from higgins_protocol.records.record import Record, encode_batch
from higgins_protocol.records.survey import survey


@pytest.mark.parametrize("records", [40, 63, 64, 65, 100, 8_192, 8_193, 9_000])
@pytest.mark.parametrize("more", [-2, -1, 0, 1, 2])
@pytest.mark.parametrize("buffer", [bytes, bytearray])
def test_a_run_of_equal_records_is_as_long_as_the_header_says(records: int, more: int, buffer: type) -> None:
    batch = encode_batch(
        [Record(offset=n, timestamp=1_000, key=b"k", value=b"value", headers=()) for n in range(records)]
    )
    header = read_header(batch)
    claimed = msgspec.structs.replace(header, record_count=header.record_count + more)
    data = buffer(batch[HEADER_BYTES:])
    if not more:
        assert survey(claimed, data).max_timestamp == 1_000
        return
    with pytest.raises(RecordError):
        survey(claimed, data)


@pytest.mark.parametrize("bound", [1 << 20, 3 << 20, (3 << 20) + 5])
def test_gzip_stops_at_the_limit_also_where_a_piece_ends_there(bound: int) -> None:
    compressor = zlib.compressobj(wbits=31)
    data = compressor.compress(bytes(100 << 20)) + compressor.flush()
    tracemalloc.start()
    try:
        with pytest.raises(RecordError) as refusal:
            decompress(Codec.GZIP, data, bytes_max=bound)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert refusal.value.code is ErrorCode.MESSAGE_TOO_LARGE
    assert peak < bound + (8 << 20)
