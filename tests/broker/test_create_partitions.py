"""CreatePartitions: what is added, what is refused, and what grows with it."""

import msgspec
import pytest

from higgins_protocol.errors import ErrorCode
from higgins_protocol.messages.create_partitions import (
    CreatePartitionsAssignment,
    CreatePartitionsRequest,
    CreatePartitionsTopic,
)
from higgins_protocol.messages.metadata import MetadataRequest
from higgins_protocol.messages.private import PrivateRequest
from tests.broker.peer import batch, fetch_request, records_of

FILTERS = """
[streams.orders]
format = "json"
[streams.large]
base = "orders"
type = "filter"
where = "qty > 5"
[streams.huge]
base = "large"
type = "filter"
where = "qty > 50"
"""


def more(name, count, assignments=None):
    rows = None if assignments is None else [CreatePartitionsAssignment(ids) for ids in assignments]
    return CreatePartitionsTopic(name, count, rows)


async def add(peer, *topics, version=3, **request):
    rows = (await peer.ask(CreatePartitionsRequest(list(topics), **request), version)).results
    assert all(bool(row.error_message) == bool(row.error_code) for row in rows), "a refusal says why"
    return [(row.name, ErrorCode(row.error_code).name) for row in rows]


async def there(peer):
    return {one.name: len(one.partitions) for one in (await peer.ask(MetadataRequest(None))).topics}


@pytest.mark.parametrize("version", range(4))
async def test_partitions_are_added_and_written_at_once(autojump_clock, peer, version):
    assert await add(peer, more("t", 3), more("nowhere", 3), version=version) == [
        ("t", "NONE"), ("nowhere", "UNKNOWN_TOPIC_OR_PARTITION"),
    ]  # fmt: skip
    assert await there(peer) == {"t": 3}
    assert (await peer.produce("t", batch(b"a"), partition=2)).base_offset == 0
    assert await peer.values("t", partition=2) == [b"a"]


@pytest.mark.parametrize("version", range(4))
async def test_what_is_only_validated_is_judged_and_not_done(autojump_clock, peer, version):
    asked = (more("t", 3), more("nowhere", 2))
    rows = await add(peer, *asked, version=version, validate_only=True)
    assert rows == [("t", "NONE"), ("nowhere", "UNKNOWN_TOPIC_OR_PARTITION")]
    assert await there(peer) == {"t": 1}


REFUSED = {
    "as many": (more("two", 2), "INVALID_PARTITIONS"),
    "too few assignments": (more("two", 4, [[1]]), "INVALID_REPLICA_ASSIGNMENT"),
    "nobody assigned": (more("two", 3, [[]]), "INVALID_REPLICA_ASSIGNMENT"),
}


@pytest.mark.parametrize("asked, wanted", REFUSED.values(), ids=REFUSED.keys())
@pytest.mark.parametrize("validate_only", [False, True])
async def test_what_cannot_be_added_is_refused_and_the_rest_done(autojump_clock, peer, asked, wanted, validate_only):
    await peer.create("two", 2)
    rows = await add(peer, asked, more("t", 2), validate_only=validate_only)
    assert rows == [("two", wanted), ("t", "NONE")]
    assert await there(peer) == {"two": 2, "t": 1 if validate_only else 2}


async def test_assignments_that_fit_are_taken(autojump_clock, peer):
    assert await add(peer, more("t", 3, [[1], [1]])) == [("t", "NONE")]
    assert await there(peer) == {"t": 3}


async def test_a_name_asked_for_twice_is_refused_once(autojump_clock, peer):
    await peer.create("u")
    rows = await add(peer, more("t", 2), more("u", 2), more("t", 3))
    assert sorted(rows) == [("t", "INVALID_REQUEST"), ("u", "NONE")]
    assert await there(peer) == {"t": 1, "u": 2}


async def test_operators_and_what_they_write_grow_with_their_input(autojump_clock, peer):
    await peer.create("orders", 2)
    await peer.ask(PrivateRequest(verb="apply", document=msgspec.json.encode({"document": FILTERS})))
    assert await add(peer, more("large", 4)) == [("large", "POLICY_VIOLATION")]
    assert await add(peer, more("orders", 4)) == [("orders", "NONE")]
    assert await there(peer) == {"t": 1, "orders": 4, "large": 4, "huge": 4}
    for partition in (0, 3):
        await peer.produce("orders", batch(b'{"qty":99}', b'{"qty":1}'), partition=partition)
        request = fetch_request([("huge", partition, 0)], min_bytes=1, max_wait_ms=60_000)
        row = (await peer.ask(request)).responses[0].partitions[0]
        assert [one.value for one in records_of(row)] == [b'{"qty":99}']


async def test_a_topography_goes_on_after_its_input_has_grown(autojump_clock, peer):
    await peer.create("orders", 1)
    document = msgspec.json.encode({"document": FILTERS})
    await peer.ask(PrivateRequest(verb="apply", document=document))
    await add(peer, more("orders", 2))
    again = await peer.ask(PrivateRequest(verb="apply", document=document))
    assert again.error_code == 0 and msgspec.json.decode(again.document)["applied"] is False
    changed = msgspec.json.encode({"document": FILTERS.replace("qty > 50", "qty > 60")})
    answer = await peer.ask(PrivateRequest(verb="apply", document=changed))
    assert answer.error_code == 0 and msgspec.json.decode(answer.document)["applied"] is True
    await peer.produce("orders", batch(b'{"qty":55}', b'{"qty":65}'), partition=1)
    row = (await peer.ask(fetch_request([("huge", 1, 0)], min_bytes=1, max_wait_ms=60_000))).responses[0].partitions[0]
    assert [one.value for one in records_of(row)] == [b'{"qty":65}']
