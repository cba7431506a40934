"""What the members of all groups of a node take is counted exactly, and bounded."""

import random

import msgspec
import pytest

from higgins.groups.classic.requests import NAMES_BYTES, Sync, protocol_bytes
from higgins_protocol.errors import ErrorCode
from tests.groups.ledger import FakeBucket
from tests.groups.node import SETTINGS, Node

KIB = 1 << 10
LIMITED = msgspec.structs.replace(SETTINGS, member_bytes_max=256 * KIB)


def recounted(node: Node) -> int:
    """The bytes of all members, counted anew."""
    total = 0
    for driver in node.coordinator._leases.drivers.values():
        members = driver.machine.members  # type: ignore[attr-defined]
        total += NAMES_BYTES * (len(members) + len(members.pending))
        total += sum(protocol_bytes(protocol) for member in members for protocol in member.protocols)
        total += driver.machine.assigned_bytes  # type: ignore[attr-defined]
    return total


@pytest.fixture
async def node(autojump_clock: object) -> Node:
    return Node(FakeBucket(), 1, LIMITED)


async def test_members_of_many_groups_share_the_room_of_the_node(node: Node) -> None:
    codes = []
    for number in range(8):
        joined = await node.join(f"g{number}", f"m{number}", protocols=[("range", bytes(50 * KIB))])
        codes.append(joined.error)
        assert node.coordinator._leases.member_bytes == recounted(node) <= LIMITED.member_bytes_max
    assert codes == [ErrorCode.NONE] * 5 + [ErrorCode.GROUP_MAX_SIZE_REACHED] * 3
    await node.leave("g0", "m0")
    assert (await node.join("g9", "m9", protocols=[("range", bytes(50 * KIB))])).error is ErrorCode.NONE


async def test_names_of_protocols_and_member_ids_that_are_not_used_count_too(node: Node) -> None:
    many = [(f"{number:04d}" + "x" * 200, b"") for number in range(500)]
    assert (await node.join("g", "m", protocols=many)).error is ErrorCode.NONE
    assert node.coordinator._leases.member_bytes == recounted(node) > 500 * 200
    refused = 0
    for number in range(200):
        joined = await node.join("h", f"p{number}", requires_member_id=True)
        refused += joined.error is ErrorCode.GROUP_MAX_SIZE_REACHED
        assert node.coordinator._leases.member_bytes == recounted(node) <= LIMITED.member_bytes_max
    assert refused > 0


async def test_assignments_count_and_have_no_room_at_the_end(node: Node) -> None:
    joined = await node.join("g", "m", protocols=[("range", bytes(200 * KIB))])
    assert (await node.sync("g", "m", joined.generation, assignments={"m": bytes(60 * KIB)})).error is (
        ErrorCode.UNKNOWN_SERVER_ERROR
    )
    assert (await node.sync("g", "m", joined.generation, assignments={"m": bytes(20 * KIB)})).error is ErrorCode.NONE
    assert node.coordinator._leases.member_bytes == recounted(node) > 220 * KIB


@pytest.mark.parametrize("seed", range(5))
async def test_whatever_members_do_the_count_stays_right(node: Node, seed: int) -> None:
    rng = random.Random(seed)
    generations: dict[tuple[str, str], int] = {}
    for step in range(150):
        group, member = rng.choice(("g", "h")), rng.choice(("a", "b"))
        if (group, member) not in generations:
            sizes = [rng.randrange(9_000) for _ in range(rng.randrange(1, 3))]
            protocols = [("range", bytes(sizes[0])), *((f"p{size}", bytes(size)) for size in sizes[1:])]
            if not any(name == group for name, _ in generations):
                joined = await node.join(group, member, protocols=protocols)
                if joined.error is ErrorCode.NONE:
                    generations[group, member] = joined.generation
        elif rng.random() < 0.5:
            generation = generations[group, member]
            await node.sync(group, member, generation, assignments={member: bytes(rng.randrange(9_000))})
        else:
            await node.leave(group, member)
            del generations[group, member]
        assert node.coordinator._leases.member_bytes == recounted(node), step


def test_a_request_says_what_it_brings() -> None:
    sync = Sync(token=1, member_id="m", generation=1, assignments=(("a", b"12"), ("b", b"345")))
    assert sync.member_bytes == 5
