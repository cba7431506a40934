"""The producer's queue of one partition: which batch is sent when, what each response causes, and each result."""

import random

import pytest

from higgins.client.partition_queue import REFUSED_FOR_RECORDS, PartitionQueue, PendingRecord, ProducerIdAndEpoch
from higgins.client.results import NotStored, Stored, Unresolved
from higgins.client.settings import ProducerSettings
from higgins.model.future import Future
from higgins.runtime import Backoff
from higgins_protocol.errors import ErrorCode
from higgins_protocol.records.batch import read_header

OK = ErrorCode.NONE
MOVED = ErrorCode.NOT_LEADER_OR_FOLLOWER
GAP = ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER


class Story:
    """A queue with one record per batch, a clock, and the results so far."""

    def __init__(self, **settings):
        settings = {"batch_records_max": 1, "delivery_timeout_ms": 10_000, **settings}
        backoff = Backoff(random.Random(1), first_s=0.01, longest_s=0.01)
        self.queue = PartitionQueue("t", 0, ProducerSettings(**settings), backoff)
        self.now_ms = 0
        self.results = {}
        if settings.get("idempotent", True):
            self.queue.set_producer_id(ProducerIdAndEpoch(7, 0))

    def add(self, *values):
        for value in values:
            result = Future()
            result.add_done_callback(lambda done, value=value: self.results.update({value: done.result()}))
            self.queue.append(PendingRecord(5, None, value, (), result), self.now_ms)
        return self

    def take(self):
        return self.queue.take(self.now_ms)

    def take_all(self):
        return list(iter(self.take, None))

    def respond(self, batch, code, base_offset=-1):
        self.queue.on_response(batch, code, base_offset, "", self.now_ms)

    def later(self, ms):
        self.now_ms += ms
        return self


def sequence(batch):
    header = read_header(memoryview(batch.data))
    return header.producer_id, header.base_sequence


def test_five_batches_are_in_flight_in_the_order_of_their_sequences():
    story = Story().add(b"a", b"b", b"c", b"d", b"e", b"f")
    assert [sequence(one) for one in story.take_all()] == [(7, n) for n in range(5)]


def test_each_record_gets_its_offset():
    story = Story(batch_records_max=3).add(b"a", b"b", b"c")
    story.respond(story.take(), OK, base_offset=40)
    assert story.results == {v: Stored("t", 0, 40 + i) for i, v in enumerate([b"a", b"b", b"c"])}


def test_without_idempotence_one_batch_is_in_flight():
    story = Story(idempotent=False).add(b"a", b"b")
    assert len(story.take_all()) == 1


def test_a_refused_batch_is_retried_with_the_same_bytes_before_later_batches():
    story = Story().add(b"a", b"b", b"c")
    first, second, third = story.take_all()
    bytes_of_first = first.data
    story.respond(first, MOVED)
    story.add(b"d")
    assert story.later(20).take_all() == [], "two later batches are still in flight"
    story.respond(second, GAP)
    story.respond(third, GAP)
    again = story.later(20).take_all()
    assert again[:3] == [first, second, third]
    assert first.data is bytes_of_first
    assert sequence(again[3]) == (7, 3)
    for offset, batch in enumerate(again):
        story.respond(batch, OK, offset)
    assert [one.offset for one in story.results.values()] == [0, 1, 2, 3]


def test_a_batch_with_an_unknown_outcome_is_retried_only_with_idempotence():
    idempotent, plain = Story().add(b"a"), Story(idempotent=False).add(b"a")
    for story in (idempotent, plain):
        story.queue.on_outcome_unknown(story.take(), "connection reset", story.now_ms)
    assert idempotent.results == {}
    assert idempotent.later(20).take() is not None
    assert plain.results == {b"a": Unresolved("t", 0, "connection reset")}


def test_a_duplicate_sequence_number_counts_as_stored():
    story = Story().add(b"a")
    story.respond(story.take(), ErrorCode.DUPLICATE_SEQUENCE_NUMBER)
    assert story.results == {b"a": Stored("t", 0, -1)}


def test_a_refusal_after_an_unknown_outcome_is_unresolved():
    story = Story().add(b"a")
    batch = story.take()
    story.queue.on_outcome_unknown(batch, "reset", story.now_ms)
    story.respond(story.later(20).take(), ErrorCode.TOPIC_AUTHORIZATION_FAILED)
    assert isinstance(story.results[b"a"], Unresolved)


def test_a_failed_batch_moves_the_others_to_a_new_producer_id():
    story = Story().add(b"a", b"b", b"c")
    first, second, third = story.take_all()
    story.respond(first, ErrorCode.MESSAGE_TOO_LARGE)
    assert story.results[b"a"] == NotStored("t", 0, ErrorCode.MESSAGE_TOO_LARGE, "")
    assert story.queue.needs_producer_id
    story.queue.set_producer_id(ProducerIdAndEpoch(8, 0))
    assert story.take_all() == [], "batches of the old producer id are still in flight"
    story.respond(second, GAP)
    story.queue.on_outcome_unknown(third, "reset", story.now_ms)
    assert isinstance(story.results[b"c"], Unresolved), "it may be stored under the old producer id"
    assert [sequence(one) for one in story.take_all()] == [(8, 0)]


