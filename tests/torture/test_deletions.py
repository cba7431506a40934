"""The checker of deleted records: what was deleted is not missed, all else is, and a deletion is for good."""

import random

import pytest

from tests.torture.checker import check
from tests.torture.story import Story


@pytest.fixture
def story():
    """Twenty records, the first ten of them deleted, as everybody has seen."""
    s = Story()
    s.write(20)
    s.delete(10)
    s.look(10)
    return s


def test_records_that_were_deleted_are_not_missed(story):
    story.begin("late", 0)
    story.read("late", range(10, 20))
    story.end(10)
    assert story.verdict() == set()


def test_a_deletion_without_an_answer_may_have_happened_or_not():
    for start in (0, 7):
        s = Story()
        s.write(20)
        s.delete_without_answer(7)
        s.look(start)
        s.begin("c", 0)
        s.read("c", range(start, 20))
        s.end(start)
        assert s.verdict() == set()


def test_a_deletion_may_happen_long_before_its_answer_and_after_it_failed(story):
    slow = story.ask_to_delete(12)
    story.look(12)
    story.answer_deletion(slow, 1, 12)
    story.delete_without_answer(15)
    story.look(12)
    story.look(15)
    story.end(15)
    assert story.verdict() == set()


def test_two_deletions_at_once_are_both_told_the_higher_start(story):
    low, high = story.ask_to_delete(12), story.ask_to_delete(14)
    story.answer_deletion(high, 1, 14)
    story.answer_deletion(low, 1, 14)
    story.end(14)
    assert story.verdict() == set()


def test_everything_can_be_deleted(story):
    story.delete(-1, start=20)
    story.write(2)
    story.begin("c", 0)
    story.read("c", (20, 21))
    story.end(20)
    assert story.verdict() == set()


def test_a_deletion_beyond_the_end_is_refused_and_does_nothing(story):
    story.answer_deletion(story.ask_to_delete(99), 0, err="OFFSET_OUT_OF_RANGE")
    story.end(10)
    assert story.verdict() == set()


def test_who_had_fetched_ahead_may_hand_out_what_was_deleted_since(story):
    story.begin("early", 10)
    story.read("early", (10, 11))
    story.delete(15)
    story.read("early", (12, 13))
    story.read("early", (15, 16, 17))
    story.end(15)
    assert story.verdict() == set()


def test_a_member_keeps_what_it_fetched_through_a_rebalance(story):
    story.begin("m", g="g")
    story.delete(15)
    story.begin("m", k="t:1", s=2, g="g")
    story.read("m", (10, 11), s=2)
    story.end(15)
    assert story.verdict() == set()


# ---- what is wrong ---------------------------------------------------------------------------------------------------


def test_who_begins_after_a_deletion_and_reads_below_it_is_convicted(story):
    story.begin("late", 0)
    story.read("late", range(9, 20))
    story.end(10)
    assert story.verdict() == {"deleted-read", "poll-skip"}


def test_a_new_member_that_reads_below_a_deletion_is_convicted(story):
    story.begin("m", g="g")
    story.read("m", range(9, 20))
    story.end(10)
    assert story.verdict() == {"deleted-read"}


def test_a_last_read_below_its_start_is_convicted(story):
    story.end(10, offsets=range(9, 20))
    assert "deleted-read" in story.verdict()


@pytest.mark.parametrize("missed", [10, 13])
def test_a_reader_that_misses_what_was_not_deleted_is_convicted(story, missed):
    story.begin("c", 0)
    story.read("c", [o for o in range(10, 20) if o != missed])
    story.end(10)
    assert story.verdict() == {"poll-skip"}


def test_a_reader_that_begins_between_two_possible_starts_is_convicted(story):
    story.delete_without_answer(15)
    story.begin("c", 0)
    story.read("c", range(12, 20))
    story.end(10)
    assert story.verdict() == {"poll-skip"}


def test_a_deletion_that_was_refused_explains_nothing(story):
    story.answer_deletion(story.ask_to_delete(15), 0, err="OFFSET_OUT_OF_RANGE")
    story.begin("c", 0)
    story.read("c", range(15, 20))
    story.end(10)
    assert story.verdict() == {"poll-skip", "delete-refused"}


def test_a_reader_that_runs_ahead_of_a_deletion_is_convicted(story):
    story.begin("c", 0)
    story.read("c", range(15, 20))
    story.delete(15)
    story.end(15)
    assert story.verdict() == {"poll-skip"}


