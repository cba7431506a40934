"""What the system says of this process: processor time, memory, open files. Zero where a system does not say."""

import os
import resource
import sys

import msgspec


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
