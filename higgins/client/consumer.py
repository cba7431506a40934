"""A consumer of assigned partitions: at most one fetch in flight per leader, and records returned by `poll`.

The consumer has no task of its own. `poll` submits fetches, and their responses may arrive after it has returned, so a
poll can be cancelled anywhere without losing records. Consumer groups are in `group_consumer`.

Fetch sessions (KIP-227) are not used: they save the list of partitions in each request, which matters with thousands of
partitions, and cost an epoch that both sides must agree on after every error. This client reads few partitions.
Transactions are not supported either: every fetch is `read_uncommitted`.
"""

from collections import deque
from collections.abc import Iterable, Mapping

import trio

from higgins.client.cluster import FETCH_VERSION_MIN, Cluster, TopicPartition
from higgins.client.errors import (
    RETRIABLE,
    BrokerRefused,
    ClientError,
    IncompatibleBroker,
    error_code,
)
from higgins.client.in_flight import ResponseFuture
from higgins.client.offsets import EARLIEST, LATEST, by_topic, list_offsets
from higgins.client.positions import ConsumedRecord, PartitionPosition, Positions
from higgins.client.settings import ConsumerSettings
from higgins_protocol.errors import ErrorCode
from higgins_protocol.messages.fetch import (
    FetchPartition,
    FetchRequest,
    FetchResponse,
    FetchTopic,
    PartitionData,
)

__all__ = ["ConsumedRecord", "Consumer"]

FETCH = 1

RESOLVE_TIMEOUT_MIN_S = 5.0
"""How long `poll` waits for ListOffsets even if its own timeout is shorter.

With short polls and a slow broker, each poll would otherwise cancel the request before its response came and send
another one, and the consumer would never start."""


