"""The process that tells one story: `tell.py FOLDER STORY BOOTSTRAP`; `tell.py --list FOLDER` names them all.

Standard library only. Runs in the environment of the client in FOLDER, whose `client.py` has `open_client(bootstrap)`.
A folder of tools, or of a system on top of Kafka, has a `scenarios.py` instead: stories of its own.
What only the harness can do (restart the broker, apply a topography) is asked of it: a line of JSON on standard output,
answered by a line on standard input. Exit code 0 is a pass, 77 a skip with its reason on standard error.
"""

import importlib.util
import os
import sys
import traceback
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import ModuleType

import group_story
import stories
import stories_admin
from port import Admin, Client, Skip
from telling import NEEDS, SCENARIOS, STORIES

EXIT_SKIPPED = 77
assert stories and group_story and stories_admin, "imported for the stories they register"


def load(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"{path.stem}_under_trial", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def names(folder: Path) -> list[str]:
    """The stories of the folder itself where it has some, or those of every client."""
    if not (folder / "scenarios.py").exists():
        return list(STORIES)
    # What lies beside it is imported by its plain name; the names here are taken.
    sys.path.append(str(folder))
    load(folder / "scenarios.py")
    return list(SCENARIOS)


def tell(folder: Path, name: str, bootstrap: str) -> None:
    if name in names(folder) and SCENARIOS:
        SCENARIOS[name](bootstrap)
        return
    client: Client = load(folder / "client.py").open_client(bootstrap)
    missing(client, NEEDS[name], client.missing)
    STORIES[name](client)


def missing(client: Client, needs: Sequence[str], why: Mapping[str, str]) -> None:
    for need in needs:
        if need in why:
            raise Skip(why[need])
        if hasattr(Admin, need) and not hasattr(client, need):
            raise Skip(f"the adapter has no {need}")


def main(folder: str, name: str, bootstrap: str) -> int:
    skipped = ""
    try:
        tell(Path(folder), name, bootstrap)
    except Skip as skip:
        skipped = str(skip)
    except Exception:
        traceback.print_exc()
        return 1
    if skipped:
        # Last of all, behind whatever the client says when it is dropped.
        print(skipped, file=sys.stderr)
        return EXIT_SKIPPED
    return 0


if __name__ == "__main__":
    if sys.argv[1] == "--list":
        print("\n".join(names(Path(sys.argv[2]))))
        sys.exit(0)
    code = main(*sys.argv[1:])
    sys.stderr.flush()
    # Clients leave threads behind that would keep the process; everything that matters has been said.
    os._exit(code)
