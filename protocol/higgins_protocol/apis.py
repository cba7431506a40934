"""The table of the APIs that are served: key, versions, messages.

The ApiVersions answer is derived from it, so that nothing is advertised that has no codec here.
"""

from collections.abc import Mapping
from types import MappingProxyType, ModuleType

import msgspec

from higgins_protocol.messages import (
    alter_client_quotas,
    alter_configs,
    alter_partition_reassignments,
    alter_replica_log_dirs,
    alter_user_scram_credentials,
    api_versions,
    create_acls,
    create_partitions,
    create_topics,
    delete_acls,
    delete_groups,
    delete_records,
    delete_topics,
    describe_acls,
    describe_client_quotas,
    describe_cluster,
    describe_configs,
    describe_groups,
    describe_log_dirs,
    describe_producers,
    describe_quorum,
    describe_topic_partitions,
    describe_transactions,
    describe_user_scram_credentials,
    elect_leaders,
    fetch,
    find_coordinator,
    heartbeat,
    incremental_alter_configs,
    init_producer_id,
    join_group,
    leave_group,
    list_config_resources,
    list_groups,
    list_offsets,
    list_partition_reassignments,
    list_transactions,
    metadata,
    offset_commit,
    offset_delete,
    offset_fetch,
    offset_for_leader_epoch,
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
DELETE_RECORDS = 21
INIT_PRODUCER_ID = 22
OFFSET_FOR_LEADER_EPOCH = 23
DESCRIBE_ACLS = 29
CREATE_ACLS = 30
DELETE_ACLS = 31
DESCRIBE_CONFIGS = 32
ALTER_CONFIGS = 33
ALTER_REPLICA_LOG_DIRS = 34
DESCRIBE_LOG_DIRS = 35
CREATE_PARTITIONS = 37
DELETE_GROUPS = 42
ELECT_LEADERS = 43
INCREMENTAL_ALTER_CONFIGS = 44
ALTER_PARTITION_REASSIGNMENTS = 45
LIST_PARTITION_REASSIGNMENTS = 46
OFFSET_DELETE = 47
DESCRIBE_CLIENT_QUOTAS = 48
ALTER_CLIENT_QUOTAS = 49
DESCRIBE_USER_SCRAM_CREDENTIALS = 50
ALTER_USER_SCRAM_CREDENTIALS = 51
DESCRIBE_QUORUM = 55
DESCRIBE_CLUSTER = 60
DESCRIBE_PRODUCERS = 61
DESCRIBE_TRANSACTIONS = 65
LIST_TRANSACTIONS = 66
LIST_CONFIG_RESOURCES = 74
DESCRIBE_TOPIC_PARTITIONS = 75
PRIVATE = 32_000

NEVER = 0x7FFF
"""Flexible from a version that does not exist."""


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
    msgspec.structs.replace(_api(PRODUCE, produce, (3, 10), flexible_from=9), advertised=(0, 10)),
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
    _api(OFFSET_FOR_LEADER_EPOCH, offset_for_leader_epoch, (2, 4), flexible_from=4),
    _api(DESCRIBE_ACLS, describe_acls, (1, 3), flexible_from=2),
    _api(CREATE_ACLS, create_acls, (1, 3), flexible_from=2),
    _api(DELETE_ACLS, delete_acls, (1, 3), flexible_from=2),
    _api(DESCRIBE_CONFIGS, describe_configs, (1, 4), flexible_from=4),
    _api(ALTER_CONFIGS, alter_configs, (0, 2), flexible_from=2),
    _api(ALTER_REPLICA_LOG_DIRS, alter_replica_log_dirs, (1, 2), flexible_from=2),
    _api(DESCRIBE_LOG_DIRS, describe_log_dirs, (1, 4), flexible_from=2),
    _api(ELECT_LEADERS, elect_leaders, (0, 2), flexible_from=2),
    _api(INCREMENTAL_ALTER_CONFIGS, incremental_alter_configs, (0, 1), flexible_from=1),
    _api(ALTER_PARTITION_REASSIGNMENTS, alter_partition_reassignments, (0, 1), flexible_from=0),
    _api(LIST_PARTITION_REASSIGNMENTS, list_partition_reassignments, (0, 0), flexible_from=0),
    _api(DESCRIBE_CLIENT_QUOTAS, describe_client_quotas, (0, 1), flexible_from=1),
    _api(ALTER_CLIENT_QUOTAS, alter_client_quotas, (0, 1), flexible_from=1),
    _api(DESCRIBE_USER_SCRAM_CREDENTIALS, describe_user_scram_credentials, (0, 0), flexible_from=0),
    _api(ALTER_USER_SCRAM_CREDENTIALS, alter_user_scram_credentials, (0, 0), flexible_from=0),
    _api(DESCRIBE_QUORUM, describe_quorum, (0, 2), flexible_from=0),
    _api(DESCRIBE_CLUSTER, describe_cluster, (0, 2), flexible_from=0),
    _api(DESCRIBE_PRODUCERS, describe_producers, (0, 0), flexible_from=0),
    _api(DESCRIBE_TRANSACTIONS, describe_transactions, (0, 0), flexible_from=0),
    _api(LIST_TRANSACTIONS, list_transactions, (0, 2), flexible_from=0),
    _api(LIST_CONFIG_RESOURCES, list_config_resources, (0, 1), flexible_from=0),
    _api(DESCRIBE_TOPIC_PARTITIONS, describe_topic_partitions, (0, 0), flexible_from=0),
    _api(DELETE_RECORDS, delete_records, (0, 2), flexible_from=2),
    _api(CREATE_PARTITIONS, create_partitions, (0, 3), flexible_from=2),
    _api(DELETE_GROUPS, delete_groups, (0, 2), flexible_from=2),
    _api(OFFSET_DELETE, offset_delete, (0, 0), flexible_from=NEVER),
    msgspec.structs.replace(_api(PRIVATE, private, (0, 0), flexible_from=0), advertised=None),
)

APIS: Mapping[int, Api] = MappingProxyType({api.key: api for api in _TABLE})


def api_versions_entries() -> list[tuple[int, int, int]]:
    """(api key, lowest, highest) of all that is advertised, sorted and unique, lowest ≤ highest."""
    return sorted((api.key, *api.advertised) for api in APIS.values() if api.advertised)
