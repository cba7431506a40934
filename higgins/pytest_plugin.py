"""Pytest fixtures with a Higgins broker: `higgins_broker`, new for each test, and `higgins_session_broker`, shared.

Pytest loads this plugin in every test suite of an environment where Higgins is installed. So nothing else of Higgins is
imported before a test uses a fixture.
"""

from collections.abc import Generator, Iterator, Mapping
from typing import Any

import pytest

MARKER = "higgins(config, **configs): Kafka's broker configs for higgins_broker, such as num_partitions=4."

FIXTURES = frozenset({"higgins_broker", "higgins_session_broker"})


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", MARKER)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, object, object]:
    """Fail the test during which a broker logged an error.

    The shared broker is stopped only at the end of the session, too late to say which test caused the error.
    """
    brokers = [value for name, value in getattr(item, "funcargs", {}).items() if name in FIXTURES]
    try:
        result = yield
    except Exception as error:
        for broker in brokers:
            _add_note(broker, error)
        raise
    for broker in brokers:
        broker.check()
    return result


def _add_note(broker: Any, error: BaseException) -> None:
    try:
        broker.check()
    except Exception as broker_error:
        error.add_note(f"Meanwhile in the broker: {broker_error}")


@pytest.fixture(scope="session")
def higgins_configs() -> Mapping[str, object]:
    """Kafka's broker configs, by name, for the brokers of both fixtures. Override this fixture in conftest.py."""
    return {}


@pytest.fixture
def higgins_broker(request: pytest.FixtureRequest, higgins_configs: Mapping[str, object]) -> Iterator[Any]:
    """A new, empty `higgins.testing.RunningBroker`; `@pytest.mark.higgins(num_partitions=4)` sets its configs."""
    from higgins.testing import broker  # noqa: PLC0415 - see the module's docstring

    marker = request.node.get_closest_marker("higgins")
    args, keywords = (marker.args, marker.kwargs) if marker else ((), {})
    with broker(config={**higgins_configs, **(args[0] if args else {})}, **keywords) as running:
        yield running


@pytest.fixture(scope="session")
def higgins_session_broker(higgins_configs: Mapping[str, object]) -> Iterator[Any]:
    """A `higgins.testing.RunningBroker` that all tests share; each should use its own topics and groups."""
    from higgins.testing import broker  # noqa: PLC0415 - as above

    with broker(config=higgins_configs) as running:
        yield running
