"""The log events of a broker in a test: kept for the test, and passed to Python's logging instead of standard output.

The broker logs with structlog, whose configuration is global, and the program under test may use structlog as well. So
structlog is not reconfigured: a processor is added while the broker runs. It takes the events that were logged in the
broker's thread and lets all others pass.
"""

import logging
import sys
from collections import deque
from collections.abc import Callable, MutableMapping
from typing import Any, TypeAlias

import structlog

EVENTS_MAX = 1_000
ERRORS_MAX = 20

Event: TypeAlias = MutableMapping[str, Any]

_LOGGER = logging.getLogger("higgins")
_LEVELS = {"warn": "warning", "exception": "error", "err": "error"}


class Events:
    """The last events of one broker, and the first errors among them."""

    def __init__(self, is_broker_thread: Callable[[], bool]) -> None:
        self._is_broker_thread = is_broker_thread
        self.last: deque[dict[str, Any]] = deque(maxlen=EVENTS_MAX)
        self.errors: list[dict[str, Any]] = []

    def __enter__(self) -> "Events":
        # Changed in place: loggers that were used before keep a reference to this list.
        structlog.get_config()["processors"].insert(0, self._take)
        return self

    def __exit__(self, *_: object) -> None:
        processors = structlog.get_config()["processors"]
        if self._take in processors:
            processors.remove(self._take)

    def _take(self, logger: object, method: str, event: Event) -> Event:
        if not self._is_broker_thread():
            return event
        level = _LEVELS.get(method, method)
        error = _exception_of(event.get("exc_info"))
        kept = {**event, "level": level, **({"exc_info": error} if error is not None else {})}
        self.last.append(kept)
        if level in {"error", "critical"} and len(self.errors) < ERRORS_MAX:
            self.errors.append(kept)
        _LOGGER.log(logging.getLevelNamesMapping()[level.upper()], describe(kept), exc_info=error)
        raise structlog.DropEvent


def _exception_of(exc_info: object) -> BaseException | None:
    """The exception of an event. As in Python's logging, `exc_info=True` means the one that is being handled."""
    if exc_info is True:
        return sys.exception()
    return exc_info if isinstance(exc_info, BaseException) else None


def describe(event: Event) -> str:
    """An event as one line of text: its name, then its fields."""
    fields = [f"{name}={value!r}" for name, value in event.items() if name not in {"event", "level", "exc_info"}]
    return " ".join([str(event.get("event", "")), *fields])
