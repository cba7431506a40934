"""What client commands share: the broker's address, error messages, and tables."""

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
    """Print an error message to standard error."""
    print(f"higgins: {message}", file=sys.stderr)


def with_cluster(bootstrap: str, job: Job) -> int:
    """Run a job as a client of a cluster. Failures are printed. Returns the exit code."""
    return run_async(_connected, bootstrap, job)


def run_async(function: Callable[..., Awaitable[int | None]], *arguments: object) -> int:
    """Run an async command. Expected failures are printed; any other is a defect and leaves a traceback."""

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
    """A table on a terminal; plain columns in a pipe; or JSON, an array of objects."""
    if json:
        print_json(objects(header, rows))
    elif sys.stdout.isatty():
        # rich takes 50 ms to import, which commands in scripts need not wait for.
        from higgins.cli.terminal import console_of, table_of  # noqa: PLC0415

        console_of().print(table_of(header, rows))
    else:
        for line in table_lines(header, rows):
            print(line)


def table_lines(header: Sequence[str], rows: Iterable[Sequence[object]]) -> list[str]:
    """A table as plain lines, the header first: columns as wide as they need to be, a dash where there is nothing."""
    lines = [list(header), *(["-" if cell is None else str(cell) for cell in row] for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(header))]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines
    ]


def print_json(document: object) -> None:
    """A document on a line of its own."""
    print(msgspec.json.encode(document).decode(), flush=True)


def objects(header: Sequence[str], rows: Iterable[Sequence[object]]) -> list[dict[str, object]]:
    """The rows of a table as objects. A key is the column's name in lower case."""
    keys = [name.lower() for name in header]
    return [dict(zip(keys, row, strict=True)) for row in rows]


def say(sentence: str, document: object, *, json: bool) -> None:
    """Print what was done, as a sentence or as JSON."""
    if json:
        print_json(document)
    else:
        print(sentence)


def parse_duration(text: str) -> float:
    """Seconds in '20s', '500ms', '2m' or '1h'; infinity for ''. Raises: ValueError with a message."""
    if not text:
        return float("inf")
    for unit, seconds in (("ms", 0.001), ("s", 1.0), ("m", 60.0), ("h", 3600.0)):
        number = text.removesuffix(unit)
        if number != text and number.replace(".", "", 1).isdigit():
            return float(number) * seconds
    raise ValueError(f"'{text}' is not a duration; write one such as 20s, 500ms or 2m.")
