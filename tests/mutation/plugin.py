"""What a trial adds to pytest: which tests call which functions, and the choice of tests by that.

Only calls are traced, not lines: that costs little, and a test that does not call a function cannot notice a mistake in
it. A value that an earlier test has computed and cached is the exception; so a survivor is tried again with all tests.
"""

import sys
import threading
from collections.abc import Collection, Generator
from types import FrameType

import pytest


class Tracer:
    """Collects the functions that each test calls, as `path:first line` with the path relative to the tree."""

    def __init__(self, root: str, paths: Collection[str]) -> None:
        self.calls: dict[str, set[str]] = {}
        self.seconds: dict[str, float] = {}
        self._names = {f"{root}/{path}": path for path in paths}
        self._current: set[str] = set()

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Generator[None, object, object]:
        self._current = self.calls.setdefault(item.nodeid, set())
        sys.settrace(self._trace)
        threading.settrace(self._trace)
        try:
            return (yield)
        finally:
            sys.settrace(None)
            threading.settrace(None)  # type: ignore[arg-type]

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self.seconds[report.nodeid] = self.seconds.get(report.nodeid, 0.0) + report.duration

    def _trace(self, frame: FrameType, _event: str, _argument: object) -> None:
        name = self._names.get(frame.f_code.co_filename)
        if name is not None:
            self._current.add(f"{name}:{frame.f_code.co_firstlineno}")


class Selection:
    """Runs only these tests."""

    def __init__(self, nodeids: Collection[str]) -> None:
        self._nodeids = frozenset(nodeids)

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, config: pytest.Config, items: list[pytest.Item]) -> None:
        left_out = [item for item in items if item.nodeid not in self._nodeids]
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if item.nodeid in self._nodeids]
