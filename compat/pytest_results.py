"""A pytest plugin that writes a line `pass|fail|skip TEST` for every test to the file that RESULTS names.

Runs in the environment of a client whose own tests are tried. A test that fails while it is set up or torn down fails.
"""

import os
from pathlib import Path

import pytest


class Results:
    """The outcome of every test, written as soon as it is known, so that a run that is cut short is judged, too."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._path.write_text("")
        self._outcome = ""

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.when == "setup":
            self._outcome = "pass"
        # What a suite itself expects to fail is no failure of the broker.
        if report.skipped and self._outcome == "pass":
            self._outcome = "skip"
        elif report.failed:
            self._outcome = "fail"
        if report.when == "teardown":
            with self._path.open("a") as file:
                file.write(f"{self._outcome} {report.nodeid.replace(' ', '_')}\n")


def pytest_configure(config: pytest.Config) -> None:
    config.pluginmanager.register(Results(Path(os.environ["RESULTS"])), "results")
