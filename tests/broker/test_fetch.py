"""Fetch: what comes back, how much of it, and when."""

from functools import partial

import msgspec
import pytest
import trio

from higgins.log.reader import Reader
from higgins_protocol.errors import ErrorCode
from higgins_protocol.messages.delete_topics import DeleteTopicsRequest, DeleteTopicState
from higgins_protocol.messages.fetch import FetchPartition, FetchRequest, FetchTopic
from higgins_protocol.records.batch import read_header
from tests.broker.peer import as_served, batch, batches_of, fetch_request, produce_many, records_of

LONG_MS = 30_000


def codes(answer):
    return [ErrorCode(row.error_code).name for topic in answer.responses for row in topic.partitions]


def sizes(answer):
    return [len(batches_of(row)) for topic in answer.responses for row in topic.partitions]


@pytest.mark.parametrize("version", range(4, 13))
async def test_every_version_hands_out_what_is_stored(autojump_clock, peer, version):
    sent = batch(b"a", b"b")
    await peer.produce("t", sent)
    await peer.produce("t", batch(b"c"))
    row = await peer.fetch("t", 0, version=version)
    assert [one.value for one in records_of(row)] == [b"a", b"b", b"c"]
    assert batches_of(row)[0] == as_served(sent, 0)
    assert (row.error_code, row.high_watermark, row.last_stable_offset) == (0, 3, 3)
    assert row.log_start_offset == (0 if version >= 5 else -1)
    assert row.preferred_read_replica == -1


@pytest.mark.parametrize("version", [4, 11, 12])
async def test_nothing_to_read_is_empty_and_not_null(autojump_clock, peer, version):
    row = await peer.fetch("t", 0, version=version)
    assert (row.error_code, bytes(row.records)) == (0, b"")
    assert row.records is not None


async def test_an_offset_inside_a_batch_gets_the_whole_batch(autojump_clock, peer):
    for n in range(3):
        await peer.produce("t", batch(*[b"%d" % n] * 10))
    (first, second) = batches_of(await peer.fetch("t", 17))
    assert (read_header(first).base_offset, read_header(second).base_offset) == (10, 20)
    (last,) = batches_of(await peer.fetch("t", 29))
    assert read_header(last).base_offset == 20


async def test_the_first_batch_comes_whole_however_small_the_bounds(autojump_clock, peer):
    await peer.produce("t", batch(bytes(50_000)))
    await peer.produce("t", batch(bytes(50_000)))
    for bounds in ({"max_bytes": 1}, {"partition_bytes": 1}, {"partition_bytes": 0}, {"max_bytes": 0}):
        assert len(batches_of(await peer.fetch("t", 0, **bounds))) == 1, bounds


async def test_batches_past_a_bound_are_left_whole_for_the_next_fetch(autojump_clock, peer):
    for _ in range(5):
        await peer.produce("t", batch(bytes(1_000)))
    size = len(batch(bytes(1_000)))
    for bound in ("max_bytes", "partition_bytes"):
        assert len(batches_of(await peer.fetch("t", 0, **{bound: 3 * size + 10}))) == 3
        assert len(batches_of(await peer.fetch("t", 3, **{bound: 3 * size}))) == 2


@pytest.mark.parametrize("slow", [False, True], ids=["at once", "from the store"])
async def test_the_bound_of_a_request_is_shared_by_its_partitions(autojump_clock, peer, monkeypatch, slow):
    if slow:
        monkeypatch.setattr(Reader, "read_nowait", lambda *args, **options: None)
    await peer.create("many", 4)
    size = len(batch(bytes(1_000)))
    for partition in range(4):
        for _ in range(2):
            await peer.produce("many", batch(bytes(1_000)), partition=partition)
    everything = [("many", one, 0) for one in range(4)]
    assert sizes(await peer.ask(fetch_request(everything))) == [2, 2, 2, 2]
    assert sizes(await peer.ask(fetch_request(everything, partition_bytes=size))) == [1, 1, 1, 1]
    assert sizes(await peer.ask(fetch_request(everything, max_bytes=5 * size + 10))) == [2, 2, 1, 0]
    assert sizes(await peer.ask(fetch_request(everything, max_bytes=1))) == [1, 0, 0, 0], "one batch whole, once"
    assert sizes(await peer.ask(fetch_request(everything[::-1], max_bytes=3 * size))) == [2, 1, 0, 0], "in their order"


@pytest.mark.parametrize("slow", [False, True], ids=["at once", "from the store"])
async def test_one_whole_batch_in_all_may_exceed_the_bound_and_not_one_of_each_partition(
    autojump_clock, peer, monkeypatch, slow
):
    if slow:
        monkeypatch.setattr(Reader, "read_nowait", lambda *args, **options: None)
    await peer.create("large", 3)
    for partition in range(3):
        await peer.produce("large", batch(bytes(500_000)), partition=partition)
    everything = [("large", one, 0) for one in range(3)]
    assert sizes(await peer.ask(fetch_request(everything, max_bytes=600_000))) == [1, 0, 0]
    assert sizes(await peer.ask(fetch_request(everything, max_bytes=1_100_000))) == [1, 1, 0]
    assert sizes(await peer.ask(fetch_request(everything, max_bytes=400_000))) == [1, 0, 0]
    assert sizes(await peer.ask(fetch_request(everything, partition_bytes=400_000))) == [1, 0, 0]


