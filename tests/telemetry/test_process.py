"""What a process learns and changes of itself."""

import resource

import pytest

from higgins.telemetry.process import OPEN_FILES_MAX, allow_open_files


class Limits:
    """A system's limits on open files, and the most its kernel takes whatever the hard limit says."""

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
def test_as_many_files_are_allowed_as_the_system_lets_anybody_have(
    soft: int, hard: int, kernel: int, after: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    limits = Limits(soft, hard, kernel)
    monkeypatch.setattr(resource, "getrlimit", limits.getrlimit)
    monkeypatch.setattr(resource, "setrlimit", limits.setrlimit)
    assert allow_open_files() == after
    assert (limits.soft, limits.hard) == (after, hard)
