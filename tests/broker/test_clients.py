"""Stock clients against the broker as a user runs it: a process, a socket, a directory.

The stories are those of `compat/`, told here with the two clients that are installed for the tests, and only the quick
ones; `compat/run.sh` tells all of them with every client.
"""

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from compat.harness import Trial, trial

COMPAT = Path(__file__).parents[2] / "compat"
# Not kafka-python's `group`: on a busy machine one of its members falls silent after a rebalance, against Kafka too.
STORIES = {
    "kafka-python": ["create", "produce-gzip", "headers", "consume-offset", "idempotent-kill"],
    "confluent-kafka": ["connect", "produce-zstd", "consume-time", "group", "derived"],
}


@pytest.fixture(scope="module")
def running(request: pytest.FixtureRequest) -> Iterator[Trial]:
    """One broker for all stories of a client, which is the one in this environment."""
    beside = Path(sys.executable).with_name("higgins")
    with pytest.MonkeyPatch.context() as patch:
        if beside.exists() and "HIGGINS" not in os.environ:
            patch.setenv("HIGGINS", str(beside))
        with trial(COMPAT / request.param, sys.executable, "") as found:
            yield found


@pytest.mark.parametrize(
    "running, story",
    [(client, story) for client, stories in STORIES.items() for story in stories],
    indirect=["running"],
    scope="module",
)
def test_a_stock_client(running: Trial, story: str) -> None:
    result = running.tell(story)
    assert result.outcome == "pass", f"{result.why}\n\n{running.log_tail()}"
