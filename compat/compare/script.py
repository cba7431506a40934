"""What a case is told with: names of its own, requests in one version, and the answers in a form that compares."""

import time
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import msgspec

from compat.compare.wire import KEYS, Wire
from higgins_protocol.errors import ErrorCode
from higgins_protocol.messages.create_topics import CreatableTopic, CreatableTopicConfig, CreateTopicsRequest
from higgins_protocol.messages.describe_transactions import DescribeTransactionsRequest
from higgins_protocol.messages.find_coordinator import FindCoordinatorRequest
from higgins_protocol.messages.init_producer_id import InitProducerIdRequest
from higgins_protocol.messages.list_offsets import ListOffsetsPartition, ListOffsetsRequest, ListOffsetsTopic
from higgins_protocol.messages.metadata import MetadataRequest, MetadataRequestTopic
from higgins_protocol.messages.offset_fetch import OffsetFetchRequest, OffsetFetchRequestGroup
from higgins_protocol.registry import APIS
from higgins_protocol.schema import Message

Case = Callable[["Script"], None]
READY_PATIENCE_S = 60
COORDINATOR_NOT_READY = frozenset({
    ErrorCode.COORDINATOR_LOAD_IN_PROGRESS, ErrorCode.COORDINATOR_NOT_AVAILABLE, ErrorCode.NOT_COORDINATOR,
})  # fmt: skip
CASES: list[tuple[type[Message], Case]] = []

VOLATILE = frozenset({
    "throttle_time_ms", "rack", "total_bytes", "usable_bytes", "eligible_leader_replicas", "last_known_elr", "brokers",
    "endpoints",
})  # fmt: skip
"""Fields that say which cluster it is, and how it does."""

BLURRED = frozenset({
    "topic_id", "cluster_id", "host", "port", "node_id", "broker_id", "controller_id", "leader_id", "replica_nodes",
    "isr_nodes", "producer_id", "member_id", "leader", "log_append_time_ms", "last_timestamp", "log_dir", "client_host",
    "timestamp",
})  # fmt: skip
"""Fields that say who and when: only whether they say anything is compared."""

NOBODY: tuple[object, ...] = (None, "", -1, bytes(16), [], ())

ORDER = ("name", "topic", "topic_name", "group_id", "partition_index", "partition", "index", "resource_name", "key")


