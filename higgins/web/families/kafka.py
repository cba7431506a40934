"""What a Kafka broker's JMX exporter gives, under its names, so that dashboards made for Kafka show something."""

from collections.abc import Iterator

from higgins.ledger.ledger import Ledger
from higgins.ledger.state.state import State
from higgins.log.traffic import Traffic
from higgins.telemetry.metrics import ConnectionCounts, RequestCounts
from higgins.web.exposition import Kind, family, head, single
from higgins.web.families.node import error_name, name_of

CHUNK = 500
PRODUCE = 0
FETCH = 1


def requests(counts: RequestCounts) -> Iterator[str]:
    used = [(name_of(key), api) for key, api in counts.by_api.items() if api.seconds.count]
    yield family(
        "kafka_network_requestmetrics_requests_total",
        "counter",
        "Requests by API.",
        [({"request": name}, api.seconds.count) for name, api in used],
    )
    name = "kafka_network_requestmetrics_totaltimems"
    yield head(name, "summary", "Time of requests in ms, long polls included.") + "".join(
        f'{name}_sum{{request="{request}"}} {api.seconds.total * 1000}\n'
        f'{name}_count{{request="{request}"}} {api.seconds.count}\n'
        for request, api in used
    )
    yield family(
        "kafka_network_requestmetrics_errors_total",
        "counter",
        "Errors that clients were told.",
        [({"request": name, "error": error_name(code)}, n) for name, api in used for code, n in api.errors.items()],
    )
    for which, key in (("produce", PRODUCE), ("fetch", FETCH)):
        api = counts.by_api.get(key)
        if api is not None:
            prefix = "kafka_server_brokertopicmetrics"
            total, failed = api.seconds.count, sum(api.errors.values())
            yield single(f"{prefix}_total{which}requests_total", "counter", f"{which.title()} requests.", total)
            yield single(
                f"{prefix}_failed{which}requests_total", "counter", f"Partitions refused in {which} requests.", failed
            )


def connections(counts: ConnectionCounts) -> Iterator[str]:
    prefix = "kafka_server_socket_server_metrics"
    yield single(f"{prefix}_connection_count", "gauge", "Connections of clients.", counts.open)
    yield single(f"{prefix}_connection_creation_total", "counter", "Connections accepted.", counts.accepted)


def health(ledger: Ledger) -> Iterator[str]:
    """What alarms are set on. Replicas are the store's affair here, so none can be behind."""
    partitions = sum(topic.partitions for topic in ledger.state.topics.by_id.values())
    yield single("kafka_server_replicamanager_partitioncount", "gauge", "Partitions served.", partitions)
    yield single("kafka_server_replicamanager_leadercount", "gauge", "Partitions that may be written to.", partitions)
    yield single(
        "kafka_server_replicamanager_underreplicatedpartitions", "gauge", "Always 0: replicas are the store's.", 0
    )
    yield single(
        "kafka_controller_kafkacontroller_activecontrollercount",
        "gauge",
        "1 on the node that Metadata names as controller.",
        int(ledger.is_controller),
    )
    offline = 0 if ledger.in_touch() else partitions
    yield single(
        "kafka_controller_kafkacontroller_offlinepartitionscount",
        "gauge",
        "All partitions while the store does not answer, else 0.",
        offline,
    )


def traffic(state: State, found: Traffic) -> Iterator[str]:
    """Per topic: what this node committed, and what clients fetched from it."""
    rows = [
        (topic.name, one)
        for topic_id, one in found.by_topic.items()
        if (topic := state.topics.by_id.get(topic_id)) is not None
    ]
    columns: tuple[tuple[str, Kind, str, str], ...] = (
        ("messagesin_total", "counter", "Records committed.", "records_in"),
        ("bytesin_total", "counter", "Bytes of batches committed.", "bytes_in"),
        ("bytesout_total", "counter", "Bytes of batches fetched by clients.", "bytes_out"),
    )
    for suffix, kind, sentence, field in columns:
        name = f"kafka_server_brokertopicmetrics_{suffix}"
        yield head(name, kind, sentence)
        for start in range(0, len(rows), CHUNK):
            yield "".join(
                [f'{name}{{topic="{topic}"}} {getattr(one, field)}\n' for topic, one in rows[start : start + CHUNK]]
            )
