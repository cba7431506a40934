"""Logging: events with fields, one line each, on standard error. Never the contents of records, never secrets."""

import logging
import sys
from collections.abc import Callable
from io import StringIO
from typing import Any, Literal, TextIO, TypeAlias

import msgspec
import structlog

from higgins.runtime import Runtime
from higgins.telemetry.printable import printable

Level: TypeAlias = Literal["debug", "info", "warning", "error"]
Form: TypeAlias = Literal["text", "json"]

VALUE_CHARACTERS_MAX = 8_192
"""Longer texts, such as deep stack traces, are cut at the front: the end of a trace names the error."""


LINES_MAX = 50
WINDOW_S = 10.0
EVENTS_MAX = 1_000
"""Kinds of events that are counted at a time. The product has fewer."""


class LineLimit:
    """A processor of structlog: of one kind of event at most `LINES_MAX` lines in `WINDOW_S`.

    Clients cause some of them, and a client that misbehaves may cause thousands a second. The first line of that kind
    after a pause says how many were left out (`left_out`).
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._windows: dict[str, tuple[float, int]] = {}
        """By event: when its window began, and how many of its lines there were since."""

    def __call__(
        self, logger: object, method: str, fields: structlog.typing.EventDict
    ) -> structlog.typing.EventDict:
        event, now = str(fields.get("event", "")), self._clock()
        begun, lines = self._windows.get(event, (now, 0))
        if now - begun >= WINDOW_S:
            if lines > LINES_MAX:
                fields["left_out"] = lines - LINES_MAX
            begun, lines = now, 0
        if len(self._windows) >= EVENTS_MAX and event not in self._windows:
            self._windows.clear()
        self._windows[event] = begun, lines + 1
        if lines >= LINES_MAX:
            raise structlog.DropEvent
        return fields


def configure_logs(level: Level, form: Form = "text", clock: Callable[[], float] = Runtime.stopwatch) -> None:
    """Log events of this level and above. Called once by `higgins` itself, never by the library in a user's process.

    `json` writes one object per line: `timestamp` (ISO 8601, UTC), `level`, `event`, an `exception` if one was logged,
    and the fields of the event.
    """
    renderers: list[Any] = [_console()] if form == "text" else [structlog.processors.format_exc_info, _render_json]
    structlog.configure(
        processors=[
            LineLimit(clock),
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
