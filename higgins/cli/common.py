"""What client commands share: the broker's address, error messages, and tables."""

import sys
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Annotated, TypeAlias

import msgspec
import trio
from cyclopts import Parameter

from higgins.cli.io.streams import OutputLost, reason
from higgins.client import ClientError, Cluster, Unreachable, connect_tcp, open_cluster
from higgins.client.settings import ClientSettings
from higgins.config.addresses import DEFAULT_PORT, parse_addresses
from higgins.model.errors import HigginsError, Unfit
from higgins.runtime import Runtime
from higgins.telemetry.printable import printable, printable_json

DEFAULT_BOOTSTRAP = f"127.0.0.1:{DEFAULT_PORT}"
LINE_END = "\n"

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
    # Messages of several lines are ours; a line end in a name has been escaped where the message was made.
    print(f"higgins: {printable(message, keep=LINE_END)}", file=sys.stderr)


def with_cluster(bootstrap: str, job: Job) -> int:
    """Run a job as a client of a cluster. Failures are printed. Returns the exit code."""
    return run_async(_connected, bootstrap, job)


def run_async(function: Callable[..., Awaitable[int | None]], *arguments: object) -> int:
    """Run an async command. Expected failures are printed; any other is a defect and leaves a traceback.

    Raises: OutputLost.
    """

    async def main() -> int | None:
        return await function(*arguments)

    try:
        return trio.run(main) or 0
    except _EXPECTED as error:
        complain(_sentence(error))
        return 1
    except BaseExceptionGroup as group:
        for kind in (KeyboardInterrupt, OutputLost):
            ended_by = _first(group, kind)
            if ended_by is not None:
                raise ended_by from None
        if group.split(_EXPECTED)[1] is None:
            complain(_sentence(_first(group, BaseException)))
            return 1
        raise


_EXPECTED = (HigginsError, ClientError, ValueError, OSError)


def _first(group: BaseExceptionGroup[BaseException], kind: type[BaseException]) -> BaseException | None:
    """The first error of this kind in a group, at any depth."""
    for error in group.exceptions:
        found = _first(error, kind) if isinstance(error, BaseExceptionGroup) else error
        if isinstance(found, kind):
            return found
    return None


def _sentence(error: BaseException | None) -> str:
    if isinstance(error, UnicodeEncodeError):
        return f"{error.object!r} is not valid UTF-8. Names and values on the command line must be."
    if isinstance(error, OSError):
        return f"{f'{error.filename}: ' if error.filename else ''}{reason(error)}."
    return str(error)


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
    lines = [[printable(cell) for cell in header], *(list(map(cell_text, row)) for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(header))]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines
    ]


def cell_text(cell: object) -> str:
    """A cell of a table: a dash where there is nothing."""
    return "-" if cell is None else printable(str(cell))


def print_json(document: object) -> None:
    """A document on a line of its own, in UTF-8 whatever the encoding of standard output is: JSON has no other."""
    sys.stdout.flush()
    sys.stdout.buffer.write(json_line(document, for_terminal=sys.stdout.isatty()))
    sys.stdout.buffer.flush()


def json_line(document: object, *, for_terminal: bool) -> bytes:
    """A document as a line. For a terminal, what would control it is escaped as JSON allows: the value is the same."""
    encoded = msgspec.json.encode(document)
    if for_terminal:
        encoded = printable_json(encoded.decode()).encode()
    return encoded + b"\n"


def objects(header: Sequence[str], rows: Iterable[Sequence[object]]) -> list[dict[str, object]]:
    """The rows of a table as objects. A key is the column's name in lower case."""
    keys = [name.lower() for name in header]
    return [dict(zip(keys, row, strict=True)) for row in rows]


def say(sentence: str, document: object, *, json: bool, notes: Sequence[str] = ()) -> None:
    """Print what was done, as a sentence or as JSON. `notes` follow the sentence, each on a line."""
    if json:
        print_json(document)
    else:
        print("\n".join([printable(sentence), *(f"  {printable(one)}" for one in notes)]))
