"""`higgins apply`: apply a topography file to a cluster."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, TypeAlias

from cyclopts import Parameter

from higgins.cli.common import DEFAULT_BOOTSTRAP, Bootstrap, Json, complain, print_json, with_cluster
from higgins.cli.topography import apply_text
from higgins.client import Cluster
from higgins.config.text_file import read_text
from higgins.model.errors import Unfit
from higgins.telemetry.printable import printable

FILE_BYTES_MAX = 1 << 20


Adopt: TypeAlias = Annotated[
    list[str],
    Parameter(
        name="--adopt",
        negative="",
        help="STREAM=START: its operator goes on writing a topic that exists, and begins in its base at START: latest, "
        "earliest, an offset, or offsets of partitions (0:12,1:7).",
    ),
]


def apply(
    file: Path, *, adopt: Adopt | None = None, json: Json = False, bootstrap: Bootstrap = DEFAULT_BOOTSTRAP
) -> int:
    """Apply a topography file."""

    async def job(cluster: Cluster) -> int:
        applied = await apply_text(cluster, _read(file), str(file), _adoptions(adopt or []))
        if json:
            print_json(applied)
            return int(bool(applied.errors))
        for error in applied.errors:
            complain(f"{file}, line {error.line}: {error.message}" if error.line else f"{file}: {error.message}")
        if applied.errors:
            return 1
        for change in applied.changes:
            print(printable(change))
        print(f"Applied, version {applied.version}." if applied.changes else "Nothing to change.")
        for note in applied.notes:
            print(f"Note: {note}")
        return 0

    return with_cluster(bootstrap, job)


def _read(file: Path) -> str:
    try:
        return read_text(file, FILE_BYTES_MAX)
    except ValueError as error:
        raise Unfit(f"{file}: {error}") from error


def _adoptions(texts: Sequence[str]) -> dict[str, str]:
    adoptions: dict[str, str] = {}
    for text in texts:
        name, equals, start = text.partition("=")
        if not (name and equals and start) or name in adoptions:
            raise Unfit(f"--adopt '{text}' cannot be read. Write STREAM=START once for a stream: --adopt large=latest")
        adoptions[name] = start
    return adoptions
