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
from higgins.cli.io.stdin import part_read, read_lines
from higgins.cli.io.streams import STDIN
from higgins.cli.progress import Progress
from higgins.cli.text.escapes import unescaped
from higgins.cli.text.start import NUMBER_MAX
from higgins.client import (
    ClientError,
    Cluster,
    NotStored,
    Producer,
    ProducerSettings,
    SendResult,
    Stored,
    Unresolved,
    open_producer,
)
from higgins.model.errors import Unfit
from higgins.model.future import Future
from higgins.model.words import counted
from higgins_protocol.records.compression import Codec

LINE_BYTES_MAX = 16 << 20
DELIVERIES_MAX = 100_000
FAILURES_SHOWN_MAX = 10


class Base64(msgspec.Struct, forbid_unknown_fields=True):
    """Bytes that are not text, in a header's name or value."""

    base64: str


class Line(msgspec.Struct, forbid_unknown_fields=True):
    """A record in the format of `--json`. A value that is not a string is written as JSON; null is a tombstone."""

    value: msgspec.Raw = msgspec.Raw(b"null")
    key: msgspec.Raw = msgspec.Raw(b"null")
    value_base64: str | None = None
    key_base64: str | None = None
    headers: dict[str, str | Base64 | None] | list[tuple[str | Base64, str | Base64 | None]] = msgspec.field(
        default_factory=dict
    )
    partition: int | None = None
    timestamp: int | None = None
    topic: str | None = None
    offset: int | None = None


class Draft(msgspec.Struct, frozen=True):
    """A record to send, and the number of its line."""

    number: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes | None], ...]
    partition: int | None
    timestamp_ms: int | None


def produce(
    topic: str,
    *,
    key_separator: Annotated[
        str | None,
        Parameter(
            name=["--key-separator", "-K"],
            allow_leading_hyphen=True,
            help="Separator of key and value in a line; \\t, \\n, \\r, \\0 and \\xHH are escapes.",
        ),
    ] = None,
    header: Annotated[
        Sequence[str], Parameter(name=["--header", "-H"], help="NAME=VALUE for every record; may be repeated.")
    ] = (),
    json: Annotated[
        bool,
        Parameter(
            negative="",
            help='Each line is {"key": …, "value": …, "headers": {…}, "partition": …, "timestamp": …}; all optional. '
            "consume --json prints this form.",
        ),
    ] = False,
    partition: Annotated[
        int | None, Parameter(name=["--partition", "-p"], help="Write to this partition only.")
    ] = None,
    compression: Annotated[
        Literal["none", "gzip", "snappy", "lz4", "zstd"],
        Parameter(name=["--compression", "-z"], help="How batches are compressed."),
    ] = "none",
    acks: Annotated[Literal["all", "1", "0"], Parameter(help="Which acknowledgement to wait for.")] = "all",
    create: Annotated[
        bool, Parameter(negative="--no-create", help="Create the topic if it does not exist; --no-create refuses it.")
    ] = True,
    bootstrap: Bootstrap = DEFAULT_BOOTSTRAP,
) -> int:
    """Write each line of standard input as a record."""
    settings = ProducerSettings(
        acks={"all": -1, "1": 1, "0": 0}[acks],  # type: ignore[arg-type]  # mypy does not see the literals
        idempotent=acks == "all",
        linger_ms=5,
        codec=Codec[compression.upper()],
    )

    async def job(cluster: Cluster) -> int:
        if json and key_separator is not None:
            raise Unfit("--json and --key-separator cannot be used together: a line of JSON has a \"key\".")
        separator, fixed = _separator(key_separator), _headers(header)
        await cluster.topic(topic, create=create)
        report = Report()
        async with open_producer(cluster, settings) as producer, aclosing(read_lines(STDIN, LINE_BYTES_MAX)) as lines:
            drafts = _drafts(lines, json, separator, fixed, partition)
            with Progress(lambda: part_read(STDIN), shares_terminal=os.isatty(STDIN)) as progress:
                error = await _send_all(producer, topic, drafts, report, progress)
            await producer.flush()
        return report.finish(error)

    return with_cluster(bootstrap, job)


class Report:
    """Counts stored records and prints failures. Its memory is bounded: settled deliveries are dropped."""

    def __init__(self) -> None:
        self.deliveries: deque[tuple[int, Future[SendResult]]] = deque()
        """The number of each line, and its result."""
        self._stored = 0
        self._failed = 0

    def settle(self) -> None:
        """Count the deliveries at the front that are settled."""
        while self.deliveries and self.deliveries[0][1].is_done:
            number, result = self.deliveries.popleft()
            self._count(number, result.result())

    def finish(self, error: str | None) -> int:
        """Print the totals to standard error, and return the exit code. `error` is why the input was not read on."""
        self.settle()
        assert not self.deliveries
        if error is not None:
            complain(error)
        if sys.stderr.isatty() or self._failed or error is not None:
            failed = f"; {self._failed} not stored, or not known to be" if self._failed else ""
            print(f"{counted(self._stored, 'record')} stored{failed}", file=sys.stderr)
        return int(bool(self._failed) or error is not None)

    def _count(self, number: int, result: SendResult) -> None:
        if isinstance(result, Stored):
            self._stored += 1
            return
        self._failed += 1
        if self._failed <= FAILURES_SHOWN_MAX:
            complain(f"Line {number} {_failure(result)}")


