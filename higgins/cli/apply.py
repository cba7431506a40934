"""`higgins apply`: apply a topography file to a cluster."""

import codecs
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, TypeAlias

from cyclopts import Parameter

from higgins.cli.common import DEFAULT_BOOTSTRAP, Bootstrap, Json, complain, print_json, with_cluster
from higgins.cli.topography import apply_text
from higgins.client import Cluster
from higgins.model.errors import Unfit

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
    """Apply a topography file: streams and operators in TOML, as one commit.

    If anything in the file is wrong, nothing is applied, and every error is printed with its line. Applying the same
    file again changes nothing.
    """

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
            print(change)
        print(f"Applied, version {applied.version}." if applied.changes else "Nothing to change.")
        for note in applied.notes:
            print(f"Note: {note}")
        return 0

    return with_cluster(bootstrap, job)


def _read(file: Path) -> str:
    try:
        data = file.read_bytes()
    except OSError as error:
        raise Unfit(f"{file} cannot be read: {error.strerror or error}.") from error
    if len(data) > FILE_BYTES_MAX:
        raise Unfit(f"{file} has {len(data)} bytes; a topography has at most {FILE_BYTES_MAX}.")
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise Unfit(f"{file} is UTF-16 text, as some Windows tools write it. Save it as UTF-8.")
    try:
        # A byte order mark is skipped by the broker.
        return data.decode()
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise Unfit(f"{file}, line {line}: the file is not UTF-8 text. Save it as UTF-8.") from error


def _adoptions(texts: Sequence[str]) -> dict[str, str]:
    adoptions: dict[str, str] = {}
    for text in texts:
        name, equals, start = text.partition("=")
        if not (name and equals and start) or name in adoptions:
            raise Unfit(f"--adopt '{text}' cannot be read. Write STREAM=START once for a stream: --adopt large=latest")
        adoptions[name] = start
    return adoptions
