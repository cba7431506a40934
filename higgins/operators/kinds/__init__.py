"""The table of operator kinds: one line each, the module that declares the kind.

A new operator kind is a module here and a line in this table. What is derived from the table: the unions that
specifications and topographies are decoded with, the types that a topography may name, and the keys of each.
"""

from functools import lru_cache, reduce
from importlib import import_module
from operator import or_
from typing import Any

import msgspec

from higgins.model.errors import Corrupt
from higgins.operators.expression.nodes import ExpressionError
from higgins.operators.kind import OperatorKind, Specification
from higgins.operators.operator import Operator

# Names instead of imports, so that a new kind is one line and not two.
MODULES = (
    "filter",
)  # fmt: skip


def _load(module: str) -> OperatorKind:
    kind = import_module(f"{__name__}.{module}").KIND
    assert isinstance(kind, OperatorKind), f"{__name__}.{module}.KIND is not an OperatorKind"
    return kind


KINDS: dict[str, OperatorKind] = {kind.name: kind for kind in map(_load, MODULES)}
"""By name."""


def decode_specification(data: bytes) -> Specification:
    """The specification of an operator. Raises: Corrupt, also for a kind that only a later version knows."""
    try:
        specification: Specification = _decoder(tuple(KINDS.values())).decode(data)
    except msgspec.DecodeError as error:
        raise Corrupt(
            f"This version of Higgins cannot read the specification of an operator: {error}. "
            "A later version has written it; update this node."
        ) from error
    return specification


def open_operator(data: bytes) -> Operator:
    """The operator of an encoded specification. Call it in a thread: it may take milliseconds. Raises: Corrupt."""
    try:
        return decode_specification(data).open()
    except ExpressionError as error:
        raise Corrupt(f"This version of Higgins cannot read the expression of an operator: {error}") from error


@lru_cache(maxsize=4)
def _decoder(kinds: tuple[OperatorKind, ...]) -> msgspec.json.Decoder[Any]:
    return msgspec.json.Decoder(reduce(or_, (kind.specification for kind in kinds)))
