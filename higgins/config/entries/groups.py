# ruff: noqa: E501 - a table is read by its lines, one an entry.
"""The config entries of groups, and of subscriptions to the metrics of clients. Data only."""

from higgins.config.entries.brokers import NEXT_PROTOCOL, NO_SHARE_GROUPS, NO_STREAMS_GROUPS, NO_TELEMETRY
from higgins.config.entries.entry import (
    ANY,
    ConfigType,
    Domain,
    Entry,
    Table,
    at_least,
    between,
    list_items,
    matching,
    one_of,
)

INT, STRING, LIST = ConfigType.INT, ConfigType.STRING, ConfigType.LIST
RESET = matching(r"latest|earliest|by_duration:-?P\S+", "latest, earliest or by_duration:PnDTnHnMn.nS")
ISOLATION = one_of("read_committed", "read_uncommitted")
SELECTORS = frozenset(
    {
        "client_instance_id",
        "client_id",
        "client_software_name",
        "client_software_version",
        "client_source_address",
        "client_source_port",
    }
)


def _error_in_selectors(value: str) -> str | None:
    for item in list_items(value):
        name, equals, pattern = item.partition("=")
        if name.strip() not in SELECTORS or not equals or not pattern.strip():
            return f"contains '{item}'; write NAME=PATTERN, where NAME is one of {', '.join(sorted(SELECTORS))}"
    return None


GROUP_ENTRIES: Table = {entry.name: entry for entry in (
    Entry("consumer.heartbeat.interval.ms", INT, "5000", at_least(1), NEXT_PROTOCOL, "How often members send a heartbeat.", ("group.consumer.heartbeat.interval.ms",)),
    Entry("consumer.session.timeout.ms", INT, "45000", at_least(1), NEXT_PROTOCOL, "How long a member may be silent before it is removed.", ("group.consumer.session.timeout.ms",)),
    Entry("share.auto.offset.reset", STRING, "latest", RESET, NO_SHARE_GROUPS, "Where a share group without committed offsets starts."),
    Entry("share.heartbeat.interval.ms", INT, "5000", at_least(1), NO_SHARE_GROUPS, "How often members of a share group send a heartbeat.", ("group.share.heartbeat.interval.ms",)),
    Entry("share.isolation.level", STRING, "read_uncommitted", ISOLATION, NO_SHARE_GROUPS, "Whether a share group reads records of transactions that are not committed."),
    Entry("share.record.lock.duration.ms", INT, "30000", at_least(1_000), NO_SHARE_GROUPS, "How long a record stays locked for the member it was delivered to.", ("group.share.record.lock.duration.ms",)),
    Entry("share.session.timeout.ms", INT, "45000", at_least(1), NO_SHARE_GROUPS, "How long a member of a share group may be silent before it is removed.", ("group.share.session.timeout.ms",)),
    Entry("streams.heartbeat.interval.ms", INT, "5000", at_least(1), NO_STREAMS_GROUPS, "How often members of a streams group send a heartbeat.", ("group.streams.heartbeat.interval.ms",)),
    Entry("streams.initial.rebalance.delay.ms", INT, "3000", at_least(0), NO_STREAMS_GROUPS, "How long the first rebalance of a streams group waits for more members.", ("group.streams.initial.rebalance.delay.ms",)),
    Entry("streams.num.standby.replicas", INT, "0", at_least(0), NO_STREAMS_GROUPS, "Standby replicas of each task.", ("group.streams.num.standby.replicas",)),
    Entry("streams.session.timeout.ms", INT, "45000", at_least(1), NO_STREAMS_GROUPS, "How long a member of a streams group may be silent before it is removed.", ("group.streams.session.timeout.ms",)),
)}  # fmt: skip
"""By name, in alphabetical order."""

CLIENT_METRICS_ENTRIES: Table = {entry.name: entry for entry in (
    Entry("interval.ms", INT, "300000", between(100, 3_600_000), NO_TELEMETRY, "How often clients send their metrics."),
    Entry("match", LIST, "", Domain("NAME=PATTERN,NAME=PATTERN", _error_in_selectors), NO_TELEMETRY, "Which clients the subscription applies to."),
    Entry("metrics", LIST, "", ANY, NO_TELEMETRY, "Prefixes of the names of the metrics that clients send."),
)}  # fmt: skip
"""By name, in alphabetical order."""

assert list(GROUP_ENTRIES) == sorted(GROUP_ENTRIES)

BOUNDS: dict[str, tuple[str | None, str | None]] = {
    "consumer.heartbeat.interval.ms": (
        "group.consumer.min.heartbeat.interval.ms",
        "group.consumer.max.heartbeat.interval.ms",
    ),
    "consumer.session.timeout.ms": ("group.consumer.min.session.timeout.ms", "group.consumer.max.session.timeout.ms"),
    "share.heartbeat.interval.ms": ("group.share.min.heartbeat.interval.ms", "group.share.max.heartbeat.interval.ms"),
    "share.record.lock.duration.ms": (
        "group.share.min.record.lock.duration.ms",
        "group.share.max.record.lock.duration.ms",
    ),
    "share.session.timeout.ms": ("group.share.min.session.timeout.ms", "group.share.max.session.timeout.ms"),
    "streams.heartbeat.interval.ms": (
        "group.streams.min.heartbeat.interval.ms",
        "group.streams.max.heartbeat.interval.ms",
    ),
    "streams.num.standby.replicas": (None, "group.streams.max.standby.replicas"),
    "streams.session.timeout.ms": ("group.streams.min.session.timeout.ms", "group.streams.max.session.timeout.ms"),
}
"""The broker entries that limit a group's entry: the minimum and the maximum, None where there is none."""
