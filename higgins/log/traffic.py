"""Traffic: how many records and bytes of each topic go through this node. Counts runs, never single records."""

from higgins.ledger.commit import Commit
from higgins.ledger.ledger import Ledger
from higgins.ledger.state.runs import RunAppended
from higgins.ledger.state.topics import TopicDeleted
from higgins.model.names import TopicId
from higgins.telemetry.metrics import TopicTraffic


class Traffic:
    """Counters of every topic that has moved since the node began; a deleted topic takes its own along."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self.by_topic: dict[TopicId, TopicTraffic] = {}
        ledger.subscribe(self._notice)

    def of(self, topic_id: TopicId) -> TopicTraffic:
        """A topic's counters."""
        found = self.by_topic.get(topic_id)
        if found is None:
            found = self.by_topic[topic_id] = TopicTraffic()
        return found

    def _notice(self, commit: Commit) -> None:
        session = self._ledger.session
        is_ours = session is not None and commit.head.writer == session.epoch
        for fact in commit.head.facts:
            if isinstance(fact, RunAppended):
                # What other nodes commit is theirs to count.
                if is_ours:
                    traffic = self.of(fact.topic_id)
                    traffic.records_in += fact.run.last_offset - fact.run.base_offset + 1
                    traffic.bytes_in += fact.run.length
            elif isinstance(fact, TopicDeleted):
                self.by_topic.pop(fact.topic_id, None)
