"""A lock file per node in a directory store: two processes on one machine cannot run as the same node.

A node that joins with the id or address of a live session fences that session, so that a restart never waits for a
timeout. Without this lock, two processes started by mistake with the same address would fence each other for ever. The
lock belongs to the open file, so the kernel releases it however the process ends.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import structlog

from higgins.model.errors import Unfit

log = structlog.get_logger("higgins.storage")

FOLDER = "nodes"


@contextmanager
def held_lock(root: Path, name: str) -> Iterator[None]:
    """Hold the lock of a node name inside the `with` block. Raises: Unfit when another process holds it."""
    folder = root / FOLDER
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        descriptor = os.open(folder / f"{name}.lock", os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        # A full or read-only disk: whoever runs on it only reads, so nobody can be fenced.
        log.warning("store.no_lock", why=f"{error.strerror}: {folder}")
        yield
        return
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise Unfit(
                f"A node with this id or address ({name}) already runs on {root}. Stop it first, or start this node "
                "with another --listen or --advertise address (and another node_id, if it is set)."
            ) from error
        yield
    finally:
        os.close(descriptor)
