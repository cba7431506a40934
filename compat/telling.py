"""What stories are made of: their register, the harness to ask, and short forms of writing and reading.

Standard library only.
"""

import json
import sys
import time
from collections.abc import Callable, Iterable
from typing import TypeAlias, cast

from port import BEGIN, Acks, Admin, Client, Reader, Record, Skip, Start

PATIENCE_S = 30.0
POLL_S = 0.25
Story: TypeAlias = Callable[[Client], None]
STORIES: dict[str, Story] = {}
NEEDS: dict[str, tuple[str, ...]] = {}
Scenario: TypeAlias = Callable[[str], None]
SCENARIOS: dict[str, Scenario] = {}


def story(name: str, *needs: str) -> Callable[[Story], Story]:
    """Register a story; it is skipped for a client that lacks one of the capabilities it needs."""

    def register(function: Story) -> Story:
        STORIES[name], NEEDS[name] = function, needs
        return function

    return register


def scenario(name: str) -> Callable[[Scenario], Scenario]:
    """Register a story that belongs to one folder alone; it is given the address of the broker."""

    def register(function: Scenario) -> Scenario:
        SCENARIOS[name] = function
        return function

    return register


def ask(what: str, **details: object) -> None:
    """Have the harness do something. Raises: Skip, where it may not; RuntimeError, where it failed."""
    print(json.dumps({"ask": what, **details}), flush=True)
    answer = json.loads(sys.stdin.readline())
    if answer["outcome"] == "skip":
        raise Skip(answer["why"])
    if answer["outcome"] != "done":
        raise RuntimeError(f"the harness could not {what}: {answer['why']}")


def admin_of(client: Client) -> Admin:
    """Its admin calls: the story has named those that it needs."""
    return cast(Admin, client)


def refused(call: Callable[[], object], what: str) -> None:
    """Make sure that a call is refused; clients name errors in their own ways, so any will do."""
    try:
        call()
    except Exception as error:
        print(f"refused, as it should be: {error!s:.200}", file=sys.stderr)
        return
    raise AssertionError(f"{what} is not refused")


def new_topic(partitions: int = 1) -> str:
    """A topic of its own for each story, made by the harness so that a client's admin calls are tried only once."""
    name = f"story-{time.time_ns()}"
    ask("create", topic=name, partitions=partitions)
    return name


def write(client: Client, topic: str, values: Iterable[str], *, acks: Acks = "all", codec: str = "none") -> None:
    """Write values to partition 0 and wait for their delivery."""
    producer = client.producer(acks=acks, codec=codec)
    for value in values:
        producer.send(topic, value.encode())
    producer.flush()
    producer.close()


def read(reader: Reader, count: int, patience_s: float = PATIENCE_S) -> list[Record]:
    """The next `count` records, or as many as came in time; closes the reader."""
    found: list[Record] = []
    deadline = time.monotonic() + patience_s
    while len(found) < count and time.monotonic() < deadline:
        found += reader.poll(POLL_S)
    reader.close()
    return found


def read_from(client: Client, topic: str, count: int, start: Start = BEGIN, partitions: int = 1) -> list[Record]:
    return read(client.reader(topic, range(partitions), start), count)


def values(records: Iterable[Record]) -> list[str]:
    return [(record.value or b"").decode() for record in records]


def same(found: object, wanted: object, what: str) -> None:
    assert found == wanted, f"{what}: wanted {wanted!s:.400}, found {found!s:.400}"


def numbers(first: int, end: int) -> list[str]:
    return [f"v{n}" for n in range(first, end)]


def by_partition(records: Iterable[Record]) -> dict[int, list[str]]:
    found: dict[int, list[str]] = {}
    for record in records:
        found.setdefault(record.partition, []).append((record.value or b"").decode())
    return found
