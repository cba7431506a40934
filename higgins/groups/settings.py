"""The settings of groups, with Kafka's defaults."""

import msgspec


class GroupSettings(msgspec.Struct, frozen=True):
    """Limits and delays of every group on this node."""

    initial_rebalance_delay_ms: int = 3_000
    """How long the first rebalance of an empty group waits for more members (group.initial.rebalance.delay.ms)."""

    min_session_timeout_ms: int = 6_000
    max_session_timeout_ms: int = 1_800_000
    group_members_max: int = 10_000

    groups_max: int = 100_000
    """Groups in this node's memory at once."""

    pending_members_max: int = 10_000
    """Member ids of one group that were given out and are not used yet."""

    new_member_timeout_ms: int = 300_000
    """How long a new member may wait for its first generation. Its client may be gone and cannot be asked."""

    group_id_characters_max: int = 1_024
    offset_metadata_characters_max: int = 4_096

    group_bytes_max: int = 8 * 1_024 * 1_024
    """Subscriptions and assignments of one generation together; they are committed as one fact."""

    commit_timeout_ms: int = 10_000
    """How long a request waits for the ledger before its client is told to try again."""

    idle_group_ms: int = 60_000
    """A group without members leaves this node's memory after this long without a request; it stays on record."""

    empty_group_retention_ms: int = 600_000
    """How long a group without members and offsets stays on record, and how often such groups are looked for."""
