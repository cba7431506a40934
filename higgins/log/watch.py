"""Wake-ups: who waits for a partition to grow is told when a commit makes it grow, or cuts it off at its start."""

from collections.abc import Iterable

import trio

from higgins.ledger.commit import Commit
from higgins.ledger.ledger import Ledger
from higgins.ledger.state.runs import RecordsDeleted, RunAppended, TopicPartition
from higgins.ledger.state.topics import TopicDeleted


class Watch:
    """One event may be armed on many partitions; it is set by the first of them to change."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._armed: dict[TopicPartition, set[trio.Event]] = {}
        self._topics: dict[bytes, set[int]] = {}
        ledger.subscribe(self._notice)

    def arm(self, partitions: Iterable[TopicPartition], event: trio.Event) -> None:
        """Set `event` when any of the partitions grows, loses records or goes. Disarm with the same partitions."""
        for key in partitions:
            self._armed.setdefault(key, set()).add(event)
            self._topics.setdefault(key[0], set()).add(key[1])
        self._ledger.watch()

    def disarm(self, partitions: Iterable[TopicPartition], event: trio.Event) -> None:
        """Forget an event, set or not."""
        for key in partitions:
            events = self._armed.get(key)
            if events is None:
                continue
            events.discard(event)
            if not events:
                del self._armed[key]
                watched = self._topics[key[0]]
                watched.discard(key[1])
                if not watched:
                    del self._topics[key[0]]
        self._ledger.unwatch()

    def _notice(self, commit: Commit) -> None:
        if not self._armed:
            return
        for fact in commit.head.facts:
            if isinstance(fact, RunAppended | RecordsDeleted):
                self._wake((fact.topic_id, fact.partition))
            elif isinstance(fact, TopicDeleted):
                for partition in list(self._topics.get(fact.topic_id, ())):
                    self._wake((fact.topic_id, partition))

    def _wake(self, key: TopicPartition) -> None:
        for event in self._armed.get(key, ()):
            event.set()
