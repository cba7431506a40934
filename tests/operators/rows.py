"""Conditions judged over values, as a filter judges them, without a broker."""

from collections.abc import Sequence
from typing import Any

import msgspec

from higgins.columns.columns import Columns
from higgins.columns.decode import Block, Tally, gather, rows, stored
from higgins.operators.expression.compile import compile_condition
from higgins_protocol.records.record import Record, encode_batch

AT_MS = 1_714_566_896_789
"""2024-05-01T12:34:56.789Z, a Wednesday."""


def kept_rows(expression: str, records: Sequence[Record]) -> tuple[list[int], int]:
    """Which records are kept, and how many values were not JSON."""
    selection = compile_condition(expression).select_json(columns_over(records))
    assert not selection.failed, selection.failed
    return selection.rows, selection.not_json


def columns_over(records: Sequence[Record]) -> Columns:
    """The records as one slice."""
    (block,) = gather(stored([encode_batch(records, base_offset=records[0].offset)]))
    assert isinstance(block, Block)
    (columns,) = rows(block, 3, Tally(), rows_max=len(records), bytes_max=1 << 30)
    return columns


def columns_of(values: Sequence[bytes | None]) -> Columns:
    """Values as one slice, from offset 100 on."""
    return columns_over(
        [Record(offset=100 + n, timestamp=AT_MS, key=None, value=value, headers=()) for n, value in enumerate(values)]
    )


def kept(expression: str, documents: Sequence[Any]) -> list[int]:
    """Which documents are kept, by number."""
    values = [document if isinstance(document, bytes) else msgspec.json.encode(document) for document in documents]
    records = [
        Record(offset=100 + n, timestamp=AT_MS, key=None, value=value, headers=()) for n, value in enumerate(values)
    ]
    return kept_rows(expression, records)[0]


def verdict(expression: str, document: Any = None) -> bool | None:
    """What a condition is for one document: true, false or unknown."""
    document = {} if document is None else document
    if kept(expression, [document]):
        return True
    return False if kept(f"not ({expression})", [document]) else None
