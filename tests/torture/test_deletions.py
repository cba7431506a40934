"""The checks of deleted records: deleted records may be missing, no others may be, and deletions are permanent."""

import random

import pytest

from tests.torture.checker import check
from tests.torture.scripted_history import ScriptedHistory


@pytest.fixture
def story():
    """Twenty records, the first ten of them deleted and read as such."""
    s = ScriptedHistory()
    s.write(20)
    s.delete(10)
    s.watermarks(10)
    return s


def test_deleted_records_may_be_missing(story):
    story.assign("late", 0)
    story.read("late", range(10, 20))
    story.end(10)
    assert story.violations() == set()


def test_a_deletion_without_a_response_may_have_happened_or_not():
    for start in (0, 7):
        s = ScriptedHistory()
        s.write(20)
        s.delete_without_answer(7)
        s.watermarks(start)
        s.assign("c", 0)
        s.read("c", range(start, 20))
        s.end(start)
        assert s.violations() == set()


def test_a_deletion_may_happen_long_before_its_response_or_after_a_timeout(story):
    slow = story.request_deletion(12)
    story.watermarks(12)
    story.respond_to_deletion(slow, 1, 12)
    story.delete_without_answer(15)
    story.watermarks(12)
    story.watermarks(15)
    story.end(15)
    assert story.violations() == set()


def test_two_concurrent_deletions_both_return_the_higher_start(story):
    low, high = story.request_deletion(12), story.request_deletion(14)
    story.respond_to_deletion(high, 1, 14)
    story.respond_to_deletion(low, 1, 14)
    story.end(14)
    assert story.violations() == set()


def test_everything_can_be_deleted(story):
    story.delete(-1, start=20)
    story.write(2)
    story.assign("c", 0)
    story.read("c", (20, 21))
    story.end(20)
    assert story.violations() == set()


def test_a_deletion_beyond_the_end_is_refused_and_does_nothing(story):
    story.respond_to_deletion(story.request_deletion(99), 0, err="OFFSET_OUT_OF_RANGE")
    story.end(10)
    assert story.violations() == set()


def test_records_fetched_before_their_deletion_may_be_returned(story):
    story.assign("early", 10)
    story.read("early", (10, 11))
    story.delete(15)
    story.read("early", (12, 13))
    story.read("early", (15, 16, 17))
    story.end(15)
    assert story.violations() == set()


def test_a_member_keeps_what_it_fetched_through_a_rebalance(story):
    story.assign("m", g="g")
    story.delete(15)
    story.assign("m", k="t:1", s=2, g="g")
    story.read("m", (10, 11), s=2)
    story.end(15)
    assert story.violations() == set()


# ---- what is wrong ---------------------------------------------------------------------------------------------------


def test_a_reader_that_starts_after_a_deletion_and_reads_below_it_is_reported(story):
    story.assign("late", 0)
    story.read("late", range(9, 20))
    story.end(10)
    assert story.violations() == {"deleted-read", "poll-skip"}


def test_a_new_member_that_reads_below_a_deletion_is_reported(story):
    story.assign("m", g="g")
    story.read("m", range(9, 20))
    story.end(10)
    assert story.violations() == {"deleted-read"}


def test_a_final_read_below_its_start_is_reported(story):
    story.end(10, offsets=range(9, 20))
    assert "deleted-read" in story.violations()


@pytest.mark.parametrize("missed", [10, 13])
def test_a_reader_that_skips_a_record_that_was_not_deleted_is_reported(story, missed):
    story.assign("c", 0)
    story.read("c", [o for o in range(10, 20) if o != missed])
    story.end(10)
    assert story.violations() == {"poll-skip"}


def test_a_reader_that_starts_between_two_possible_starts_is_reported(story):
    story.delete_without_answer(15)
    story.assign("c", 0)
    story.read("c", range(12, 20))
    story.end(10)
    assert story.violations() == {"poll-skip"}


def test_a_refused_deletion_does_not_excuse_missing_records(story):
    story.respond_to_deletion(story.request_deletion(15), 0, err="OFFSET_OUT_OF_RANGE")
    story.assign("c", 0)
    story.read("c", range(15, 20))
    story.end(10)
    assert story.violations() == {"poll-skip", "delete-refused"}


def test_a_reader_that_skips_records_before_their_deletion_is_reported(story):
    story.assign("c", 0)
    story.read("c", range(15, 20))
    story.delete(15)
    story.end(15)
    assert story.violations() == {"poll-skip"}


