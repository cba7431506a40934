"""The adapter to librdkafka: a driver in C, which `run.sh` has built and named in $COMPAT_DRIVER."""

import os

from driver import DrivenClient


def open_client(bootstrap: str) -> DrivenClient:
    return DrivenClient([os.environ["COMPAT_DRIVER"]], bootstrap, missing={})
