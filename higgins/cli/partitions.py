"""Parsing of TOPIC and TOPIC:PARTITION."""

from higgins.client import Cluster
from higgins.client.cluster import TopicPartition
from higgins.model.errors import Unfit


async def parse_topic(cluster: Cluster, text: str) -> list[TopicPartition]:
    """The partitions that the text names. Topic names contain no colon. Raises: Unfit, BrokerRefused."""
    name, colon, number = text.partition(":")
    if colon and not (number.isascii() and number.isdigit()):
        raise Unfit(f"'{text}' is not a partition; write TOPIC, or TOPIC:PARTITION as in {name or 'orders'}:0.")
    topic = await cluster.topic(name)
    if not colon:
        return [(name, index) for index in sorted(topic.leaders)]
    if int(number) not in topic.leaders:
        raise Unfit(f"Topic '{name}' has no partition {int(number)}; its partitions are 0 to {len(topic.leaders) - 1}.")
    return [(name, int(number))]
