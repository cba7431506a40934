"""Microseconds per message of the codec on the hot paths, compared with kio and kafka-python.

usage: python -m tests.bench.codec
"""

import timeit
import warnings
from collections.abc import Callable
from importlib import import_module
from io import BytesIO
from typing import Any

from kio.serial import entity_reader, entity_writer

from higgins_protocol import apis, registry
from higgins_protocol.messages.fetch import (
    FetchableTopicResponse,
    FetchPartition,
    FetchRequest,
    FetchResponse,
    FetchTopic,
    PartitionData,
)
from higgins_protocol.messages.heartbeat import HeartbeatRequest, HeartbeatResponse
from higgins_protocol.messages.metadata import (
    MetadataResponse,
    MetadataResponseBroker,
    MetadataResponsePartition,
    MetadataResponseTopic,
)
from higgins_protocol.messages.offset_commit import (
    OffsetCommitRequest,
    OffsetCommitRequestPartition,
    OffsetCommitRequestTopic,
)
from higgins_protocol.messages.produce import (
    PartitionProduceData,
    PartitionProduceResponse,
    ProduceRequest,
    ProduceResponse,
    TopicProduceData,
    TopicProduceResponse,
)
from higgins_protocol.records.batch import split
from higgins_protocol.records.record import Record, decode_records, encode_batch
from higgins_protocol.schema import Message

ROUNDS = 5
CALLS = 20_000


def report(name: str, call: Callable[[], Any], *, per: int = 1) -> None:
    """Print the best of a few rounds: noise only makes a round slower."""
    call()
    calls = max(1, CALLS // per)
    best = min(timeit.repeat(call, number=calls, repeat=ROUNDS)) / calls / per
    print(f"{name:<58} {best * 1e6:7.2f} µs")


def frame_of(key: int, version: int, request: Message) -> memoryview:
    return memoryview(b"".join(registry.encode_request(key, version, 1, "bench", request)))[4:]


def report_request(name: str, key: int, version: int, request: Message) -> None:
    frame = frame_of(key, version, request)
    header = registry.decode_header(frame)
    report(f"decode {name} v{version}, body", lambda: registry.decode_request(header, frame))
    report(
        f"decode {name} v{version}, header and body",
        lambda: registry.decode_request(registry.decode_header(frame), frame),
    )


def report_response(name: str, key: int, version: int, response: Message) -> None:
    report(f"encode {name} response v{version}", lambda: registry.encode_response(key, version, 1, response))


def report_others(name: str, module: str, key: int, version: int, message: Message, *, decode: bool) -> None:
    """The same message with the codecs of kio, whose reader is written in Rust, and of kafka-python."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        kafka_python = getattr(import_module(f"kafka.protocol.{module}"), type(message).__name__)
    side = "request" if decode else "response"
    kio = getattr(import_module(f"kio.schema.{name}.v{version}.{side}"), type(message).__name__)
    read, write = entity_reader(kio), entity_writer(kio)
    if decode:
        frame = frame_of(key, version, message)
        body = bytes(frame[registry.decode_header(frame).position :])
        report(f"decode {name} v{version}, body, kio (Rust)", lambda: read(body, 0))
        report(
            f"decode {name} v{version}, body, kafka-python",
            lambda: kafka_python.decode(body, version=version, header=False),
        )
        return
    whole = b"".join(registry.encode_response(key, version, 1, message))
    entity, _ = read(whole[9 if version >= apis.APIS[key].flexible_from else 8 :], 0)
    theirs = kafka_python.decode(whole, version=version, header=True, framed=True)
    report(f"encode {name} response v{version}, kio", lambda: write(BytesIO(), entity))
    report(f"encode {name} response v{version}, kafka-python", lambda: theirs.encode(header=True, framed=True))


def produce_paths() -> None:
    batch = encode_batch([Record(timestamp=1, value=bytes(1024))])
    request = ProduceRequest(
        acks=-1,
        timeout_ms=30_000,
        topic_data=[TopicProduceData(name="orders", partition_data=[PartitionProduceData(index=0, records=batch)])],
    )
    answer = PartitionProduceResponse(index=0, base_offset=7, log_start_offset=0)
    response = ProduceResponse(responses=[TopicProduceResponse(name="orders", partition_responses=[answer])])
    for version in (3, 7, 9):
        report_request("produce", apis.PRODUCE, version, request)
        report_response("produce", apis.PRODUCE, version, response)
    report_others("produce", "producer", apis.PRODUCE, 9, request, decode=True)
    report_others("produce", "producer", apis.PRODUCE, 9, response, decode=False)
    view = memoryview(batch)
    report("split one batch of 1 KiB", lambda: split(view, batch_bytes_max=1 << 20))


def fetch_paths() -> None:
    request = FetchRequest(
        topics=[FetchTopic(topic="orders", partitions=[FetchPartition(partition=0, fetch_offset=7)])]
    )
    batch = memoryview(encode_batch([Record(timestamp=1, value=bytes(1024))]))
    pieces = [batch[:16], batch[16:]]
    response = FetchResponse(
        responses=[FetchableTopicResponse(topic="orders", partitions=[PartitionData(records=pieces)])]
    )
    for version in (11, 12):
        report_request("fetch", apis.FETCH, version, request)
        report_response("fetch", apis.FETCH, version, response)
    report_others("fetch", "consumer", apis.FETCH, 12, request, decode=True)


def other_paths() -> None:
    commit = OffsetCommitRequest(
        group_id="group",
        member_id="member",
        topics=[OffsetCommitRequestTopic(name="orders", partitions=[OffsetCommitRequestPartition()])],
    )
    report_request("offset commit", apis.OFFSET_COMMIT, 8, commit)
    report_request("heartbeat", apis.HEARTBEAT, 4, HeartbeatRequest(group_id="group", member_id="member"))
    report_response("heartbeat", apis.HEARTBEAT, 4, HeartbeatResponse())
    partitions = [MetadataResponsePartition(partition_index=n, replica_nodes=[0], isr_nodes=[0]) for n in range(8)]
    topics = [MetadataResponseTopic(name="orders", partitions=partitions)]
    brokers = [MetadataResponseBroker(host="127.0.0.1", port=9092)]
    response = MetadataResponse(brokers=brokers, topics=topics)
    report_response("metadata (8 partitions)", apis.METADATA, 12, response)
    report_others("metadata", "metadata", apis.METADATA, 12, response, decode=False)


def record_paths() -> None:
    records = [Record(timestamp=1, value=bytes(100)) for _ in range(1000)]
    batch = encode_batch(records)
    report("decode a record of 100 bytes", lambda: decode_records(batch), per=1000)
    report("encode a record of 100 bytes", lambda: encode_batch(records), per=1000)


if __name__ == "__main__":
    produce_paths()
    fetch_paths()
    other_paths()
    record_paths()
