"""Idempotent producers: what is appended, what is a repeat, what is refused; the check lives where offsets are born."""

from typing import Any

import msgspec
import pytest

from higgins.ledger.state.producers import PRODUCER_RETENTION_MS, SEQUENCE_MODULUS, GrantProducerIds
from higgins.ledger.state.topics import DeleteTopic
from higgins.model.names import TopicId
from higgins_protocol.errors import ErrorCode
from tests.ledger.chronicle import Chronicle, append, idempotent, plain

GAP = -ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER
OLD = -ErrorCode.DUPLICATE_SEQUENCE_NUMBER
UNKNOWN = -ErrorCode.UNKNOWN_PRODUCER_ID
FENCED = -ErrorCode.INVALID_PRODUCER_EPOCH


class Producer:
    """One producer id writing to one partition."""

    def __init__(self, partition: int = 0) -> None:
        self.chronicle = Chronicle()
        self.topic_id: TopicId = self.chronicle.topic("t", partitions=2)
        self.id: int = self.chronicle.one(GrantProducerIds(10))
        self.partition = partition

    def send(self, *sequences: int, count: int = 1, epoch: int = 0, waited: bool = False) -> list[int]:
        batches = [
            msgspec.structs.replace(idempotent(self.id, sequence, count, epoch), begins_anywhere=waited)
            for sequence in sequences
        ]
        result: list[int] = self.chronicle.one(append(self.topic_id, *batches, partition=self.partition))
        return result

    def restart(self) -> None:
        self.chronicle = self.chronicle.restored()


@pytest.fixture(params=["one life", "a restart before every batch"])
def producer(request: pytest.FixtureRequest) -> Producer:
    made = Producer()
    if "restart" in request.param:
        send = made.send

        def restarted(*sequences: int, **rest: Any) -> list[int]:
            made.restart()
            return send(*sequences, **rest)

        made.send = restarted  # type: ignore[method-assign]
    return made


def test_sequences_in_order_get_offsets_in_order(producer: Producer) -> None:
    assert [producer.send(sequence, count=3) for sequence in (0, 3, 6)] == [[0], [3], [6]]


def test_several_batches_in_one_append_follow_each_other(producer: Producer) -> None:
    assert producer.send(0, 1, 2) == [0, 1, 2]
    assert producer.send(3, 5, 4) == [3, GAP, 4]


def test_a_repeat_is_answered_with_its_first_offset_and_appends_nothing(producer: Producer) -> None:
    producer.send(0, count=3)
    producer.send(3, count=2)
    assert producer.send(0, count=3) == [0] and producer.send(3, count=2) == [3]
    assert producer.chronicle.state.runs.high_watermark(producer.topic_id, 0) == 5


def test_the_same_batch_twice_in_one_flush_is_one_batch(producer: Producer) -> None:
    assert producer.send(0, 0, 1, 1, 0) == [0, 0, 1, 1, 0]
    assert producer.chronicle.state.runs.high_watermark(producer.topic_id, 0) == 2


def test_the_last_five_batches_are_known_again_and_older_ones_refused(producer: Producer) -> None:
    for sequence in range(7):
        producer.send(sequence)
    assert [producer.send(sequence)[0] for sequence in range(7)] == [OLD, OLD, 2, 3, 4, 5, 6]


def test_part_of_a_batch_is_a_repeat_at_the_offsets_it_has(producer: Producer) -> None:
    producer.send(0, count=3)
    producer.send(3, count=4)
    assert producer.send(0, count=2) == [0] and producer.send(1, count=2) == [1] and producer.send(2) == [2]
    assert producer.send(4, count=3) == [4] and producer.send(6) == [6]
    assert producer.send(2, count=2) == [OLD], "of two batches, whose offsets need not be in a row"
    assert producer.chronicle.state.runs.high_watermark(producer.topic_id, 0) == 7


def test_what_begins_with_a_repeat_and_goes_on_is_refused_as_out_of_order(producer: Producer) -> None:
    producer.send(0, count=3)
    assert producer.send(1, count=3) == [GAP] and producer.send(0, count=4) == [GAP]
    assert producer.send(3) == [3]


def test_a_gap_is_refused_and_closed_by_what_was_missing(producer: Producer) -> None:
    producer.send(0)
    assert producer.send(2) == [GAP]
    assert producer.send(1) == [1] and producer.send(2) == [2]


def test_sequences_wrap(producer: Producer) -> None:
    producer.chronicle.now_ms += PRODUCER_RETENTION_MS + 1
    last = SEQUENCE_MODULUS - 1
    assert producer.send(last - 1) == [0]
    assert producer.send(last, count=2) == [1]
    assert producer.send(1) == [3]
    assert producer.send(last, count=2) == [1]
    assert producer.send(3) == [GAP] and producer.send(last - 5) == [GAP], "it was never written"
    assert producer.send(2) == [4] and producer.send(3) == [5]
    assert producer.send(last - 5) == [OLD]


