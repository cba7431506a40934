"""How a process logs: events with fields, a line each, on standard error."""

import logging
import sys
from typing import Literal, TypeAlias

import structlog

Level: TypeAlias = Literal["debug", "info", "warning", "error"]


def configure_logs(level: Level) -> None:
    """Log from this level on; once, by the process that owns the terminal. Libraries and tests never call it."""
    structlog.configure(
        processors=[
            structlog.stdlib.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.dev.ConsoleRenderer(
                colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback
            ),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level.upper()]),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
