"""A fake broker on in-memory streams. It stores batches and checks sequences; a test can script single responses."""

import struct
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import trio
import trio.testing

from higgins.client import ClientSettings, Cluster, open_cluster
from higgins.runtime import Runtime
from higgins_protocol.errors import ErrorCode
from higgins_protocol.framing import FrameSplitter
from higgins_protocol.messages import (
    api_versions,
    fetch,
    find_coordinator,
    init_producer_id,
    list_offsets,
    metadata,
    produce,
)
from higgins_protocol.records.batch import read_header
from higgins_protocol.records.record import decode_records
from higgins_protocol.registry import api_versions_entries, decode_header, decode_request, encode_response
from higgins_protocol.schema import Message

DROP = "drop"
"""Closes the connection instead of answering."""
SILENT = "silent"
"""Does not answer this request."""
Script = Callable[["FakeNode", Any], Message | str | None]


class FakeLog:
    """One partition: its batches with their base offsets, and the next sequence of each producer id."""

    def __init__(self, leader: int) -> None:
        self.leader = leader
        self.start = 0
        self.batches: list[tuple[int, bytes]] = []
        self.next_offset = 0
        self.sequences: dict[int, int] = {}
        self.duplicates: dict[tuple[int, int], int] = {}

    def append(self, data: bytes) -> tuple[ErrorCode, int]:
        header = read_header(memoryview(data))
        if header.producer_id >= 0:
            duplicate_offset = self.duplicates.get((header.producer_id, header.base_sequence))
            if duplicate_offset is not None:
                return ErrorCode.NONE, duplicate_offset
            if self.sequences.get(header.producer_id, 0) != header.base_sequence:
                return ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER, -1
            self.sequences[header.producer_id] = header.base_sequence + header.count
            self.duplicates[header.producer_id, header.base_sequence] = self.next_offset
        base = self.next_offset
        self.batches.append((base, struct.pack(">q", base) + data[8:]))
        self.next_offset += header.count
        return ErrorCode.NONE, base

    def values(self) -> list[bytes | None]:
        return [record.value for _, data in self.batches for record in decode_records(memoryview(data))]


class FakeNode:
    """One node of the cluster, on its own port."""

    def __init__(self, cluster: "FakeBroker", node_id: int) -> None:
        self.cluster = cluster
        self.node_id = node_id
        self.port = 9000 + node_id
        self.up = True
        self.streams: list[trio.abc.Stream] = []

    async def serve(self, stream: trio.StapledStream) -> None:
        splitter = FrameSplitter(1 << 26)
        self.streams.append(stream)
        try:
            while data := await stream.receive_some(1 << 16):
                for frame in splitter.feed(data):
                    if not await self._answer(stream, frame):
                        return
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            pass
        finally:
            self.streams.remove(stream)
            await trio.aclose_forcefully(stream)

    async def kill(self) -> None:
        self.up = False
        for stream in list(self.streams):
            await trio.aclose_forcefully(stream)

    async def _answer(self, stream: trio.StapledStream, frame: memoryview) -> bool:
        header = decode_header(frame)
        request = decode_request(header, frame)
        self.cluster.received.append((self.node_id, header.api_key, request))
        response: Message | str | None = None
        scripts = self.cluster.scripts.get(header.api_key, [])
        if scripts:
            response = scripts.pop(0)(self, request)
        if response is None:
            response = await self.cluster.respond(self, request)
        if response == DROP:
            return False
        if not isinstance(response, str):
            pieces = encode_response(header.api_key, header.api_version, header.correlation_id, response)
            await stream.send_all(b"".join(pieces))
        return True