def test_a_batch_fails_after_the_delivery_timeout():
    story = Story(delivery_timeout_ms=100).add(b"a")
    story.queue.on_not_sent(story.take(), "no leader", story.now_ms)
    assert story.later(99).take_all() != []
    waiting = Story(delivery_timeout_ms=100).add(b"a")
    waiting.queue.on_not_sent(waiting.take(), "no leader", 0)
    assert waiting.later(100).take() is None
    assert waiting.results[b"a"].code is ErrorCode.REQUEST_TIMED_OUT
    assert "no leader" in waiting.results[b"a"].message


def test_a_batch_lingers_until_it_is_full_or_flushed():
    story = Story(linger_ms=50, batch_records_max=2).add(b"a")
    assert story.take() is None
    assert story.queue.wake_at_ms(0) == 50
    assert story.add(b"b").add(b"c").take() is not None, "full"
    assert story.take() is None
    story.queue.flushing = True
    assert story.take() is not None


def test_a_queue_with_all_requests_in_flight_waits_for_a_response_and_sets_no_timer():
    story = Story(idempotent=False, linger_ms=20).add(b"a", b"b").later(20)
    in_flight = story.take()
    assert story.later(5).take() is None
    assert story.queue.wake_at_ms(story.now_ms) is None
    story.respond(in_flight, OK, 0)
    assert story.queue.wake_at_ms(story.now_ms) == 10_000
    assert story.take().records[0].value == b"b"


def test_sequences_wrap_after_2_147_483_647():
    story = Story().add(b"a", b"b")
    story.queue._next_sequence = 2_147_483_647
    assert [sequence(one)[1] for one in story.take_all()] == [2_147_483_647, 0]


def test_abort_reports_sent_batches_as_unresolved_and_others_as_not_stored():
    story = Story().add(b"a")
    batch = story.take()
    story.add(b"b")
    story.queue.abort("closed")
    assert isinstance(story.results[b"a"], Unresolved)
    assert isinstance(story.results[b"b"], NotStored)
    story.respond(batch, OK, 3)  # a late response changes nothing
    assert isinstance(story.results[b"a"], Unresolved)


@pytest.mark.parametrize("seed", range(30))
def test_with_random_faults_an_idempotent_queue_stores_each_record_once_and_in_order(seed):
    source = random.Random(seed)
    story = Story(delivery_timeout_ms=1_000_000, batch_records_max=3)
    stored, next_sequence, seen = [], 0, {}
    values = [b"%d" % n for n in range(60)]
    in_flight = []
    for value in values:
        story.add(value)
    for _ in range(5_000):
        if story.queue.empty:
            break
        in_flight.extend(story.later(source.randrange(30)).take_all())
        if not in_flight:
            continue
        batch = in_flight.pop(0)
        fault = source.choice(["refused", "lost before", "lost after", "fine", "fine"])
        if fault == "refused":
            story.respond(batch, MOVED)
            continue
        first = sequence(batch)[1]
        code, offset = OK, seen.get(first, len(stored))
        if fault != "lost before" and first not in seen:
            if first != next_sequence:
                code = GAP
            else:
                seen[first] = len(stored)
                stored.extend(one.value for one in batch.records)
                next_sequence += len(batch.records)
        if fault.startswith("lost"):
            story.queue.on_outcome_unknown(batch, "reset", story.now_ms)
        else:
            story.respond(batch, code, offset)
    assert stored == values
    assert [story.results[value].offset for value in values] == list(range(60))


@pytest.mark.parametrize("code", sorted(REFUSED_FOR_RECORDS))
@pytest.mark.parametrize("idempotent", [True, False])
@pytest.mark.parametrize("bad", [[0], [3], [7], [2, 5], list(range(8))])
@pytest.mark.parametrize("names", [True, False])
def test_refused_records_take_no_other_along(code, idempotent, bad, names):
    """A broker that refuses batches with certain records, and that names them or does not."""
    values = [b"%d" % number for number in range(8)]
    refused = {values[index] for index in bad}
    story = Story(idempotent=idempotent, batch_records_max=8).add(*values)
    story.queue.flushing = True
    stored = []
    for round in range(100):
        if story.queue.empty:
            break
        if story.queue.needs_producer_id:
            story.queue.set_producer_id(ProducerIdAndEpoch(8 + round, 0))
        batch = story.later(100).take()
        content = [record.value for record in batch.records]
        wrong = {index: "why" for index, value in enumerate(content) if value in refused}
        if wrong:
            answer = (code, -1, "", story.now_ms, wrong if names else {})
        else:
            answer = (OK, len(stored), "", story.now_ms)
            stored += content
        story.queue.on_response(batch, *answer)
    assert stored == [value for value in values if value not in refused]
    for value in values:
        if value in refused:
            assert story.results[value] == NotStored("t", 0, code, "why" if names else "")
        else:
            assert story.results[value] == Stored("t", 0, stored.index(value))


def test_a_batch_that_may_be_stored_is_not_divided():
    story = Story(batch_records_max=2).add(b"a", b"b")
    batch = story.take()
    story.queue.on_outcome_unknown(batch, "lost", story.now_ms)
    story.later(1_000).respond(story.take(), ErrorCode.INVALID_RECORD)
    assert [type(one) for one in story.results.values()] == [Unresolved, Unresolved]


def test_timestamps_that_are_too_far_apart_are_in_batches_of_their_own():
    queue = Story(batch_records_max=10).queue
    for timestamp in (-(1 << 62), 1 << 62, (1 << 63) - 1, -1):
        queue.append(PendingRecord(timestamp, None, b"", (), Future()), 0)
    queue.flushing = True
    assert [len(batch.records) for batch in iter(lambda: queue.take(0), None)] == [1, 3]
