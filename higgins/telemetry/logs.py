"""Logging: events with fields, one line each, on standard error. Never the contents of records, never secrets."""

import logging
import sys
from collections.abc import Callable
from io import StringIO
from typing import Any, Literal, TextIO, TypeAlias

import msgspec
import structlog

from higgins.telemetry.printable import printable

Level: TypeAlias = Literal["debug", "info", "warning", "error"]
Form: TypeAlias = Literal["text", "json"]

VALUE_CHARACTERS_MAX = 8_192
"""Longer texts, such as deep stack traces, are cut at the front: the end of a trace names the error."""


def configure_logs(level: Level, form: Form = "text") -> None:
    """Log events of this level and above. Called once by `higgins` itself, never by the library in a user's process.

    `json` writes one object per line: `timestamp` (ISO 8601, UTC), `level`, `event`, an `exception` if one was logged,
    and the fields of the event.
    """
    renderers: list[Any] = [_console()] if form == "text" else [structlog.processors.format_exc_info, _render_json]
    structlog.configure(
        processors=[
            structlog.stdlib.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            *renderers,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level.upper()]),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )


def _console() -> Callable[..., str]:
    render = structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), exception_formatter=_traceback)

    def console(logger: object, method: str, fields: structlog.typing.EventDict) -> str:
        # Values contain names that clients chose. What the renderer adds, such as colours, is not escaped.
        shown = {name: printable(value) if isinstance(value, str) else value for name, value in fields.items()}
        return str(render(logger, method, shown))

    return console


def _traceback(out: TextIO, exc_info: structlog.typing.ExcInfo) -> None:
    text = StringIO()
    structlog.dev.plain_traceback(text, exc_info)
    out.write(printable(text.getvalue(), keep="\n\t"))


def _render_json(_logger: object, _method: str, fields: structlog.typing.EventDict) -> str:
    head = {name: fields.pop(name, None) for name in ("timestamp", "level", "event")}
    return msgspec.json.encode(head | {name: _bounded(value) for name, value in fields.items()}, enc_hook=repr).decode()


def _bounded(value: object) -> object:
    if isinstance(value, str) and len(value) > VALUE_CHARACTERS_MAX:
        return f"…{value[-VALUE_CHARACTERS_MAX:]}"
    return value
