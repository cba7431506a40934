"""Settings of the ledger."""

import msgspec


class LedgerSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Timings and limits of commits, sessions and snapshots."""

    node_id: int | None = None
    """The id of the node; none: the id of the live session at this address, or else the first free id."""
    session_timeout_ms: int = 5_000
    """A node whose session shows no activity for this long is fenced by the other nodes.

    Shorter than the shortest session of a consumer (6 s), so that groups are taken over before their members give up.
    """
    sign_interval_ms: int = 1_500
    """How often an idle node signals liveness while other nodes are alive."""
    linger_ms: int | None = None
    """How long offset commits wait to share a commit; none: as long as records do (`store.linger_ms`)."""
    proposals_per_commit_max: int = 1_000
    """Largest number of proposals in one commit."""
    queue_max: int = 100_000
    """Largest number of proposals that wait for a commit; above it, new proposals are refused."""
    snapshot_commits_min: int = 250
    """Commits since the last snapshot before a new one is made."""
    snapshot_interval_min_s: float = 5.0
    """Shortest time between two snapshots."""
    snapshot_part_bytes_max: int = 8 << 20
    """A snapshot larger than this is stored in parts of about this size."""
