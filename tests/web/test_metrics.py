"""Metrics of a whole broker: the page is valid, its names are those that dashboards know, and its numbers move."""

import subprocess
import sys

import msgspec
import pytest
import trio
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from higgins.broker import Broker
from higgins.kafka.error_counting import count_errors
from higgins.model.figures import Figures
from higgins.runtime import Runtime
from higgins.settings import Flags, load
from higgins.web.page import build_page
from higgins_protocol.messages.delete_topics import DeleteTopicsRequest
from higgins_protocol.messages.list_groups import ListGroupsResponse
from higgins_protocol.messages.metadata import (
    MetadataResponse,
    MetadataResponsePartition,
    MetadataResponseTopic,
)
from higgins_protocol.messages.offset_commit import (
    OffsetCommitRequest,
    OffsetCommitRequestPartition,
    OffsetCommitRequestTopic,
)
from higgins_protocol.messages.private import PrivateRequest
from tests.broker.peer import batch
from tests.web.strict import read, value

TOPIC = "kafka_server_brokertopicmetrics_{}_total"


class Watched:
    """A broker, a client of it, and its page."""

    def __init__(self, house):
        self.house = house
        self.peer = house.connect()

    async def page(self, bytes_max=1 << 30):
        page = await build_page(self.house.broker.sources, bytes_max)
        return read(b"".join(page.pieces).decode())


@pytest.fixture
async def watched(start):
    return Watched(await start())


async def test_a_fresh_broker_tells_a_valid_page(autojump_clock, watched):
    page = await watched.page()
    assert value(page, "kafka_brokers") == value(page, "higgins_sessions") == 1
    assert value(page, "kafka_controller_kafkacontroller_activecontrollercount") == 1
    assert value(page, "higgins_commits_total") == 2  # the cluster, the session
    assert value(page, "process_resident_memory_bytes") > 1 << 20
    assert not page["kafka_topic_partitions"].samples


async def test_records_move_the_counters_of_their_topic(autojump_clock, watched):
    await watched.peer.create("t", 2)
    await watched.peer.create("idle")
    data = batch(b"a", b"b", b"c")
    assert (await watched.peer.produce("t", data)).error_code == 0
    await watched.peer.fetch("t", 0)
    page = await watched.page()
    assert value(page, TOPIC.format("messagesin"), topic="t") == 3
    assert value(page, TOPIC.format("bytesin"), topic="t") == len(data)
    assert value(page, TOPIC.format("bytesout"), topic="t") == len(data)
    assert ("idle",) not in [tuple(dict(labels).values()) for _, labels in page[TOPIC.format("bytesin")].samples]
    assert value(page, "kafka_topic_partitions", topic="t") == 2
    assert value(page, "kafka_topic_partition_current_offset", topic="t", partition="0") == 3
    assert value(page, "kafka_topic_partition_current_offset", topic="t", partition="1") == 0
    assert value(page, "kafka_topic_partition_oldest_offset", topic="t", partition="0") == 0
    assert value(page, "kafka_server_replicamanager_partitioncount") == 3


async def test_requests_and_their_errors_are_counted_by_api(autojump_clock, watched):
    await watched.peer.create("t")
    before = await watched.page()
    for _ in range(3):
        await watched.peer.produce("t", batch(b"a"))
    await watched.peer.produce("t", batch(b"a"), partition=7)
    after = await watched.page()

    def moved(name, **labels):
        return value(after, name, **labels) - value(before, name, **labels)

    assert moved("kafka_network_requestmetrics_requests_total", request="Produce") == 4
    assert after["higgins_request_seconds"].samples["higgins_request_seconds_count", _labels(request="Produce")] == 4
    error = {"request": "Produce", "error": "UNKNOWN_TOPIC_OR_PARTITION"}
    assert moved("higgins_request_errors_total", **error) == 1
    assert moved("kafka_network_requestmetrics_errors_total", **error) == 1
    assert moved(TOPIC.format("totalproducerequests")) == 4
    assert moved(TOPIC.format("failedproducerequests")) == 1
    assert moved("higgins_commits_total") == 3
    assert moved("higgins_store_operations_total", operation="create", outcome="ok") == 3
    assert moved("higgins_store_bytes_total", operation="create") > 3 * len(batch(b"a"))


async def test_a_deleted_topic_is_not_told_of_any_more(autojump_clock, watched):
    await watched.peer.create("t")
    await watched.peer.produce("t", batch(b"a"))
    await watched.peer.ask(DeleteTopicsRequest(topic_names=["t"]), 5)
    page = await watched.page()
    assert not page[TOPIC.format("bytesin")].samples and not page["kafka_topic_partitions"].samples


async def test_a_group_is_told_with_its_lag(autojump_clock, watched):
    await watched.peer.create("t", 2)
    await watched.peer.produce("t", batch(b"a", b"b", b"c"), partition=1)
    rows = [OffsetCommitRequestPartition(partition_index=1, committed_offset=1)]
    await watched.peer.ask(OffsetCommitRequest(group_id='g"1', topics=[OffsetCommitRequestTopic("t", rows)]), 8)
    page = await watched.page()
    group = {"consumergroup": 'g"1', "topic": "t"}
    assert value(page, "kafka_consumergroup_lag", partition="1", **group) == 2
    assert value(page, "kafka_consumergroup_current_offset", partition="1", **group) == 1
    assert value(page, "kafka_consumergroup_lag_sum", **group) == 2


