"""`higgins ping` for the table of commands and its help. `higgins.__main__` runs it without this module."""

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
    """Check whether a broker answers, and whether its store does.

    The exit code is 0 if both do, 1 if the broker does not answer, and 3 if it answers while its store fails.
    """
    return plain.ping(["--bootstrap", bootstrap, "--timeout", str(timeout), *(["--json"] if json else [])])
