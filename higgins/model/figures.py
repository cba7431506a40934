"""The figures of a node for `higgins top`: totals since the node started. The difference of two reads gives a rate.

Every field has a default, so that a command line and a broker of different versions understand each other.
"""

import msgspec


class ApiFigures(msgspec.Struct, frozen=True):
    """Requests of one API."""

    name: str
    requests: int = 0
    seconds: float = 0.0
    """Total time of the requests, including long polls."""
    errors: int = 0


class TopicFigures(msgspec.Struct, frozen=True):
    """A topic: its traffic through the node, and its number of records."""

    name: str
    partitions: int = 0
    records: int = 0
    """From log start to high watermark, over all partitions."""
    records_in: int = 0
    bytes_in: int = 0
    bytes_out: int = 0


class GroupFigures(msgspec.Struct, frozen=True):
    """A consumer group, from the state of the ledger."""

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
    """Its progress: the sum of the input offsets of its tasks."""
    counters: dict[str, int] = {}
    states: tuple[str, ...] = ()


class Figures(msgspec.Struct, frozen=True):
    """A node at one moment. Only the busiest topics and groups are included; `..._total` counts all of them."""

    node_id: int = -1
    version: str = ""
    at_s: float = 0.0
    """On the node's monotonic clock; only differences are meaningful."""
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
