"""`higgins produce`: write lines of standard input as records."""

import base64
import os
import sys
from collections import deque
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing
from typing import Annotated, Literal

import msgspec
from cyclopts import Parameter

from higgins.cli.common import DEFAULT_BOOTSTRAP, Bootstrap, complain, with_cluster
from higgins.cli.progress import Progress
from higgins.cli.stdin import part_read, read_lines
from higgins.client import Cluster, Producer, ProducerSettings, SendResult, Stored, open_producer
from higgins.model.errors import Unfit
from higgins.model.future import Future
from higgins_protocol.records.compression import Codec

LINE_BYTES_MAX = 16 << 20
DELIVERIES_MAX = 100_000
FAILURES_SHOWN_MAX = 10
STDIN = 0


class Line(msgspec.Struct, forbid_unknown_fields=True):
    """A record in the format of `--json`. A value that is not a string is written as JSON; null is a tombstone."""

    value: msgspec.Raw = msgspec.Raw(b"null")
    key: msgspec.Raw = msgspec.Raw(b"null")
    value_base64: str | None = None
    key_base64: str | None = None
    headers: dict[str, str | None] | list[tuple[str, str | None]] = msgspec.field(default_factory=dict)
    partition: int | None = None
    timestamp: int | None = None
    topic: str | None = None
    offset: int | None = None


class Draft(msgspec.Struct, frozen=True):
    """A record to send."""

    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes | None], ...]
    partition: int | None
    timestamp_ms: int | None


def produce(
    topic: str,
    *,
    key_separator: Annotated[
        str | None, Parameter(name=["--key-separator", "-K"], help="Separator of key and value in a line.")
    ] = None,
    header: Annotated[
        Sequence[str], Parameter(name=["--header", "-H"], help="NAME=VALUE for every record; may be repeated.")
    ] = (),
    json: Annotated[
        bool,
        Parameter(
            negative="",
            help='Each line is {"key": …, "value": …, "headers": {…}, "partition": …, "timestamp": …}; all optional.',
        ),
    ] = False,
    partition: Annotated[
        int | None, Parameter(name=["--partition", "-p"], help="Write to this partition only.")
    ] = None,
    compression: Annotated[
        Literal["none", "gzip", "snappy", "lz4", "zstd"], Parameter(name=["--compression", "-z"])
    ] = "none",
    acks: Annotated[Literal["all", "1", "0"], Parameter(help="Which acknowledgement to wait for.")] = "all",
    create: Annotated[bool, Parameter(help="Create the topic if it does not exist.")] = True,
    bootstrap: Bootstrap = DEFAULT_BOOTSTRAP,
) -> int:
    """Write each line of standard input as a record.

    The exit code is 0 if every record was stored. Records are sent as they arrive, the last ones when the input ends.
    """
    settings = ProducerSettings(
        acks={"all": -1, "1": 1, "0": 0}[acks],  # type: ignore[arg-type]  # mypy does not see the literals
        idempotent=acks == "all",
        linger_ms=5,
        codec=Codec[compression.upper()],
    )

    async def job(cluster: Cluster) -> int:
        fixed = _headers(header)
        await cluster.topic(topic, create=create)
        report = Report()
        async with open_producer(cluster, settings) as producer, aclosing(read_lines(STDIN, LINE_BYTES_MAX)) as lines:
            drafts = _drafts(lines, json, key_separator, fixed, partition)
            with Progress(lambda: part_read(STDIN), shares_terminal=os.isatty(STDIN)) as progress:
                error = await _send_all(producer, topic, drafts, report, progress)
            await producer.flush()
        if error is not None:
            complain(str(error))
        return report.finish() or int(error is not None)

    return with_cluster(bootstrap, job)


