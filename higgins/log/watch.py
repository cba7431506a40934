"""Wake long polls when a commit changes a partition they wait for: records appended or deleted, topic deleted.

Commits of other nodes count too. While any event is armed, the follower polls for them more often (`ledger.watch`).
"""

from collections.abc import Iterable

import trio

from higgins.ledger.commit import Commit
from higgins.ledger.ledger import Ledger
from higgins.ledger.state.runs import RecordsDeleted, RunAppended, TopicPartition
from higgins.ledger.state.topics import TopicDeleted


class Watch:
    """Events armed on partitions. An event may be armed on many; the first that changes sets it."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._armed: dict[TopicPartition, set[trio.Event]] = {}
        self._armed_partitions: dict[bytes, set[int]] = {}
        ledger.subscribe(self._on_commit)

    def arm(self, partitions: Iterable[TopicPartition], event: trio.Event) -> None:
        """Set `event` when any of the partitions changes. Call `disarm` with the same partitions afterwards."""
        for key in partitions:
            self._armed.setdefault(key, set()).add(event)
            self._armed_partitions.setdefault(key[0], set()).add(key[1])
        self._ledger.watch()

    def disarm(self, partitions: Iterable[TopicPartition], event: trio.Event) -> None:
        """Remove an event, whether it was set or not."""
        for key in partitions:
            events = self._armed.get(key)
            if events is None:
                continue
            events.discard(event)
            if not events:
                del self._armed[key]
                watched = self._armed_partitions[key[0]]
                watched.discard(key[1])
                if not watched:
                    del self._armed_partitions[key[0]]
        self._ledger.unwatch()

    def _on_commit(self, commit: Commit) -> None:
        if not self._armed:
            return
        for fact in commit.head.facts:
            if isinstance(fact, RunAppended | RecordsDeleted):
                self._wake((fact.topic_id, fact.partition))
            elif isinstance(fact, TopicDeleted):
                for partition in list(self._armed_partitions.get(fact.topic_id, ())):
                    self._wake((fact.topic_id, partition))

    def _wake(self, key: TopicPartition) -> None:
        for event in self._armed.get(key, ()):
            event.set()
