"""Our codecs against kio, which is generated from Kafka's definitions: every message and version, both ways."""

import random
import re
from dataclasses import fields as dataclass_fields
from dataclasses import is_dataclass
from datetime import UTC, datetime, timedelta
from importlib import import_module
from io import BytesIO
from typing import Any
from uuid import UUID

import pytest
from kio.serial import entity_reader, entity_writer

from higgins_protocol.primitives import ZERO_UUID, Kind
from higgins_protocol.registry import APIS, PRIVATE
from higgins_protocol.schema import Field, Message, fields_of
from tests.protocol.lanes import LANES, Lane, decode, encode
from tests.protocol.values import any_value, make

VALUES = 6
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MILLISECOND = timedelta(milliseconds=1)

every_lane = pytest.mark.parametrize("lane", [lane for lane in LANES if lane.api_key != PRIVATE], ids=str)


def theirs(lane: Lane) -> Any:
    """kio's class for the same message in the same version."""
    name = APIS[lane.api_key].name
    module = re.sub(r"(?<!^)([A-Z])", r"_\1", name).lower()
    side = "request" if lane.bounded else "response"
    return getattr(import_module(f"kio.schema.{module}.v{lane.version}.{side}"), lane.message.__name__)


def supported_value(rng: random.Random, field: Field, kind: Kind) -> Any:
    """kio has types of its own for times, durations and error codes, with fewer values than the wire."""
    if "error_code" in field.name:
        return rng.randrange(-1, 120)
    if field.name.endswith("_ms") or "timestamp" in field.name:
        return rng.randrange(1, 1 << 30)
    return any_value(rng, field, kind)


def plain(value: Any) -> Any:
    """A kio value as the wire carries it."""
    match value:
        case timedelta():
            return value // MILLISECOND
        case datetime():
            return (value - EPOCH) // MILLISECOND
        case UUID():
            return value.bytes
        case tuple():
            return [plain(item) for item in value]
        case _:
            return value


def assert_same(ours: Message, kio: Any, version: int) -> None:
    names = {field.name for field in dataclass_fields(kio)}
    for field in fields_of(type(ours)):
        if not field.is_in(version):
            continue
        name = field.name if field.name in names else field.name.removesuffix("_ms")
        names.remove(name)
        assert_same_value(getattr(ours, field.name), getattr(kio, name), field, version)
    assert not names, f"kio knows more fields: {names}"


def assert_same_value(ours: Any, kio: Any, field: Field, version: int) -> None:
    if isinstance(ours, list) and ours and isinstance(ours[0], Message):
        assert len(ours) == len(kio)
        for mine, other in zip(ours, kio, strict=True):
            assert_same(mine, other, version)
    elif is_dataclass(kio):
        assert_same(ours, kio, version)
    elif field.shape is Kind.UUID and kio is None:
        assert ours == ZERO_UUID
    else:
        assert plain(kio) == ours, field.name


@every_lane
def test_kio_reads_what_we_write_and_we_read_what_it_writes(lane: Lane) -> None:
    rng = random.Random(f"kio {lane}")
    read, write = entity_reader(theirs(lane)), entity_writer(theirs(lane))
    for _ in range(VALUES):
        message = make(rng, lane.message, lane.version, supported_value)
        body = encode(lane, message)
        entity, size = read(body, 0)
        assert size == len(body)
        assert_same(message, entity, lane.version)
        buffer = BytesIO()
        write(buffer, entity)
        assert decode(lane, buffer.getvalue()) == message
