"""The adapter to @confluentinc/kafka-javascript: a driver in JavaScript,
which `run.sh` has installed and named in $COMPAT_DRIVER."""

import os
import shlex

from driver import DrivenClient

MISSING = {
    "describe_configs": "the library has no calls for configs",
    "alter_configs": "the library has no calls for configs",
    "commit_for": "the library has no call for setting the offsets of a group",
    "delete_committed": "the library has no call for deleting committed offsets",
}


def open_client(bootstrap: str) -> DrivenClient:
    return DrivenClient(shlex.split(os.environ["COMPAT_DRIVER"]), bootstrap, missing=MISSING)
