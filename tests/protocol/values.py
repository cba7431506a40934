"""Random messages from a seed: for any declaration and version, with values for every field that the version has."""

import random
from collections.abc import Callable
from typing import Any

from higgins_protocol.primitives import Kind
from higgins_protocol.schema import ArrayOf, Field, Message, Shape, fields_of

TEXTS = ("", "a", "orders", "größe-₿-🦆", "x" * 126, "y" * 127, "z" * 300)
BITS = {Kind.INT8: 8, Kind.INT16: 16, Kind.INT32: 32, Kind.INT64: 64}

Choose = Callable[[random.Random, Field, Kind], Any]
"""Chooses a value for a primitive field. Other implementations support only some values of some fields."""


def any_value(rng: random.Random, field: Field, kind: Kind) -> Any:
    """Anything the wire can carry, often the limits of its range."""
    match kind:
        case Kind.BOOL:
            return rng.random() < 0.5
        case Kind.UUID:
            return rng.randbytes(16)
        case Kind.STRING:
            return rng.choice(TEXTS)
        case Kind.UINT16:
            return rng.choice((0, 1, 0x7FFF, 0x8000, 0xFFFF))
        case Kind.FLOAT64:
            return rng.choice((0.0, -1.5, 1e300, rng.random()))
        case Kind.BYTES | Kind.RECORDS:
            return rng.randbytes(rng.choice((0, 1, 5, 126, 127, 200)))
    half = 1 << (BITS[kind] - 1)
    return rng.choice((0, -1, 1, half - 1, -half, rng.randrange(-half, half)))


def make(rng: random.Random, message: type[Message], version: int, choose: Choose = any_value) -> Message:
    """A message with values in all fields that this version has, and the defaults in the others."""
    values = {field.name: _field(rng, field, version, choose) for field in fields_of(message) if field.is_in(version)}
    return message(**values)


def _field(rng: random.Random, field: Field, version: int, choose: Choose) -> Any:
    if field.is_nullable(version) and rng.random() < 0.25:
        return None
    if field.is_tagged and rng.random() < 0.3:
        return field.default
    if isinstance(field.shape, ArrayOf):
        return [_value(rng, field, field.shape.element, version, choose) for _ in range(rng.choice((0, 1, 1, 2, 3)))]
    return _value(rng, field, field.shape, version, choose)


def _value(rng: random.Random, field: Field, shape: Shape, version: int, choose: Choose) -> Any:
    if isinstance(shape, Kind):
        return choose(rng, field, shape)
    assert not isinstance(shape, ArrayOf)
    return make(rng, shape, version, choose)
