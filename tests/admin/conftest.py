"""The use cases of a running broker on a store in memory, called directly, without a wire."""

import pytest

from higgins.admin.admin import Admin
from higgins.admin.topics import NewTopic
from tests.broker.conftest import House, Start, start, store

__all__ = ["admin", "house", "start", "store"]


@pytest.fixture
async def house(start: Start) -> House:
    """A broker with nothing in it but the topic `t` of one partition."""
    running = await start()
    assert running.broker.node is not None
    await running.broker.node.admin.topics.create([NewTopic("t", 1)])
    return running


@pytest.fixture
def admin(house: House) -> Admin:
    """The use cases of that broker."""
    assert house.broker.node is not None
    return house.broker.node.admin
