"""The private call: verbs, documents and faults, answered by a node that runs."""

from types import SimpleNamespace
from typing import Any

import msgspec
import pytest
import trio

from higgins.admin.configs.live import LiveConfigs, StaticConfig
from higgins.admin.operators import OperatorAdmin
from higgins.config.broker import BrokerConfig
from higgins.kafka.context import Call
from higgins.kafka.private.call import API, DOCUMENT_BYTES_MAX
from higgins.model.errors import StorageUnavailable
from higgins.telemetry.metrics import StoreCounts
from higgins_protocol.errors import ErrorCode
from higgins_protocol.messages.private import PrivateRequest, PrivateResponse
from tests.operators.world import Node, running_node

FILE = """[streams.orders]
[streams.large]
base = "orders"
type = "filter"
where = "qty > 5"
"""


async def ask(
    node: Node, verb: str, document: object = None, counts: StoreCounts | None = None
) -> PrivateResponse:
    configs = LiveConfigs(node.ledger, StaticConfig(broker=BrokerConfig(partitions_default=2)))
    under = SimpleNamespace(
        admin=SimpleNamespace(operators=OperatorAdmin(node.runtime, node.ledger, configs, node.engine)),
        counts=SimpleNamespace(store=counts or StoreCounts()),
    )
    data = document if isinstance(document, bytes) else msgspec.json.encode(document or {})
    async with trio.open_nursery() as nursery:
        call = Call(
            node=under,  # type: ignore[arg-type]
            connection=SimpleNamespace(spawn=nursery.start_soon),  # type: ignore[arg-type]
            api=API.api,
            version=0,
            client_id=None,
            correlation_id=1,
            access=API.access,
        )
        return await API.handle(call, PrivateRequest(verb=verb, document=data)).wait()


async def answer_to(node: Node, verb: str, document: object = None) -> Any:
    answer = await ask(node, verb, document)
    assert answer.error_code == 0, answer.error_message
    return msgspec.json.decode(answer.document)


async def test_a_topography_is_applied_listed_and_deleted() -> None:
    async with running_node() as node:
        applied = await answer_to(node, "apply", {"document": FILE, "file": "t.toml"})
        assert applied["applied"] and len(applied["changes"]) == 3
        again = await answer_to(node, "apply", {"document": FILE})
        assert again == {"version": applied["version"], "changes": [], "applied": False, "notes": []}
        await node.produce("orders", [b'{"qty": 6}', b"x"])
        await node.caught_up("large")
        (found,) = (await answer_to(node, "operators.list"))["operators"]
        assert (found["name"], found["input"], found["output"], found["where"]) == (
            "large",
            "orders",
            "large",
            "qty > 5",
        )
        assert [partition["position"] for partition in found["partitions"]] == [2, 0]
        assert found["partitions"][0]["counters"] == {
            "seen": 2, "kept": 1, "dropped": 0, "not_json": 1, "failed": 0, "unreadable": 0, "removed": 0,
        }  # fmt: skip
        assert found["partitions"][0]["lag"] == 0
        deleted = await answer_to(node, "operators.delete", {"name": "large"})
        assert deleted["applied"]
        assert await answer_to(node, "operators.list") == {"operators": []}
        assert (await ask(node, "operators.delete", {"name": "large"})).error_code == ErrorCode.RESOURCE_NOT_FOUND


async def test_problems_of_a_file_come_all_at_once_with_their_lines() -> None:
    async with running_node() as node:
        answer = await answer_to(node, "apply", {"document": FILE.replace("filter", "filtre").replace("> 5", "> (5")})
        assert [problem["line"] for problem in answer["errors"]] == [4, 5]
        assert not node.ledger.state.topics.by_name


@pytest.mark.parametrize(
    ("verb", "document", "words"),
    [
        ("apply", b"{", "does not fit the verb"),
        ("apply", {}, "document"),
        ("apply", {"document": 5}, "document"),
        ("apply", {"document": "", "colour": 1}, "colour"),
        ("operators.list", {"x": 1}, "x"),
        ("operators.delete", {}, "name"),
        ("apply", b" " * (DOCUMENT_BYTES_MAX + 1), "bytes"),
        ("dance", {}, "no verb 'dance'; the verbs are: ping, apply, operators.list, operators.delete"),
    ],
)
async def test_a_call_that_cannot_be_understood_is_refused_with_a_sentence(
    verb: str, document: object, words: str
) -> None:
    async with running_node() as node:
        answer = await ask(node, verb, document)
        assert answer.error_code == ErrorCode.INVALID_REQUEST
        assert words in (answer.error_message or "")


async def test_ping_is_answered_at_once() -> None:
    async with running_node() as node:
        assert await answer_to(node, "ping") == {}


async def test_ping_says_what_of_the_store_fails_since_when_and_why() -> None:
    counts = StoreCounts()
    counts.writes.since_ms, counts.writes.why = 1_000, "The disk is full."
    async with running_node() as node:
        answer = await ask(node, "ping", counts=counts)
    expected = {"store": {"operations": "writes", "since_ms": 1_000, "why": "The disk is full."}}
    assert msgspec.json.decode(answer.document) == expected


async def test_a_store_that_does_not_answer_is_an_error_that_may_be_tried_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with running_node() as node:

        async def unreachable() -> None:
            raise StorageUnavailable("gone fishing")

        monkeypatch.setattr(node.ledger, "barrier", unreachable)
        answer = await ask(node, "apply", {"document": FILE})
        assert answer.error_code == ErrorCode.KAFKA_STORAGE_ERROR
        assert "gone fishing" in (answer.error_message or "")
