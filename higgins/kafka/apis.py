"""The table of APIs that are served: one line each, the module of its handler, which declares the API's row.

A new API is a module of messages in `higgins_protocol.messages`, a handler module here, and a line in this table.
"""

from collections.abc import Mapping
from importlib import import_module
from types import MappingProxyType
from typing import Any

from higgins.kafka.api_row import ApiRow

# Names instead of imports, so that a new API is one line and not two.
MODULES = (
    "admin.alter_configs",
    "admin.alter_partition_reassignments",
    "admin.alter_replica_log_dirs",
    "admin.describe_configs",
    "admin.describe_log_dirs",
    "admin.elect_leaders",
    "admin.incremental_alter_configs",
    "admin.list_config_resources",
    "admin.list_partition_reassignments",
    "cluster.api_versions",
    "cluster.create_partitions",
    "cluster.create_topics",
    "cluster.delete_topics",
    "cluster.describe_cluster",
    "cluster.describe_quorum",
    "cluster.describe_topic_partitions",
    "cluster.metadata",
    "groups.delete_groups",
    "groups.describe_groups",
    "groups.find_coordinator",
    "groups.heartbeat",
    "groups.join_group",
    "groups.leave_group",
    "groups.list_groups",
    "groups.offset_commit",
    "groups.offset_delete",
    "groups.offset_fetch",
    "groups.sync_group",
    "private.call",
    "records.delete_records",
    "records.describe_producers",
    "records.fetch",
    "records.init_producer_id",
    "records.list_offsets",
    "records.offset_for_leader_epoch",
    "records.produce",
    "security.alter_client_quotas",
    "security.alter_user_scram_credentials",
    "security.create_acls",
    "security.delete_acls",
    "security.describe_acls",
    "security.describe_client_quotas",
    "security.describe_user_scram_credentials",
    "transactions.describe_transactions",
    "transactions.list_transactions",
)


def _load(name: str) -> ApiRow[Any]:
    row = import_module(f"higgins.kafka.{name}").API
    assert isinstance(row, ApiRow), f"higgins.kafka.{name}.API is not an ApiRow"
    return row


ROWS: Mapping[int, ApiRow[Any]] = MappingProxyType({row.api.key: row for row in map(_load, MODULES)})
"""By API key."""
