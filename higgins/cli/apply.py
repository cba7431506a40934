"""`higgins apply`: apply a topography file to a cluster."""

from pathlib import Path

from higgins.cli.common import DEFAULT_BOOTSTRAP, Bootstrap, Json, complain, print_json, with_cluster
from higgins.cli.topography import apply_text
from higgins.client import Cluster
from higgins.model.errors import Unfit

FILE_BYTES_MAX = 1 << 20


def apply(file: Path, *, json: Json = False, bootstrap: Bootstrap = DEFAULT_BOOTSTRAP) -> int:
    """Apply a topography file: streams and operators in TOML, as one commit.

    If anything in the file is wrong, nothing is applied, and every error is printed with its line. Applying the same
    file again changes nothing.
    """

    async def job(cluster: Cluster) -> int:
        applied = await apply_text(cluster, _read(file), str(file))
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
        return 0

    return with_cluster(bootstrap, job)


def _read(file: Path) -> str:
    try:
        data = file.read_bytes()
    except OSError as error:
        raise Unfit(f"{file} cannot be read: {error.strerror or error}.") from error
    if len(data) > FILE_BYTES_MAX:
        raise Unfit(f"{file} has {len(data)} bytes; a topography has at most {FILE_BYTES_MAX}.")
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise Unfit(f"{file} is not UTF-8 text.") from error
