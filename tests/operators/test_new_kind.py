"""A new operator kind is one new file and one new line: done literally, to a copy of the package."""

import shutil
import subprocess
import sys
from pathlib import Path

import higgins
import higgins_protocol

ROOT = Path(__file__).resolve().parents[2]

UPPER = '''
"""upper: every value in capitals."""

from higgins.operators.kind import (
    Base, DerivedStream, Description, InputStart, OperatorKind, OperatorPlan, PlannedTasks, PlannedTopic,
    Specification, grow_by_partition,
)
from higgins.operators.operator import Operator


class UpperSpecification(Specification, frozen=True, kw_only=True, tag="upper"):
    prefix: str

    def open(self):
        return UpperOperator(self.prefix.encode())

    def describe(self):
        return Description(f"capitals after '{self.prefix}'")

    def change_from(self, previous):
        return f"the prefix becomes '{self.prefix}'"

    def grow(self, growth):
        return grow_by_partition(growth)


class UpperStream(DerivedStream, frozen=True, kw_only=True, tag="upper"):
    base: str
    prefix: str

    @classmethod
    def read(cls, table, topic, config):
        base = table.required_text("base", 'base = "<stream>"')
        return UpperStream(topic=topic, config=config, base=base, prefix=table.required_text("prefix", 'prefix = "x"'))

    def bases(self):
        return (Base(self.base),)

    def check(self, inputs):
        if self.prefix.isdigit():
            yield "prefix", "a number is no prefix."

    def plan(self, inputs):
        (source,) = inputs
        reads = tuple((InputStart(0, partition),) for partition in range(source.partitions))
        specification = UpperSpecification(prefix=self.prefix)
        tasks = PlannedTasks(specification, (source.topic,), (self.topic,), reads)
        return OperatorPlan((PlannedTopic(self.topic, source.partitions, self.config),), (tasks,))


class UpperOperator(Operator):
    def __init__(self, prefix):
        self._prefix = prefix

    def process(self, input, columns, output):
        for row, value in enumerate(columns.values):
            output.emit(
                0, columns.partition, timestamp=columns.timestamps[row], key=columns.key(row),
                value=value and self._prefix + value.upper(), headers=columns.headers(row),
            )


KIND = OperatorKind(UpperStream, UpperSpecification, keys=("prefix",), implied_by=frozenset(("prefix",)))
'''

SCRIPT = '''
import sys
import trio
import higgins
from higgins.ledger.state.partitions import AddPartitions
from higgins.operators.growth import growth_of
from higgins.operators.topography.table import TopographyError
from higgins.operators.view import operator_views
from tests.operators.world import running_node

assert higgins.__file__.startswith(sys.argv[1]), higgins.__file__
FILE = """
[streams.words]
format = "bytes"
[streams.loud]
base = "words"
prefix = "> "
[streams.louder]
base = "loud"
type = "filter"
where = "$key = 'k1'"
"""


async def main():
    async with running_node() as node:
        for wrong, message in (
            (FILE.replace('prefix = "> "', 'prefix = "5"'), "line 6: prefix of 'loud', a number is no prefix."),
            (FILE.replace("prefix", 'type = "uper"\\nprefix'), "Did you mean 'upper'?"),
            (FILE.replace("prefix", 'type = "upper"\\nprefx'), "has no key 'prefx'. Did you mean 'prefix'?"),
        ):
            try:
                await node.apply(wrong)
            except TopographyError as error:
                assert message in str(error), error
            else:
                raise AssertionError(message)
        applied = await node.apply(FILE)
        assert "Operator 'loud' begins on 'words': capitals after '> '." in applied.changes, applied
        await node.produce("words", [b"one", b"two", None])
        await node.caught_up("loud")
        await node.caught_up("louder")
        assert await node.values("loud") == [b"> ONE", b"> TWO", None]
        assert await node.values("louder") == [b"> TWO"]
        changed = await node.apply(FILE.replace("> ", ">> "))
        assert changed.changes == ("Operator 'loud' changes from its next epoch on: the prefix becomes '>> '.",)
        words = node.topic("words")
        await node.ledger.propose(AddPartitions(words.id, 2, growth_of(node.ledger.state, words.id, 2)))
        await node.produce("words", [b"three"], partition=1)
        await node.caught_up("loud")
        assert await node.values("loud", 1) == [b">> THREE"]
        assert [(view.name, view.type) for view in operator_views(node.ledger.state, node.engine)] == [
            ("loud", "upper"), ("louder", "filter")
        ]
    print("derived")


trio.run(main)
'''


def test_a_new_operator_kind_is_one_new_file_and_one_new_line(tmp_path: Path) -> None:
    for package in (higgins, higgins_protocol):
        source = Path(package.__file__ or "").parent
        shutil.copytree(source, tmp_path / source.name, ignore=shutil.ignore_patterns("__pycache__"))
    kinds = tmp_path / "higgins" / "operators" / "kinds"
    (kinds / "upper.py").write_text(UPPER)
    table = (kinds / "__init__.py").read_text()
    assert table.count('    "filter",\n') == 1
    (kinds / "__init__.py").write_text(table.replace('    "filter",\n', '    "filter",\n    "upper",\n'))
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(tmp_path)],
        env={"PYTHONPATH": f"{tmp_path}:{ROOT}", "PATH": "/usr/bin:/bin", "PYTHONDONTWRITEBYTECODE": "1"},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0 and done.stdout.endswith("derived\n"), done.stderr
