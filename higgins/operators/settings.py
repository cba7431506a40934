"""Settings of operators."""

import msgspec


class OperatorSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Sizes and timings of epochs on one node. An epoch is the input that a task reads and commits at once."""

    epoch_bytes_min: int = 1 << 20
    """Largest input of an epoch while its task keeps up. An epoch of this size is committed even without output."""
    epoch_bytes_max: int = 16 << 20
    """Largest input of an epoch while its task is behind."""
    memory_bytes: int = 128 << 20
    """Largest total size of the input and output of all running epochs of the node."""
    progress_interval_ms: int = 1_000
    """How long progress without output may stay uncommitted."""
    epochs_computed_max: int = 4
    """Largest number of tasks of the node that read and compute at the same time."""
    retry_first_ms: int = 50
    """Wait before the first retry of a failed epoch; it doubles with each retry."""
    retry_longest_ms: int = 5_000
    """Longest wait before a retry of a failed epoch."""
