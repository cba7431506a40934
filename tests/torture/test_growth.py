"""The checker of added partitions: what was promised is there for good, keys lie where some count of partitions puts
them, and clients come to use what is new."""

import pytest

from tests.torture.growth_checks import NOTICE_S, RECORDS_PER_PARTITION, partition_of
from tests.torture.story import Story


def key_for(before, after, partitions):
    """A key that lies at `before` among fewer partitions and at `after` among one more."""
    return next(
        key
        for key in map(str, range(10_000))
        if partition_of(key, partitions) == before and partition_of(key, partitions + 1) == after
    )


def end_all(story, partitions):
    for q in range(partitions):
        story.end(k=f"t:{q}")
    return story.verdict()


@pytest.fixture
def story():
    """A topic of two partitions that is given a third."""
    s = Story()
    s.grow(2)
    s.tell(2)
    s.write(3, "t:0")
    s.write(3, "t:1")
    s.grow(3)
    s.tell(3)
    s.write(3, "t:2")
    return s


def test_a_topic_that_grows_and_stays_so_raises_no_alarm(story):
    story.begin("m", k="t:2", g="g")
    story.read("m", range(3), k="t:2")
    assert end_all(story, 3) == set()


def test_growth_without_an_answer_may_have_happened_or_not(story):
    story.grow(5, ok=-1)
    story.tell(3)
    story.tell(5)
    assert end_all(story, 5) == set()


def test_another_node_may_lag_for_a_while_but_not_for_long(story):
    story.tell(2, node="b")
    assert end_all(story, 3) == set()
    story.wait(NOTICE_S + 1)
    story.tell(2, node="c")
    assert story.verdict() == {"partition-vanished"}


def test_a_node_that_tells_of_fewer_than_it_did_is_convicted(story):
    story.tell(2, node="b")
    story.tell(3, node="b")
    assert end_all(story, 3) == set()
    story.tell(2, node="b")
    assert story.verdict() == {"partition-vanished"}


def test_the_only_node_must_tell_of_what_was_promised_at_once():
    s = Story()
    s.grow(2)
    s.grow(3)
    s.tell(2)
    assert end_all(s, 3) == {"partition-vanished"}


def test_more_partitions_than_were_asked_for_are_convicted(story):
    story.tell(4)
    assert end_all(story, 4) == {"growth-unasked"}


def test_a_promised_partition_that_nobody_can_read_in_the_end_is_convicted(story):
    assert end_all(story, 2) == {"partition-vanished", "unseen"}


def test_a_promised_partition_that_cannot_be_read_to_its_end_is_convicted(story):
    story.end(k="t:2", complete=False)
    assert end_all(story, 2) == {"partition-vanished"}


def test_a_partition_may_be_unknown_at_first_but_not_for_long(story):
    story.refuse("t:2", "_UNKNOWN_PARTITION")
    assert end_all(story, 3) == set()
    story.wait(NOTICE_S + 1)
    story.refuse("t:2", "UNKNOWN_TOPIC_OR_PART")
    assert story.verdict() == {"partition-vanished"}


def test_a_refusal_for_another_reason_is_not_about_partitions(story):
    story.wait(NOTICE_S + 1)
    story.refuse("t:2", "_MSG_TIMED_OUT")
    assert end_all(story, 3) == set()


def test_a_record_that_is_lost_from_a_new_partition_is_convicted(story):
    story.end(k="t:2", offsets=(0, 2))
    assert end_all(story, 2) == {"lost-write", "offset-gap"}


def test_keys_move_when_partitions_are_added(story):
    key = key_for(0, 2, 2)
    story.write(1, "t:0", key=key)  # the producer has not noticed yet
    story.write(1, "t:2", key=key)
    assert end_all(story, 3) == set()


def test_a_key_that_moves_back_is_convicted(story):
    key = key_for(0, 2, 2)
    story.write(1, "t:2", key=key)
    story.write(1, "t:0", key=key)
    assert end_all(story, 3) == {"misplaced-key"}


def test_a_key_where_no_count_puts_it_is_convicted(story):
    key = next(k for k in map(str, range(10_000)) if 2 not in {partition_of(k, n) for n in (1, 2, 3)})
    story.write(1, "t:2", key=key)
    assert end_all(story, 3) == {"misplaced-key"}


def test_records_of_one_key_out_of_order_are_convicted(story):
    key = key_for(0, 2, 2)
    story.write(2, "t:2", key=key)
    log = story.log["t:2"]
    first, second = (next(e for e in story.events if e["e"] == "send" and e["v"] == v) for v in log[-2:])
    log[-2:] = reversed(log[-2:])
    for event in story.events:
        if event["e"] == "sent" and event["id"] in (first["id"], second["id"]):
            event["o"] = 4 if event["id"] == first["id"] else 3
    assert end_all(story, 3) == {"nonmonotonic-send"}


def write_for_long(story, counts):
    """Many records by key, after everybody should have noticed, shared out among so many partitions."""
    story.wait(NOTICE_S + 1)
    for n in range(4 * RECORDS_PER_PARTITION):
        story.write(1, f"t:{partition_of(str(n), counts)}", key=str(n))


def test_producers_that_use_what_is_new_raise_no_alarm(story):
    write_for_long(story, 3)
    assert end_all(story, 3) == set()


def test_producers_that_never_use_what_is_new_are_convicted(story):
    write_for_long(story, 2)
    assert end_all(story, 3) == {"growth-unnoticed"}


@pytest.mark.parametrize(("waits_s", "verdict"), [(1, set()), (NOTICE_S + 1, {"growth-unnoticed"})])
def test_a_group_that_never_reads_what_is_new_is_convicted_in_the_end(story, waits_s, verdict):
    story.begin("m", k="t:0", g="g")
    story.wait(waits_s)
    story.read("m", range(3), k="t:0")
    assert end_all(story, 3) == verdict
