"""A second golden bucket: everyday changes, which the first one was written too early to hold.

Written once, by `python -m tests.golden.changes`: configs, partitions added under an operator, records deleted, offsets
taken back, a group forgotten with its offsets. Each is told twice, before a snapshot and after it.
"""

import sys
from pathlib import Path

import trio
import trio.testing

from higgins.ledger.snapshot import freeze, save
from higgins.ledger.state.configs import ConfigureResource
from higgins.ledger.state.groups import SaveGroup
from higgins.ledger.state.offsets import CommitOffsets, DeleteOffsets, OffsetToCommit, group_resource
from higgins.ledger.state.partitions import AddPartitions
from higgins.ledger.state.runs import DeleteRecords
from higgins.ledger.state.sessions import TakeLease
from higgins.ledger.state.topics import ConfigureTopic
from higgins.operators.growth import growth_of
from tests.golden.story import FOLDER, GROUP, GoldenRuntime, open_store, order
from tests.operators.world import Node, running_node

BUCKET = FOLDER / "changes"
BROKER, GROUPS = 4, 32
TOPOGRAPHY = """
[streams.orders]
partitions = 1

[streams.large]
base = "orders"
type = "filter"
where = "qty > 5"
"""
ROUNDS = ("before", "after")


async def tell(folder: Path) -> None:
    """Tell the whole story into an empty folder."""
    store, runtime = open_store(folder), GoldenRuntime()
    async with running_node(store, runtime=runtime, port=9092) as node:
        await node.apply(TOPOGRAPHY)
        for number, name in enumerate(ROUNDS):
            await _change(node, name, number)
            if not number:
                await save(runtime, store, freeze(node.ledger.state))


async def _change(node: Node, name: str, number: int) -> None:
    ledger, session = node.ledger, node.ledger.session
    assert session is not None
    topic = await node.create(name, 2)
    await ledger.propose(ConfigureTopic(topic.id, {}, {"retention.ms": "1000", "cleanup.policy": "compact"}))
    await ledger.propose(ConfigureTopic(topic.id, node.topic(name).configs, {"retention.ms": "2000"}))
    before = dict(ledger.state.configs.get(BROKER, ""))
    await ledger.propose(ConfigureResource(BROKER, "", before, {"num.partitions": f"{number + 3}"}))
    await ledger.propose(ConfigureResource(GROUPS, name, {}, {"consumer.session.timeout.ms": "50000"}))
    for _ in range(3):
        await node.produce(name, [b"a", b"b", b"c"])
    await ledger.propose(DeleteRecords(topic.id, 0, 4))
    await ledger.propose(AddPartitions(topic.id, 5))
    orders = node.topic("orders")
    await ledger.propose(AddPartitions(orders.id, number + 2, growth_of(ledger.state, orders.id, number + 2)))
    await node.produce("orders", [order(n) for n in range(10)], partition=number + 1)
    await node.caught_up("large")
    for group, stays in ((f"{name}-stays", True), (f"{name}-goes", False)):
        lease = await ledger.propose(TakeLease(group_resource(group)))
        entries = (OffsetToCommit(topic.id, 0, 3, 0, "kept"), OffsetToCommit(topic.id, 1, 7, 0, "taken back"))
        await ledger.propose(CommitOffsets(group, lease, entries))
        await ledger.propose(DeleteOffsets(group, lease, ((topic.id, 1),)))
        await ledger.propose(SaveGroup(group, lease, GROUP))
        if not stays:
            await ledger.propose(SaveGroup(group, lease, forgets=True, with_offsets=True))


def main() -> None:
    if BUCKET.exists():
        sys.exit(f"{BUCKET} exists; a golden bucket is written once.")
    trio.run(tell, BUCKET, clock=trio.testing.MockClock(autojump_threshold=0))
    print(f"{BUCKET}: {sum(1 for path in BUCKET.rglob('*') if path.is_file())} objects")


if __name__ == "__main__":
    main()
