"""Traffic counters: records and bytes of each topic that pass through this node. Counts runs, not single records."""

from higgins.ledger.commit import Commit
from higgins.ledger.ledger import Ledger
from higgins.ledger.state.runs import RunAppended
from higgins.ledger.state.topics import TopicDeleted
from higgins.model.names import TopicId
from higgins.telemetry.metrics import TopicTraffic


class Traffic:
    """Counters of every topic with traffic since the node started. The counters of a deleted topic are removed."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self.by_topic: dict[TopicId, TopicTraffic] = {}
        ledger.subscribe(self._on_commit)

    def of(self, topic_id: TopicId) -> TopicTraffic:
        """The counters of a topic."""
        traffic = self.by_topic.get(topic_id)
        if traffic is None:
            traffic = self.by_topic[topic_id] = TopicTraffic()
        return traffic

    def _on_commit(self, commit: Commit) -> None:
        session = self._ledger.session
        is_ours = session is not None and commit.head.writer == session.epoch
        for fact in commit.head.facts:
            if isinstance(fact, RunAppended):
                # Other nodes count what they commit, so that the sum over all nodes is right.
                if is_ours:
                    traffic = self.of(fact.topic_id)
                    traffic.records_in += fact.run.last_offset - fact.run.base_offset + 1
                    traffic.bytes_in += fact.run.length
            elif isinstance(fact, TopicDeleted):
                self.by_topic.pop(fact.topic_id, None)
