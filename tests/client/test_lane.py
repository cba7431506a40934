"""The batches of one partition, told as stories: what is taken, what is answered, what becomes of each record."""

import random

import pytest

from higgins.client.lane import Identity, Lane, Pending
from higgins.client.results import NotStored, Stored, Unresolved
from higgins.client.settings import ProducerSettings
from higgins.runtime import Backoff
from higgins_protocol.errors import ErrorCode
from higgins_protocol.records.batch import read_header

OK = ErrorCode.NONE
MOVED = ErrorCode.NOT_LEADER_OR_FOLLOWER
GAP = ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER


class Story:
    """A lane of one record a batch, a clock, and the results so far."""

    def __init__(self, **settings):
        settings = {"batch_records_max": 1, "delivery_timeout_ms": 10_000, **settings}
        backoff = Backoff(random.Random(1), first_s=0.01, longest_s=0.01)
        self.lane = Lane("t", 0, ProducerSettings(**settings), backoff)
        self.now_ms = 0
        self.results = {}
        if settings.get("idempotent", True):
            self.lane.adopt(Identity(7, 0))

    def add(self, *values):
        for value in values:
            self.lane.append(
                Pending(5, None, value, (), lambda result, value=value: self.results.update({value: result})),
                self.now_ms,
            )
        return self

    def take(self):
        return self.lane.take(self.now_ms)

    def take_all(self):
        return list(iter(self.take, None))

    def answer(self, batch, code, base_offset=-1):
        self.lane.answered(batch, code, base_offset, "", self.now_ms)

    def later(self, ms):
        self.now_ms += ms
        return self


def sequence(batch):
    header = read_header(memoryview(batch.data))
    return header.producer_id, header.base_sequence


def test_five_batches_are_under_way_in_order_of_their_sequences():
    story = Story().add(b"a", b"b", b"c", b"d", b"e", b"f")
    assert [sequence(one) for one in story.take_all()] == [(7, n) for n in range(5)]


def test_offsets_are_told_per_record():
    story = Story(batch_records_max=3).add(b"a", b"b", b"c")
    story.answer(story.take(), OK, base_offset=40)
    assert story.results == {v: Stored("t", 0, 40 + i) for i, v in enumerate([b"a", b"b", b"c"])}


def test_a_plain_lane_has_one_batch_under_way():
    story = Story(idempotent=False).add(b"a", b"b")
    assert len(story.take_all()) == 1


def test_a_refused_batch_goes_again_with_the_same_bytes_before_anything_new():
    story = Story().add(b"a", b"b", b"c")
    first, second, third = story.take_all()
    bytes_of_first = first.data
    story.answer(first, MOVED)
    story.add(b"d")
    assert story.later(20).take_all() == [], "two that follow it are still in flight"
    story.answer(second, GAP)
    story.answer(third, GAP)
    again = story.later(20).take_all()
    assert again[:3] == [first, second, third]
    assert first.data is bytes_of_first
    assert sequence(again[3]) == (7, 3)
    for offset, batch in enumerate(again):
        story.answer(batch, OK, offset)
    assert [one.offset for one in story.results.values()] == [0, 1, 2, 3]


def test_a_lost_answer_is_repeated_by_an_idempotent_lane_and_let_go_by_a_plain_one():
    keeps, lets_go = Story().add(b"a"), Story(idempotent=False).add(b"a")
    for story in (keeps, lets_go):
        story.lane.lost(story.take(), "connection reset", story.now_ms)
    assert keeps.results == {}
    assert keeps.later(20).take() is not None
    assert lets_go.results == {b"a": Unresolved("t", 0, "connection reset")}


def test_a_known_duplicate_counts_as_stored():
    story = Story().add(b"a")
    story.answer(story.take(), ErrorCode.DUPLICATE_SEQUENCE_NUMBER)
    assert story.results == {b"a": Stored("t", 0, -1)}