class Report:
    """Counts stored records and prints failures. Its memory is bounded: settled deliveries are dropped."""

    def __init__(self) -> None:
        self.deliveries: deque[Future[SendResult]] = deque()
        self._stored = 0
        self._failed = 0

    def settle(self) -> None:
        """Count the deliveries at the front that are settled."""
        while self.deliveries and self.deliveries[0].is_done:
            self._count(self.deliveries.popleft().result())

    def finish(self) -> int:
        """Print the totals to standard error, and return the exit code."""
        self.settle()
        assert not self.deliveries
        if sys.stderr.isatty() or self._failed:
            failed = f"; {self._failed} failed or of unknown outcome" if self._failed else ""
            print(f"{self._stored} records stored{failed}", file=sys.stderr)
        return 1 if self._failed else 0

    def _count(self, result: SendResult) -> None:
        if isinstance(result, Stored):
            self._stored += 1
            return
        self._failed += 1
        if self._failed <= FAILURES_SHOWN_MAX:
            complain(f"{type(result).__name__} in {result.topic} [{result.partition}]: {result.message}")


async def _send_all(
    producer: Producer, topic: str, drafts: AsyncIterator[Draft], report: Report, progress: Progress
) -> Unfit | None:
    """Send until the input ends, or up to the first line that is not a record. Returns the error of that line."""
    try:
        async for one in drafts:
            delivery = await producer.send(
                topic,
                one.value,
                key=one.key,
                headers=one.headers,
                partition=one.partition,
                timestamp_ms=one.timestamp_ms,
            )
            report.deliveries.append(delivery)
            if len(report.deliveries) >= DELIVERIES_MAX:
                await report.deliveries[0].wait()
            report.settle()
            progress.advance(1)
    except Unfit as error:
        return error
    return None


async def _drafts(
    lines: AsyncIterator[bytes],
    json: bool,
    separator: str | None,
    fixed: tuple[tuple[str, bytes | None], ...],
    partition: int | None,
) -> AsyncIterator[Draft]:
    number = 0
    async for line in lines:
        number += 1
        if json:
            if line.strip():
                yield record_from_json(line, number, fixed, partition)
        else:
            yield record_from_text(line, number, separator, fixed, partition)


def record_from_text(
    line: bytes,
    number: int,
    separator: str | None,
    fixed: tuple[tuple[str, bytes | None], ...],
    partition: int | None,
) -> Draft:
    """A record from a line: its value, or with a separator its key and value. Raises: Unfit with the line's number."""
    if separator is None:
        return Draft(None, line, fixed, partition, None)
    key, present, value = line.partition(separator.encode())
    if not present:
        raise Unfit(f"Line {number} has no key separator '{separator}'. The lines before it were sent.")
    return Draft(key, value, fixed, partition, None)


def record_from_json(
    line: bytes, number: int, fixed: tuple[tuple[str, bytes | None], ...], partition: int | None
) -> Draft:
    """A record from a line of JSON. Its headers follow the fixed ones. Raises: Unfit with the line's number."""
    try:
        one = msgspec.json.decode(line, type=Line)
        pairs = one.headers.items() if isinstance(one.headers, dict) else one.headers
        own = tuple((name, None if value is None else value.encode()) for name, value in pairs)
        return Draft(
            _bytes(one.key, one.key_base64),
            _bytes(one.value, one.value_base64),
            fixed + own,
            one.partition if partition is None else partition,
            one.timestamp,
        )
    except (msgspec.DecodeError, ValueError) as error:
        raise Unfit(f"Line {number} is not a record in JSON: {error}. The lines before it were sent.") from error


def _bytes(value: msgspec.Raw, encoded: str | None) -> bytes | None:
    if encoded is not None:
        return base64.b64decode(encoded, validate=True)
    decoded = msgspec.json.decode(value)
    if decoded is None:
        return None
    return decoded.encode() if isinstance(decoded, str) else bytes(value)


def _headers(pairs: Sequence[str]) -> tuple[tuple[str, bytes | None], ...]:
    headers: list[tuple[str, bytes | None]] = []
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals or not name:
            raise Unfit(f"--header {pair}: write NAME=VALUE.")
        headers.append((name, os.fsencode(value)))
    return tuple(headers)
