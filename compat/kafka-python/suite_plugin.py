"""What kafka-python's integration tests need that its sdist leaves out, and what they should ask of any broker.

The module that starts Kafka is missing there, and not needed where a broker runs already. The tests tell their clients
which release of Kafka they meet; here the clients ask the broker, as they do in the hands of their users.
"""

import sys
from types import ModuleType
from typing import Any


class ExternalService:
    """A broker that was started by somebody else."""

    def __init__(self, host: str, port: int) -> None:
        self.host = host
        self.port = port

    def dump_logs(self) -> None:
        pass

    def stop(self) -> None:
        pass


class SpawnedService:
    """A broker with settings of its own, which only Kafka's own scripts could start."""

    def __init__(self, args: list[str], env: dict[str, str]) -> None:
        raise RuntimeError("these tests need a Kafka that they start themselves")


def _pretend_service() -> None:
    module = ModuleType("test.service")
    vars(module).update(ExternalService=ExternalService, SpawnedService=SpawnedService)
    sys.modules["test.service"] = module


def pytest_collection_finish() -> None:
    fixture = vars(sys.modules["test.integration.fixtures"])["KafkaFixture"]
    with_release = fixture._enrich_client_params

    def without_release(self: Any, params: dict[str, Any], **defaults: Any) -> dict[str, Any]:
        enriched: dict[str, Any] = with_release(self, params, **defaults)
        enriched.pop("api_version", None)
        return enriched

    fixture._enrich_client_params = without_release


_pretend_service()
