"""The tables by type of resource, and the word for each type."""

from collections.abc import Mapping

from higgins.config.entries.brokers import BROKER_ENTRIES
from higgins.config.entries.entry import ResourceType, Table
from higgins.config.entries.groups import CLIENT_METRICS_ENTRIES, GROUP_ENTRIES
from higgins.config.entries.topics import TOPIC_ENTRIES

TABLES: Mapping[ResourceType, Table] = {
    ResourceType.TOPIC: TOPIC_ENTRIES,
    ResourceType.BROKER: BROKER_ENTRIES,
    ResourceType.GROUP: GROUP_ENTRIES,
    ResourceType.CLIENT_METRICS: CLIENT_METRICS_ENTRIES,
}
WORDS: Mapping[ResourceType, str] = {
    ResourceType.TOPIC: "topic",
    ResourceType.BROKER: "broker",
    ResourceType.BROKER_LOGGER: "logger",
    ResourceType.GROUP: "group",
    ResourceType.CLIENT_METRICS: "client metrics",
}