def test_a_producer_just_born_begins_at_zero_or_has_to_wait(producer: Producer) -> None:
    assert producer.send(5) == [UNKNOWN]
    assert producer.send(5, 6) == [UNKNOWN, UNKNOWN]
    assert producer.send(0) == [0]


@pytest.mark.parametrize("sequence", [1, 5, 2**31 - 2])
def test_a_producer_that_has_waited_begins_anywhere(producer: Producer, sequence: int) -> None:
    """Whatever it was that the partition forgot: as Kafka, which keeps producers with their log."""
    assert producer.send(sequence, waited=True) == [0]
    following = (sequence + 1) % SEQUENCE_MODULUS
    assert producer.send(following) == [1]
    assert producer.send(sequence, waited=True) == [0] and producer.send(following + 5, waited=True) == [GAP]
    assert producer.send(sequence - 1, waited=True) == [GAP], "what came before was not written"
    assert producer.chronicle.state.runs.high_watermark(producer.topic_id, 0) == 2


def test_waiting_closes_no_gap_of_a_known_producer_and_no_gap_in_one_append(producer: Producer) -> None:
    assert producer.send(4, 6, 5, waited=True) == [0, GAP, 1]
    assert producer.send(9, waited=True) == [GAP]
    assert producer.send(1, epoch=1, waited=True) == [GAP]


def test_a_topic_created_again_knows_nothing_of_the_producers_of_the_one_before() -> None:
    producer = Producer()
    assert producer.send(0, count=10) == [0]
    producer.chronicle.one(DeleteTopic(producer.topic_id))
    producer.topic_id = producer.chronicle.topic("t", partitions=2)
    assert producer.send(10, count=10, waited=True) == [0]
    assert producer.send(20) == [10]


def test_producers_are_forgotten_in_the_order_of_their_last_write() -> None:
    producer = Producer()
    first, second = producer.id, producer.id + 1
    for each in (first, second):
        producer.id = each
        producer.send(0)
    producer.chronicle.now_ms += PRODUCER_RETENTION_MS // 2
    producer.id = first
    assert producer.send(1) == [2]
    producer.chronicle.now_ms += PRODUCER_RETENTION_MS // 2 + 1
    producer.chronicle.one(append(producer.topic_id, plain(1)))
    assert {key[2] for key in producer.chronicle.state.producers.records} == {first}
    assert producer.send(1) == [2], "a repeat is known"


def test_a_producer_that_may_have_been_forgotten_begins_anywhere(producer: Producer) -> None:
    producer.send(0)
    producer.chronicle.now_ms += PRODUCER_RETENTION_MS + 1
    assert producer.chronicle.one(append(producer.topic_id, plain(1))) == [1]
    assert producer.chronicle.state.producers.records == {}
    assert producer.send(41) == [2] and producer.send(42) == [3] and producer.send(44) == [GAP]


def test_forgetting_goes_by_commit_time_and_spares_who_writes(producer: Producer) -> None:
    producer.send(0)
    for sequence in range(1, 4):
        producer.chronicle.now_ms += PRODUCER_RETENTION_MS // 2
        assert producer.send(sequence) == [sequence]
    # A clock that jumps back forgets nothing, and moves no time back.
    latest = producer.chronicle.state.time_ms
    producer.chronicle.now_ms -= 10 * PRODUCER_RETENTION_MS
    assert producer.send(4) == [4] and producer.chronicle.state.time_ms == latest


def test_a_new_epoch_fences_the_old_one_and_begins_at_zero(producer: Producer) -> None:
    producer.send(0)
    assert producer.send(1, epoch=1) == [GAP]
    assert producer.send(0, epoch=1) == [1]
    assert producer.send(1, epoch=0) == [FENCED]
    assert producer.send(1, epoch=1) == [2]


def test_each_partition_has_sequences_of_its_own(producer: Producer) -> None:
    producer.send(0)
    producer.send(1)
    producer.partition = 1
    assert producer.send(2) == [UNKNOWN] and producer.send(0) == [0]


def test_a_deleted_topics_producers_are_forgotten() -> None:
    producer = Producer()
    producer.send(0)
    producer.chronicle.one(DeleteTopic(producer.topic_id))
    assert producer.chronicle.state.producers.records == {}
    assert producer.send(1) == [-ErrorCode.UNKNOWN_TOPIC_OR_PARTITION]


def test_no_producer_id_is_granted_twice() -> None:
    chronicle = Chronicle()
    first = [*chronicle.commit(GrantProducerIds(10), GrantProducerIds(5)), chronicle.one(GrantProducerIds(1))]
    assert first == [first[0], first[0] + 10, first[0] + 15]
    assert chronicle.restored().one(GrantProducerIds(1)) == first[0] + 16


def test_plain_producers_repeat_as_they_like() -> None:
    chronicle = Chronicle()
    topic_id = chronicle.topic("t")
    assert [chronicle.one(append(topic_id, plain(2))) for _ in range(3)] == [[0], [2], [4]]
