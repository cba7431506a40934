"""The offsets that a `Start` means in each partition; `consume` and `group reset` share them."""

from collections.abc import Iterable

from higgins.cli.text.start import Start
from higgins.client import Cluster
from higgins.client.cluster import TopicPartition
from higgins.client.offsets import EARLIEST, LATEST, list_offsets


async def places(cluster: Cluster, partitions: Iterable[TopicPartition], start: Start) -> dict[TopicPartition, int]:
    """An offset inside each partition: the nearest one if the start is before its first record or behind its end.

    A time that no record has reached means the end. Raises: ClientError.
    """
    keys = list(partitions)
    firsts = await list_offsets(cluster, dict.fromkeys(keys, EARLIEST))
    ends = await list_offsets(cluster, dict.fromkeys(keys, LATEST))
    timed = {} if start.timestamp_ms is None else await list_offsets(cluster, dict.fromkeys(keys, start.timestamp_ms))
    found: dict[TopicPartition, int] = {}
    for key in keys:
        first, end = firsts[key].offset, ends[key].offset
        if key in timed:
            found[key] = timed[key].offset if timed[key].offset >= 0 else end
        elif start.position == LATEST:
            found[key] = max(end - start.before_end, first)
        else:
            found[key] = min(max(start.position, first), end)
    return found