class FakeBroker:
    """A cluster of fake nodes. `script(api_key, function)` answers the next request of that API instead."""

    def __init__(self, nursery: trio.Nursery, nodes: int = 1) -> None:
        self.nursery = nursery
        self.nodes = {node_id: FakeNode(self, node_id) for node_id in range(1, nodes + 1)}
        self.topics: dict[str, list[FakeLog]] = {}
        self.scripts: dict[int, list[Script]] = {}
        self.received: list[tuple[int, int, Any]] = []
        self.changed = trio.Event()
        self.producers = 0

    def add_node(self, node_id: int) -> FakeNode:
        self.nodes[node_id] = FakeNode(self, node_id)
        return self.nodes[node_id]

    def add_topic(self, name: str, leaders: list[int]) -> list[FakeLog]:
        self.topics[name] = [FakeLog(leader) for leader in leaders]
        return self.topics[name]

    def script(self, api_key: int, *functions: Script) -> None:
        self.scripts.setdefault(api_key, []).extend(functions)

    def requests(self, api_key: int) -> list[Any]:
        return [request for _, key, request in self.received if key == api_key]

    async def connect(self, host: str, port: int) -> trio.abc.Stream:
        await trio.lowlevel.checkpoint()
        node = self.nodes[port - 9000]
        if not node.up:
            raise OSError("connection refused")
        ours, theirs = trio.testing.memory_stream_pair()
        self.nursery.start_soon(node.serve, theirs)
        return ours

    async def respond(self, node: FakeNode, request: Any) -> Message | str:
        handlers: dict[type, Callable[[FakeNode, Any], Awaitable[Message | str]]] = {
            api_versions.ApiVersionsRequest: self._versions,
            metadata.MetadataRequest: self._metadata,
            produce.ProduceRequest: self._produce,
            fetch.FetchRequest: self._fetch,
            list_offsets.ListOffsetsRequest: self._list_offsets,
            find_coordinator.FindCoordinatorRequest: self._coordinator,
            init_producer_id.InitProducerIdRequest: self._producer_id,
        }
        return await handlers[type(request)](node, request)

    async def _versions(self, node: FakeNode, request: Any) -> Message:
        keys = [
            api_versions.ApiVersion(api_key=key, min_version=low, max_version=high)
            for key, low, high in api_versions_entries()
        ]
        return api_versions.ApiVersionsResponse(api_keys=keys)

    async def _metadata(self, node: FakeNode, request: Any) -> Message:
        names = list(self.topics) if request.topics is None else [topic.name for topic in request.topics]
        return metadata.MetadataResponse(
            brokers=[
                metadata.MetadataResponseBroker(node_id=node.node_id, host="fake", port=node.port)
                for node in self.nodes.values()
                if node.up
            ],
            cluster_id="fake",
            controller_id=1,
            topics=[self._topic(name) for name in names],
        )

    def _topic(self, name: str) -> metadata.MetadataResponseTopic:
        if name not in self.topics:
            return metadata.MetadataResponseTopic(
                error_code=ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, name=name
            )
        return metadata.MetadataResponseTopic(
            name=name,
            partitions=[
                metadata.MetadataResponsePartition(partition_index=index, leader_id=log.leader)
                for index, log in enumerate(self.topics[name])
            ],
        )

    async def _produce(self, node: FakeNode, request: Any) -> Message | str:
        topics = []
        for topic in request.topic_data:
            partitions = []
            for partition in topic.partition_data:
                log = self.topics[topic.name][partition.index]
                code, base = ErrorCode.NOT_LEADER_OR_FOLLOWER, -1
                if log.leader == node.node_id:
                    code, base = log.append(bytes(partition.records))
                partitions.append(
                    produce.PartitionProduceResponse(index=partition.index, error_code=code, base_offset=base)
                )
            topics.append(produce.TopicProduceResponse(name=topic.name, partition_responses=partitions))
        self.changed.set()
        self.changed = trio.Event()
        return SILENT if request.acks == 0 else produce.ProduceResponse(responses=topics)

    async def _fetch(self, node: FakeNode, request: Any) -> Message:
        deadline = trio.current_time() + request.max_wait_ms / 1000
        while True:
            changed = self.changed
            topics, is_complete = self._read(node, request)
            if is_complete or trio.current_time() >= deadline:
                return fetch.FetchResponse(responses=topics)
            with trio.move_on_at(deadline):
                await changed.wait()

    def _read(self, node: FakeNode, request: Any) -> tuple[list[fetch.FetchableTopicResponse], bool]:
        topics, is_complete = [], False
        for topic in request.topics:
            partitions = []
            for partition in topic.partitions:
                log = self.topics[topic.topic][partition.partition]
                code, records = ErrorCode.NONE, b""
                if log.leader != node.node_id:
                    code = ErrorCode.NOT_LEADER_OR_FOLLOWER
                elif not log.start <= partition.fetch_offset <= log.next_offset:
                    code = ErrorCode.OFFSET_OUT_OF_RANGE
                else:
                    ends = [base for base, _ in log.batches[1:]] + [log.next_offset]
                    records = b"".join(
                        data
                        for (_, data), end in zip(log.batches, ends, strict=False)
                        if end > partition.fetch_offset
                    )
                is_complete = is_complete or bool(code) or bool(records)
                partitions.append(
                    fetch.PartitionData(
                        partition_index=partition.partition,
                        error_code=code,
                        high_watermark=log.next_offset,
                        records=records,
                    )
                )
            topics.append(fetch.FetchableTopicResponse(topic=topic.topic, partitions=partitions))
        return topics, is_complete

    async def _list_offsets(self, node: FakeNode, request: Any) -> Message:
        def offset_of(topic: str, partition: Any) -> list_offsets.ListOffsetsPartitionResponse:
            log = self.topics[topic][partition.partition_index]
            offset, timestamp = {-1: log.next_offset, -2: log.start}.get(partition.timestamp, -1), -1
            if partition.timestamp >= 0:
                records = [
                    (base + record.offset - read_header(memoryview(data)).base_offset, record.timestamp)
                    for base, data in log.batches
                    for record in decode_records(memoryview(data))
                ]
                offset, timestamp = next((pair for pair in records if pair[1] >= partition.timestamp), (-1, -1))
            return list_offsets.ListOffsetsPartitionResponse(
                partition_index=partition.partition_index, offset=offset, timestamp=timestamp
            )

        return list_offsets.ListOffsetsResponse(
            topics=[
                list_offsets.ListOffsetsTopicResponse(
                    name=topic.name, partitions=[offset_of(topic.name, one) for one in topic.partitions]
                )
                for topic in request.topics
            ]
        )

    async def _coordinator(self, node: FakeNode, request: Any) -> Message:
        return find_coordinator.FindCoordinatorResponse(
            coordinators=[
                find_coordinator.Coordinator(key=key, node_id=1, host="fake", port=9001)
                for key in request.coordinator_keys
            ]
        )

    async def _producer_id(self, node: FakeNode, request: Any) -> Message:
        assert request.transactional_id is None
        self.producers += 1
        return init_producer_id.InitProducerIdResponse(producer_id=1000 + self.producers, producer_epoch=0)


@pytest.fixture
async def broker(nursery: trio.Nursery) -> FakeBroker:
    """A fake broker of one node with the topic `t` of two partitions."""
    fake = FakeBroker(nursery)
    fake.add_topic("t", [1, 1])
    return fake


@pytest.fixture
def with_cluster(broker: FakeBroker) -> Callable[..., Any]:
    """Run a test's `story(cluster)` with a client of the fake broker, within ten virtual minutes."""

    async def run(story: Callable[[Cluster], Awaitable[None]], **settings: Any) -> None:
        with trio.fail_after(600):
            async with open_cluster(
                broker.connect, Runtime(), [("fake", 9001)], ClientSettings(**settings)
            ) as cluster:
                await story(cluster)

    return run
