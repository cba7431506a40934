"""What the stories here are told with: a client of raw frames, and batches to send."""

from collections.abc import Callable, Sequence
from typing import Any, TypeVar, TypeVarTuple

import trio

from higgins.runtime import Runtime
from higgins_protocol.messages.create_topics import CreatableTopic, CreatableTopicConfig, CreateTopicsRequest
from higgins_protocol.messages.fetch import FetchPartition, FetchRequest, FetchTopic
from higgins_protocol.messages.list_offsets import ListOffsetsPartition, ListOffsetsRequest, ListOffsetsTopic
from higgins_protocol.messages.produce import PartitionProduceData, ProduceRequest, TopicProduceData
from higgins_protocol.records.batch import patch_base_offset, read_header
from higgins_protocol.records.record import Record, decode_records, encode_batch
from higgins_protocol.registry import APIS, decode_response, encode_request
from higgins_protocol.schema import Message

KEYS: dict[type[Message], int] = {api.request: api.key for api in APIS.values()}
NEWEST = {api.request: api.versions[1] for api in APIS.values()}
EPOCH_MS = 1_800_000_000_000


T = TypeVar("T")
Ts = TypeVarTuple("Ts")


class StoryRuntime(Runtime):
    """Wall time follows the virtual clock, and there are no threads for it to outrun."""

    def now_ms(self) -> int:
        return EPOCH_MS + int(trio.current_time() * 1000)

    async def offload(self, limiter: str, function: Callable[[*Ts], T], *args: *Ts) -> T:
        await trio.lowlevel.checkpoint()
        return function(*args)


class Peer:
    """One connection, spoken to in whole frames."""

    def __init__(self, stream: trio.abc.Stream) -> None:
        self._stream = stream
        self._correlation_id = 0
        self._asked: list[tuple[int, int, int]] = []

    async def ask(self, request: Message, version: int | None = None) -> Any:
        """Send and wait for the answer; nothing else may be under way."""
        await self.send(request, version)
        return await self.receive()

    async def send(self, request: Message, version: int | None = None, *, answered: bool = True) -> None:
        key = KEYS[type(request)]
        version = NEWEST[type(request)] if version is None else version
        self._correlation_id += 1
        if answered:
            self._asked.append((key, version, self._correlation_id))
        await self.send_bytes(b"".join(encode_request(key, version, self._correlation_id, "c", request)))

    def expect(self, request: Message, correlation_id: int) -> None:
        """Await the answer, in the newest version, to a request that `send_bytes` has sent."""
        self._asked.append((KEYS[type(request)], NEWEST[type(request)], correlation_id))

    async def send_bytes(self, data: bytes) -> None:
        await self._stream.send_all(data)

    async def receive(self) -> Any:
        """The answer to the oldest request that has none; within ten (virtual) minutes."""
        key, version, correlation_id = self._asked.pop(0)
        frame = await self.receive_frame()
        found, response = decode_response(key, version, memoryview(frame))
        assert found == correlation_id, "answers come in the order of their requests"
        return response

    @property
    def is_due(self) -> bool:
        """Whether an answer has not been received yet."""
        return bool(self._asked)

    async def receive_frame(self) -> bytes:
        return await self._read(int.from_bytes(await self._read(4), "big"))

    async def is_closed(self) -> bool:
        """Whether the broker closes the connection without another byte."""
        with trio.fail_after(600):
            try:
                return not await self._stream.receive_some(1)
            except trio.BrokenResourceError:
                return True

    async def is_silent(self, seconds: float) -> bool:
        """Whether nothing comes for a while; what does come is lost."""
        with trio.move_on_after(seconds):
            await self._stream.receive_some(1)
            return False
        return True

    async def close(self) -> None:
        await self._stream.aclose()

    async def _read(self, length: int) -> bytes:
        data = b""
        with trio.fail_after(600):
            while len(data) < length:
                piece = await self._stream.receive_some(length - len(data))
                assert piece, "the broker closed the connection"
                data += piece
        return data

    # ---- short forms ------------------------------------------------------------------------------------------------

    async def create(self, name: str, partitions: int = 1, configs: dict[str, str] | None = None) -> bytes:
        """Create a topic; its id."""
        given = [CreatableTopicConfig(key, value) for key, value in (configs or {}).items()]
        topic = CreatableTopic(name, num_partitions=partitions, replication_factor=1, configs=given)
        (row,) = (await self.ask(CreateTopicsRequest([topic]))).topics
        assert row.error_code == 0, row
        return bytes(row.topic_id)

    async def produce(
        self, topic: str, data: bytes | None, *, partition: int = 0, version: int | None = None, acks: int = -1
    ) -> Any:
        """Produce to one partition; its row of the answer."""
        answer = await self.ask(produce_request(topic, data, partition=partition, acks=acks), version)
        (found,) = answer.responses
        (row,) = found.partition_responses
        return row

    async def fetch(self, topic: str, offset: int, *, version: int | None = None, **bounds: int) -> Any:
        """Fetch from partition 0 without waiting; its row of the answer."""
        answer = await self.ask(fetch_request([(topic, 0, offset)], **bounds), version)
        return answer.responses[0].partitions[0]

    async def values(self, topic: str, offset: int = 0, partition: int = 0) -> list[bytes | None]:
        """Every value from an offset on."""
        answer = await self.ask(fetch_request([(topic, partition, offset)]))
        return [one.value for one in records_of(answer.responses[0].partitions[0])]

    async def offset_at(self, topic: str, timestamp: int, *, version: int | None = None) -> tuple[int, int, int]:
        """(error code, offset, timestamp) for partition 0."""
        request = ListOffsetsRequest(
            replica_id=-1, topics=[ListOffsetsTopic(topic, [ListOffsetsPartition(0, timestamp=timestamp)])]
        )
        row = (await self.ask(request, version)).topics[0].partitions[0]
        return row.error_code, row.offset, row.timestamp


