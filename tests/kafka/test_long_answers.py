"""One response has a bound, whatever its request asks for: a row for which there is no room has an error instead."""

from types import SimpleNamespace
from typing import Any

import pytest

from higgins.groups.views import GroupView, MemberView
from higgins.kafka.admin import describe_configs
from higgins.kafka.answer_room import ROWS_BYTES_MAX, AnswerRoom
from higgins.kafka.groups import describe_groups, offset_fetch
from higgins.ledger.state.offsets import OffsetEntry
from higgins_protocol.errors import ErrorCode
from higgins_protocol.messages.describe_configs import DescribeConfigsRequest, DescribeConfigsResource
from higgins_protocol.messages.describe_groups import DescribeGroupsRequest
from higgins_protocol.messages.offset_fetch import (
    OffsetFetchRequest,
    OffsetFetchRequestGroup,
    OffsetFetchRequestTopic,
)

TOPIC_ID = bytes(15) + b"t"
LONG = 1 << 20


class Asked:
    """A request, as far as handlers that only read need it."""

    def __init__(self, version: int, **admin: object) -> None:
        self.version = version
        self.admin = SimpleNamespace(**admin)
        topic = SimpleNamespace(id=TOPIC_ID, name="orders")
        topics = SimpleNamespace(by_name={"orders": topic}, by_id={TOPIC_ID: topic})
        self.node = SimpleNamespace(state=SimpleNamespace(topics=topics), ledger=self)

    async def barrier(self) -> None:
        """The ledger is at its tip."""

    async def rest(self) -> None:
        """Long work pauses here."""

    def pace(self) -> "Asked":
        return self

    async def ask(self, handle: Any, request: object) -> Any:
        return await handle(self, request)

    def spawn(self, function: Any, *args: object) -> Any:
        return function(*args)


class Groups:
    """Groups of one member each, whose rows are long."""

    def __init__(self, size: int) -> None:
        self._long = bytes(size)
        self._text = "m" * size

    async def describe(self, group_ids: list[str], rest: object) -> list[GroupView]:
        members = (MemberView(member_id="m", client_id="c", client_host="h", metadata=self._long),)
        return [GroupView(group_id=each, state="Stable", members=members) for each in group_ids]

    async def committed(self, group_ids: list[str], rest: object = None) -> list[dict[tuple[bytes, int], OffsetEntry]]:
        return [{(TOPIC_ID, 0): OffsetEntry(7, -1, self._text, 0)} for _ in group_ids]


class Configs:
    def __init__(self, size: int) -> None:
        self._text = "v" * size
        self.asked = 0

    def describe(self, kind: int, name: str, keys: frozenset[str]) -> list[SimpleNamespace]:
        self.asked += 1
        fields = {"is_read_only": False, "is_sensitive": False, "documentation": None, "sources": ()}
        return [SimpleNamespace(name="key", value=self._text, kind=1, type=2, **fields)]


def test_what_fits_exactly_is_taken_and_a_shorter_row_still_fits_behind_one_that_does_not() -> None:
    room = AnswerRoom(10)
    assert room.take(6)
    assert not room.take(5)
    assert room.take(4)
    assert room.take(0)
    assert not room.take(1)


@pytest.mark.parametrize("version", [5, 6])
async def test_groups_for_which_there_is_no_room_are_refused(version: int) -> None:
    names = [f"g{n}" for n in range(60)]
    asked = Asked(version, groups=Groups(LONG))
    rows = (await asked.ask(describe_groups.handle, DescribeGroupsRequest(names))).groups
    assert [row.group_id for row in rows] == names
    whole = [row for row in rows if row.members]
    assert len(whole) == ROWS_BYTES_MAX // (LONG + describe_groups.MEMBER_BYTES + 3)
    refused = rows[len(whole) :]
    assert {row.error_code for row in refused} == {ErrorCode.INVALID_REQUEST}
    assert all((row.error_message is not None) == (version >= 6) for row in refused)


async def test_a_repeated_group_has_one_row() -> None:
    request = DescribeGroupsRequest(["a", "b", "a", "a"])
    rows = (await Asked(6, groups=Groups(1)).ask(describe_groups.handle, request)).groups
    assert [row.group_id for row in rows] == ["a", "b"]


async def test_groups_whose_offsets_have_no_room_are_refused() -> None:
    request = OffsetFetchRequest(groups=[OffsetFetchRequestGroup("g", None, -1, None)] * 60)
    rows = (await Asked(8, groups=Groups(LONG)).ask(offset_fetch.handle, request)).groups
    codes = [row.error_code for row in rows]
    fits = ROWS_BYTES_MAX // (LONG + len("orders") + offset_fetch.PARTITION_BYTES)
    assert codes == [ErrorCode.NONE] * fits + [ErrorCode.INVALID_REQUEST] * (60 - fits)
    assert [len(row.topics) for row in rows] == [1] * fits + [0] * (60 - fits)


@pytest.mark.parametrize("version", [1, 2, 7])
async def test_offsets_of_one_group_that_have_no_room_are_refused(version: int) -> None:
    request = OffsetFetchRequest("g", [OffsetFetchRequestTopic("orders", [0])])
    whole = await Asked(version, groups=Groups(LONG)).ask(offset_fetch.handle, request)
    assert (whole.error_code, whole.topics[0].partitions[0].committed_offset) == (ErrorCode.NONE, 7)
    refused = await Asked(version, groups=Groups(ROWS_BYTES_MAX)).ask(offset_fetch.handle, request)
    assert refused.error_code == ErrorCode.INVALID_REQUEST
    codes = [part.error_code for topic in refused.topics for part in topic.partitions]
    assert codes == ([ErrorCode.INVALID_REQUEST] if version < 2 else [])


async def test_a_repeated_resource_is_looked_up_once_and_counts_each_time() -> None:
    configs = Configs(LONG)
    request = DescribeConfigsRequest([DescribeConfigsResource(2, "orders", None)] * 60)
    rows = (await Asked(4, configs=configs).ask(describe_configs.handle, request)).results
    assert configs.asked == 1
    fits = ROWS_BYTES_MAX // (LONG + len("key") + describe_configs.ENTRY_BYTES)
    codes = [row.error_code for row in rows]
    assert codes == [ErrorCode.NONE] * fits + [ErrorCode.INVALID_REQUEST] * (60 - fits)
    assert all(row.resource_name == "orders" for row in rows)
