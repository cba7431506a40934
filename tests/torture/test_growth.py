"""The checks of added partitions: acknowledged ones stay, keys follow a requested count, clients use new ones."""

import pytest

from tests.torture.growth_checks import NOTICE_S, RECORDS_PER_PARTITION, STALL_S, partition_of
from tests.torture.scripted_history import ScriptedHistory


def key_for(before, after, partitions):
    """A key whose partition is `before` with fewer partitions and `after` with one more."""
    return next(
        key
        for key in map(str, range(10_000))
        if partition_of(key, partitions) == before and partition_of(key, partitions + 1) == after
    )


def end_all(story, partitions):
    for q in range(partitions):
        story.end(k=f"t:{q}")
    return story.violations()


@pytest.fixture
def story():
    """A topic with two partitions that gets a third."""
    s = ScriptedHistory()
    s.grow(2)
    s.report_partitions(2)
    s.write(3, "t:0")
    s.write(3, "t:1")
    s.grow(3)
    s.report_partitions(3)
    s.write(3, "t:2")
    return s


def test_a_topic_that_grows_once_has_no_violations(story):
    story.assign("m", k="t:2", g="g")
    story.read("m", range(3), k="t:2")
    assert end_all(story, 3) == set()


def test_growth_without_a_response_may_have_happened_or_not(story):
    story.grow(5, ok=-1)
    story.report_partitions(3)
    story.report_partitions(5)
    assert end_all(story, 5) == set()


def test_another_node_may_lag_for_a_limited_time(story):
    story.report_partitions(2, node="b")
    assert end_all(story, 3) == set()
    story.wait(NOTICE_S + 1)
    story.report_partitions(2, node="c")
    assert story.violations() == {"partition-vanished"}


def test_a_node_whose_partition_count_decreases_is_reported(story):
    story.report_partitions(2, node="b")
    story.report_partitions(3, node="b")
    assert end_all(story, 3) == set()
    story.report_partitions(2, node="b")
    assert story.violations() == {"partition-vanished"}


def test_a_single_node_must_return_acknowledged_partitions_at_once():
    s = ScriptedHistory()
    s.grow(2)
    s.grow(3)
    s.report_partitions(2)
    assert end_all(s, 3) == {"partition-vanished"}


def test_more_partitions_than_requested_are_reported(story):
    story.report_partitions(4)
    assert end_all(story, 4) == {"growth-unrequested"}


def test_an_acknowledged_partition_that_cannot_be_read_at_the_end_is_reported(story):
    assert end_all(story, 2) == {"partition-vanished", "unseen"}


def test_an_acknowledged_partition_that_cannot_be_read_completely_is_reported(story):
    story.end(k="t:2", complete=False)
    assert end_all(story, 2) == {"partition-vanished"}


def test_a_new_partition_may_be_unknown_for_a_limited_time(story):
    story.refuse("t:2", "_UNKNOWN_PARTITION")
    assert end_all(story, 3) == set()
    story.wait(NOTICE_S + 1)
    story.refuse("t:2", "UNKNOWN_TOPIC_OR_PART")
    assert story.violations() == {"partition-vanished"}


def test_a_refusal_for_another_reason_is_no_growth_violation(story):
    story.wait(NOTICE_S + 1)
    story.refuse("t:2", "_MSG_TIMED_OUT")
    assert end_all(story, 3) == set()


def test_a_record_that_is_lost_from_a_new_partition_is_reported(story):
    story.end(k="t:2", offsets=(0, 2))
    assert end_all(story, 2) == {"lost-write", "offset-gap"}


def test_keys_move_when_partitions_are_added(story):
    key = key_for(0, 2, 2)
    story.write(1, "t:0", key=key)  # the producer has not noticed yet
    story.write(1, "t:2", key=key)
    assert end_all(story, 3) == set()


def test_a_key_that_moves_back_is_reported(story):
    key = key_for(0, 2, 2)
    story.write(1, "t:2", key=key)
    story.write(1, "t:0", key=key)
    assert end_all(story, 3) == {"misplaced-key"}


def test_a_key_in_a_partition_of_no_requested_count_is_reported(story):
    key = next(k for k in map(str, range(10_000)) if 2 not in {partition_of(k, n) for n in (1, 2, 3)})
    story.write(1, "t:2", key=key)
    assert end_all(story, 3) == {"misplaced-key"}


def test_records_of_one_key_out_of_order_are_reported(story):
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
    """Many records with keys, after the time within which clients must notice, over this many partitions."""
    story.wait(NOTICE_S + 1)
    for n in range(4 * RECORDS_PER_PARTITION):
        story.write(1, f"t:{partition_of(str(n), counts)}", key=str(n))


def test_producers_that_use_new_partitions_have_no_violations(story):
    write_for_long(story, 3)
    assert end_all(story, 3) == set()


def test_producers_that_never_use_new_partitions_are_reported(story):
    write_for_long(story, 2)
    assert end_all(story, 3) == {"growth-unnoticed"}


@pytest.mark.parametrize(("wait_s", "expected"), [(1, set()), (NOTICE_S + 1, {"growth-unnoticed"})])
def test_a_group_that_never_reads_new_partitions_is_reported_at_the_end(story, wait_s, expected):
    story.assign("m", k="t:0", g="g")
    story.wait(wait_s)
    story.read("m", range(3), k="t:0")
    assert end_all(story, 3) == expected


def test_time_in_which_a_group_rebalances_does_not_count(story):
    story.assign("m", k="t:0", g="g")
    story.revoke("m", g="g")
    story.wait(NOTICE_S + 1)
    story.assign("m", k="t:0", s=2, g="g")
    story.read("m", range(3), k="t:0", s=2)
    assert end_all(story, 3) == set()


def test_settled_time_before_and_after_a_rebalance_counts_together(story):
    for s in (1, 2):
        story.assign("m", k="t:0", s=s, g="g")
        story.wait(NOTICE_S / 2 + 1)
        story.revoke("m", g="g", s=s)
    story.assign("m", k="t:0", s=3, g="g")
    story.read("m", range(3), k="t:0", s=3)
    assert end_all(story, 3) == {"growth-unnoticed"}


def test_a_member_that_waits_for_its_first_assignment_makes_the_group_unsettled(story):
    story.assign("m", k="t:0", g="g")
    story.join("n", g="g")
    story.wait(NOTICE_S + 1)
    story.read("m", range(3), k="t:0")
    assert end_all(story, 3) == set()


def test_a_member_that_left_does_not_make_the_group_unsettled(story):
    story.join("n", g="g")
    story.leave("n", g="g")
    story.assign("m", k="t:0", g="g")
    story.wait(NOTICE_S + 1)
    story.read("m", range(3), k="t:0")
    assert end_all(story, 3) == {"growth-unnoticed"}


@pytest.mark.parametrize(("wait_s", "expected"), [(STALL_S - 1, set()), (STALL_S + 1, {"group-stalled"})])
@pytest.mark.parametrize("ends", [True, False])
def test_a_rebalance_that_does_not_end_is_reported(story, wait_s, expected, ends):
    story.assign("m", k="t:2", g="g")
    story.read("m", range(3), k="t:2")
    story.join("n", g="g")
    story.wait(wait_s)
    if ends:
        story.assign("n", k="t:1", g="g")
    assert end_all(story, 3) == expected


def test_members_that_come_one_after_another_are_no_stall(story):
    for n in range(5):
        story.join(f"n{n}", g="g")
        story.wait(STALL_S / 2)
        story.assign(f"n{n}", k="t:2", g="g")
    story.read("n4", range(3), k="t:2")
    assert end_all(story, 3) == set()
