"""What the client commands share: where the broker is, how failures are told, and tables."""

import sys
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Annotated, TypeAlias

import msgspec
import trio
from cyclopts import Parameter

from higgins.client import ClientError, Cluster, Unreachable, connect_tcp, open_cluster
from higgins.client.settings import ClientSettings
from higgins.config.addresses import DEFAULT_PORT, parse_addresses
from higgins.model.errors import HigginsError, Unfit
from higgins.runtime import Runtime

DEFAULT_BOOTSTRAP = f"127.0.0.1:{DEFAULT_PORT}"

Bootstrap: TypeAlias = Annotated[
    str,
    Parameter(
        name=["--bootstrap", "-b"],
        env_var="HIGGINS_BOOTSTRAP",
        help="HOST:PORT of a broker; several with commas.",
        show_default=True,
    ),
]

Json: TypeAlias = Annotated[bool, Parameter(name="--json", negative="", help="Print JSON instead of text.")]

Job: TypeAlias = Callable[[Cluster], Awaitable[int | None]]


def complain(message: str) -> None:
    """A sentence to the person at the terminal."""
    print(f"higgins: {message}", file=sys.stderr)


def with_cluster(bootstrap: str, job: Job) -> int:
    """Run a job as a client of a cluster; returns the exit code, having told of any failure."""
    return run_async(_connected, bootstrap, job)


def run_async(function: Callable[..., Awaitable[int | None]], *arguments: object) -> int:
    """Run an async command; failures that have a sentence are told, all others are ours and leave a trace."""

    async def main() -> int | None:
        return await function(*arguments)

    try:
        return trio.run(main) or 0
    except (HigginsError, ClientError, ValueError) as error:
        complain(str(error))
        return 1
    except BaseExceptionGroup as group:
        if group.split(KeyboardInterrupt)[0] is not None:
            raise KeyboardInterrupt from None
        if group.split(BrokenPipeError)[0] is not None:
            raise BrokenPipeError from None
        raise


async def _connected(bootstrap: str, job: Job) -> int | None:
    try:
        addresses = [(one.host, one.port) for one in parse_addresses(bootstrap)]
    except ValueError as error:
        raise Unfit(f"--bootstrap: {error}") from error
    async with open_cluster(connect_tcp, Runtime(), addresses, ClientSettings(client_id="higgins-cli")) as cluster:
        try:
            await cluster.refresh(())
        except Unreachable as error:
            raise Unfit(f"{error}. Is a broker running there? Start one with: higgins up") from error
        return await job(cluster)


def print_table(header: Sequence[str], rows: Iterable[Sequence[object]], *, json: bool = False) -> None:
    """Columns as wide as they need to be, a dash where there is nothing; or as JSON, an array of objects."""
    if json:
        print_json(objects(header, rows))
        return
    for line in table_lines(header, rows):
        print(line)


def table_lines(header: Sequence[str], rows: Iterable[Sequence[object]]) -> list[str]:
    """The lines of a table, its header first."""
    lines = [list(header), *(["-" if cell is None else str(cell) for cell in row] for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(header))]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines
    ]


def print_json(document: object) -> None:
    """A document on a line of its own."""
    print(msgspec.json.encode(document).decode(), flush=True)


def objects(header: Sequence[str], rows: Iterable[Sequence[object]]) -> list[dict[str, object]]:
    """The rows of a table as objects; a column's name in lower case is its key."""
    keys = [name.lower() for name in header]
    return [dict(zip(keys, row, strict=True)) for row in rows]


def say(sentence: str, document: object, *, json: bool) -> None:
    """What was done, as a sentence or as JSON."""
    if json:
        print_json(document)
    else:
        print(sentence)


def parse_duration(text: str) -> float:
    """Seconds of '20s', '500ms', '2m' or '1h'; infinity of nothing. Raises: ValueError with a sentence."""
    if not text:
        return float("inf")
    for unit, seconds in (("ms", 0.001), ("s", 1.0), ("m", 60.0), ("h", 3600.0)):
        number = text.removesuffix(unit)
        if number != text and number.replace(".", "", 1).isdigit():
            return float(number) * seconds
    raise ValueError(f"'{text}' is not a duration; write one such as 20s, 500ms or 2m.")
