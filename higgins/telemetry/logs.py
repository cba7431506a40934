"""How a process logs: events with fields, a line each, on standard error. Never a record's bytes, never a secret."""

import logging
import sys
from typing import Any, Literal, TypeAlias

import msgspec
import structlog

Level: TypeAlias = Literal["debug", "info", "warning", "error"]
Form: TypeAlias = Literal["text", "json"]

VALUE_CHARACTERS_MAX = 8_192
"""A longer text, such as a trace through many calls, keeps its end: that is where the fault is."""


def configure_logs(level: Level, form: Form = "text") -> None:
    """Log from this level on; once, by the process that owns the terminal. Libraries and tests never call it.

    `json` is one object a line: `timestamp` (ISO 8601, UTC), `level`, `event`, an `exception` where one was caught, and
    the event's own fields.
    """
    last: list[Any] = [_console()] if form == "text" else [structlog.processors.format_exc_info, _render_json]
    structlog.configure(
        processors=[
            structlog.stdlib.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            *last,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level.upper()]),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )


def _console() -> structlog.dev.ConsoleRenderer:
    return structlog.dev.ConsoleRenderer(
        colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback
    )


def _render_json(_logger: object, _method: str, fields: structlog.typing.EventDict) -> str:
    head = {name: fields.pop(name, None) for name in ("timestamp", "level", "event")}
    return msgspec.json.encode(head | {name: _bounded(value) for name, value in fields.items()}, enc_hook=repr).decode()


def _bounded(value: object) -> object:
    if isinstance(value, str) and len(value) > VALUE_CHARACTERS_MAX:
        return f"…{value[-VALUE_CHARACTERS_MAX:]}"
    return value
