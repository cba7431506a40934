"""The adapter to @platformatic/kafka: a driver in JavaScript, which `run.sh` has installed, named in $COMPAT_DRIVER."""

import os
import shlex

from driver import DrivenClient

MISSING: dict[str, str] = {}


def open_client(bootstrap: str) -> DrivenClient:
    return DrivenClient(shlex.split(os.environ["COMPAT_DRIVER"]), bootstrap, missing=MISSING)
