"""The stories of groups: members share a topic, come and go, and go on while nodes are restarted under them."""

import threading
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterable, Sequence

from port import Client
from telling import PATIENCE_S, POLL_S, ask, new_topic, numbers, read_from, same, story, values

SENT_MAX = 20_000


class MemberThread:
    """A member of a group in a thread of its own: polls, notes what came, commits."""

    def __init__(self, client: Client, group: str, topic: str) -> None:
        self.assigned: set[int] = set()
        self.seen: list[str] = []
        self.failure: BaseException | None = None
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(client, group, topic), daemon=True)
        self._thread.start()

    def leave(self) -> None:
        self._stop.set()
        self._thread.join(PATIENCE_S)
        assert not self._thread.is_alive(), "a member does not end"

    def _run(self, client: Client, group: str, topic: str) -> None:
        try:
            member = client.member(group, topic)
            while not self._stop.is_set():
                came = member.poll(POLL_S)
                self.seen += values(came)
                self.assigned = member.assigned()
                if came:
                    member.commit()
            member.close()
        except BaseException as error:
            self.failure = error
            traceback.print_exc()


def wait_until(condition: Callable[[], bool], members: Sequence[MemberThread], what: str) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        state = [(sorted(one.assigned), len(one.seen)) for one in members]
        assert time.monotonic() < deadline, f"{what} did not happen in {PATIENCE_S:.0f} s: {state}"
        assert not any(one.failure for one in members), "a member failed"
        time.sleep(0.05)


def shares(members: Sequence[MemberThread], count: int) -> bool:
    """Whether every partition has one owner and every member has some."""
    held = Counter(p for one in members for p in one.assigned)
    return held == Counter(range(count)) and all(one.assigned for one in members)


@story("group")
def group(client: Client) -> None:
    topic = new_topic(6)
    name = f"group-{topic}"
    spread(client, topic, range(60))
    members = [MemberThread(client, name, topic) for _ in range(3)]
    wait_until(lambda: shares(members, 6), members, "three members sharing six partitions")
    wait_until(lambda: seen(members) >= set(numbers(0, 60)), members, "reading what was there before")
    members[0].leave()
    wait_until(lambda: shares(members[1:], 6), members[1:], "two members taking over from the third")
    spread(client, topic, range(60, 120))
    wait_until(lambda: seen(members) >= set(numbers(0, 120)), members, "reading on after the rebalance")
    for one in members[1:]:
        one.leave()
    spread(client, topic, range(120, 150))
    heir = MemberThread(client, name, topic)
    wait_until(lambda: seen([heir]) >= set(numbers(120, 150)), [heir], "going on from the commit")
    heir.leave()
    same(sorted(heir.seen), sorted(numbers(120, 150)), "what is read by who comes after the commit")


@story("rolling", "patience", "moving-leaders")
def rolling(client: Client) -> None:
    """Two nodes are restarted in turn under a producer and a group; nobody notices, and nothing is missing."""
    ask("second")
    topic = new_topic(6)
    members = [MemberThread(client, f"group-{topic}", topic) for _ in range(2)]
    producer = client.producer(idempotent="idempotence" not in client.missing)
    spread(client, topic, range(12))
    wait_until(lambda: shares(members, 6), members, "two members sharing six partitions")
    rolled = BackgroundAsk("roll")
    sent = 12
    while not rolled.over() and sent < SENT_MAX:
        producer.send(topic, b"v%d" % sent, partition=sent % 6)
        sent += 1
        time.sleep(0.005)
    producer.flush()
    producer.close()
    wait_until(lambda: seen(members) >= set(numbers(0, sent)), members, f"reading all of {sent} records")
    wait_until(lambda: shares(members, 6), members, "the members sharing six partitions again")
    for one in members:
        one.leave()
    stored = values(read_from(client, topic, sent, partitions=6))
    if "idempotence" in client.missing:
        stored = list(set(stored))
    same(sorted(stored), sorted(numbers(0, sent)), "what is stored")


class BackgroundAsk:
    """Something asked of the harness while the story goes on."""

    def __init__(self, what: str) -> None:
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._run, args=(what,), daemon=True)
        self._thread.start()

    def over(self) -> bool:
        """Whether it is done. Raises: whatever became of it instead."""
        if self._failure is not None:
            raise self._failure
        return not self._thread.is_alive()

    def _run(self, what: str) -> None:
        try:
            ask(what)
        except BaseException as error:
            self._failure = error


def spread(client: Client, topic: str, which: Iterable[int]) -> None:
    producer = client.producer()
    for n in which:
        producer.send(topic, b"v%d" % n, partition=n % 6)
    producer.flush()
    producer.close()


def seen(members: Sequence[MemberThread]) -> set[str]:
    return {value for one in members for value in one.seen}
