"""What a task keeps between epochs: blocks of bytes in data objects, and a few bytes of progress in the ledger. Pure.

Behaviour: an operator adds blocks (a delta for each epoch) and from time to time replaces all of them (a snapshot).
The blocks of an epoch are stored beside its output and committed with it; the ledger keeps a counted pointer to each,
so an object with state in it is not deleted before the state is replaced. When a commit fails or another node takes
the task over, the operator is opened again from the blocks of the last epoch that was committed.
Not done: what blocks and progress contain is the operator's own matter.
"""

from collections.abc import Sequence

BLOCKS_MAX = 1_000
"""An operator that has added this many blocks without replacing them is broken: restoring it would read them all."""


class State:
    """The state of one task as its operator sees it: what was restored, and the changes of the current epoch."""

    def __init__(self, progress: bytes = b"", blocks: Sequence[bytes] = ()) -> None:
        """As committed: the operator's progress, and its blocks, oldest first."""
        self._progress = progress
        self._block_count = len(blocks)
        self._blocks_before = self._block_count
        self._restored = tuple(blocks)
        self._added: list[bytes] = []
        self._replaces = False
        self._progress_changed = False

    def __repr__(self) -> str:
        return f"<State blocks={self._block_count} added={len(self._added)} progress={len(self._progress)} bytes>"

    @property
    def progress(self) -> bytes:
        """The operator's progress, for example a watermark; empty at the beginning."""
        return self._progress

    def take_restored(self) -> tuple[bytes, ...]:
        """The blocks that were committed, oldest first. Returned once; after that their memory is free."""
        restored, self._restored = self._restored, ()
        return restored

    @property
    def block_count(self) -> int:
        """How many blocks a restore would read after this epoch."""
        return self._block_count

    def set_progress(self, progress: bytes) -> None:
        """Replace the progress. It is kept in the ledger, at most 64 KiB, and replaced as a whole."""
        self._progress_changed |= progress != self._progress
        self._progress = progress

    def add(self, block: bytes) -> None:
        """Keep one more block: what has changed since the blocks before it."""
        assert block, "a block of state is not empty"
        self._added.append(block)
        self._block_count += 1
        assert self._block_count <= BLOCKS_MAX, f"{self!r}: replace the blocks before they are this many"

    def replace(self, *blocks: bytes) -> None:
        """Keep these blocks instead of all before them; none forget the state."""
        self._replaces = self._blocks_before > 0
        self._added, self._block_count = [], 0
        for block in blocks:
            self.add(block)

    def take_changes(self) -> "StateChanges":
        """The changes of the epoch that ends; the next epoch begins without any."""
        progress = self._progress if self._progress_changed else None
        changes = StateChanges(progress, tuple(self._added), self._replaces)
        self._added, self._replaces, self._progress_changed = [], False, False
        self._blocks_before = self._block_count
        return changes


class StateChanges:
    """What one epoch changes of its task's state."""

    __slots__ = ("blocks", "progress", "replaces")

    def __init__(self, progress: bytes | None, blocks: tuple[bytes, ...], replaces: bool) -> None:
        self.progress = progress
        """The new progress; None leaves the committed one."""
        self.blocks = blocks
        self.replaces = replaces
        """Whether the blocks replace all that are committed, or follow them."""