class Consumer:
    """Reads assigned partitions from given positions."""

    def __init__(self, cluster: Cluster, settings: ConsumerSettings | None = None) -> None:
        self._cluster = cluster
        self._settings = settings or ConsumerSettings()
        self._positions = Positions()
        self._nodes_in_flight: set[int] = set()
        """Nodes with a fetch in flight."""
        self._responses: deque[tuple[dict[TopicPartition, int], ResponseFuture]] = deque()
        """Completed fetches that `poll` has not looked at yet, with the positions they fetched from."""
        self._response_arrived = trio.lowlevel.ParkingLot()
        self._backoff = cluster.backoff()
        self._connection_name = cluster.unique_connection_name("fetch")

    def __repr__(self) -> str:
        return f"<Consumer {self._positions.partitions}>"

    def assign(self, start: Mapping[TopicPartition, int]) -> None:
        """Read exactly these partitions, each from an offset, or from EARLIEST or LATEST."""
        self._positions.assign(start)

    def close(self) -> None:
        """Close this consumer's connections. The cluster closes them at its own end otherwise."""
        self._cluster.close_connections(self._connection_name)

    def seek(self, topic: str, partition: int, offset: int) -> None:
        """Continue an assigned partition at an offset, or at EARLIEST or LATEST."""
        self._positions.partitions[topic, partition].seek(offset)

    async def seek_to_time(self, timestamp_ms: int, partitions: Iterable[TopicPartition] | None = None) -> None:
        """Continue at the first record at or after a timestamp, or at the end of the log when there is none."""
        keys = list(self._positions.partitions if partitions is None else partitions)
        offsets = await list_offsets(self._cluster, dict.fromkeys(keys, timestamp_ms))
        for (topic, partition), start in offsets.items():
            self.seek(topic, partition, start.offset if start.offset >= 0 else LATEST)

    def position(self, topic: str, partition: int) -> int | None:
        """The next offset that `poll` returns, or None while it is not resolved."""
        return self.positions().get((topic, partition))

    def assigned(self) -> list[TopicPartition]:
        """The partitions that are read."""
        return list(self._positions.partitions)

    def positions(self) -> dict[TopicPartition, int]:
        """All positions that are resolved."""
        return {key: state.position for key, state in self._positions.partitions.items() if state.is_resolved}

    def high_watermark(self, topic: str, partition: int) -> int:
        """The high watermark in the last fetch response; -1 before the first."""
        return self._positions.partitions[topic, partition].high_watermark

    async def resolve_positions(self) -> None:
        """Replace EARLIEST and LATEST by the current offsets. Raises: ClientError from `list_offsets`."""
        unresolved = self._positions.unresolved()
        for key, resolved in (await list_offsets(self._cluster, unresolved)).items():
            state = self._positions.partitions.get(key)
            # The assignment or the position may have changed during the request.
            if state is not None and state.position == unresolved[key]:
                state.seek(max(resolved.offset, 0))

    async def poll(self, timeout_s: float, *, records_max: int | None = None) -> list[ConsumedRecord]:
        """Records as soon as there are any; an empty list after the timeout.

        Raises: BrokerRefused for an error that a retry does not clear; IncompatibleBroker for invalid batches.
        """
        deadline = trio.current_time() + timeout_s
        if self._positions.unresolved():
            with trio.move_on_at(max(deadline, trio.current_time() + RESOLVE_TIMEOUT_MIN_S)):
                await self.resolve_positions()
        records_max = self._settings.poll_records_max if records_max is None else records_max
        with trio.move_on_at(deadline):
            while True:
                self._handle_responses()
                records = self._positions.take_records(records_max, self._settings.batch_output_bytes_max)
                if records:
                    return records
                if self._positions.unresolved():
                    await self.resolve_positions()
                    continue
                await self._send_fetches()
                await self._wait_for_response()
        return []

    async def _wait_for_response(self) -> None:
        if self._responses:
            return
        with trio.move_on_at(self._positions.earliest_retry(trio.current_time())):
            await self._response_arrived.park()

    async def _send_fetches(self) -> None:
        for node_id, fetch in self._fetches_by_leader().items():
            if node_id in self._nodes_in_flight:
                continue
            try:
                if node_id is None:
                    await self._cluster.refresh({topic for topic, _ in fetch})
                    self._back_off(fetch)
                    continue
                connection = await self._cluster.connection(node_id, self._connection_name)
                version = connection.version(FETCH, at_least=FETCH_VERSION_MIN)
                response = connection.submit(FETCH, version, self._request(fetch))
            except IncompatibleBroker:
                raise
            except ClientError:
                self._invalidate_leaders(fetch)
            else:
                self._nodes_in_flight.add(node_id)
                self._collect_response(node_id, fetch, response)

    def _fetches_by_leader(self) -> dict[int | None, dict[TopicPartition, int]]:
        """The partitions to fetch now, by their leader; those whose leader is not known are under None."""
        grouped: dict[int | None, dict[TopicPartition, int]] = {}
        for (topic, partition), offset in self._positions.to_fetch(trio.current_time()).items():
            leader = self._cluster.metadata.leader(topic, partition)
            grouped.setdefault(leader, {})[topic, partition] = offset
        return grouped

    def _request(self, fetch: Mapping[TopicPartition, int]) -> FetchRequest:
        return FetchRequest(
            max_wait_ms=self._settings.max_wait_ms,
            min_bytes=self._settings.min_bytes,
            max_bytes=self._settings.fetch_bytes_max,
            topics=[
                FetchTopic(
                    topic=topic,
                    partitions=[
                        FetchPartition(
                            partition=partition,
                            fetch_offset=fetch[topic, partition],
                            partition_max_bytes=self._settings.partition_bytes_max,
                        )
                        for partition in partitions
                    ],
                )
                for topic, partitions in by_topic(fetch).items()
            ],
        )

    def _collect_response(
        self, node_id: int, fetch: dict[TopicPartition, int], response: ResponseFuture
    ) -> None:
        def collect(response: ResponseFuture) -> None:
            self._nodes_in_flight.discard(node_id)
            self._responses.append((fetch, response))
            self._response_arrived.unpark_all()

        response.add_done_callback(collect)

    def _handle_responses(self) -> None:
        while self._responses:
            fetch, future = self._responses.popleft()
            try:
                response = future.result()
            except IncompatibleBroker:
                raise
            except ClientError:
                self._invalidate_leaders(fetch)
                continue
            if not isinstance(response, FetchResponse) or response.error_code:
                self._invalidate_leaders(fetch)
                continue
            for topic in response.responses:
                for partition in topic.partitions:
                    self._handle_partition((topic.topic, partition.partition_index), fetch, partition)

    def _handle_partition(
        self, key: TopicPartition, fetch: Mapping[TopicPartition, int], data: PartitionData
    ) -> None:
        state = self._positions.partitions.get(key)
        if state is None or state.position != fetch.get(key) or not state.needs_fetch:
            return  # the partition was unassigned, or its position was changed, while the fetch was in flight
        code = error_code(data.error_code)
        if code is ErrorCode.NONE:
            self._backoff.reset()
            state.high_watermark = data.high_watermark
            state.add_fetched(_chunks(data.records))
        elif code is ErrorCode.OFFSET_OUT_OF_RANGE:
            self._reset_position(key, state)
        elif code in RETRIABLE or code is ErrorCode.UNKNOWN_SERVER_ERROR:
            self._invalidate_leaders([key])
        else:
            raise BrokerRefused(code, f"{key[0]} [{key[1]}] cannot be read.")

    def _reset_position(self, key: TopicPartition, state: PartitionPosition) -> None:
        if self._settings.reset == "error":
            raise BrokerRefused(
                ErrorCode.OFFSET_OUT_OF_RANGE, f"Offset {state.position} is not in {key[0]} [{key[1]}]."
            )
        state.seek(EARLIEST if self._settings.reset == "earliest" else LATEST)

    def _invalidate_leaders(self, keys: Iterable[TopicPartition]) -> None:
        keys = list(keys)
        self._back_off(keys)
        self._cluster.invalidate({topic for topic, _ in keys})

    def _back_off(self, keys: Iterable[TopicPartition]) -> None:
        retry_at = trio.current_time() + self._backoff.next_s()
        for key in keys:
            state = self._positions.partitions.get(key)
            if state is not None:
                state.retry_at = retry_at


def _chunks(records: object) -> list[memoryview]:
    """The records of a response as byte chunks; the codec yields one buffer, or a list of them."""
    if records is None:
        return []
    if isinstance(records, (bytes, bytearray, memoryview)):
        return [memoryview(records)]
    assert isinstance(records, (list, tuple))
    return [memoryview(chunk) for chunk in records]
