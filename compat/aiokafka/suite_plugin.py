"""What aiokafka's tests do with docker, for a broker that runs already: nothing.

They start Kafka in a container, make certificates and keytabs in it and call Kafka's scripts there. The stand-in takes
all of that and does none of it, and the tests are given the address of the broker instead of the container's.
"""

import os
import sys
from types import ModuleType, SimpleNamespace
from typing import Any


class Container:
    """Says of everything that it went well."""

    def exec_run(self, *command: Any, **settings: Any) -> tuple[int, bytes]:
        return 0, b""

    def stop(self) -> None:
        pass

    def remove(self, **settings: Any) -> None:
        pass


def _docker() -> SimpleNamespace:
    return SimpleNamespace(
        images=SimpleNamespace(pull=lambda image: None),
        containers=SimpleNamespace(run=lambda **settings: Container()),
        close=lambda: None,
    )


def _pretend_docker() -> None:
    module = ModuleType("docker")
    containers = SimpleNamespace(Container=Container)
    vars(module).update(from_env=_docker, models=SimpleNamespace(containers=containers))
    sys.modules["docker"] = module


def pytest_collection_finish() -> None:
    host, _, port = os.environ["KAFKA_ADDRESS"].rpartition(":")
    conftest, testutil = vars(sys.modules["tests.conftest"]), vars(sys.modules["tests._testutil"])
    server = conftest["KafkaServer"]
    conftest["KafkaServer"] = lambda _host, _port, *rest: server(host, int(port), *rest)
    conftest["wait_kafka"] = lambda *address, **patience: True
    testutil["KerberosUtils"].create_keytab = lambda self, *names, **more: None


_pretend_docker()
