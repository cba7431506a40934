"""What a broker in a test logs: kept, handed to Python's own logging, and hidden from the test's standard output.

Only what is logged in the broker's thread is taken; a program under test that uses structlog itself sees its own events
as ever. Nothing is configured, so nothing is left behind.
"""

import logging
import sys
from collections import deque
from collections.abc import Callable, MutableMapping
from typing import Any, TypeAlias

import structlog

EVENTS_MAX = 1_000
FAULTS_MAX = 20

Event: TypeAlias = MutableMapping[str, Any]

_LOGGER = logging.getLogger("higgins")
_LEVELS = {"warn": "warning", "exception": "error", "err": "error"}


class Events:
    """The last events of one broker, and the first of those that should never be: its faults."""

    def __init__(self, is_ours: Callable[[], bool]) -> None:
        self._is_ours = is_ours
        self.last: deque[dict[str, Any]] = deque(maxlen=EVENTS_MAX)
        self.faults: list[dict[str, Any]] = []

    def __enter__(self) -> "Events":
        # In place, because loggers that were used before hold this very list.
        structlog.get_config()["processors"].insert(0, self._take)
        return self

    def __exit__(self, *_: object) -> None:
        processors = structlog.get_config()["processors"]
        if self._take in processors:
            processors.remove(self._take)

    def _take(self, logger: object, method: str, event: Event) -> Event:
        if not self._is_ours():
            return event
        level = _LEVELS.get(method, method)
        error = _raised(event.get("exc_info"))
        kept = {**event, "level": level, **({"exc_info": error} if error is not None else {})}
        self.last.append(kept)
        if level in {"error", "critical"} and len(self.faults) < FAULTS_MAX:
            self.faults.append(kept)
        _LOGGER.log(logging.getLevelNamesMapping()[level.upper()], describe(kept), exc_info=error)
        raise structlog.DropEvent


def _raised(given: object) -> BaseException | None:
    """What was raised, where an event tells of it; `exc_info=True` means what is being handled just now."""
    return given if isinstance(given, BaseException) else sys.exception() if given is True else None


def describe(event: Event) -> str:
    """An event as a line: what happened, then its fields."""
    fields = [f"{name}={value!r}" for name, value in event.items() if name not in {"event", "level", "exc_info"}]
    return " ".join([str(event.get("event", "")), *fields])