def batch(*values: bytes | None, timestamp: int = EPOCH_MS, **header: Any) -> bytes:
    """A batch with these values, stamped one millisecond apart."""
    records = [Record(timestamp=timestamp + n, value=value) for n, value in enumerate(values)]
    return encode_batch(records, **header)


def produce_request(
    topic: str, data: bytes | None, *, partition: int = 0, acks: int = -1, timeout_ms: int = 30_000
) -> ProduceRequest:
    return produce_many([(topic, partition, data)], acks=acks, timeout_ms=timeout_ms)


def produce_many(
    parts: Sequence[tuple[str, int, bytes | None]], *, acks: int = -1, timeout_ms: int = 30_000
) -> ProduceRequest:
    """One request; parts of one topic must stand together."""
    names = list(dict.fromkeys(topic for topic, _, _ in parts))
    data = [
        TopicProduceData(name, [PartitionProduceData(index, data) for topic, index, data in parts if topic == name])
        for name in names
    ]
    return ProduceRequest(acks=acks, timeout_ms=timeout_ms, topic_data=data)


def fetch_request(
    parts: Sequence[tuple[str, int, int]], *, partition_bytes: int = 1 << 20, **request: int
) -> FetchRequest:
    """(topic, partition, offset) each; parts of one topic must stand together."""
    names = list(dict.fromkeys(topic for topic, _, _ in parts))
    topics = [
        FetchTopic(
            name,
            [
                FetchPartition(index, fetch_offset=offset, partition_max_bytes=partition_bytes)
                for topic, index, offset in parts
                if topic == name
            ],
        )
        for name in names
    ]
    fields: dict[str, Any] = request
    return FetchRequest(topics=topics, **fields)


def batches_of(row: Any) -> list[bytes]:
    """The batches in one partition of a fetch answer."""
    data = b"".join(bytes(piece) for piece in row.records) if isinstance(row.records, list) else bytes(row.records)
    found = []
    while data:
        size = read_header(data).size
        found.append(data[:size])
        data = data[size:]
    return found


def records_of(row: Any) -> list[Record]:
    return [record for one in batches_of(row) for record in decode_records(one)]


def as_served(data: bytes, base_offset: int) -> bytes:
    """A batch as a fetch hands it out."""
    return patch_base_offset(data, base_offset) + data[16:]