def test_a_batch_that_was_lost_once_is_unresolved_even_when_refused_later():
    story = Story().add(b"a")
    batch = story.take()
    story.lane.lost(batch, "reset", story.now_ms)
    story.answer(story.later(20).take(), ErrorCode.TOPIC_AUTHORIZATION_FAILED)
    assert isinstance(story.results[b"a"], Unresolved)


def test_a_batch_refused_for_good_moves_the_others_to_a_new_identity():
    story = Story().add(b"a", b"b", b"c")
    first, second, third = story.take_all()
    story.answer(first, ErrorCode.MESSAGE_TOO_LARGE)
    assert story.results[b"a"] == NotStored("t", 0, ErrorCode.MESSAGE_TOO_LARGE, "")
    assert story.lane.needs_identity
    story.lane.adopt(Identity(8, 0))
    assert story.take_all() == [], "the old identity's batches are still in flight"
    story.answer(second, GAP)
    story.lane.lost(third, "reset", story.now_ms)
    assert isinstance(story.results[b"c"], Unresolved), "it may be stored under the old identity"
    assert [sequence(one) for one in story.take_all()] == [(8, 0)]


def test_what_is_not_stored_in_time_is_given_up():
    story = Story(delivery_timeout_ms=100).add(b"a")
    story.lane.unsent(story.take(), "nobody leads", story.now_ms)
    assert story.later(99).take_all() != []
    waiting = Story(delivery_timeout_ms=100).add(b"a")
    waiting.lane.unsent(waiting.take(), "nobody leads", 0)
    assert waiting.later(100).take() is None
    assert waiting.results[b"a"].code is ErrorCode.REQUEST_TIMED_OUT
    assert "nobody leads" in waiting.results[b"a"].message


def test_a_batch_lingers_until_it_is_full_or_flushed():
    story = Story(linger_ms=50, batch_records_max=2).add(b"a")
    assert story.take() is None
    assert story.lane.wake_at_ms(0) == 50
    assert story.add(b"b").add(b"c").take() is not None, "full"
    assert story.take() is None
    story.lane.flushing = True
    assert story.take() is not None


def test_a_lane_whose_window_is_full_waits_for_answers_and_not_for_time():
    story = Story(idempotent=False, linger_ms=20).add(b"a", b"b").later(20)
    under_way = story.take()
    assert story.later(5).take() is None
    assert story.lane.wake_at_ms(story.now_ms) is None
    story.answer(under_way, OK, 0)
    assert story.lane.wake_at_ms(story.now_ms) == 10_000
    assert story.take().records[0].value == b"b"


def test_sequences_wrap_after_the_greatest():
    story = Story().add(b"a", b"b")
    story.lane._next_sequence = 2_147_483_647
    assert [sequence(one)[1] for one in story.take_all()] == [2_147_483_647, 0]


def test_abandoning_tells_what_was_sent_from_what_was_not():
    story = Story().add(b"a")
    batch = story.take()
    story.add(b"b")
    story.lane.abandon("closed")
    assert isinstance(story.results[b"a"], Unresolved)
    assert isinstance(story.results[b"b"], NotStored)
    story.answer(batch, OK, 3)  # an answer that comes too late changes nothing
    assert isinstance(story.results[b"a"], Unresolved)


@pytest.mark.parametrize("seed", range(30))
def test_whatever_is_lost_or_refused_an_idempotent_lane_stores_each_record_once_and_in_order(seed):
    source = random.Random(seed)
    story = Story(delivery_timeout_ms=1_000_000, batch_records_max=3)
    stored, next_sequence, seen = [], 0, {}
    values = [b"%d" % n for n in range(60)]
    in_flight = []
    for value in values:
        story.add(value)
    for _ in range(5_000):
        if story.lane.empty:
            break
        in_flight.extend(story.later(source.randrange(30)).take_all())
        if not in_flight:
            continue
        batch = in_flight.pop(0)
        fault = source.choice(["refused", "lost before", "lost after", "fine", "fine"])
        if fault == "refused":
            story.answer(batch, MOVED)
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
            story.lane.lost(batch, "reset", story.now_ms)
        else:
            story.answer(batch, code, offset)
    assert stored == values
    assert [story.results[value].offset for value in values] == list(range(60))
