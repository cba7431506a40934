"""The adapter to rdkafka: a driver in Rust, which `run.sh` has built and named in $COMPAT_DRIVER."""

import os

from driver import DrivenClient

MISSING = {"delete_committed": "rdkafka has no call for deleting committed offsets"}


def open_client(bootstrap: str) -> DrivenClient:
    return DrivenClient([os.environ["COMPAT_DRIVER"]], bootstrap, missing=MISSING)
