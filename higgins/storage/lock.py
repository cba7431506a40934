"""A lock file beside a directory's objects: two processes of this machine cannot be the same node at once."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from higgins.model.errors import Unfit

FOLDER = "nodes"


@contextmanager
def held_lock(root: Path, name: str) -> Iterator[None]:
    """Hold the lock of a node's name while inside. Raises: Unfit when a living process has it."""
    folder = root / FOLDER
    folder.mkdir(exist_ok=True)
    descriptor = os.open(folder / f"{name}.lock", os.O_RDWR | os.O_CREAT, 0o644)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise Unfit(
                f"A node with this id or address ({name}) already runs on {root}. Stop it first, or start this one "
                "with another --listen or --advertise address (and node_id, where set)."
            ) from error
        yield
    finally:
        os.close(descriptor)
