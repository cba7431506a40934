"""How this program is started again, as a command that can be copied into another terminal."""

import shlex
import shutil
import sys
from pathlib import Path


def own_command() -> str:
    """`higgins` if a shell finds this program under that name, otherwise the path of the program.

    A virtual environment is usually active in one terminal only, and its program can be run by its path from any.
    """
    program = Path(sys.argv[0])
    if program.name != "higgins":
        return f"{shlex.quote(sys.executable)} -m higgins"
    found = shutil.which("higgins")
    if found is not None and Path(found).resolve() == program.resolve():
        return "higgins"
    return shlex.quote(str(program.absolute()))
