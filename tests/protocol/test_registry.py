"""Headers, whole frames and the table of versions, by vectors."""

import subprocess
import sys

import pytest

from higgins_protocol import registry
from higgins_protocol.errors import DecodeError, EncodeError, ErrorCode, UnsupportedApi, UnsupportedVersion
from higgins_protocol.messages.api_versions import ApiVersion, ApiVersionsRequest, ApiVersionsResponse
from higgins_protocol.messages.delete_topics import DeleteTopicsRequest, DeleteTopicState
from higgins_protocol.messages.fetch import FetchableTopicResponse, FetchResponse, PartitionData
from higgins_protocol.messages.heartbeat import HeartbeatRequest, HeartbeatResponse
from higgins_protocol.messages.metadata import MetadataRequest
from higgins_protocol.messages.private import PrivateRequest
from higgins_protocol.messages.produce import PartitionProduceData, ProduceRequest, TopicProduceData


def view(text: str) -> memoryview:
    return memoryview(bytes.fromhex(text.replace(" ", "")))


def joined(pieces: list[bytes | bytearray | memoryview]) -> str:
    return b"".join(pieces).hex(" ")


def test_a_plain_header_ends_with_the_client_id() -> None:
    frame = view("0003 0001 00000007 0003 6b7079 ffffffff")
    header = registry.decode_header(frame)
    assert header == registry.RequestHeader(3, 1, 7, "kpy", 13)
    assert registry.decode_request(header, frame) == MetadataRequest(topics=None)


@pytest.mark.parametrize(("client_id", "expected"), [("ffff", None), ("0000", "")])
def test_a_flexible_header_has_tags_after_a_client_id_that_is_null_or_empty(
    client_id: str, expected: str | None
) -> None:
    frame = view(f"0012 0003 00000001 {client_id} 00 02 61 02 62 00")
    header = registry.decode_header(frame)
    assert (header.client_id, header.position) == (expected, 11)
    assert registry.decode_request(header, frame) == ApiVersionsRequest(
        client_software_name="a", client_software_version="b"
    )


def test_unknown_tags_in_header_and_body_are_skipped() -> None:
    frame = view("0012 0003 00000001 ffff 01 05 02 aabb 02 61 02 62 02 00 01 cc 63 00")
    request = registry.decode_request(registry.decode_header(frame), frame)
    assert request == ApiVersionsRequest(client_software_name="a", client_software_version="b")


def test_an_unknown_api_versions_version_can_be_answered_in_version_0() -> None:
    with pytest.raises(UnsupportedVersion, match="ApiVersions version 99") as caught:
        registry.decode_header(view("0012 0063 00000005 ff"))
    assert (caught.value.api_key, caught.value.api_version, caught.value.correlation_id) == (18, 99, 5)
    answer = ApiVersionsResponse(
        error_code=ErrorCode.UNSUPPORTED_VERSION, api_keys=[ApiVersion(api_key=18, min_version=0, max_version=4)]
    )
    pieces = registry.encode_response(18, 0, 5, answer)
    assert joined(pieces) == "00 00 00 10 00 00 00 05 00 23 00 00 00 01 00 12 00 00 00 04"


@pytest.mark.parametrize("version", range(5))
def test_api_versions_responses_have_a_header_without_tags_in_every_version(version: int) -> None:
    pieces = registry.encode_response(18, version, 9, ApiVersionsResponse(error_code=35))
    assert joined(pieces)[12:].startswith("00 00 00 09 00 23")


def test_other_flexible_responses_have_tags_in_their_header() -> None:
    answer = HeartbeatResponse(error_code=ErrorCode.REBALANCE_IN_PROGRESS)
    assert joined(registry.encode_response(12, 3, 1, answer)) == "00 00 00 0a 00 00 00 01 00 00 00 00 00 1b"
    assert joined(registry.encode_response(12, 4, 1, answer)) == "00 00 00 0c 00 00 00 01 00 00 00 00 00 00 1b 00"


def test_an_unknown_api_and_an_unknown_version_are_different_errors() -> None:
    with pytest.raises(UnsupportedApi, match="api key 71"):
        registry.decode_header(view("0047 0000 00000005 ffff 00"))
    with pytest.raises(UnsupportedVersion, match="Produce version 2 is not served; versions 3 to 10 are"):
        registry.decode_header(view("0000 0002 00000005 ffff"))


@pytest.mark.parametrize(
    "frame",
    [
        "",
        "0012",
        "0003 0001 00000007",
        "0003 0001 00000007 0005 6162",
        "0003 0001 00000007 fffe",
        "0012 0003 00000001 ffff",
    ],
)
def test_a_truncated_or_inconsistent_header_is_refused(frame: str) -> None:
    with pytest.raises(DecodeError):
        registry.decode_header(view(frame))


def test_a_client_id_has_to_be_utf_8() -> None:
    with pytest.raises(DecodeError, match="UTF-8"):
        registry.decode_header(view("0003 0001 00000007 0001 ff ffffffff"))


