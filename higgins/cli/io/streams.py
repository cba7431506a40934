"""The standard streams of a command, in any state in which a system hands them to a process.

A stream may be closed, full, non-blocking, open for the other direction, or a pipe whose reader has gone. Python
handles some of this late or not at all: with PYTHONUNBUFFERED it ignores that a write was short, and a closed
descriptor is given to the next file or socket. So `prepare` replaces `sys.stdout` and `sys.stderr`: everything is
written, or `OutputLost` is raised once and the exit code is not 0. `higgins ping` imports this module, so it must be
quick to import.

One state is out of reach: a directory as standard input or output ends the interpreter before it runs any code.
"""

import errno
import io
import os
import select
import stat
import sys
from collections.abc import Callable
from typing import TextIO

STDIN, STDOUT, STDERR = 0, 1, 2

EXIT_INTERRUPTED = 130
EXIT_BROKEN_PIPE = 141
"""What a shell reports for a program that SIGPIPE has ended (128 + 13)."""

STDERR_PATIENCE_S = 1.0
"""How long a message waits for room in a standard error that does not block. Then it is dropped."""


class OutputLost(Exception):
    """Standard output cannot be written. It is no OSError, so that no library takes it for one of its own."""

    def __init__(self, error: OSError) -> None:
        super().__init__(f"Standard output cannot be written: {reason(error, 'writing')}. The output is incomplete.")
        self.is_broken_pipe = error.errno == errno.EPIPE


def reason(error: OSError, purpose: str = "") -> str:
    """What the system says, without Python's decoration. `purpose` is what a stream was needed for."""
    if error.errno == errno.EBADF and purpose:
        # The system says "Bad file descriptor", which does not help somebody who wrote `>&-`.
        return f"it is not open for {purpose}"
    return error.strerror or str(error)


class _Stream(io.RawIOBase):
    """A descriptor of which each write is complete. After an error, it drops what is written."""

    def __init__(self, descriptor: int, *, must_arrive: bool) -> None:
        super().__init__()
        self._descriptor = descriptor
        self._must_arrive = must_arrive
        self.has_failed = False

    def fileno(self) -> int:
        return self._descriptor

    def isatty(self) -> bool:
        return os.isatty(self._descriptor)

    def writable(self) -> bool:
        return True

    def write(self, data: "bytes | memoryview", /) -> int:  # type: ignore[override]  # any buffer
        view = memoryview(data).cast("B")
        written = 0
        while written < len(view) and not self.has_failed:
            try:
                written += os.write(self._descriptor, view[written:])
            except BlockingIOError:
                if not wait_for_room(self._descriptor, None if self._must_arrive else STDERR_PATIENCE_S):
                    break
            except OSError as error:
                self.has_failed = True
                if self._must_arrive:
                    raise OutputLost(error) from error
        return len(view)


def wait_for_room(descriptor: int, patience_s: float | None) -> bool:
    """Wait until a descriptor can be written, or until its next write tells why it cannot."""
    poll = select.poll()
    poll.register(descriptor, select.POLLOUT)
    return bool(poll.poll(None if patience_s is None else patience_s * 1000))


def prepare() -> None:
    """Make the three streams safe to use. Called once, before anything opens a file."""
    _occupy(STDIN, os.O_WRONLY)
    _occupy(STDOUT, os.O_RDONLY)
    _occupy(STDERR, os.O_RDONLY)
    sys.stdout = _text(STDOUT, sys.stdout, must_arrive=True)
    sys.stderr = _text(STDERR, sys.stderr, must_arrive=False)


def _occupy(descriptor: int, direction: int) -> None:
    """Put something unusable in the place of a closed descriptor, which the next socket would get otherwise."""
    try:
        os.fstat(descriptor)
    except OSError:
        opened = os.open(os.devnull, direction)
        if opened != descriptor:
            os.dup2(opened, descriptor)
            os.close(opened)


def _text(descriptor: int, given: TextIO | None, *, must_arrive: bool) -> TextIO:
    stream = _Stream(descriptor, must_arrive=must_arrive)
    unbuffered = not must_arrive or stream.isatty() or bool(os.environ.get("PYTHONUNBUFFERED"))
    return io.TextIOWrapper(
        io.BufferedWriter(stream),  # type: ignore[type-var]  # typeshed wants what only FileIO has
        encoding=given.encoding if given is not None else "utf-8",
        # What the encoding of the terminal lacks is shown as an escape.
        errors="backslashreplace",
        line_buffering=unbuffered,
    )


def guarded(work: Callable[[], int]) -> int:
    """Run a command and return its exit code. It is not 0 if output was lost.

    A reader that closes the pipe, and Ctrl-C, end a command without a message.
    """
    try:
        code = work()
        sys.stdout.flush()
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    except OutputLost as error:
        if error.is_broken_pipe:
            return EXIT_BROKEN_PIPE
        print(f"higgins: {error}", file=sys.stderr)
        return 1
    except OSError as error:
        # The system refuses something that every command needs, such as another descriptor.
        print(f"higgins: {f'{error.filename}: ' if error.filename else ''}{reason(error)}.", file=sys.stderr)
        return 1
    # A library may have caught the error.
    return code or int(_has_failed(sys.stdout))


def _has_failed(stream: TextIO) -> bool:
    raw = getattr(getattr(stream, "buffer", None), "raw", None)
    return isinstance(raw, _Stream) and raw.has_failed


def is_pollable(descriptor: int) -> bool:
    """Whether the event loop can wait for a descriptor: a pipe, a socket or a terminal. Raises: OSError."""
    mode = os.fstat(descriptor).st_mode
    return stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode) or os.isatty(descriptor)
