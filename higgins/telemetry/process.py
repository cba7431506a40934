"""What the system says of this process: processor time, memory, open files. Zero where a system does not say."""

import os
import resource
import sys

import msgspec

OPEN_FILES_MAX = 1 << 20
OPEN_FILES_EVERYWHERE = 10_240
"""What macOS takes, whose hard limit claims more than its kernel allows."""


class ProcessFigures(msgspec.Struct, frozen=True):
    """A process at a moment."""

    processor_s: float
    """User and system time since it began."""
    resident_bytes: int
    open_files: int
    open_files_max: int


def process_figures() -> ProcessFigures:
    """This process now; a few system calls."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return ProcessFigures(usage.ru_utime + usage.ru_stime, _resident_bytes(usage.ru_maxrss), _open_files(), limit)


def allow_open_files() -> int:
    """Raise this process's limit on open files as far as the system lets anybody; the limit from then on.

    Systems begin with a thousand or fewer, for the sake of programs that cannot count beyond; a broker has a file a
    connection, and should not need `ulimit` or settings of a container for it.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    for wanted in (most_open_files(hard), OPEN_FILES_EVERYWHERE):
        if soft != resource.RLIM_INFINITY and soft < wanted:
            try:
                resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
            except (OSError, ValueError):
                continue
            return wanted
    return soft


def most_open_files(hard: int) -> int:
    """How many files may be open under a hard limit, which may be none."""
    return OPEN_FILES_MAX if hard == resource.RLIM_INFINITY else min(hard, OPEN_FILES_MAX)


def _resident_bytes(greatest: int) -> int:
    try:
        with open("/proc/self/statm", "rb") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        # Elsewhere only the greatest there ever was is known: in bytes on macOS, in KiB on others.
        return greatest if sys.platform == "darwin" else greatest * 1024


def _open_files() -> int:
    for folder in ("/proc/self/fd", "/dev/fd"):
        try:
            return len(os.listdir(folder))
        except OSError:
            continue
    return 0
