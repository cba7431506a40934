"""Check types: the product strictly, then tests and compat: python -m tests.tidy.types

The clients in compat/ are programs of their own, with modules of the same name in different folders, so mypy checks
them folder by folder.
"""

import os
import subprocess
import sys
from pathlib import Path

from tests.tidy.imports import ROOT

ANNOTATED = ("--config-file", "tests/mypy.ini")
# The folder compat/aiokafka must not be taken for the package of that name.
PROGRAM = (*ANNOTATED, "--no-explicit-package-bases", "--no-namespace-packages")


def runs() -> list[list[str]]:
    """The arguments of each run of mypy."""
    compat = ROOT / "compat"
    shared = [str(path.relative_to(ROOT)) for path in sorted(compat.glob("*.py"))]
    clients = [files for folder in sorted(compat.iterdir()) if (files := _programs(folder))]
    return [[], [*ANNOTATED, "tests", "compat/compare"], *([*PROGRAM, *files] for files in (shared, *clients))]


def _programs(folder: Path) -> list[str]:
    if not folder.is_dir() or folder.name == "compare":
        return []
    return [str(path.relative_to(ROOT)) for path in sorted(folder.glob("*.py"))]


def main() -> int:
    """The number of runs that found errors."""
    failed = 0
    environment = {**os.environ, "MYPYPATH": "compat"}
    for arguments in runs():
        is_program = tuple(arguments[: len(PROGRAM)]) == PROGRAM
        done = subprocess.run(
            [sys.executable, "-m", "mypy", *arguments],
            cwd=ROOT,
            env=environment if is_program else None,
            check=False,
        )
        failed += done.returncode != 0
    return failed


if __name__ == "__main__":
    sys.exit(min(main(), 1))