def test_a_missing_record_at_or_above_the_start_is_lost(story):
    story.end(10, offsets=[o for o in range(10, 20) if o != 13])
    assert story.violations() == {"lost-write", "offset-gap"}


def test_a_group_that_skips_remaining_records_is_reported(story):
    story.assign("m", g="g")
    story.read("m", (10, 11, 12))
    story.assign("n", g="g")
    story.read("n", (14, 15))
    story.add("ocommit", g="g", c="n", t0=story.at + 1, ok=1, k={"t:0": 16})
    story.end(10)
    assert story.violations() == {"group-skip"}


@pytest.mark.parametrize("lo", [0, 9])
def test_a_log_start_that_decreases_is_reported(story, lo):
    story.watermarks(lo)
    story.end(10)
    assert "stale-log-start" in story.violations()


def test_a_final_read_from_before_the_start_is_reported(story):
    story.end(0)
    assert "stale-log-start" in story.violations()


@pytest.mark.parametrize("lo", [11, 20])
def test_a_log_start_that_was_not_requested_is_reported(story, lo):
    story.watermarks(lo)
    story.end(lo)
    assert story.violations() == {"log-start-unrequested"}


def test_a_log_that_was_never_deleted_from_must_start_at_zero():
    s = ScriptedHistory()
    s.write(5)
    s.end(2)
    assert s.violations() == {"log-start-unrequested"}


def test_a_response_below_the_requested_offset_is_reported(story):
    story.delete(15, start=12)
    story.end(15)
    assert "delete-start-too-low" in story.violations()


def test_a_response_below_an_earlier_one_is_reported(story):
    story.delete(5)
    story.end(10)
    assert story.violations() == {"delete-start-too-low"}


def test_deleting_all_records_must_delete_acknowledged_ones(story):
    story.delete(-1, start=18)
    story.end(18)
    assert story.violations() == {"delete-start-too-low"}


def test_a_response_that_was_not_requested_is_reported(story):
    story.delete(12, start=13)
    story.end(12)
    assert story.violations() == {"log-start-unrequested", "stale-log-start"}


def test_a_deletion_beyond_the_end_that_is_acknowledged_is_reported(story):
    story.delete(30)
    story.end(30, offsets=())
    assert "deleted-beyond-end" in story.violations()


@pytest.mark.parametrize(("before", "why"), [(15, "OFFSET_OUT_OF_RANGE"), (99, "POLICY_VIOLATION")])
def test_an_unjustified_refusal_is_reported(story, before, why):
    story.respond_to_deletion(story.request_deletion(before), 0, err=why)
    story.end(10)
    assert story.violations() == {"delete-refused"}


# ---- many at random --------------------------------------------------------------------------------------------------


def random_story(seed):
    """A correct log with deletions that are answered, unanswered (done at once, later, or never) and refused.

    One reader fetches ahead, others start at random offsets.
    """
    rng, s, start, late = random.Random(seed), ScriptedHistory(), 0, []
    s.write(5)
    s.assign("ahead", 0)
    fetched, position = [], 0
    for step in range(200):
        end, way = len(s.log["t:0"]), rng.random()
        if way < 0.3:
            s.write(rng.randint(1, 5))
        elif way < 0.5:
            before, answer = rng.choice((rng.randint(0, end), end + 50, -1)), rng.random()
            i, target = s.request_deletion(before), end if before < 0 else before
            if target > end:
                s.respond_to_deletion(i, 0, err="OFFSET_OUT_OF_RANGE")
            elif answer < 0.6:
                start = max(start, target)
                s.respond_to_deletion(i, 1, start)
            else:
                if answer < 0.75:
                    start = max(start, target)
                elif answer < 0.9:
                    late.append(target)
                s.respond_to_deletion(i, -1, err="_TIMED_OUT")
        elif way < 0.6 and late:
            start = max(start, late.pop())
        elif way < 0.7:
            position = max(position, start)
            ahead = range(position, min(end, position + rng.randint(0, 20)))
            fetched += ahead
            position += len(ahead)
        elif way < 0.8:
            count = rng.randint(0, len(fetched))
            s.read("ahead", fetched[:count])
            del fetched[:count]
        elif way < 0.9:
            s.watermarks(start)
        else:
            offset = rng.randint(0, end)
            s.assign(f"c{step}", offset)
            s.read(f"c{step}", range(max(offset, start), end))
    s.end(start)
    return s


@pytest.mark.parametrize("seed", range(20))
def test_a_correct_log_under_deletions_has_no_violations(seed):
    report = check(random_story(seed).events)
    assert report["valid"] and not report["counts"], report
