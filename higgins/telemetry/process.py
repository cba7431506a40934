"""Figures of this process from the operating system: processor time, memory, open files. 0 where unsupported."""

import os
import resource
import sys

import msgspec

OPEN_FILES_MAX = 1 << 20
OPEN_FILES_FALLBACK = 10_240
"""The most that macOS accepts; its hard limit claims more than its kernel allows."""


class ProcessFigures(msgspec.Struct, frozen=True):
    """Resource use of a process at one moment."""

    processor_s: float
    """User and system time since the process started."""
    resident_bytes: int
    open_files: int
    open_files_max: int


def process_figures() -> ProcessFigures:
    """The current figures of this process. Costs a few system calls."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return ProcessFigures(usage.ru_utime + usage.ru_stime, _resident_bytes(usage.ru_maxrss), _open_files(), limit)


def allow_open_files() -> int:
    """Raise the soft limit on open files as far as allowed, and return the new limit.

    The default is 1024 or less, because programs that use `select` cannot handle higher descriptors. A broker needs one
    descriptor per connection, and should not require `ulimit` or container settings for that.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    for limit in (most_open_files(hard), OPEN_FILES_FALLBACK):
        if soft != resource.RLIM_INFINITY and soft < limit:
            try:
                resource.setrlimit(resource.RLIMIT_NOFILE, (limit, hard))
            except (OSError, ValueError):
                continue
            return limit
    return soft


def most_open_files(hard: int) -> int:
    """The limit on open files that a process can set under a hard limit (which may be infinite)."""
    return OPEN_FILES_MAX if hard == resource.RLIM_INFINITY else min(hard, OPEN_FILES_MAX)


def _resident_bytes(peak: int) -> int:
    try:
        with open("/proc/self/statm", "rb") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        # Without /proc only the peak is known: in bytes on macOS, in KiB elsewhere.
        return peak if sys.platform == "darwin" else peak * 1024


def _open_files() -> int:
    for folder in ("/proc/self/fd", "/dev/fd"):
        try:
            return len(os.listdir(folder))
        except OSError:
            continue
    return 0