async def test_what_cannot_be_fetched_is_told_partition_by_partition(autojump_clock, peer):
    await peer.produce("t", batch(b"a", b"b"))
    parts = [("t", 0, 0), ("t", 0, 2), ("t", 0, 3), ("t", 0, -1), ("t", 1, 0), ("t", -1, 0), ("nowhere", 0, 0)]
    answer = await peer.ask(fetch_request(parts, max_wait_ms=LONG_MS, min_bytes=1 << 20))
    assert codes(answer) == [
        "NONE",
        "NONE",
        "OFFSET_OUT_OF_RANGE",
        "OFFSET_OUT_OF_RANGE",
        "UNKNOWN_TOPIC_OR_PARTITION",
        "UNKNOWN_TOPIC_OR_PARTITION",
        "UNKNOWN_TOPIC_OR_PARTITION",
    ]
    rows = [row for topic in answer.responses for row in topic.partitions]
    assert [len(records_of(row)) for row in rows] == [2, 0, 0, 0, 0, 0, 0]
    for row in rows[2:]:
        assert (row.high_watermark, row.last_stable_offset, row.log_start_offset) == (-1, -1, -1)


@pytest.mark.parametrize("parts", [[("t", 0, 9)], [("nowhere", 0, 0)], [("t", 7, 0)], []])
async def test_an_error_or_nothing_asked_for_is_answered_at_once(autojump_clock, peer, parts):
    begun = trio.current_time()
    await peer.ask(fetch_request(parts, max_wait_ms=LONG_MS, min_bytes=1))
    assert trio.current_time() - begun < 1


async def test_a_newer_leader_epoch_than_there_is_is_unknown(autojump_clock, peer):
    for epoch, wanted in ((-1, "NONE"), (0, "NONE"), (1, "UNKNOWN_LEADER_EPOCH")):
        asked = FetchPartition(0, current_leader_epoch=epoch, partition_max_bytes=1)
        begun = trio.current_time()
        request = FetchRequest(topics=[FetchTopic("t", [asked])], max_wait_ms=5_000, min_bytes=1)
        assert codes(await peer.ask(request)) == [wanted]
        assert (trio.current_time() - begun < 1) == (wanted != "NONE"), "an error is answered at once"


@pytest.mark.parametrize("session_id", [0, -1, 77])
@pytest.mark.parametrize("epoch", [0, -1])
async def test_what_asks_for_everything_is_answered_without_a_session(autojump_clock, peer, session_id, epoch):
    await peer.produce("t", batch(b"a"))
    answered = await peer.ask(fetch_request([("t", 0, 0)], session_id=session_id, session_epoch=epoch))
    assert (answered.error_code, answered.session_id, sizes(answered)) == (0, 0, [1])


@pytest.mark.parametrize("session_id", [0, 77])
@pytest.mark.parametrize("epoch", [1, 3, -2])
async def test_a_session_is_never_found(autojump_clock, peer, session_id, epoch):
    answered = await peer.ask(fetch_request([("t", 0, 0)], session_id=session_id, session_epoch=epoch))
    assert (ErrorCode(answered.error_code).name, answered.responses) == ("FETCH_SESSION_ID_NOT_FOUND", [])


@pytest.mark.parametrize("isolation, aborted", [(0, None), (1, [])])
async def test_read_committed_sees_all_there_is(autojump_clock, peer, isolation, aborted):
    await peer.produce("t", batch(b"a"))
    row = await peer.fetch("t", 0, isolation_level=isolation)
    assert (len(records_of(row)), row.last_stable_offset, row.aborted_transactions) == (1, 1, aborted)


async def test_a_topic_asked_for_twice_is_answered_twice(autojump_clock, peer):
    await peer.produce("t", batch(b"a", b"b"))
    request = fetch_request([("t", 0, 0)])
    answer = await peer.ask(msgspec.structs.replace(request, topics=[*request.topics, *request.topics]))
    assert [topic.topic for topic in answer.responses] == ["t", "t"]


# ---- waiting ---------------------------------------------------------------------------------------------------------


async def test_a_fetch_with_nothing_there_waits_its_time(autojump_clock, peer):
    begun = trio.current_time()
    row = await peer.fetch("t", 0, max_wait_ms=LONG_MS, min_bytes=1)
    assert (row.error_code, bytes(row.records)) == (0, b"")
    assert LONG_MS / 1000 <= trio.current_time() - begun < LONG_MS / 1000 + 1


