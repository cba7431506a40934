"""`higgins ping` as it appears in help; run directly, it never comes here."""

from typing import Annotated

from cyclopts import Parameter

from higgins.cli import ping as plain
from higgins.cli.common import DEFAULT_BOOTSTRAP, Bootstrap, Json


def ping(
    *,
    bootstrap: Bootstrap = DEFAULT_BOOTSTRAP,
    timeout: Annotated[float, Parameter(help="Seconds to wait for the answer.")] = plain.TIMEOUT_S,
    json: Json = False,
) -> int:
    """Say by the exit code whether a broker answers: 0 for yes, 1 for no."""
    return plain.ping(["--bootstrap", bootstrap, "--timeout", str(timeout), *(["--json"] if json else [])])
