"""What runs say of transactions: the last stable offset, aborted ranges, markers."""

import pytest

from higgins.ledger.snapshot import digest
from higgins.ledger.state.append import ABORT_MARKER, COMMIT_MARKER, TRANSACTIONAL_DATA, BatchEntry
from higgins.ledger.state.index import CONTROL, TRANSACTIONAL
from higgins.ledger.state.runs import AbortedRange, DeleteRecords, Frontiers
from higgins.ledger.state.topics import DeleteTopic
from higgins.model.names import TopicId
from tests.ledger.chronicle import NOON_MS, Chronicle, append, plain


@pytest.fixture
def chronicle() -> Chronicle:
    return Chronicle()


class Story:
    """A partition to which transactional producers write."""

    def __init__(self, chronicle: Chronicle) -> None:
        self.chronicle = chronicle
        self.topic_id: TopicId = chronicle.topic("t")
        self._sequences: dict[int, int] = {}

    def data(self, producer_id: int, count: int = 1) -> int:
        sequence = self._sequences.get(producer_id, 0)
        self._sequences[producer_id] = sequence + count
        return self.write(BatchEntry(0, 100, count, NOON_MS, producer_id, 0, sequence, TRANSACTIONAL_DATA))

    def end(self, producer_id: int, marker: int) -> int:
        return self.write(BatchEntry(0, 100, 1, NOON_MS, producer_id, 0, -1, marker))

    def write(self, *entries: BatchEntry) -> int:
        result: list[int] = self.chronicle.one(append(self.topic_id, *entries))
        assert result[0] >= 0, result
        return result[0]

    def frontiers(self) -> Frontiers:
        here = self.chronicle.state.runs.frontiers(self.topic_id, 0)
        assert self.chronicle.restored().state.runs.frontiers(self.topic_id, 0) == here
        return here

    def aborted(self, first: int, last: int) -> list[AbortedRange]:
        here = self.chronicle.state.runs.aborted(self.topic_id, 0, first, last)
        assert self.chronicle.restored().state.runs.aborted(self.topic_id, 0, first, last) == here
        return here


def test_the_last_stable_offset_stays_before_the_oldest_open_transaction(chronicle: Chronicle) -> None:
    story = Story(chronicle)
    story.write(plain(3))
    assert story.frontiers() == Frontiers(0, 3, 3)
    story.data(7, 2)
    story.data(8)
    story.write(plain(1))
    assert story.frontiers() == Frontiers(0, 3, 7)
    story.data(7)
    story.end(7, COMMIT_MARKER)
    assert story.frontiers() == Frontiers(0, 5, 9), "the transaction of 8 began at 5"
    story.end(8, ABORT_MARKER)
    assert story.frontiers() == Frontiers(0, 10, 10)


def test_readers_of_uncommitted_records_read_to_the_high_watermark(chronicle: Chronicle) -> None:
    story = Story(chronicle)
    story.data(7, 2)
    runs = chronicle.state.runs
    assert runs.readable_end(story.topic_id, 0, committed_only=True) == 0
    assert runs.readable_end(story.topic_id, 0, committed_only=False) == 2


def test_aborted_transactions_are_told_by_first_offset_where_they_overlap(chronicle: Chronicle) -> None:
    story = Story(chronicle)
    story.data(7)  # 0
    story.data(8)  # 1
    story.end(8, ABORT_MARKER)  # 2
    story.end(7, ABORT_MARKER)  # 3
    story.data(9)  # 4
    story.end(9, COMMIT_MARKER)  # 5
    story.data(7)  # 6
    story.end(7, ABORT_MARKER)  # 7
    long, short, later = AbortedRange(7, 0, 3), AbortedRange(8, 1, 2), AbortedRange(7, 6, 7)
    assert story.aborted(0, 100) == [long, short, later]
    assert story.aborted(3, 5) == [long]
    assert story.aborted(4, 5) == []
    assert story.aborted(7, 7) == [later]


def test_runs_say_whether_they_hold_transactions_and_markers(chronicle: Chronicle) -> None:
    story = Story(chronicle)
    story.write(plain(1))
    story.data(7)
    story.end(7, COMMIT_MARKER)
    index = chronicle.state.runs.index(story.topic_id, 0)
    assert index is not None
    assert [run.flags for run in index.find(0, 9, 1 << 40)] == [0, TRANSACTIONAL, TRANSACTIONAL | CONTROL]


def test_a_marker_without_a_transaction_changes_no_frontier(chronicle: Chronicle) -> None:
    story = Story(chronicle)
    story.end(7, ABORT_MARKER)
    assert story.frontiers() == Frontiers(0, 1, 1) and story.aborted(0, 9) == []


def test_transactions_of_one_commit_are_seen_by_what_follows_in_it(chronicle: Chronicle) -> None:
    topic_id = chronicle.topic("t")
    begin = append(topic_id, BatchEntry(0, 100, 1, NOON_MS, 7, 0, 0, TRANSACTIONAL_DATA))
    end = append(topic_id, BatchEntry(0, 100, 1, NOON_MS, 7, 0, -1, ABORT_MARKER))
    chronicle.commit(begin, end, append(topic_id, plain(1)))
    assert chronicle.state.runs.frontiers(topic_id, 0) == Frontiers(0, 3, 3)
    assert chronicle.state.runs.aborted(topic_id, 0, 0, 9) == [AbortedRange(7, 0, 1)]


def test_aborted_ranges_go_with_their_records_and_with_their_topic(chronicle: Chronicle) -> None:
    story = Story(chronicle)
    for _ in range(2):
        story.data(7)
        story.end(7, ABORT_MARKER)
    chronicle.one(DeleteRecords(story.topic_id, 0, 1))
    assert len(story.aborted(0, 9)) == 2, "the marker of the first is still there"
    chronicle.one(DeleteRecords(story.topic_id, 0, 2))
    assert story.aborted(0, 9) == [AbortedRange(7, 2, 3)]
    story.data(7)
    chronicle.one(DeleteTopic(story.topic_id))
    assert list(chronicle.state.runs.freeze()) == []
    assert digest(chronicle.restored().state) == digest(chronicle.state)
