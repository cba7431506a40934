"""The fixtures that kafka-python 2.0.2's tests ask for and its sdist leaves out, for a broker that runs already.

Refuses to be a broker with authentication: tests of it are skipped.
"""

import os
import re
import uuid
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import pytest
from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer
from kafka.admin import NewTopic

PARTITIONS = 4
"""As many as the tests count on."""


class Broker(NamedTuple):
    host: str
    port: int

    @property
    def bootstrap(self) -> str:
        return f"{self.host}:{self.port}"


Factory = Callable[..., Any]


@pytest.fixture(scope="session")
def kafka_broker() -> Broker:
    host, _, port = os.environ["KAFKA_ADDRESS"].rpartition(":")
    return Broker(host, int(port))


@pytest.fixture
def kafka_broker_factory(kafka_broker: Broker) -> Factory:
    def make(**settings: Any) -> list[Broker]:
        if settings:
            pytest.skip(f"the broker is not started here, so it cannot have {settings}")
        return [kafka_broker]

    return make


def _closing(make: Factory) -> Iterator[Factory]:
    """A factory that closes what it made; the clients do not mind being closed twice."""
    made: list[Any] = []

    def remember(**settings: Any) -> Any:
        made.append(make(**settings))
        return made[-1]

    yield remember
    for client in made:
        client.close()


@pytest.fixture
def topic(kafka_broker: Broker, request: pytest.FixtureRequest) -> str:
    name = f"{re.sub('[^a-zA-Z0-9._-]', '_', request.node.name)}-{uuid.uuid4().hex[:8]}"
    admin = KafkaAdminClient(bootstrap_servers=kafka_broker.bootstrap)
    admin.create_topics([NewTopic(name, PARTITIONS, 1)])
    admin.close()
    return name


@pytest.fixture
def kafka_consumer_factory(kafka_broker: Broker, topic: str) -> Iterator[Factory]:
    def make(**settings: Any) -> KafkaConsumer:
        usual = {"auto_offset_reset": "earliest", "heartbeat_interval_ms": 500}
        return KafkaConsumer(topic, bootstrap_servers=kafka_broker.bootstrap, **(usual | settings))

    yield from _closing(make)


@pytest.fixture
def kafka_producer_factory(kafka_broker: Broker) -> Iterator[Factory]:
    def make(**settings: Any) -> KafkaProducer:
        return KafkaProducer(bootstrap_servers=kafka_broker.bootstrap, **settings)

    yield from _closing(make)


@pytest.fixture
def kafka_consumer(kafka_consumer_factory: Factory) -> KafkaConsumer:
    return kafka_consumer_factory()


@pytest.fixture
def kafka_producer(kafka_producer_factory: Factory) -> KafkaProducer:
    return kafka_producer_factory()


@pytest.fixture
def kafka_admin_client(kafka_broker: Broker) -> Iterator[KafkaAdminClient]:
    admin = KafkaAdminClient(bootstrap_servers=kafka_broker.bootstrap)
    yield admin
    admin.close()


@pytest.fixture
def send_messages(topic: str, kafka_producer: KafkaProducer) -> Factory:
    def send(numbers: range, partition: int = 0) -> list[bytes]:
        """A record for each number, unlike any other; what was sent, once all of it is written."""
        values = [f"{number} {uuid.uuid4()}".encode() for number in numbers]
        sent = [kafka_producer.send(topic, value=value, partition=partition) for value in values]
        kafka_producer.flush()
        for one in sent:
            one.get(timeout=10)
        return values

    return send
