"""Records: offsets by position and time, deletion below an offset, and the producers of a partition."""

import pytest

from higgins.admin.configs.alter import incremental
from higgins.admin.records import AtTime, Deletion, Position
from higgins.admin.topics import NewTopic
from higgins.config.entries.changes import Change, Operation
from higgins.model.errors import Refused
from tests.broker.peer import EPOCH_MS, batch

BROKER = 4


def codes(results):
    return [result.code.name if isinstance(result, Refused) else result for result in results]


async def offset_at(admin, target):
    record = await admin.records.offset_at(admin.topics.find("t"), 0, target)
    return None if record is None else (record.offset, record.timestamp)


async def test_offsets_are_found_by_position_and_time(autojump_clock, house, admin):
    peer = house.connect()
    assert await offset_at(admin, Position.MAX_TIMESTAMP) is None
    for late in (90, 10, 50):
        await peer.produce("t", batch(b"v", timestamp=EPOCH_MS + late))
    assert await offset_at(admin, Position.EARLIEST) == (0, -1)
    assert await offset_at(admin, Position.LATEST) == (3, -1)
    assert await offset_at(admin, Position.MAX_TIMESTAMP) == (0, EPOCH_MS + 90)
    assert await offset_at(admin, AtTime(EPOCH_MS + 91)) is None
    await admin.records.delete([Deletion("t", 0, 1)])
    assert await offset_at(admin, AtTime(EPOCH_MS)) == (1, EPOCH_MS + 10)
    assert await offset_at(admin, Position.MAX_TIMESTAMP) == (2, EPOCH_MS + 50)


async def test_the_log_start_offset_moves_up_and_never_back(autojump_clock, house, admin):
    await admin.topics.create([NewTopic("u", 2)])
    await house.connect().produce("t", batch(b"a", b"b", b"c"))
    assert await admin.records.delete([Deletion("t", 0, 2), Deletion("t", 0, 1)]) == [2, 2]
    assert await admin.records.delete([Deletion("t", 0, 0)]) == [2]
    assert await offset_at(admin, Position.EARLIEST) == (2, -1)
    deletions = [Deletion(*one) for one in (("t", 0, 4), ("t", 0, -2), ("u", 1, 0), ("u", 2, 0), ("nowhere", 0, 0))]
    assert codes(await admin.records.delete(deletions)) == [
        "OFFSET_OUT_OF_RANGE",
        "OFFSET_OUT_OF_RANGE",
        0,
        "UNKNOWN_TOPIC_OR_PARTITION",
        "UNKNOWN_TOPIC_OR_PARTITION",
    ]
    assert await admin.records.delete([Deletion("t", 0, -1)]) == [3], "-1 deletes everything"


async def test_a_topic_that_is_only_compacted_is_refused(autojump_clock, admin):
    await admin.topics.create(
        [
            NewTopic("compacted", 1, configs={"cleanup.policy": "compact"}),
            NewTopic("both", 1, configs={"cleanup.policy": "compact,delete"}),
        ]
    )
    (refusal, log_start) = await admin.records.delete([Deletion("compacted", 0, -1), Deletion("both", 0, -1)])
    assert (refusal.code.name, log_start) == ("POLICY_VIOLATION", 0)
    assert "cleanup.policy" in refusal.message


async def test_the_policy_of_the_brokers_counts_too(autojump_clock, admin):
    change = incremental(BROKER, "", [Change("log.cleanup.policy", Operation.SET, "compact")])
    assert await admin.configs.alter([change]) == [None]
    assert codes(await admin.records.delete([Deletion("t", 0, -1)])) == ["POLICY_VIOLATION"]


async def test_a_partition_that_does_not_exist_is_not_found(autojump_clock, admin):
    assert admin.records.find_partition("t", 0).name == "t"
    for name, partition in (("t", 1), ("t", -1), ("nowhere", 0)):
        with pytest.raises(Refused, match="UNKNOWN_TOPIC_OR_PARTITION"):
            admin.records.find_partition(name, partition)


async def test_the_producers_of_each_partition_are_described(autojump_clock, house, admin):
    peer, topic = house.connect(), admin.topics.find("t")
    await peer.produce("t", batch(b"plain"))
    await peer.produce("t", batch(b"a", b"b", producer_id=7, producer_epoch=0, base_sequence=0))
    found = admin.records.producers([(topic.id, 0), (topic.id, 1)])
    (producer,) = found[topic.id, 0]
    assert (producer.producer_id, producer.epoch, producer.last_sequence) == (7, 0, 1)
    assert producer.updated_ms >= EPOCH_MS
    assert found[topic.id, 1] == []
    assert admin.records.producers([]) == {}
