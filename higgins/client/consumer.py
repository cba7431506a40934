"""A consumer of assigned partitions: one long poll under way to each leader, records handed out as they are asked for.

It has no task of its own: fetches are submitted by `poll` and may be answered after it has returned, so that a poll can
be cancelled anywhere without losing anything. Not here: transactions and fetch sessions.
"""

from collections import deque
from collections.abc import Callable, Iterable, Mapping

import trio

from higgins.client.cluster import FETCH_VERSION_MIN, Cluster, TopicPartition
from higgins.client.errors import (
    RETRIABLE,
    BrokerRefused,
    ClientError,
    IncompatibleBroker,
    error_code,
)
from higgins.client.offsets import EARLIEST, LATEST, by_topic, list_offsets
from higgins.client.positions import ConsumedRecord, Place, Positions
from higgins.client.pulse import Pulse
from higgins.client.settings import ConsumerSettings
from higgins.client.wire import Answer
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

LOCATE_PATIENCE_S = 5.0
"""How long a poll looks for where to begin, even when it was given less time."""


class Consumer:
    """Positions and fetches."""

    def __init__(self, cluster: Cluster, settings: ConsumerSettings | None = None) -> None:
        self._cluster = cluster
        self._settings = settings or ConsumerSettings()
        self._positions = Positions()
        self._busy: set[int] = set()
        self._answers: deque[tuple[dict[TopicPartition, int], Answer]] = deque()
        self._pulse = Pulse()
        self._backoff = cluster.backoff()
        self._purpose = cluster.purpose("fetch")

    def __repr__(self) -> str:
        return f"<Consumer {self._positions.places}>"

    def assign(self, start: Mapping[TopicPartition, int]) -> None:
        """Read these partitions and no others, each from an offset, or from EARLIEST or LATEST."""
        self._positions.assign(start)

    def close(self) -> None:
        """Give the connections back; the cluster would do so at its end."""
        self._cluster.release(self._purpose)

    def seek(self, topic: str, partition: int, offset: int) -> None:
        """Go on from this offset, or from EARLIEST or LATEST, in an assigned partition."""
        self._positions.place((topic, partition)).move(offset)

    async def seek_to_time(self, timestamp_ms: int, partitions: Iterable[TopicPartition] | None = None) -> None:
        """Go to the first record at or after a time, or to the end where there is none."""
        chosen = list(self._positions.places if partitions is None else partitions)
        located = await list_offsets(self._cluster, dict.fromkeys(chosen, timestamp_ms))
        for (topic, partition), found in located.items():
            self.seek(topic, partition, found.offset if found.offset >= 0 else LATEST)

    def position(self, topic: str, partition: int) -> int | None:
        """The next offset that `poll` will give, or None while it is not known."""
        place = self._positions.places.get((topic, partition))
        return place.position if place is not None and place.located else None

    def positions(self) -> dict[TopicPartition, int]:
        """All positions that are known."""
        return {key: one.position for key, one in self._positions.places.items() if one.located}

    def high_watermark(self, topic: str, partition: int) -> int:
        """The high watermark as the last fetch told it; -1 before the first."""
        return self._positions.place((topic, partition)).high_watermark

    async def locate(self) -> None:
        """Turn EARLIEST and LATEST into offsets now. Raises ClientError when the leaders do not say."""
        wanted = self._positions.to_locate()
        for key, found in (await list_offsets(self._cluster, wanted)).items():
            place = self._positions.places.get(key)
            if place is not None and place.position == wanted[key]:
                place.move(max(found.offset, 0))

    async def poll(self, timeout_s: float, *, records_max: int | None = None) -> list[ConsumedRecord]:
        """Records, as soon as there are any; an empty list when the time is up.

        Raises: BrokerRefused for what does not pass by itself; IncompatibleBroker for bytes that cannot be read.
        """
        deadline = trio.current_time() + timeout_s
        if self._positions.to_locate():
            # An answer after the time is up has to count: asked anew by each poll, a slow broker is never heard.
            with trio.move_on_at(max(deadline, trio.current_time() + LOCATE_PATIENCE_S)):
                await self.locate()
        records_max = self._settings.poll_records_max if records_max is None else records_max
        with trio.move_on_at(deadline):
            while True:
                self._take_answers()
                records = self._positions.hand_out(records_max, self._settings.batch_output_bytes_max)
                if records:
                    return records
                if self._positions.to_locate():
                    await self.locate()
                    continue
                await self._start_fetches()
                await self._wait()
        return []

    async def _wait(self) -> None:
        if self._answers:
            return
        with trio.move_on_at(self._positions.earliest_retry(trio.current_time())):
            await self._pulse.wait()

    async def _start_fetches(self) -> None:
        wanted = self._positions.to_fetch(trio.current_time())
        for node_id, chosen in self._by_leader(wanted).items():
            if node_id in self._busy:
                continue
            try:
                if node_id < 0:
                    await self._cluster.refresh({topic for topic, _ in chosen})
                    self._put_off(chosen)
                    continue
                connection = await self._cluster.connection(node_id, self._purpose)
                version = connection.version(FETCH, at_least=FETCH_VERSION_MIN)
                connection.submit(FETCH, version, self._request(chosen), done=self._collector(node_id, chosen))
                self._busy.add(node_id)
            except IncompatibleBroker:
                raise
            except ClientError:
                self._forget_leaders(chosen)

    def _by_leader(self, wanted: Mapping[TopicPartition, int]) -> dict[int, dict[TopicPartition, int]]:
        grouped: dict[int, dict[TopicPartition, int]] = {}
        for (topic, partition), offset in wanted.items():
            leader = self._cluster.view.leader(topic, partition)
            grouped.setdefault(-1 if leader is None else leader, {})[topic, partition] = offset
        return grouped

    def _request(self, wanted: Mapping[TopicPartition, int]) -> FetchRequest:
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
                            fetch_offset=wanted[topic, partition],
                            partition_max_bytes=self._settings.partition_bytes_max,
                        )
                        for partition in partitions
                    ],
                )
                for topic, partitions in by_topic(wanted).items()
            ],
        )

    def _collector(self, node_id: int, asked: dict[TopicPartition, int]) -> Callable[[Answer], None]:
        def collect(answer: Answer) -> None:
            self._busy.discard(node_id)
            self._answers.append((asked, answer))
            self._pulse.ring()

        return collect

    def _take_answers(self) -> None:
        while self._answers:
            asked, answer = self._answers.popleft()
            if isinstance(answer, IncompatibleBroker):
                raise answer
            if not isinstance(answer, FetchResponse) or answer.error_code:
                self._forget_leaders(asked)
                continue
            for topic in answer.responses:
                for one in topic.partitions:
                    self._take_partition((topic.topic, one.partition_index), asked, one)

    def _take_partition(
        self, key: TopicPartition, asked: Mapping[TopicPartition, int], data: PartitionData
    ) -> None:
        place = self._positions.places.get(key)
        if place is None or place.position != asked.get(key) or not place.drained:
            return  # moved or dropped since it was asked for
        code = error_code(data.error_code)
        if code is ErrorCode.NONE:
            self._backoff.reset()
            place.high_watermark = data.high_watermark
            place.take_in(_pieces(data.records))
        elif code is ErrorCode.OFFSET_OUT_OF_RANGE:
            self._reset(key, place)
        elif code in RETRIABLE or code is ErrorCode.UNKNOWN_SERVER_ERROR:
            self._forget_leaders([key])
        else:
            raise BrokerRefused(code, f"{key[0]} [{key[1]}] cannot be read.")

    def _reset(self, key: TopicPartition, place: Place) -> None:
        if self._settings.reset == "error":
            raise BrokerRefused(
                ErrorCode.OFFSET_OUT_OF_RANGE, f"Offset {place.position} is not in {key[0]} [{key[1]}]."
            )
        place.move(EARLIEST if self._settings.reset == "earliest" else LATEST)

    def _forget_leaders(self, keys: Iterable[TopicPartition]) -> None:
        chosen = list(keys)
        self._put_off(chosen)
        self._cluster.forget({topic for topic, _ in chosen})

    def _put_off(self, keys: Iterable[TopicPartition]) -> None:
        not_before = trio.current_time() + self._backoff.next_s()
        for key in keys:
            place = self._positions.places.get(key)
            if place is not None:
                place.not_before = not_before


def _pieces(records: object) -> list[memoryview]:
    if records is None:
        return []
    if isinstance(records, (bytes, bytearray, memoryview)):
        return [memoryview(records)]
    assert isinstance(records, (list, tuple))
    return [memoryview(one) for one in records]