@pytest.mark.parametrize("bounds", [{"max_wait_ms": 0, "min_bytes": 1}, {"max_wait_ms": LONG_MS, "min_bytes": 0}])
async def test_a_fetch_that_wants_nothing_does_not_wait(autojump_clock, peer, bounds):
    begun = trio.current_time()
    await peer.fetch("t", 0, **bounds)
    assert trio.current_time() - begun < 1


async def test_a_waiting_fetch_is_woken_by_what_it_waits_for(autojump_clock, start):
    house = await start()
    reader, writer = house.connect(), house.connect()
    await writer.create("t", 3)
    await reader.send(fetch_request([("t", 0, 0), ("t", 2, 0)], max_wait_ms=LONG_MS, min_bytes=1))
    begun = trio.current_time()
    await trio.sleep(3)
    await writer.produce("t", batch(b"elsewhere"), partition=1)
    await trio.sleep(3)
    await writer.produce("t", batch(b"here"), partition=2)
    answer = await reader.receive()
    assert 6 <= trio.current_time() - begun < 7
    assert [[one.value for one in records_of(row)] for row in answer.responses[0].partitions] == [[], [b"here"]]


async def test_min_bytes_is_counted_over_all_partitions(autojump_clock, start):
    house = await start()
    reader, writer = house.connect(), house.connect()
    await writer.create("t", 2)
    size = len(batch(bytes(1_000)))
    await reader.send(fetch_request([("t", 0, 0), ("t", 1, 0)], max_wait_ms=LONG_MS, min_bytes=3 * size))
    begun = trio.current_time()
    for partition in (0, 1, 0):
        await trio.sleep(2)
        await writer.produce("t", batch(bytes(1_000)), partition=partition)
    answer = await reader.receive()
    assert 6 <= trio.current_time() - begun < 7
    assert sizes(answer) == [2, 1]


async def test_what_is_there_when_the_time_is_over_comes_though_it_is_little(autojump_clock, peer):
    await peer.produce("t", batch(b"a"))
    begun = trio.current_time()
    row = await peer.fetch("t", 0, max_wait_ms=2_000, min_bytes=1 << 20)
    assert (len(records_of(row)), round(trio.current_time() - begun)) == (1, 2)


async def test_a_fetch_that_waits_on_a_topic_is_told_when_it_goes(autojump_clock, start):
    house = await start()
    reader, other = house.connect(), house.connect()
    await other.create("t")
    await reader.send(fetch_request([("t", 0, 0)], max_wait_ms=LONG_MS, min_bytes=1))
    begun = trio.current_time()
    await trio.sleep(1)
    await other.ask(DeleteTopicsRequest(topics=[DeleteTopicState("t")]))
    assert codes(await reader.receive()) == ["UNKNOWN_TOPIC_OR_PARTITION"]
    assert trio.current_time() - begun < 2


async def test_many_readers_of_one_partition_are_all_woken(autojump_clock, start, nursery):
    house = await start()
    writer = house.connect()
    await writer.create("t")
    found = []

    async def read(peer):
        row = await peer.fetch("t", 0, max_wait_ms=LONG_MS, min_bytes=1)
        found.append([one.value for one in records_of(row)])

    async with trio.open_nursery() as readers:
        for _ in range(20):
            readers.start_soon(read, house.connect())
        await trio.sleep(1)
        begun = trio.current_time()
        await writer.produce("t", batch(b"a"))
    assert found == [[b"a"]] * 20
    assert trio.current_time() - begun < 1


async def test_a_reader_that_leaves_while_it_waits_leaves_nothing_behind(autojump_clock, start):
    house = await start()
    reader, writer = house.connect(), house.connect()
    await writer.create("t")
    await reader.send(fetch_request([("t", 0, 0), ("t", 0, 0)], max_wait_ms=LONG_MS, min_bytes=1))
    await trio.sleep(1)
    assert house.broker.node.ledger.watchers == 1
    await reader.close()
    await trio.sleep(LONG_MS / 1000 + 1)
    assert house.broker.node.ledger.watchers == 0
    assert (await writer.produce("t", batch(b"a"))).base_offset == 0


# ---- much of it ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", ["inline", "objects"])
async def test_a_log_read_piece_by_piece_is_whole(autojump_clock, peer, shape):
    filler = b"x" * (10 if shape == "inline" else 20_000)
    await peer.create("many", 2)
    for n in range(40):
        parts = [("many", one, batch(*[b"%d " % (2 * n + k) + filler for k in range(2)])) for one in (0, 1)]
        await peer.ask(produce_many(parts))
    read = partial(peer.fetch, "many", partition_bytes=len(filler) * 5 + 1_000)
    offset, found = 0, []
    while offset < 80:
        records = [one for one in records_of(await read(offset)) if one.offset >= offset]
        assert [one.offset for one in records] == list(range(offset, offset + len(records)))
        found += [int(one.value.split()[0]) for one in records]
        offset += len(records)
    assert found == list(range(80))
