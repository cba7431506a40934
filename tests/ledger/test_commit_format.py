"""The commit object's bytes: a layout that later versions must read, and damage that is always noticed."""

import hashlib

import msgspec
import pytest
from crc32c import crc32c

from higgins.ledger.commit import (
    FORMAT,
    LEVEL,
    CommitHead,
    commit_key,
    decode_commit,
    encode_commit,
    payload_checksum,
)
from higgins.ledger.state.facets import FACTS, PROPOSALS, tag_of
from higgins.ledger.state.identities import Part, Resolved
from higgins.ledger.state.index import Run
from higgins.ledger.state.runs import RunAppended
from higgins.ledger.state.sessions import LivenessSignalled
from higgins.model.errors import Corrupt
from higgins.model.names import TopicId
from higgins.model.pointer import ObjectId

PAYLOAD = (b"some ", b"batches")
RUN = Run(10, 12, ObjectId(99), 0, 12, 1_700_000_000_000, 11, 1)


def head(**changes: object) -> CommitHead:
    made = CommitHead(
        format=FORMAT,
        level=LEVEL,
        era=1,
        cluster_id="cluster",
        number=7,
        previous=bytes(32),
        writer=3,
        nonce=b"nonce-nonce!",
        time_ms=1_700_000_000_000,
        parts=(Part(3, 5, (Resolved(5, [0, 3]), Resolved(6, None))), Part(8, 1, ())),
        facts=(
            RunAppended(TopicId(b"t" * 16), 2, RUN, (1, 0, 0, 0, 3, 0)),
            LivenessSignalled(),
        ),
        payload_length=12,
        payload_crc=payload_checksum(PAYLOAD),
    )
    return msgspec.structs.replace(made, **changes)


def encoded(**changes: object) -> bytes:
    return b"".join(encode_commit(head(**changes), PAYLOAD)[1])


def test_a_commit_reads_as_it_was_written() -> None:
    commit, pieces = encode_commit(head(), PAYLOAD)
    data = b"".join(pieces)
    read = decode_commit(memoryview(data), 7)
    assert read.head == commit.head
    encoded_head = data[12 : 12 + int.from_bytes(data[4:8], "big")]
    assert read.hash == commit.hash == hashlib.blake2b(encoded_head, digest_size=32).digest()
    assert b"".join(read.payload) == b"".join(PAYLOAD)


def test_the_layout_is_what_the_module_says() -> None:
    data = encoded()
    length = int.from_bytes(data[4:8], "big")
    body = data[12 : 12 + length]
    assert data[:4] == b"HGC2"
    assert int.from_bytes(data[8:12], "big") == crc32c(body)
    assert data[12 + length :] == b"some batches"
    assert msgspec.msgpack.decode(body) == [
        2, 1, 1, "cluster", 7, bytes(32), 3, b"nonce-nonce!", 1_700_000_000_000,
        [[3, 5, [[5, [0, 3]], [6, None]]], [8, 1, []]],
        [[21, b"t" * 16, 2, [10, 12, 99, 0, 12, 1_700_000_000_000, 11, 1], [1, 0, 0, 0, 3, 0]], [43]],
        12, payload_checksum(PAYLOAD),
    ]  # fmt: skip


def test_every_flipped_byte_is_noticed() -> None:
    data = encoded()
    for at in range(len(data)):
        damaged = bytearray(data)
        damaged[at] ^= 0x41
        with pytest.raises(Corrupt):
            decode_commit(memoryview(damaged), 7)


def test_every_cut_and_every_excess_is_noticed() -> None:
    data = encoded()
    for length in range(len(data)):
        with pytest.raises(Corrupt):
            decode_commit(memoryview(data[:length]), 7)
    with pytest.raises(Corrupt):
        decode_commit(memoryview(data + b"\0"), 7)


@pytest.mark.parametrize("changes", [{"format": FORMAT + 1}, {"level": LEVEL + 1}])
def test_a_commit_from_a_newer_version_says_so(changes: dict[str, int]) -> None:
    with pytest.raises(Corrupt, match="run a newer Higgins"):
        decode_commit(memoryview(encoded(**changes)), 7)


def test_a_fact_nobody_knows_is_not_passed_over() -> None:
    class Unheard(msgspec.Struct, frozen=True, array_like=True, tag=999):
        what: int

    with pytest.raises(Corrupt, match="newer Higgins"):
        decode_commit(memoryview(encoded(facts=(Unheard(1),))), 7)


def test_tags_of_facts_are_fixed_for_ever() -> None:
    tags = {fact.__name__: tag_of(fact) for fact in FACTS}
    assert tags == {
        "ClusterFormed": 1,
        "TopicCreated": 10,
        "TopicDeleted": 11,
        "TopicOwned": 12,
        "TopicConfigured": 13,
        "PartitionsAdded": 14,
        "RecordsDeleted": 15,
        "ObjectPut": 20,
        "RunAppended": 21,
        "RunsReplaced": 22,
        "ProducerIdsGranted": 30,
        "SessionJoined": 40,
        "SessionEnded": 41,
        "LeaseTaken": 42,
        "LivenessSignalled": 43,
        "GroupSaved": 50,
        "GroupForgotten": 51,
        "GroupMemberSaved": 52,
        "GroupMemberForgotten": 53,
        "OffsetsCommitted": 60,
        "OffsetsDeleted": 61,
        "TopographyApplied": 70,
        "TasksAttached": 71,
        "TasksDetached": 72,
        "TaskAdvanced": 73,
        "TasksExtended": 74,
        "ResourceConfigured": 80,
    }


def test_tags_of_proposals_are_fixed_for_ever() -> None:
    assert {proposal.__name__: tag_of(proposal) for proposal in PROPOSALS} == {
        "FormCluster": 1,
        "CreateTopic": 10,
        "DeleteTopic": 11,
        "ConfigureTopic": 12,
        "AddPartitions": 13,
        "Append": 20,
        "DeleteRecords": 21,
        "ReplaceRuns": 22,
        "GrantProducerIds": 30,
        "JoinSession": 40,
        "LeaveSession": 41,
        "FenceSession": 42,
        "TakeLease": 43,
        "SignalLiveness": 44,
        "SaveGroup": 50,
        "CommitOffsets": 60,
        "DeleteOffsets": 61,
        "ApplyTopography": 70,
        "TaskStep": 71,
        "ConfigureResource": 80,
    }


def test_a_bucket_of_format_1_is_refused_with_the_way_out() -> None:
    with pytest.raises(Corrupt, match=r"format 1.*Start with an empty"):
        decode_commit(memoryview(b"HGC1" + encoded()[4:]), 7)


def test_keys_sort_as_numbers_do_and_a_thousand_share_a_folder() -> None:
    numbers = [1, 9, 10, 999, 1000, 1001, 123_456, 10**9]
    keys = [commit_key(number) for number in numbers]
    assert keys == sorted(keys)
    assert commit_key(1) == "ledger/commits/000000000/000000000001"
    assert commit_key(1000) == "ledger/commits/000000001/000000001000"
