"""Writing and reading records for a test: what a test gives becomes bytes; what it reads is complete.

A test that asserts on everything in a topic, or that something is *not* there, needs to know when the broker has
finished. So a read first waits until the operators that write the topic, directly or through other operators, have
processed all of their input. Then it reads up to the end.
"""

from collections.abc import Mapping, Sequence
from typing import TypeAlias, TypeVar

import msgspec
import trio
import trio.testing

from higgins.client import Admin, ClientError, Cluster, ConsumedRecord, Consumer, Stored, open_producer
from higgins.client.offsets import EARLIEST, LATEST, list_offsets

Value: TypeAlias = bytes | bytearray | memoryview | str | Mapping[str, object] | Sequence[object] | None
"""A key or value: bytes as they are, text as UTF-8, a dict or list as JSON, None for a null."""
Headers: TypeAlias = Mapping[str, bytes | str | None]

T = TypeVar("T")

SETTLE_S = 0.2
POLL_S = 0.05
CATCH_UP_POLL_S = 0.002
SHOWN_RECORDS_MAX = 10


class _TaskView(msgspec.Struct, frozen=True):
    partition: int
    lag: int
    state: str
    reason: str = ""


class _OperatorView(msgspec.Struct, frozen=True):
    name: str
    input: str
    output: str
    partitions: list[_TaskView]


def to_bytes(value: object, what: str = "A value") -> bytes | None:
    """A key or value as it is stored. Raises: TypeError for other types than `Value`."""
    match value:
        case None | bytes():
            return value
        case bytearray() | memoryview():
            return bytes(value)
        case str():
            return value.encode()
        case dict() | list() | tuple():
            return msgspec.json.encode(value)
    raise TypeError(
        f"{what} is of type {type(value).__name__}. Pass bytes, a str (stored as UTF-8), a dict or list (stored as "
        "JSON), or None."
    )


async def write_records(
    cluster: Cluster, topic: str, values: list[bytes | None], key: bytes | None, partition: int | None, headers: Headers
) -> None:
    """Store records. Raises: ClientError unless every record is stored."""
    encoded = tuple((name, to_bytes(value, f"Header '{name}'")) for name, value in headers.items())
    await cluster.topic(topic, create=True)
    async with open_producer(cluster) as producer:
        results = [
            await producer.send(topic, value, key=key, partition=partition, headers=encoded) for value in values
        ]
        for future in results:
            result = await future.wait()
            if not isinstance(result, Stored):
                raise ClientError(f"A record for '{topic}' was not stored: {result.message}")


async def read_records(cluster: Cluster, topic: str, count: int | None, timeout_s: float) -> list[ConsumedRecord]:
    """All records of a topic, once the broker is idle and there are at least `count`.

    Raises: AssertionError after `timeout_s`, with the records that are there and the operators that are not finished.
    """
    metadata = await cluster.topic(topic, create=False)
    partitions = [(topic, partition) for partition in metadata.leaders]
    consumer = Consumer(cluster)
    consumer.assign(dict.fromkeys(partitions, EARLIEST))
    records: list[ConsumedRecord] = []
    try:
        with trio.move_on_after(timeout_s):
            while count is not None and len(records) < count:
                records += await consumer.poll(timeout_s)
            await wait_until_idle(cluster, topic)
            ends = await list_offsets(cluster, dict.fromkeys(partitions, LATEST))
            await consumer.resolve_positions()
            while any(position < ends[key].offset for key, position in consumer.positions().items()):
                records += await consumer.poll(POLL_S)
            return records
        raise AssertionError(await _explain(cluster, topic, records, count, timeout_s))
    finally:
        consumer.close()


async def wait_until_idle(cluster: Cluster, topic: str | None = None) -> None:
    """Wait until the operators above a topic, or all operators, have processed all of their input."""
    # Requests that a client has sent and the broker has not answered yet: they run in this loop.
    with trio.move_on_after(SETTLE_S):
        await trio.testing.wait_all_tasks_blocked()
    while any(task.lag for operator in await _operators(cluster, topic) for task in operator.partitions):
        await trio.sleep(CATCH_UP_POLL_S)


async def _operators(cluster: Cluster, topic: str | None) -> list[_OperatorView]:
    """The operators that write a topic, and those that write their inputs, and so on; all for None."""
    response = await Admin(cluster).private("operators.list", {})
    operators = msgspec.convert(response, dict[str, list[_OperatorView]])["operators"]
    if topic is None:
        return operators
    topics, found = {topic}, list[_OperatorView]()
    while new := [one for one in operators if one not in found and topics.intersection(one.output.split(", "))]:
        found += new
        topics.update(name for one in new for name in one.input.split(", "))
    return found


async def _explain(
    cluster: Cluster, topic: str, records: list[ConsumedRecord], count: int | None, timeout_s: float
) -> str:
    shown = [record.value for record in records[:SHOWN_RECORDS_MAX]]
    found = f"Topic '{topic}' has {_records(len(records))} after {timeout_s:g} s"
    behind = [
        f"Operator '{operator.name}' is {_records(task.lag)} behind in partition {task.partition} ({task.state}"
        f"{': ' + task.reason if task.reason else ''})."
        for operator in await _operators(cluster, topic)
        for task in operator.partitions
        if task.lag
    ]
    wanted = f", not {count}: {shown}" if count is not None and len(records) < count else f": {shown}."
    return " ".join([found + wanted, *behind])


def _records(count: int) -> str:
    return f"{count} record{'' if count == 1 else 's'}"
