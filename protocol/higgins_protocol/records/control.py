"""Control batches: the markers that end a transaction in a partition (KIP-98). Consumers skip their single record."""

from enum import IntEnum
from struct import Struct

import msgspec

from higgins_protocol.errors import ErrorCode, RecordError
from higgins_protocol.primitives import Buffer
from higgins_protocol.records.batch import CONTROL, TRANSACTIONAL, assemble, read_header
from higgins_protocol.records.record import Record, decode_records, encode_records

_KEY = Struct(">hh")
_VALUE = Struct(">hi")
_VERSION = 0


class Ending(IntEnum):
    """How a transaction ended, by the numbers of the wire."""

    ABORT = 0
    COMMIT = 1


class Marker(msgspec.Struct, frozen=True):
    """The content of a control batch."""

    ending: Ending
    producer_id: int
    producer_epoch: int
    coordinator_epoch: int = 0
    timestamp: int = -1


def encode_marker(marker: Marker, *, base_offset: int = 0, leader_epoch: int = 0) -> bytes:
    """The whole control batch."""
    record = Record(
        timestamp=marker.timestamp,
        key=_KEY.pack(_VERSION, marker.ending),
        value=_VALUE.pack(_VERSION, marker.coordinator_epoch),
    )
    return assemble(
        encode_records([record], marker.timestamp),
        count=1,
        attributes=TRANSACTIONAL | CONTROL,
        base_timestamp=marker.timestamp,
        max_timestamp=marker.timestamp,
        base_offset=base_offset,
        leader_epoch=leader_epoch,
        producer_id=marker.producer_id,
        producer_epoch=marker.producer_epoch,
    )


def decode_marker(batch: Buffer) -> Marker:
    """Decode a control batch. Raises: RecordError for any other batch, and for an unknown type of control record."""
    header = read_header(batch)
    if not header.is_control:
        raise _invalid("this is not a control batch")
    records = decode_records(batch)
    if len(records) != 1:
        raise _invalid(f"a control batch of {len(records)} records")
    key, value = records[0].key or b"", records[0].value or b""
    # Later versions may append fields to key and value.
    if len(key) < _KEY.size or len(value) < _VALUE.size:
        raise _invalid("the control record is cut off")
    _, ending = _KEY.unpack_from(key)
    _, coordinator_epoch = _VALUE.unpack_from(value)
    if ending not in list(Ending):
        raise _invalid(f"a control record of type {ending}")
    return Marker(Ending(ending), header.producer_id, header.producer_epoch, coordinator_epoch, records[0].timestamp)


def _invalid(what: str) -> RecordError:
    return RecordError(ErrorCode.INVALID_RECORD, what)
