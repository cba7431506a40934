"""Figures: what a node says of itself to `higgins top`. Totals since the node began; who asks twice has rates.

Every field has a default, so that a command line and a broker of different versions understand each other.
"""

import msgspec


class ApiFigures(msgspec.Struct, frozen=True):
    """Requests of one API."""

    name: str
    requests: int = 0
    seconds: float = 0.0
    """What they took together, long polls included."""
    errors: int = 0


class TopicFigures(msgspec.Struct, frozen=True):
    """A topic: its traffic through the node, and what it holds."""

    name: str
    partitions: int = 0
    records: int = 0
    """From log start to high watermark, over all partitions."""
    records_in: int = 0
    bytes_in: int = 0
    bytes_out: int = 0


class GroupFigures(msgspec.Struct, frozen=True):
    """A consumer group, as far as the ledger knows it."""

    name: str
    members: int = 0
    partitions: int = 0
    lag: int = 0


class OperatorFigures(msgspec.Struct, frozen=True):
    """An operator, over all its tasks."""

    name: str
    input: str = ""
    output: str = ""
    lag: int = 0
    position: int = 0
    """Input offsets that are behind it, summed over its tasks: its progress."""
    counters: dict[str, int] = {}
    states: tuple[str, ...] = ()


class Figures(msgspec.Struct, frozen=True):
    """A node at a moment. Topics and groups are the busiest; how many there are in all stands beside them."""

    node_id: int = -1
    version: str = ""
    at_s: float = 0.0
    """On a clock of the node's own; only differences mean anything."""
    connections: int = 0
    resident_bytes: int = 0
    processor_s: float = 0.0
    commits: int = 0
    store_operations: int = 0
    store_failures: int = 0
    records_in: int = 0
    bytes_in: int = 0
    bytes_out: int = 0
    topics_total: int = 0
    groups_total: int = 0
    apis: tuple[ApiFigures, ...] = ()
    topics: tuple[TopicFigures, ...] = ()
    groups: tuple[GroupFigures, ...] = ()
    operators: tuple[OperatorFigures, ...] = ()
