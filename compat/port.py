"""What the stories ask of a client: one small port, and in each client's folder an adapter to it (`client.py`).

Standard library only, since it is imported in the environment of whichever client is being tried. What a client cannot
do is no failure of the broker: it stands in `missing` with its reason, and the stories that need it are skipped.
"""

from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple, Protocol

Headers = tuple[tuple[str, bytes], ...]
Acks = Literal["0", "1", "all"]


class Record(NamedTuple):
    """A record as a client hands it out."""

    partition: int
    offset: int
    timestamp_ms: int
    key: bytes | None
    value: bytes | None
    headers: Headers = ()


class Start(NamedTuple):
    """Where to begin: `value` is an offset or milliseconds since the epoch."""

    at: Literal["begin", "end", "offset", "time"]
    value: int = 0


BEGIN = Start("begin")
END = Start("end")


class Skip(Exception):
    """The client cannot do what the story needs; the message says why."""


class Producer(Protocol):
    """One producer. Records of one partition are stored in the order of `send`."""

    def send(
        self,
        topic: str,
        value: bytes,
        *,
        partition: int = 0,
        key: bytes | None = None,
        headers: Headers = (),
        timestamp_ms: int | None = None,
    ) -> None:
        """Queue a record; blocks while the client's own buffer is full."""

    def flush(self) -> None:
        """Wait until everything is delivered. Raises when anything was not."""

    def close(self) -> None: ...


class Reader(Protocol):
    """Reads given partitions, without a group."""

    def poll(self, timeout_s: float) -> Sequence[Record]:
        """What has come, after at most about `timeout_s`."""

    def close(self) -> None: ...


class Member(Reader, Protocol):
    """One member of a group; used from a thread of its own."""

    def assigned(self) -> set[int]:
        """The partitions it has at the moment."""

    def commit(self) -> None:
        """Commit what was polled; a rebalance in the way is no error."""


class Admin(Protocol):
    """What people do to topics and groups every day; a client has those of these calls that its library has.

    A call that the adapter lacks, or that stands in `missing`, skips the stories that need it. Called with keywords.
    """

    def delete_topic(self, *, name: str) -> None: ...

    def create_partitions(self, *, topic: str, count: int) -> None:
        """`count` is how many there are afterwards."""

    def describe_configs(self, *, topic: str) -> Mapping[str, str]:
        """Every config entry of the topic with its value."""

    def alter_configs(self, *, topic: str, changed: Mapping[str, str], deleted: Sequence[str]) -> None:
        """Incrementally: what is not named stays."""

    def delete_records(self, *, topic: str, partition: int, before: int) -> int:
        """The first offset that is left."""

    def offsets(self, *, topic: str, partition: int) -> tuple[int, int]:
        """The first offset, and the one that the next record will have."""

    def groups(self) -> Sequence[str]: ...

    def describe_group(self, *, group: str) -> tuple[str, int]:
        """Its state, in lower case and without spaces or underscores, and the number of its members."""

    def delete_group(self, *, group: str) -> None: ...

    def committed(self, *, group: str, topic: str) -> Mapping[str, int]:
        """Partition, as text, to offset; those alone that have one."""

    def commit_for(self, *, group: str, topic: str, offsets: Mapping[str, int]) -> None:
        """Set the offsets of a group without members; partition, as text, to offset."""

    def delete_committed(self, *, group: str, topic: str, partitions: Sequence[int]) -> None: ...

    def nodes(self) -> Sequence[str]:
        """HOST:PORT of every node."""


class Client(Protocol):
    """A client under trial."""

    missing: Mapping[str, str]
    """Capability → why the client does not have it."""

    def topics(self) -> set[str]:
        """The names of all topics, from a fresh connection."""

    def create_topic(self, name: str, partitions: int) -> None:
        """Create through the client's own admin calls."""

    def producer(self, *, acks: Acks = "all", codec: str = "none", idempotent: bool = False) -> Producer: ...

    def reader(self, topic: str, partitions: Sequence[int], start: Start) -> Reader: ...

    def member(self, group: str, topic: str) -> Member: ...
