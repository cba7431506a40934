"""A small Kafka client, which the command line, the demo, `higgins.testing` and the simulation use.

The parts with state machines are sans-IO (`in_flight`, `partition_queue`, `positions`, `assignment`); around them is a
thin layer of trio tasks. Streams come from a `connect` callable, and time and randomness from a Runtime, so the same
code runs over sockets and in a simulation. Not implemented: SASL, TLS, transactions, fetch sessions and topic ids.
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
