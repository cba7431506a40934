"""Control batches that end a transaction, by vectors."""

import pytest
from kafka.record.default_records import DefaultRecordBatch

from higgins_protocol.errors import RecordError
from higgins_protocol.records.batch import CONTROL, TRANSACTIONAL, assemble, read_header, split
from higgins_protocol.records.control import Ending, Marker, decode_marker, encode_marker
from higgins_protocol.records.record import Record, encode_batch, encode_records

COMMIT = Marker(Ending.COMMIT, producer_id=9, producer_epoch=3, coordinator_epoch=4, timestamp=1000)


@pytest.mark.parametrize("ending", list(Ending))
def test_a_marker_is_decoded_as_it_was_encoded(ending: Ending) -> None:
    marker = Marker(ending, producer_id=9, producer_epoch=3, coordinator_epoch=4, timestamp=1000)
    batch = encode_marker(marker, base_offset=50)
    assert decode_marker(batch) == marker
    header = read_header(batch)
    assert (header.base_offset, header.count, header.base_sequence) == (50, 1, -1)
    assert header.is_control
    assert header.is_transactional


def test_a_commit_has_kafkas_bytes() -> None:
    body = encode_marker(COMMIT)[61:]
    assert body.hex(" ") == "20 00 00 00 08 00 00 00 01 0c 00 00 00 00 00 04 00"


def test_kafka_python_reads_a_commit() -> None:
    theirs = DefaultRecordBatch(bytearray(encode_marker(COMMIT)))
    assert theirs.is_control_batch
    (record,) = list(theirs)
    assert record.commit
    assert not record.abort


def test_producers_may_not_send_control_batches() -> None:
    with pytest.raises(RecordError, match="control batches"):
        split(encode_marker(COMMIT), batch_bytes_max=1000)


def control_batch(*records: Record) -> bytes:
    body = encode_records(records, 0)
    return assemble(body, count=len(records), attributes=CONTROL | TRANSACTIONAL, base_timestamp=0, max_timestamp=0)


KEY, VALUE = bytes.fromhex("00000001"), bytes.fromhex("000000000004")


@pytest.mark.parametrize(
    ("batch", "why"),
    [
        (encode_batch([Record(timestamp=0, key=KEY, value=VALUE)]), "not a control batch"),
        (control_batch(Record(timestamp=0, key=KEY, value=VALUE), Record(timestamp=0, key=KEY, value=VALUE)), "2 rec"),
        (control_batch(Record(timestamp=0, key=KEY[:3], value=VALUE)), "cut off"),
        (control_batch(Record(timestamp=0, key=None, value=VALUE)), "cut off"),
        (control_batch(Record(timestamp=0, key=KEY, value=None)), "cut off"),
        (control_batch(Record(timestamp=0, key=KEY, value=VALUE[:5])), "cut off"),
        (control_batch(Record(timestamp=0, key=b"\x00\x00\x00\x05", value=VALUE)), "type 5"),
    ],
)
def test_other_batches_and_unknown_types_are_refused(batch: bytes, why: str) -> None:
    with pytest.raises(RecordError, match=why):
        decode_marker(batch)


def test_fields_of_a_later_version_are_ignored() -> None:
    batch = control_batch(Record(timestamp=0, key=b"\x00\x01" + KEY[2:] + b"more", value=VALUE + b"more"))
    assert decode_marker(batch).ending is Ending.COMMIT
