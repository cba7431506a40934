"""The adapter to kafka-go: a driver in Go, which `run.sh` has built and named in $COMPAT_DRIVER."""

import os

from driver import DrivenClient

MISSING = {
    "idempotence": "kafka-go has no idempotent producer",
    "delete_records": "kafka-go has no call for deleting records",
}


def open_client(bootstrap: str) -> DrivenClient:
    return DrivenClient([os.environ["COMPAT_DRIVER"]], bootstrap, missing=MISSING)
