"""The whole broker, as the stories of its clients have it."""

from tests.broker.conftest import start, store

__all__ = ["start", "store"]
