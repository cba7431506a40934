"""The table of commands. Each is imported when it runs."""

import os
import sys
from collections.abc import Sequence

from cyclopts import App, Parameter

from higgins import __version__

HELP = """A Kafka broker whose only state is object storage, with stream operators inside it.

Start one with `higgins up`, or see one at work with `higgins demo`.
"""

app = App(
    name="higgins",
    help=HELP,
    version=__version__,
    help_format="markdown",
    default_parameter=Parameter(negative_iterable=(), show_default=False),
)
app.command("higgins.cli.up:up", name="up", help="Start a broker.")
app.command("higgins.cli.demo:demo", name="demo", help="Start a broker, write orders, and show what is derived.")
app.command("higgins.cli.topic:app", name="topic", help="Create, list, describe and delete topics.")
app.command("higgins.cli.produce:produce", name="produce", help="Write lines or JSON from standard input.")
app.command("higgins.cli.consume:consume", name="consume", help="Read a topic to standard output.")
app.command("higgins.cli.group:app", name="group", help="List and describe consumer groups.")
app.command("higgins.cli.apply:apply", name="apply", help="Apply a topography file.")
app.command("higgins.cli.operator:app", name="operator", help="List and delete operators.")
app.command("higgins.cli.top.command:top", name="top", help="Show the current load of a cluster.")
app.command("higgins.cli.ping_command:ping", name="ping", help="Check whether a broker answers, by the exit code.")
app.command("higgins.cli.doctor.command:doctor", name="doctor", help="Check network, store and machine for problems.")
app.command("higgins.cli.completion:completion", name="completion", help="Print a shell's completion script.")


def run(arguments: Sequence[str]) -> int:
    """Run a command and return its exit code. A closed pipe and Ctrl-C end it without a message."""
    try:
        code = app(arguments, result_action="return_value")
        sys.stdout.flush()
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        # The reader of our output has closed the pipe. The interpreter would report an error when it flushes at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    return code if isinstance(code, int) else 0
