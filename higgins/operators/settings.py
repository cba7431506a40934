"""What a user tunes about operators."""

import msgspec


class OperatorSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Sizes and timings of epochs on one node."""

    epoch_bytes_min: int = 1 << 20
    """What an epoch reads at most while its task keeps up; one that kept nothing of that much is committed too."""
    epoch_bytes_max: int = 16 << 20
    """An epoch grows to this while its task is behind."""
    memory_bytes: int = 128 << 20
    """What the epochs of all tasks of the node may hold together, read and produced."""
    progress_interval_ms: int = 1_000
    """How long progress without output may stay uncommitted."""
    epochs_computed_max: int = 4
    """How many tasks of the node read and compute at once; the others wait their turn."""
    retry_first_ms: int = 50
    retry_longest_ms: int = 5_000
