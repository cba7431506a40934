"""The limit on open files of a process."""

import resource

import pytest

from higgins.telemetry.process import OPEN_FILES_MAX, allow_open_files


class Limits:
    """The limits of a system on open files; `kernel` is the most it accepts, whatever the hard limit is."""

    def __init__(self, soft: int, hard: int, kernel: int) -> None:
        self.soft, self.hard, self.kernel = soft, hard, kernel

    def getrlimit(self, _: int) -> tuple[int, int]:
        return self.soft, self.hard

    def setrlimit(self, _: int, limits: tuple[int, int]) -> None:
        if limits[0] > self.kernel:
            raise ValueError("current limit exceeds maximum limit")
        self.soft, self.hard = limits


@pytest.mark.parametrize(
    ("soft", "hard", "kernel", "after"),
    [
        (1_024, 65_536, 65_536, 65_536),
        (4_096, 4_096, 4_096, 4_096),
        (1_024, resource.RLIM_INFINITY, 1 << 30, OPEN_FILES_MAX),
        (256, resource.RLIM_INFINITY, 20_000, 10_240),
        (256, 20_000, 300, 256),
        (resource.RLIM_INFINITY, resource.RLIM_INFINITY, 1 << 30, resource.RLIM_INFINITY),
    ],
)
def test_the_soft_limit_is_raised_as_far_as_the_system_allows(
    soft: int, hard: int, kernel: int, after: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    limits = Limits(soft, hard, kernel)
    monkeypatch.setattr(resource, "getrlimit", limits.getrlimit)
    monkeypatch.setattr(resource, "setrlimit", limits.setrlimit)
    assert allow_open_files() == after
    assert (limits.soft, limits.hard) == (after, hard)
