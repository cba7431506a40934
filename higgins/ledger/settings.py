"""Settings of the ledger."""

import msgspec


class LedgerSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Timings and bounds of commits, sessions and snapshots."""

    node_id: int | None = None
    """This node's id; None takes back the id that had this address, else the first free one."""
    session_timeout_ms: int = 10_000
    """A session that commits nothing for this long is fenced by the other nodes."""
    sign_interval_ms: int = 3_000
    """How often an idle node signals that it is alive, while another session lives."""
    linger_ms: int | None = None
    """How long offset commits wait to share a commit; None uses the store's own default."""
    proposals_per_commit_max: int = 1_000
    queue_max: int = 100_000
    """Proposals waiting for a commit before new ones are refused."""
    snapshot_commits_min: int = 250
    """A snapshot is made once this many commits have followed the last one."""
    snapshot_interval_min_s: float = 5.0
    snapshot_part_bytes_max: int = 8 << 20
    """A snapshot larger than this is stored in parts of about this size."""