def _failure(result: NotStored | Unresolved) -> str:
    place = f"{result.topic} [{result.partition}]"
    if isinstance(result, Unresolved):
        return f"may or may not be stored in {place}: {result.message}"
    return f"is not stored in {place}: {result.message or 'the broker refuses it'} ({result.code.name})"


async def _send_all(
    producer: Producer, topic: str, drafts: AsyncIterator[Draft], report: Report, progress: Progress
) -> str | None:
    """Send until the input ends, or up to the first line that cannot be sent. Returns why that one cannot."""
    try:
        async for one in drafts:
            try:
                delivery = await producer.send(
                    topic,
                    one.value,
                    key=one.key,
                    headers=one.headers,
                    partition=one.partition,
                    timestamp_ms=one.timestamp_ms,
                )
            except ClientError as error:
                return f"Line {one.number} cannot be sent: {error}"
            report.deliveries.append((one.number, delivery))
            if len(report.deliveries) >= DELIVERIES_MAX:
                await report.deliveries[0][1].wait()
            report.settle()
            progress.advance(1)
    except Unfit as error:
        return str(error)
    return None


async def _drafts(
    lines: AsyncIterator[bytes],
    json: bool,
    separator: bytes | None,
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
    separator: bytes | None,
    fixed: tuple[tuple[str, bytes | None], ...],
    partition: int | None,
) -> Draft:
    """A record from a line: its value, or with a separator its key and value. Raises: Unfit with the line's number."""
    if separator is None:
        return Draft(number, None, line, fixed, partition, None)
    key, present, value = line.partition(separator)
    if not present:
        raise Unfit(f"Line {number} has no key separator {separator.decode(errors='backslashreplace')!r}.")
    return Draft(number, key, value, fixed, partition, None)


def record_from_json(
    line: bytes, number: int, fixed: tuple[tuple[str, bytes | None], ...], partition: int | None
) -> Draft:
    """A record from a line of JSON. Its headers follow the fixed ones. Raises: Unfit with the line's number."""
    try:
        one = msgspec.json.decode(line, type=Line)
        pairs = one.headers.items() if isinstance(one.headers, dict) else one.headers
        # A name that is not UTF-8 is a string with surrogate escapes everywhere in the client.
        own = tuple((_plain(name).decode(errors="surrogateescape"), _plain_or_none(value)) for name, value in pairs)
        if one.timestamp is not None and not -NUMBER_MAX <= one.timestamp <= NUMBER_MAX:
            raise ValueError(f"timestamp {one.timestamp} is out of range")
        return Draft(
            number,
            _bytes("key", one.key, one.key_base64),
            _bytes("value", one.value, one.value_base64),
            fixed + own,
            one.partition if partition is None else partition,
            one.timestamp,
        )
    except RecursionError as error:
        raise Unfit(f"Line {number} is not a record in JSON: its arrays or objects are nested too deeply.") from error
    except (msgspec.DecodeError, ValueError) as error:
        raise Unfit(f"Line {number} is not a record in JSON: {error}.") from error


def _bytes(name: str, value: msgspec.Raw, encoded: str | None) -> bytes | None:
    if encoded is not None:
        if bytes(value) != b"null":
            raise ValueError(f"it has both `{name}` and `{name}_base64`")
        return base64.b64decode(encoded, validate=True)
    decoded = msgspec.json.decode(value)
    if decoded is None:
        return None
    return decoded.encode() if isinstance(decoded, str) else bytes(value)


def _plain(text: str | Base64) -> bytes:
    return base64.b64decode(text.base64, validate=True) if isinstance(text, Base64) else text.encode()


def _plain_or_none(text: str | Base64 | None) -> bytes | None:
    return None if text is None else _plain(text)


def _separator(text: str | None) -> bytes | None:
    """The bytes between key and value. Raises: ValueError."""
    if text is None:
        return None
    try:
        separator = unescaped(text)
    except ValueError as error:
        raise ValueError(f"--key-separator {text}: {error}") from None
    if not separator:
        raise ValueError("--key-separator: give at least one character, such as : or \\t.")
    return separator


def _headers(pairs: Sequence[str]) -> tuple[tuple[str, bytes | None], ...]:
    headers: list[tuple[str, bytes | None]] = []
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals or not name:
            raise Unfit(f"--header {pair}: write NAME=VALUE.")
        headers.append((name, os.fsencode(value)))
    return tuple(headers)
