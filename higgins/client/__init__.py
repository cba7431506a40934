"""A small Kafka client of our own: what the command line, the demo and the simulation speak to a broker with.

Sans-IO cores (`wire`, `lane`, `positions`, `assignment`) under a thin trio shell. Streams are handed in by a `connect`
callable and time and chance by a Runtime, so that the same code runs over sockets and in a simulation. Not here: SASL,
TLS, transactions, fetch sessions and topic ids.
"""

from higgins.client.admin import Admin
from higgins.client.cluster import Cluster, open_cluster
from higgins.client.connection import Connect, Connection, connect_tcp, open_connection
from higgins.client.consumer import ConsumedRecord, Consumer
from higgins.client.errors import (
    BrokerRefused,
    ClientError,
    IncompatibleBroker,
    OutcomeUnknown,
    Rebalancing,
    Unreachable,
)
from higgins.client.group import GroupMember
from higgins.client.group_consumer import GroupConsumer, open_group_consumer
from higgins.client.producer import Producer, open_producer
from higgins.client.results import NotStored, SendResult, Stored, Unresolved
from higgins.client.settings import ClientSettings, ConsumerSettings, MemberSettings, ProducerSettings

__all__ = [
    "Admin",
    "BrokerRefused",
    "ClientError",
    "ClientSettings",
    "Cluster",
    "Connect",
    "Connection",
    "ConsumedRecord",
    "Consumer",
    "ConsumerSettings",
    "GroupConsumer",
    "GroupMember",
    "IncompatibleBroker",
    "MemberSettings",
    "NotStored",
    "OutcomeUnknown",
    "Producer",
    "ProducerSettings",
    "Rebalancing",
    "SendResult",
    "Stored",
    "Unreachable",
    "Unresolved",
    "connect_tcp",
    "open_cluster",
    "open_connection",
    "open_group_consumer",
    "open_producer",
]