def test_an_acknowledged_record_behind_the_start_that_is_gone_is_lost(story):
    story.end(10, offsets=[o for o in range(10, 20) if o != 13])
    assert story.verdict() == {"lost-write", "offset-gap"}


def test_a_group_that_passes_over_what_is_left_is_convicted(story):
    story.begin("m", g="g")
    story.read("m", (10, 11, 12))
    story.begin("n", g="g")
    story.read("n", (14, 15))
    story.add("ocommit", g="g", c="n", t0=story.at + 1, ok=1, k={"t:0": 16})
    story.end(10)
    assert story.verdict() == {"group-skip"}


@pytest.mark.parametrize("lo", [0, 9])
def test_a_log_start_that_comes_back_is_convicted(story, lo):
    story.look(lo)
    story.end(10)
    assert "stale-log-start" in story.verdict()


def test_a_last_read_from_before_the_start_is_convicted(story):
    story.end(0)
    assert "stale-log-start" in story.verdict()


@pytest.mark.parametrize("lo", [11, 20])
def test_a_log_start_that_nobody_asked_for_is_convicted(story, lo):
    story.look(lo)
    story.end(lo)
    assert story.verdict() == {"log-start-unasked"}


def test_a_log_that_was_never_deleted_from_must_start_at_zero():
    s = Story()
    s.write(5)
    s.end(2)
    assert s.verdict() == {"log-start-unasked"}


def test_an_answer_below_what_was_asked_for_is_convicted(story):
    story.delete(15, start=12)
    story.end(15)
    assert "delete-fell-short" in story.verdict()


def test_an_answer_below_an_earlier_one_is_convicted(story):
    story.delete(5)
    story.end(10)
    assert story.verdict() == {"delete-fell-short"}


def test_deleting_all_there_is_must_take_what_was_acknowledged(story):
    story.delete(-1, start=18)
    story.end(18)
    assert story.verdict() == {"delete-fell-short"}


def test_an_answer_that_nobody_asked_for_is_convicted(story):
    story.delete(12, start=13)
    story.end(12)
    assert story.verdict() == {"log-start-unasked", "stale-log-start"}


def test_a_deletion_beyond_the_end_that_is_acknowledged_is_convicted(story):
    story.delete(30)
    story.end(30, offsets=())
    assert "deleted-beyond-end" in story.verdict()


@pytest.mark.parametrize(("before", "why"), [(15, "OFFSET_OUT_OF_RANGE"), (99, "POLICY_VIOLATION")])
def test_a_refusal_without_reason_is_convicted(story, before, why):
    story.answer_deletion(story.ask_to_delete(before), 0, err=why)
    story.end(10)
    assert story.verdict() == {"delete-refused"}


# ---- many at random --------------------------------------------------------------------------------------------------


def random_story(seed):
    """A correct log under deletions that are answered, unanswered (done at once, later, or never) and refused, with a
    reader that fetches ahead and others that begin anywhere."""
    rng, s, start, late = random.Random(seed), Story(), 0, []
    s.write(5)
    s.begin("ahead", 0)
    fetched, position = [], 0
    for step in range(200):
        end, way = len(s.log["t:0"]), rng.random()
        if way < 0.3:
            s.write(rng.randint(1, 5))
        elif way < 0.5:
            before, answer = rng.choice((rng.randint(0, end), end + 50, -1)), rng.random()
            i, target = s.ask_to_delete(before), end if before < 0 else before
            if target > end:
                s.answer_deletion(i, 0, err="OFFSET_OUT_OF_RANGE")
            elif answer < 0.6:
                start = max(start, target)
                s.answer_deletion(i, 1, start)
            else:
                if answer < 0.75:
                    start = max(start, target)
                elif answer < 0.9:
                    late.append(target)
                s.answer_deletion(i, -1, err="_TIMED_OUT")
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
            s.look(start)
        else:
            asked = rng.randint(0, end)
            s.begin(f"c{step}", asked)
            s.read(f"c{step}", range(max(asked, start), end))
    s.end(start)
    return s


@pytest.mark.parametrize("seed", range(20))
def test_a_correct_log_under_deletions_raises_no_alarm(seed):
    report = check(random_story(seed).events)
    assert report["valid"] and not report["counts"], report
