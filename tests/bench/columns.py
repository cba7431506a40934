"""Microseconds per record of a filter: batch to columns, JSON, predicate, output batch. Run by hand."""

import json
import statistics
import time

from higgins.columns.decode import Block, Tally, gather, rows, stored
from higgins.operators.kinds.filter import FilterSpecification
from higgins.operators.output import Output
from higgins_protocol.records.record import Record, encode_batch

RECORDS = 9_000
EXPRESSIONS = (
    "qty > 5",
    "qty > 5 and country = 'NL'",
    "qty * price > 100",
    "country in ('NL', 'BE') and note like '%x%'",
    "$key = 'NL'",
)


def some_batch() -> bytes:
    return encode_batch(
        [
            Record(
                offset=number,
                timestamp=1_700_000_000_000 + number // 7,
                key=b"NL",
                value=json.dumps(
                    {"id": number, "qty": number % 10, "country": "NL", "price": number % 97 + 0.5, "note": "x" * 40},
                    separators=(",", ":"),
                ).encode(),
                headers=(),
            )
            for number in range(RECORDS)
        ]
    )


def main() -> None:
    batch = memoryview(some_batch())
    for expression in EXPRESSIONS:
        operator = FilterSpecification(where=expression, format="json").open()
        elapsed_us = []
        for _ in range(30):
            start = time.perf_counter()
            output = Output()
            for block in gather(stored([batch])):
                assert isinstance(block, Block)
                for columns in rows(block, 0, Tally()):
                    operator.process(0, columns, output)
            output.finish()
            elapsed_us.append((time.perf_counter() - start) / RECORDS * 1e6)
        print(f"{statistics.median(elapsed_us):6.2f} us per record  (best {min(elapsed_us):.2f})  {expression}")


if __name__ == "__main__":
    main()