def test_bytes_after_a_request_are_ignored() -> None:
    # librdkafka 2.16 requests all topics with a null array of four bytes, where the layout has one byte.
    frame = view("0003 000c 00000003 0007 72646b61666b61 00  00 00 00 00  01 00 00")
    assert registry.decode_request(registry.decode_header(frame), frame) == MetadataRequest(
        topics=None, allow_auto_topic_creation=False
    )


def test_bytes_after_a_response_are_refused() -> None:
    with pytest.raises(DecodeError, match="2 bytes left over"):
        registry.decode_response(12, 3, view("00000001 00000000 001b 0000"))


def test_advertised_versions_are_sorted_unique_and_not_empty() -> None:
    entries = registry.api_versions_entries()
    keys = [key for key, _, _ in entries]
    assert keys == sorted(set(keys))
    assert all(lo <= hi for _, lo, hi in entries)
    assert {0, 1, 2, 3, 8, 9, 10, 11, 12, 13, 14, 15, 16, 18, 19, 20, 22} <= set(keys)
    assert not {71, 72} & set(keys), (
        "clients push metrics to a broker that advertises the telemetry APIs, and Higgins does not use them"
    )
    assert (0, 0, 10) in entries, "librdkafka up to 2.11.0 compresses only where Produce is advertised from 0"
    assert (18, 0, 4) in entries


def test_the_private_api_is_served_and_not_advertised() -> None:
    pieces = registry.encode_request(registry.PRIVATE, 0, 3, None, PrivateRequest(verb="ping", document=b"{}"))
    frame = memoryview(b"".join(pieces))[4:]
    assert registry.decode_request(registry.decode_header(frame), frame) == PrivateRequest(verb="ping", document=b"{}")
    assert registry.PRIVATE not in [key for key, _, _ in registry.api_versions_entries()]


@pytest.mark.parametrize("version", [3, 8, 9, 10])
def test_produced_records_are_views_into_the_frame(version: int) -> None:
    request = ProduceRequest(
        acks=-1, topic_data=[TopicProduceData(name="t", partition_data=[PartitionProduceData(records=b"batch")])]
    )
    received = bytearray(b"".join(registry.encode_request(0, version, 1, "c", request)))
    frame = memoryview(received)[4:]
    decoded = registry.decode_request(registry.decode_header(frame), frame)
    assert isinstance(decoded, ProduceRequest)
    records = decoded.topic_data[0].partition_data[0].records
    assert isinstance(records, memoryview)
    assert records.obj is received
    assert records == b"batch"


@pytest.mark.parametrize("version", [4, 11, 12])
def test_fetched_records_are_sent_as_the_pieces_that_were_passed_in(version: int) -> None:
    prefix, stored = b"p" * 16, memoryview(b"s" * 300)
    partitions = [
        PartitionData(partition_index=0, records=[prefix, stored]),
        PartitionData(partition_index=1, records=b""),
        PartitionData(partition_index=2, records=stored),
    ]
    response = FetchResponse(responses=[FetchableTopicResponse(topic="t", partitions=partitions)])
    pieces = registry.encode_response(1, version, 4, response)
    assert [piece for piece in pieces if piece is prefix or piece is stored] == [prefix, stored, stored]
    assert all(len(piece) for piece in pieces)
    frame = b"".join(pieces)
    assert int.from_bytes(frame[:4], "big") == len(frame) - 4
    correlation_id, decoded = registry.decode_response(1, version, memoryview(frame)[4:])
    assert correlation_id == 4
    assert isinstance(decoded, FetchResponse)
    read = [partition.records for partition in decoded.responses[0].partitions]
    assert read == [prefix + bytes(stored), b"", bytes(stored)]


def test_a_value_too_large_for_its_field_is_an_encode_error() -> None:
    with pytest.raises(EncodeError, match="HeartbeatRequest v4"):
        registry.encode_request(12, 4, 1, None, HeartbeatRequest(generation_id=1 << 31))
    with pytest.raises(EncodeError, match=r"group_id: a string of 32768 bytes, at most 32767"):
        registry.encode_request(12, 4, 1, None, HeartbeatRequest(group_id="g" * 32_768))
    with pytest.raises(EncodeError, match=r"topic_id: 5 bytes, where exactly 16 are required"):
        registry.encode_request(20, 6, 1, None, DeleteTopicsRequest(topics=[DeleteTopicState(topic_id=b"short")]))
    with pytest.raises(EncodeError, match="client_id"):
        registry.encode_request(12, 4, 1, "c" * 32_768, HeartbeatRequest())


def test_codecs_are_generated_when_they_are_first_needed() -> None:
    """Start-up time and memory: a broker that starts generates no codec."""
    script = (
        "import higgins_protocol.registry as r\n"
        "made = [x for x in r._ROUTES.values() if x._decode_request or x._encode_response]\n"
        "assert not made, made"
    )
    subprocess.run([sys.executable, "-c", script], check=True)
