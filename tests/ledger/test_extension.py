"""A new facet is one new file and one new line: tried on a copy of the package."""

import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

FACET = '''
"""Notes: a facet that nobody needs."""

from higgins.ledger.state.base import Fact, Facet, Proposal, folds
from higgins.ledger.state.topics import TopicDeleted, Topics


class NoteWritten(Fact, frozen=True, tag=900):
    topic: str
    text: str


class WriteNote(Proposal[int], frozen=True, tag=900):
    topic: str
    text: str

    def validate(self, draft):
        return [NoteWritten(self.topic, self.text)], len(draft[Notes].texts) + 1


class Notes(Facet, name="notes"):
    ROW = tuple[str, str]

    def __init__(self, texts=None):
        self.texts = dict(texts or {})

    def draft(self):
        return Notes(self.texts)

    @folds(NoteWritten)
    def _write(self, fact, moment, state):
        self.texts[fact.topic] = fact.text

    @folds(TopicDeleted)
    def _delete(self, fact, moment, state):
        self.texts.pop(state[Topics].by_id[fact.topic_id].name, None)

    def user_of_topic(self, topic_id):
        return ""

    def freeze(self):
        yield list(self.texts.items())

    def restore(self, level, rows):
        self.texts.update(rows)
'''

USE = '''
import trio
from trio.testing import MockClock

from higgins.ledger.ledger import open_ledger
from higgins.ledger.settings import LedgerSettings
from higgins.ledger.snapshot import freeze, save
from higgins.ledger.state.notes import Notes, WriteNote
from higgins.ledger.state.topics import CreateTopic, DeleteTopic
from tests.ledger.nodes import StillRuntime, running
from tests.storage.fakes import FakeStore


async def main():
    store = FakeStore()
    async with running(store) as ledger:
        await ledger.propose(CreateTopic("t", b"t" * 16, 1))
        assert await ledger.propose(WriteNote("t", "to be deleted")) == 1
        outcomes = await ledger.propose_all([WriteNote("u", "kept"), WriteNote("v", "kept, too")])
        assert [outcome.result for outcome in outcomes] == [2, 3]
        await save(StillRuntime(), store, freeze(ledger.state))
        await ledger.propose(DeleteTopic(b"t" * 16))
    again = await open_ledger(StillRuntime(), store, LedgerSettings())
    assert again.state[Notes].texts == {"u": "kept", "v": "kept, too"}, again.state[Notes].texts


trio.run(main, clock=MockClock(autojump_threshold=0))
'''


def test_a_new_facet_is_one_file_and_one_line(tmp_path: Path) -> None:
    ignore = shutil.ignore_patterns("__pycache__", "golden")
    for folder in ("higgins", "protocol", "tests"):
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=ignore)
    state = tmp_path / "higgins/ledger/state"
    (state / "notes.py").write_text(FACET)
    table = state / "facets.py"
    text = table.read_text()
    assert text.count("    identities,\n") == 1
    table.write_text(text.replace("    identities,\n", "    identities,\n    notes,\n"))
    done = subprocess.run(
        [sys.executable, "-c", USE],
        cwd=tmp_path,
        env={"PYTHONPATH": f"{tmp_path}:{tmp_path / 'protocol'}", "PATH": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
