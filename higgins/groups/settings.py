"""Settings of groups, with Kafka's defaults."""

import msgspec


class GroupSettings(msgspec.Struct, frozen=True):
    """Limits and delays of every group on this node."""

    initial_rebalance_delay_ms: int = 3_000
    """How long the first rebalance of an empty group waits for more members."""

    min_session_timeout_ms: int = 6_000
    """Shortest session timeout that a member can request."""

    max_session_timeout_ms: int = 1_800_000
    """Longest session timeout that a member can request."""

    group_members_max: int = 10_000
    """Largest number of members of a group."""

    groups_max: int = 100_000
    """Largest number of groups in the memory of one node."""

    pending_members_max: int = 10_000
    """Largest number of member ids that a group has assigned and that are not used yet."""

    new_member_timeout_ms: int = 300_000
    """How long a new member may wait for its first generation before it is removed."""

    group_id_characters_max: int = 1_024
    """Longest group id."""

    offset_metadata_characters_max: int = 4_096
    """Longest metadata of a committed offset."""

    group_bytes_max: int = 8 * 1_024 * 1_024
    """Largest total size of the subscriptions and assignments of one generation."""

    member_bytes_max: int = 128 * 1_024 * 1_024
    """Largest total size of the names, subscriptions and assignments of all members of the groups of one node."""

    commit_timeout_ms: int = 10_000
    """How long a request waits for its commit before the client is asked to retry."""

    idle_group_ms: int = 60_000
    """After this time without requests, an empty group is removed from the node's memory; it stays in the ledger."""

    empty_group_retention_ms: int = 600_000
    """How long a group without members and offsets stays in the ledger; also how often this is checked."""
