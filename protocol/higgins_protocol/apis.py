"""The table of the APIs that are served: key, versions, messages.

The ApiVersions answer is derived from it, so that nothing is advertised that has no codec here.
"""

from collections.abc import Mapping
from types import MappingProxyType, ModuleType

import msgspec

from higgins_protocol.messages import (
    api_versions,
    create_topics,
    delete_topics,
    describe_groups,
    fetch,
    find_coordinator,
    heartbeat,
    init_producer_id,
    join_group,
    leave_group,
    list_groups,
    list_offsets,
    metadata,
    offset_commit,
    offset_fetch,
    private,
    produce,
    sync_group,
)
from higgins_protocol.schema import Message

PRODUCE = 0
FETCH = 1
LIST_OFFSETS = 2
METADATA = 3
OFFSET_COMMIT = 8
OFFSET_FETCH = 9
FIND_COORDINATOR = 10
JOIN_GROUP = 11
HEARTBEAT = 12
LEAVE_GROUP = 13
SYNC_GROUP = 14
DESCRIBE_GROUPS = 15
LIST_GROUPS = 16
API_VERSIONS = 18
CREATE_TOPICS = 19
DELETE_TOPICS = 20
INIT_PRODUCER_ID = 22
PRIVATE = 32_000


class Api(msgspec.Struct, frozen=True):
    """One row: `versions` have codecs; `advertised` is what clients are told, or None for nothing."""

    key: int
    name: str
    versions: tuple[int, int]
    advertised: tuple[int, int] | None
    flexible_from: int
    request: type[Message]
    response: type[Message]


def _api(key: int, messages: ModuleType, versions: tuple[int, int], *, flexible_from: int) -> Api:
    """The row of a module of messages, which names its request and response after itself."""
    name = "".join(word.capitalize() for word in messages.__name__.rpartition(".")[2].split("_"))
    request: type[Message] = getattr(messages, f"{name}Request")
    response: type[Message] = getattr(messages, f"{name}Response")
    return Api(key, name, versions, versions, flexible_from, request, response)


_TABLE = (
    # librdkafka up to 2.11.0 compresses only for brokers that advertise Produce from 0 (KAFKA-18659).
    msgspec.structs.replace(_api(PRODUCE, produce, (3, 9), flexible_from=9), advertised=(0, 9)),
    _api(FETCH, fetch, (4, 12), flexible_from=12),
    _api(LIST_OFFSETS, list_offsets, (1, 7), flexible_from=6),
    _api(METADATA, metadata, (0, 12), flexible_from=9),
    _api(OFFSET_COMMIT, offset_commit, (2, 9), flexible_from=8),
    _api(OFFSET_FETCH, offset_fetch, (1, 9), flexible_from=6),
    _api(FIND_COORDINATOR, find_coordinator, (0, 4), flexible_from=3),
    _api(JOIN_GROUP, join_group, (0, 9), flexible_from=6),
    _api(HEARTBEAT, heartbeat, (0, 4), flexible_from=4),
    _api(LEAVE_GROUP, leave_group, (0, 5), flexible_from=4),
    _api(SYNC_GROUP, sync_group, (0, 5), flexible_from=4),
    _api(DESCRIBE_GROUPS, describe_groups, (0, 6), flexible_from=5),
    _api(LIST_GROUPS, list_groups, (0, 5), flexible_from=3),
    _api(API_VERSIONS, api_versions, (0, 4), flexible_from=3),
    _api(CREATE_TOPICS, create_topics, (2, 7), flexible_from=5),
    _api(DELETE_TOPICS, delete_topics, (1, 6), flexible_from=4),
    _api(INIT_PRODUCER_ID, init_producer_id, (0, 4), flexible_from=2),
    msgspec.structs.replace(_api(PRIVATE, private, (0, 0), flexible_from=0), advertised=None),
)

APIS: Mapping[int, Api] = MappingProxyType({api.key: api for api in _TABLE})


def api_versions_entries() -> list[tuple[int, int, int]]:
    """(api key, lowest, highest) of all that is advertised, sorted and unique, lowest ≤ highest."""
    return sorted((api.key, *api.advertised) for api in APIS.values() if api.advertised)


