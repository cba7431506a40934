"""The application under trial: counts orders by customer in a table, whose changelog is a topic."""

import os

import faust

STAMP = os.environ["STAMP"]


class Order(faust.Record):
    customer: str
    n: int


class Count(faust.Record):
    customer: str
    n: int
    count: int


app = faust.App(
    f"counting-{STAMP}",
    broker="kafka://" + os.environ["BOOTSTRAP"],
    store="memory://",
    topic_partitions=2,
    topic_replication_factor=1,
    broker_session_timeout=6.0,
    broker_heartbeat_interval=1.0,
    web_enabled=False,
    consumer_auto_offset_reset="earliest",
)
orders = app.topic(f"orders-{STAMP}", value_type=Order)
counted = app.topic(f"counted-{STAMP}", value_type=Count)
counts = app.Table("counts", default=int, partitions=2)


@app.agent(orders)
async def count(stream: faust.Stream[Order]) -> None:
    async for order in stream:
        counts[order.customer] += 1
        await counted.send(
            key=order.customer, value=Count(customer=order.customer, n=order.n, count=counts[order.customer])
        )
