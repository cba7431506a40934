"""Runs replaced by other runs, as merging and compaction do it: compare-and-set on exactly what is replaced."""

from typing import Any

import pytest

from higgins.ledger.snapshot import digest
from higgins.ledger.state.base import Proposal
from higgins.ledger.state.index import STORED_OFFSETS, Run
from higgins.ledger.state.runs import DeleteRecords, ReplaceRuns
from higgins.ledger.state.topics import DeleteTopic
from higgins.model.errors import Refused
from higgins.model.names import TopicId
from higgins.model.pointer import data_object, inline_payload
from higgins_protocol.errors import ErrorCode
from tests.ledger.chronicle import NOON_MS, Chronicle, append, live_of, plain

MERGED = data_object(9, 1)


class Partition:
    """Six runs of ten records: three inline, three in one object."""

    def __init__(self) -> None:
        self.chronicle = Chronicle()
        self.topic_id: TopicId = self.chronicle.topic("t")
        self.shared = data_object(1, 1)
        self.commits: list[int] = []
        for _ in range(3):
            self.chronicle.one(append(self.topic_id, plain(10)))
            self.commits.append(self.chronicle.state.number)
        for i in range(3):
            batch = plain(10, position=200 * i)
            self.chronicle.one(append(self.topic_id, batch, object_id=self.shared, length=600))

    def runs(self) -> list[Run]:
        index = self.chronicle.state.runs.index(self.topic_id, 0)
        return [] if index is None else index.find(0, 100, 1 << 40)

    def replacement(self, first: int, end: int, *runs: Run) -> ReplaceRuns:
        replaced = tuple(self.runs()[first:end])
        made = runs or (merged(replaced[0].base_offset, replaced[-1].last_offset),)
        return ReplaceRuns(self.topic_id, 0, replaced, made, ((MERGED, 1000),))


def merged(base: int, last: int, flags: int = 0) -> Run:
    return Run(base, last, MERGED, 0, 500, NOON_MS, base, flags)


@pytest.fixture
def partition() -> Partition:
    return Partition()


def test_a_merge_swaps_pointers_and_counts(partition: Partition) -> None:
    chronicle = partition.chronicle
    assert chronicle.one(partition.replacement(1, 5)) is True
    assert [(run.base_offset, run.last_offset) for run in partition.runs()] == [(0, 9), (10, 49), (50, 59)]
    assert live_of(chronicle, MERGED) == 1 and live_of(chronicle, partition.shared) == 1
    assert [live_of(chronicle, inline_payload(number)) for number in partition.commits] == [1, 0, 0]
    assert chronicle.state.runs.high_watermark(partition.topic_id, 0) == 60
    assert digest(chronicle.restored().state) == digest(chronicle.state)
    assert chronicle.one(append(partition.topic_id, plain(1))) == [60]


def test_a_compaction_leaves_gaps_and_keeps_the_last_offset(partition: Partition) -> None:
    chronicle = partition.chronicle
    kept = (merged(13, 17, STORED_OFFSETS), merged(40, 59, STORED_OFFSETS))
    chronicle.one(partition.replacement(1, 6, *kept))
    index = chronicle.state.runs.index(partition.topic_id, 0)
    assert index is not None
    assert [run.base_offset for run in index.find(10, 9, 1 << 40)] == [13, 40]
    assert index.find(20, 1, 1)[0] == kept[1], "a reader in the gap is served what follows it"
    assert chronicle.one(append(partition.topic_id, plain(1))) == [60]


@pytest.mark.parametrize("change", ["deleted", "replaced", "pointer"])
def test_what_changed_meanwhile_is_not_replaced(partition: Partition, change: str) -> None:
    chronicle, late = partition.chronicle, partition.replacement(0, 3)
    if change == "deleted":
        chronicle.one(DeleteRecords(partition.topic_id, 0, 15))
    elif change == "replaced":
        chronicle.one(partition.replacement(1, 4))
    else:
        late = ReplaceRuns(partition.topic_id, 0, (merged(0, 29),), (merged(0, 29),), ((MERGED, 1000),))
    before = partition.runs()
    assert chronicle.one(late) is False
    assert partition.runs() == before


@pytest.mark.parametrize("other", ["replace", "delete records", "delete topic"])
def test_a_replacement_sees_what_its_own_commit_did_before_it(partition: Partition, other: str) -> None:
    chronicle, late = partition.chronicle, partition.replacement(0, 3)
    others: dict[str, Proposal[Any]] = {
        "replace": partition.replacement(2, 4),
        "delete records": DeleteRecords(partition.topic_id, 0, 12),
        "delete topic": DeleteTopic(partition.topic_id),
    }
    accepted, result = chronicle.commit(others[other], late)
    assert not isinstance(accepted, Refused)
    if other == "delete topic":
        assert isinstance(result, Refused) and result.code == ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
    else:
        assert result is False
    assert digest(chronicle.restored().state) == digest(chronicle.state)


def test_replacements_of_different_runs_share_a_commit(partition: Partition) -> None:
    chronicle = partition.chronicle
    assert chronicle.commit(partition.replacement(0, 2), partition.replacement(2, 4)) == [True, True]
    assert [run.base_offset for run in partition.runs()] == [0, 20, 40, 50]
    assert live_of(chronicle, MERGED) == 2


@pytest.mark.parametrize("share_a_commit", [False, True])
@pytest.mark.parametrize(("log_start", "is_replaced"), [(1, True), (9, True), (10, False), (11, False)])
def test_runs_are_replaced_as_long_as_one_record_of_each_is_left(
    partition: Partition, log_start: int, is_replaced: bool, share_a_commit: bool
) -> None:
    chronicle, late = partition.chronicle, partition.replacement(0, 3)
    deletion = DeleteRecords(partition.topic_id, 0, log_start)
    if share_a_commit:
        assert chronicle.commit(deletion, late)[1] is is_replaced
    else:
        chronicle.one(deletion)
        assert chronicle.one(late) is is_replaced
    assert chronicle.state.runs.log_start(partition.topic_id, 0) == log_start
