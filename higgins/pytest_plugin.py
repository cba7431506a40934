"""Fixtures for pytest: a Higgins broker in the test's own process.

pytest loads this on its own wherever Higgins is installed, so it imports nothing of the broker before a test asks for
one. `higgins_broker` is new and empty for each test, `higgins_session_broker` is one for all of them.
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
    """A fault of a broker fails the test in which it was seen, though a shared broker lives on."""
    brokers = [one for name, one in getattr(item, "funcargs", {}).items() if name in FIXTURES]
    try:
        result = yield
    except Exception as error:
        for broker in brokers:
            _note(broker, error)
        raise
    for broker in brokers:
        broker.check()
    return result


def _note(broker: Any, error: BaseException) -> None:
    try:
        broker.check()
    except Exception as fault:
        error.add_note(f"Meanwhile in the broker: {fault}")


@pytest.fixture(scope="session")
def higgins_configs() -> Mapping[str, object]:
    """Kafka's broker configs for every broker of these fixtures, by their names; override it in conftest.py."""
    return {}


@pytest.fixture
def higgins_broker(request: pytest.FixtureRequest, higgins_configs: Mapping[str, object]) -> Iterator[Any]:
    """A `higgins.testing.RunningBroker`, new and empty; `@pytest.mark.higgins(num_partitions=4)` sets it up."""
    from higgins.testing import broker  # noqa: PLC0415 - a suite that asks for no broker must not pay for one

    marker = request.node.get_closest_marker("higgins")
    args, keywords = (marker.args, marker.kwargs) if marker else ((), {})
    with broker(config={**higgins_configs, **(args[0] if args else {})}, **keywords) as running:
        yield running


@pytest.fixture(scope="session")
def higgins_session_broker(higgins_configs: Mapping[str, object]) -> Iterator[Any]:
    """A `higgins.testing.RunningBroker` that all tests share; let each use topics and groups of its own."""
    from higgins.testing import broker  # noqa: PLC0415 - as above

    with broker(config=higgins_configs) as running:
        yield running
