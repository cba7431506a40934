"""The clock of these tests moves only by what the log does."""

import pytest

from higgins.ledger.turns import Turns


@pytest.fixture(autouse=True)
def no_pauses_for_other_nodes(monkeypatch: pytest.MonkeyPatch) -> None:
    """A committer waits now and then so that other nodes can commit, which would move the virtual clock."""

    async def return_at_once(_turns: Turns) -> None:
        return

    monkeypatch.setattr(Turns, "let_others_commit", return_at_once)