class Script:
    """A run of one case against one peer."""

    def __init__(self, wire: Wire, request: type[Message], version: int, tag: str) -> None:
        self._wire = wire
        self._request = request
        self._tag = tag
        self.version = version
        self.answers: list[tuple[str, Any]] = []

    def name(self, rest: str = "t") -> str:
        """A topic, group or whatever else, that nobody else has."""
        return f"{self._tag}.{rest}"

    def ask(self, request: Message, label: str = "") -> Any:
        """Ask in the version that is compared; what comes of it is compared."""
        assert type(request) is self._request, "only the API of the case is compared"
        try:
            answer = self._wire.ask(request, self.version)
        except OSError as error:
            self.answers.append((label or repr(request), f"no answer: {type(error).__name__}"))
            return None
        self.answers.append((label or repr(request), answer))
        return answer

    def ask_aside(self, request: Message, label: str) -> Callable[[], Any]:
        """Ask on a connection of its own what may wait for others; calling what comes back takes the answer."""
        assert type(request) is self._request, "only the API of the case is compared"
        aside = Wire(self._wire.address)
        asked = aside.send(request, self.version)

        def take() -> Any:
            answer = aside.take(asked)
            aside.close()
            self.answers.append((label, answer))
            return answer

        return take

    def note(self, label: str, what: object) -> None:
        """Something seen on the way, to be compared."""
        self.answers.append((label, what))

    def ask_bytes(self, label: str, frame: bytes, *, length: int | None = None, keep: int | None = None) -> None:
        """Send a frame as it is, on a connection of its own; what is compared is the answer, or as many bytes of it as
        are to be kept, or that none comes."""
        aside = Wire(self._wire.address)
        aside.send_bytes((len(frame) if length is None else length).to_bytes(4, "big", signed=True) + frame)
        try:
            answer: object = aside.take_bytes()[:keep]
        except TimeoutError:
            answer = "silence"
        except OSError:
            answer = "hung up"
        aside.close()
        self.answers.append((label, answer))

    def pause(self) -> None:
        """Let what was asked aside arrive first."""
        time.sleep(0.2)

    def do(self, request: Message, version: int | None = None) -> Any:
        """Ask without comparing, in the newest version of ours that is not beyond Kafka's."""
        key = KEYS[type(request)]
        newest = min(APIS[key].versions[1], self._wire.versions[key][1])
        return self._wire.ask(request, newest if version is None else version)

    def topic(self, rest: str = "t", partitions: int = 2, **configs: str) -> str:
        """Make a topic and wait until it can be used."""
        name = self.name(rest)
        rows = [CreatableTopicConfig(key.replace("_", "."), value) for key, value in configs.items()]
        self.do(CreateTopicsRequest([CreatableTopic(name, partitions, 1, [], rows)], 30_000))
        asked = MetadataRequest([MetadataRequestTopic(name=name)], allow_auto_topic_creation=False)
        ends = [ListOffsetsPartition(i, -1, -1) for i in range(partitions)]

        def is_ready() -> bool:
            found = self.do(asked).topics[0]
            if found.error_code or any(row.error_code for row in found.partitions):
                return False
            # What metadata says, the partition's leader may not have heard yet.
            looked = self.do(ListOffsetsRequest(-1, 0, [ListOffsetsTopic(name, ends)])).topics[0].partitions
            return not any(row.error_code for row in looked)

        self._wait(is_ready, f"topic {name}")
        return name

    def group(self, rest: str = "g") -> str:
        """A group's name, with its coordinator ready."""
        name = self.name(rest)

        def is_ready() -> bool:
            found = self.do(FindCoordinatorRequest(coordinator_keys=[name])).coordinators[0].error_code
            fetched = OffsetFetchRequest(groups=[OffsetFetchRequestGroup(name, topics=None)])
            return not found and not self.do(fetched).groups[0].error_code

        self._wait(is_ready, f"a coordinator for {name}")
        return name

    def transactional_id(self, rest: str = "x") -> str:
        """A transactional id, with its coordinator ready."""
        name = self.name(rest)
        asked = FindCoordinatorRequest(key_type=1, coordinator_keys=[name])
        described = DescribeTransactionsRequest([name])

        def is_ready() -> bool:
            if self.do(asked).coordinators[0].error_code:
                return False
            return self.do(described).transaction_states[0].error_code not in COORDINATOR_NOT_READY

        self._wait(is_ready, f"a coordinator for {name}")
        return name

    def producer_id(self) -> int:
        """A new one; Kafka's first has to be waited for."""
        found: list[int] = []

        def is_ready() -> bool:
            answer = self.do(InitProducerIdRequest(None, 60_000))
            found.append(answer.producer_id)
            return not answer.error_code

        self._wait(is_ready, "a producer id")
        return found[-1]

    def _wait(self, is_ready: Callable[[], bool], what: str) -> None:
        until = time.monotonic() + READY_PATIENCE_S
        while not is_ready():
            if time.monotonic() > until:
                raise RuntimeError(f"{self._wire.address} does not have {what}")
            time.sleep(0.05)


def case(request: type[Message]) -> Callable[[Case], Case]:
    """Register a case for every version of an API that both sides speak."""

    def register(function: Case) -> Case:
        CASES.append((request, function))
        return function

    return register


def flat(value: Any, tag: str, path: str = "") -> Iterator[tuple[str, Any]]:
    """(path, plain value) of every field but the volatile ones; rows in the order of their names."""
    if isinstance(value, msgspec.Struct):
        failed = bool(getattr(value, "error_code", 0))
        for field in value.__struct_fields__:
            inner = getattr(value, field)
            # A sentence beside an error is each broker's own; whether there is one beside success is not.
            if field in VOLATILE or (field.endswith("error_message") and failed):
                continue
            if field in BLURRED:
                inner = "none" if inner in NOBODY else "some"
            yield from flat(inner, tag, f"{path}.{field}" if path else field)
    elif isinstance(value, (list, tuple)):
        rows = sorted(enumerate(value), key=lambda pair: _place(pair[1], pair[0]))
        yield f"{path}.length", len(value)
        seen: Counter[str] = Counter()
        for i, (_, row) in enumerate(rows):
            label = _label(row, tag, i)
            seen[label] += 1
            again = f" #{seen[label]}" if seen[label] > 1 else ""
            yield from flat(row, tag, f"{path}[{label}{again}]")
    elif isinstance(value, dict):
        for key in value:
            yield from flat(value[key], tag, f"{path}[{key}]")
    elif isinstance(value, (bytes, bytearray, memoryview)):
        yield path, bytes(value).hex()
    elif isinstance(value, str):
        yield path, value.replace(tag, "TAG")
    else:
        yield path, value


def _label(row: Any, tag: str, i: int) -> str:
    for field in ORDER:
        found = getattr(row, field, None)
        if isinstance(found, (str, int)) and found != "":
            return str(found).replace(tag, "TAG")
    return str(i)


def _place(row: Any, i: int) -> tuple[Any, ...]:
    return (*(str(getattr(row, field, "")) for field in ORDER), i) if isinstance(row, msgspec.Struct) else (str(row), i)
