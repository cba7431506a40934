"""The tables by kind of resource, and what each kind is called."""

from collections.abc import Mapping

from higgins.kafka.configs.broker_entries import BROKER_ENTRIES
from higgins.kafka.configs.entry import ResourceType, Table
from higgins.kafka.configs.group_entries import CLIENT_METRICS_ENTRIES, GROUP_ENTRIES
from higgins.kafka.configs.topic_entries import TOPIC_ENTRIES

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
