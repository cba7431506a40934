"""The adapter to KafkaJS: a driver in JavaScript, which `run.sh` has installed and named in $COMPAT_DRIVER."""

import os
import shlex

from driver import DrivenClient

MISSING = {
    "delete_committed": "KafkaJS has no call for deleting committed offsets",
    "moving-leaders": "KafkaJS drops what it had for a node when its partitions move to one that has answered already",
}


def open_client(bootstrap: str) -> DrivenClient:
    return DrivenClient(shlex.split(os.environ["COMPAT_DRIVER"]), bootstrap, missing=MISSING)
