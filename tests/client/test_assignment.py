"""Subscriptions and assignments on the wire, and the range assignor."""

import pytest
from kafka.protocol.consumer.metadata import ConsumerProtocolAssignment, ConsumerProtocolSubscription

from higgins.client import IncompatibleBroker
from higgins.client.assignment import (
    Subscription,
    assign_ranges,
    decode_assignment,
    decode_subscription,
    encode_assignment,
    encode_subscription,
)

OWNED = (("orders", 0), ("orders", 2), ("straße", 1))


def test_subscriptions_and_assignments_round_trip():
    subscription = Subscription(("orders", "straße"), OWNED)
    assert decode_subscription(encode_subscription(subscription)) == subscription
    assert decode_assignment(encode_assignment(OWNED)) == OWNED
    assert decode_assignment(b"") == ()


@pytest.mark.parametrize("version", range(4))
def test_subscriptions_and_assignments_are_exchanged_with_kafka_python(version):
    theirs = ConsumerProtocolSubscription(topics=["a", "b"], user_data=b"opaque", owned_partitions=[])
    assert decode_subscription(theirs.encode(version=version)) == Subscription(("a", "b"))
    ours = ConsumerProtocolSubscription.decode(encode_subscription(Subscription(("a",), (("a", 1),))))
    assert (ours.topics, ours.owned_partitions[0].partitions) == (["a"], [1])
    assignment = ConsumerProtocolAssignment.decode(encode_assignment(OWNED))
    assert [(one.topic, one.partition) for one in assignment.partitions()] == list(OWNED)


@pytest.mark.parametrize("cut", range(1, 30))
def test_truncated_bytes_are_refused(cut):
    whole = encode_assignment(OWNED)
    with pytest.raises(IncompatibleBroker):
        decode_assignment(whole[: len(whole) - 4 - cut])


def test_a_count_larger_than_the_bytes_is_refused_before_allocating():
    with pytest.raises(IncompatibleBroker, match=r"assigned_partitions at byte 6: .* bytes announced, 0 left"):
        decode_assignment(b"\x00\x00\x7f\xff\xff\xff")


def test_ranges_are_consecutive_and_differ_by_at_most_one():
    subscriptions = {member: Subscription(("a", "b")) for member in ("m2", "m1", "m3")}
    assigned = assign_ranges(subscriptions, {"a": 7, "b": 2})
    assert assigned == {
        "m1": [("a", 0), ("a", 1), ("a", 2), ("b", 0)],
        "m2": [("a", 3), ("a", 4), ("b", 1)],
        "m3": [("a", 5), ("a", 6)],
    }


def test_only_subscribers_get_partitions_and_every_member_is_in_the_result():
    assigned = assign_ranges({"m1": Subscription(("a",)), "m2": Subscription(())}, {"a": 2})
    assert assigned == {"m1": [("a", 0), ("a", 1)], "m2": []}
