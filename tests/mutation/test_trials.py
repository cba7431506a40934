"""Trials in a small project: what its tests notice, what survives, what does not end; and that verdicts are kept."""

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.mutation.__main__ import ROOT, Results, find, try_all
from tests.mutation.source import Mistake
from tests.mutation.trial import TestsFail, Verdict

BOX = '''"""A box."""

LIMIT = 3


class Box:
    def __init__(self):
        self.items = []

    def add(self, item):
        if len(self.items) >= LIMIT:
            return False
        self.items.append(item)
        return True

    def take_all(self):
        while self.items:
            self.items.pop()
            self.wake()

    def wake(self):
        self.woken = True

    def unused(self):
        return not self.items
'''

TESTS = """
from box import Box

def test_a_full_box_takes_no_more():
    box = Box()
    assert [box.add(i) for i in range(4)] == [True, True, True, False]

def test_a_box_is_emptied():
    box = Box()
    box.add(1)
    box.take_all()
    assert not box.items
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    root = tmp_path / "project"
    (root / "tests").mkdir(parents=True)
    (root / "box.py").write_text(BOX)
    (root / "tests/test_box.py").write_text(TESTS)
    (root / "pyproject.toml").write_text("[tool.pytest.ini_options]\n")
    tool = shutil.ignore_patterns("test_*", "__pycache__")
    shutil.copytree(ROOT / "tests/mutation", root / "tests/mutation", ignore=tool)
    subprocess.run(["git", "init", "-q"], cwd=root, check=True)
    return root


def verdicts(project: Path, mistakes: list[Mistake], jobs: int = 1) -> dict[tuple[str, str], Verdict]:
    found: dict[tuple[str, str], Verdict] = {}

    def report(mistake: Mistake, verdict: Verdict) -> None:
        found[mistake.kind, mistake.diff.split("\n+")[-1].split("\n")[0].strip()] = verdict

    try_all(project, mistakes, ["tests/test_box.py"], [], jobs, report)
    return found


def test_each_mistake_gets_its_verdict_and_the_tree_is_left_alone(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tests.mutation.trial.START_S", 3.0)
    kinds = ["guard", "wake-up", "reset", "order", "constant", "negation"]
    assert verdicts(project, find(project, ["box.py"], [], kinds), jobs=2) == {
        ("guard", "pass"): Verdict.NOTICED,
        ("wake-up", "pass"): Verdict.SURVIVED,
        ("reset", "pass"): Verdict.TIMEOUT,
        ("order", "self.items.insert(0, item)"): Verdict.SURVIVED,
        ("constant", "LIMIT = 4"): Verdict.NOTICED,
        ("constant", "LIMIT = 6"): Verdict.NOTICED,
        ("constant", "LIMIT = (3 // 2)"): Verdict.NOTICED,
        ("negation", "return self.items"): Verdict.NOT_REACHED,
    }
    assert (project / "box.py").read_text() == BOX


def test_tests_that_fail_without_a_mistake_judge_nothing(project: Path) -> None:
    (project / "tests/test_box.py").write_text("def test_nothing():\n    assert False\n")
    with pytest.raises(TestsFail, match=r"FAILED tests/test_box\.py::test_nothing"):
        verdicts(project, find(project, ["box.py"], [], ["guard"]))


def test_more_tests_judge_the_survivors(project: Path) -> None:
    (project / "tests/test_more.py").write_text("from box import Box\n\ndef test_it():\n    assert Box().unused()\n")
    mistakes = find(project, ["box.py"], [], ["negation"])
    found: list[Verdict] = []
    more = ["tests/test_more.py"]
    try_all(project, mistakes, ["tests/test_box.py"], more, 1, lambda _, verdict: found.append(verdict))
    assert found == [Verdict.NOTICED]


def test_verdicts_are_read_again_and_the_last_one_counts(project: Path, tmp_path: Path) -> None:
    mistake, other = find(project, ["box.py"], [], ["guard", "comparison"])[:2]
    results = Results(tmp_path / "folder" / "room.jsonl")
    results.add(mistake, Verdict.SURVIVED)
    results.add(other, Verdict.NOTICED)
    results.add(mistake, Verdict.NOTICED)
    assert Results(tmp_path / "folder" / "room.jsonl").verdicts == {
        mistake.identity: Verdict.NOTICED,
        other.identity: Verdict.NOTICED,
    }
