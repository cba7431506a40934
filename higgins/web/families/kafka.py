"""What the JMX exporter of a Kafka broker exposes, under its names, so that dashboards made for Kafka work."""

from collections.abc import Iterator

from higgins.ledger.ledger import Ledger
from higgins.ledger.state.state import State
from higgins.log.traffic import Traffic
from higgins.telemetry.metrics import ConnectionCounts, RequestCounts
from higgins.web.families.family import Family, Summaries, counter, counters, gauge
from higgins.web.families.node import error_name, name_of

CHUNK = 500
PRODUCE = 0
FETCH = 1


def requests(counts: RequestCounts) -> Iterator[Family]:
    used = [(name_of(key), api) for key, api in counts.by_api.items() if api.seconds.count]
    yield counters(
        "kafka_network_requestmetrics_requests_total",
        "Requests by API.",
        ["request"],
        [(name, api.seconds.count) for name, api in used],
    )
    yield Summaries(
        name="kafka_network_requestmetrics_totaltimems",
        documentation="Time of requests in ms, long polls included.",
        labels=("request",),
        rows=[((name,), api.seconds.count, api.seconds.total * 1000) for name, api in used],
    )
    yield counters(
        "kafka_network_requestmetrics_errors_total",
        "Error codes sent to clients.",
        ["request", "error"],
        [(name, error_name(code), n) for name, api in used for code, n in api.errors.items()],
    )
    for which, key in (("produce", PRODUCE), ("fetch", FETCH)):
        api = counts.by_api.get(key)
        if api is not None:
            prefix = "kafka_server_brokertopicmetrics"
            total, failed = api.seconds.count, sum(api.errors.values())
            yield counter(f"{prefix}_total{which}requests_total", f"{which.title()} requests.", total)
            yield counter(f"{prefix}_failed{which}requests_total", f"Partitions refused in {which} requests.", failed)


def connections(counts: ConnectionCounts) -> Iterator[Family]:
    prefix = "kafka_server_socket_server_metrics"
    yield gauge(f"{prefix}_connection_count", "Connections of clients.", counts.open)
    yield counter(f"{prefix}_connection_creation_total", "Connections accepted.", counts.accepted)


def health(ledger: Ledger) -> Iterator[Family]:
    """What alerts are set on. The store replicates, not the brokers, so no replica can be behind."""
    partitions = sum(topic.partitions for topic in ledger.state.topics.by_id.values())
    yield gauge("kafka_server_replicamanager_partitioncount", "Partitions served.", partitions)
    yield gauge("kafka_server_replicamanager_leadercount", "Partitions that may be written to.", partitions)
    yield gauge("kafka_server_replicamanager_underreplicatedpartitions", "Always 0: replicas are the store's.", 0)
    yield gauge(
        "kafka_controller_kafkacontroller_activecontrollercount",
        "1 on the node that Metadata names as controller.",
        int(ledger.is_controller),
    )
    yield gauge(
        "kafka_controller_kafkacontroller_offlinepartitionscount",
        "All partitions while the store does not answer, else 0.",
        0 if ledger.in_touch() else partitions,
    )


def traffic(state: State, source: Traffic) -> Iterator[Family]:
    """By topic: what this node committed, and what clients fetched from it."""
    topics = [
        (topic.name, one)
        for topic_id, one in source.by_topic.items()
        if (topic := state.topics.by_id.get(topic_id)) is not None
    ]
    prefix = "kafka_server_brokertopicmetrics"
    records = counters(f"{prefix}_messagesin_total", "Records committed.", ["topic"])
    bytes_in = counters(f"{prefix}_bytesin_total", "Bytes of batches committed.", ["topic"])
    bytes_out = counters(f"{prefix}_bytesout_total", "Bytes of batches fetched by clients.", ["topic"])
    yield records
    yield bytes_in
    yield bytes_out
    for start in range(0, len(topics), CHUNK):
        some = topics[start : start + CHUNK]
        names = [name for name, _ in some]
        records.extend(names, values=[one.records_in for _, one in some])
        bytes_in.extend(names, values=[one.bytes_in for _, one in some])
        bytes_out.extend(names, values=[one.bytes_out for _, one in some])
        yield bytes_out
