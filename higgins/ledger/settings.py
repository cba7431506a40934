"""What a user tunes about the ledger."""

import msgspec


class LedgerSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Timings and bounds of commits, sessions and snapshots."""

    node_id: int | None = None
    """This node's id; None takes back the id that had this address, else the first free one."""
    session_timeout_ms: int = 10_000
    """A session without a sign of life for this long is fenced by whoever notices."""
    sign_interval_ms: int = 3_000
    """An idle node gives a sign of life this often while another session lives."""
    proposals_per_commit_max: int = 1_000
    queue_max: int = 100_000
    """Proposals waiting for a commit before new ones are turned away."""
    snapshot_commits_min: int = 250
    snapshot_interval_min_s: float = 5.0