async def test_connections_are_counted_while_they_last(autojump_clock, watched):
    await watched.peer.create("t")
    other = watched.house.connect()
    await other.create("u")
    assert value(await watched.page(), "kafka_server_socket_server_metrics_connection_count") == 2
    await other.close()
    await watched.peer.create("v")
    page = await watched.page()
    assert value(page, "higgins_connections") == 1
    assert value(page, "higgins_connections_accepted_total") == 2


async def test_a_page_past_its_bound_says_so(autojump_clock, watched):
    await watched.peer.create("t", 2_000)
    whole, cut = await watched.page(), await watched.page(bytes_max=60_000)
    assert value(whole, "higgins_scrape_truncated") == 0 and value(cut, "higgins_scrape_truncated") == 1
    assert value(cut, "higgins_sessions") == 1 and "kafka_topic_partition_oldest_offset" not in cut


async def test_openmetrics_is_served_to_a_scraper_that_prefers_it(autojump_clock, watched):
    await watched.peer.create("t")
    await watched.peer.produce("t", batch(b"a"))
    page = await build_page(watched.house.broker.sources, 1 << 30, "application/openmetrics-text; version=1.0.0")
    assert page.content_type.startswith("application/openmetrics-text; version=1.0.0")
    text = b"".join(page.pieces).decode()
    families = {one.name: one for one in text_string_to_metric_families(text)}
    assert text.count("# EOF") == 1
    samples = families["kafka_server_brokertopicmetrics_messagesin"].samples
    assert [(one.name, one.labels, one.value) for one in samples] == [
        ("kafka_server_brokertopicmetrics_messagesin_total", {"topic": "t"}, 1.0)
    ]
    assert families["higgins_request_seconds"].type == "histogram" and "higgins_scrape_truncated" in families


@pytest.mark.parametrize("accept", ["", "text/html", "*/*;q=0.1", "application/openmetrics-text; version=new"])
async def test_other_scrapers_get_the_text_format(autojump_clock, watched, accept):
    page = await build_page(watched.house.broker.sources, 1 << 30, accept)
    assert page.content_type == "text/plain; version=0.0.4; charset=utf-8"
    read(b"".join(page.pieces).decode())


async def test_the_same_counters_answer_the_private_call(autojump_clock, watched):
    await watched.peer.create("t", 2)
    await watched.peer.create("idle")
    await watched.peer.produce("t", batch(b"a", b"b"), partition=1)
    await watched.peer.produce("t", batch(b"a"), partition=7)
    answer = await watched.peer.ask(PrivateRequest(verb="figures", document=b"{}"))
    found = msgspec.json.decode(answer.document, type=Figures)
    assert (found.records_in, found.connections, found.topics_total) == (2, 1, 2)
    assert [(one.name, one.partitions, one.records, one.records_in) for one in found.topics] == [
        ("t", 2, 2, 2),
        ("idle", 1, 0, 0),
    ]
    assert [(one.requests, one.errors) for one in found.apis if one.name == "Produce"] == [(2, 1)]
    assert found.resident_bytes and found.store_operations and not found.store_failures


def test_errors_are_found_at_any_depth():
    found = []
    count_errors(ListGroupsResponse(error_code=15), found.append)
    assert found == [15]
    rows = [MetadataResponsePartition(5, 0, -1), MetadataResponsePartition(0, 1, 1)]
    topics = [MetadataResponseTopic(error_code=3, name="a"), MetadataResponseTopic(name="b", partitions=rows)]
    count_errors(MetadataResponse(topics=topics), found.append)
    assert found == [15, 3, 5]


def _labels(**given):
    return frozenset(given.items())


async def test_a_broker_serves_its_page_where_it_was_asked_to(nursery):
    settings = load(Flags(store="memory://", listen=("127.0.0.1:0",), metrics="127.0.0.1:0"), {}, None)
    broker = Broker(Runtime(), settings)
    await nursery.start(broker.run)
    stream = await trio.open_tcp_stream(broker.metrics.host, broker.metrics.port)
    await stream.send_all(b"GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    came = b""
    while more := await stream.receive_some():
        came += more
    head, _, body = came.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 ")
    assert value(read(body.decode()), "higgins_sessions") == 1
    broker.stop()


def test_a_node_without_http_imports_no_http_library():
    script = (
        "import sys, higgins.cli.up\n"
        "print(sorted({'starlette', 'anycorn', 'anyio', 'prometheus_client'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, check=True, text=True)
    assert done.stdout.strip() == "[]"


async def test_the_loop_gets_its_turns_while_a_large_page_is_built(autojump_clock, watched, nursery):
    await watched.peer.create("t", 5_000)
    turns = 0

    async def others():
        nonlocal turns
        while True:
            await trio.lowlevel.checkpoint()
            turns += 1

    class Slow(Runtime):
        looks = 0

        def stopwatch(self):
            self.looks += 1
            return self.looks * 0.001

    runtime = Slow()
    sources = msgspec.structs.replace(watched.house.broker.sources, runtime=runtime)
    nursery.start_soon(others)
    await build_page(sources, 1 << 30)
    # Each look at the clock is a millisecond later than the last; no slice may go on past two of them by much.
    assert turns >= runtime.looks // 4
    nursery.cancel_scope.cancel()
