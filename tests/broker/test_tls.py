"""TLS over the transport port: a stream of trio's is all that a listener with TLS needs."""

import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import confluent_kafka
import pytest
import trio
import trustme

from higgins.broker import Broker
from higgins.runtime import Runtime
from higgins.server.connection import Connection
from higgins.server.settings import Listener, SecurityProtocol, ServerSettings
from higgins.server.transport import StreamTransport
from higgins.settings import Settings
from higgins.storage.memory import memory_store
from higgins.storage.settings import StoreSettings
from tests.broker.peer import Peer, batch, fetch_request, records_of

HOST = "127.0.0.1"
AUTHORITY = trustme.CA()
LARGE = bytes(range(256)) * 4_000
PATIENCE_S = 30


@pytest.fixture
async def broker(nursery: trio.Nursery) -> AsyncIterator[Broker]:
    """A broker behind a TLS listener, which the test keeps itself and hands over stream by stream."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    AUTHORITY.issue_cert(HOST).configure_cert(context)
    (sockets,) = await trio.open_tcp_listeners(0, host=HOST)
    port = sockets.socket.getsockname()[1]
    listener = Listener("TLS", HOST, port, HOST, port, SecurityProtocol.SSL)
    runtime = Runtime()
    settings = Settings(server=ServerSettings(listeners=(listener,)))
    broker = Broker(runtime, settings, store=memory_store(runtime, StoreSettings(url="memory://")))
    await nursery.start(broker.run)

    async def accept() -> None:
        while True:
            stream = trio.SSLStream(await sockets.accept(), context, server_side=True)
            broker.accept(StreamTransport(stream, HOST), "TLS")

    nursery.start_soon(accept)
    yield broker
    broker.stop()


async def connect(broker: Broker) -> Peer:
    context = ssl.create_default_context()
    AUTHORITY.configure_trust(context)
    stream = await trio.open_tcp_stream(HOST, broker.listeners[0].port)
    return Peer(trio.SSLStream(stream, context, server_hostname=HOST))


def connections(broker: Broker) -> list[Connection]:
    assert broker._server is not None
    return list(broker._server.connections)


async def test_a_client_produces_and_fetches_over_tls(broker: Broker) -> None:
    with trio.fail_after(PATIENCE_S):
        peer = await connect(broker)
        await peer.create("t")
        for value in (b"small", LARGE):
            assert (await peer.produce("t", batch(value, timestamp=0))).error_code == 0
        # Pipelined, so that responses larger than a socket's buffer queue up behind one another.
        for _ in range(8):
            await peer.send(fetch_request([("t", 0, 0)], max_bytes=4_000_000, partition_bytes=4_000_000))
        for _ in range(8):
            row = (await peer.receive()).responses[0].partitions[0]
            assert [one.value for one in records_of(row)] == [b"small", LARGE]


async def test_a_long_poll_is_answered_while_the_same_connection_sends(broker: Broker) -> None:
    with trio.fail_after(PATIENCE_S):
        peer, other = await connect(broker), await connect(broker)
        await peer.create("t")
        await peer.send(fetch_request([("t", 0, 0)], max_wait_ms=20_000, min_bytes=1))
        await other.produce("t", batch(b"a", timestamp=0))
        assert [one.value for one in records_of((await peer.receive()).responses[0].partitions[0])] == [b"a"]


async def test_handlers_know_how_a_client_is_connected(broker: Broker) -> None:
    with trio.fail_after(PATIENCE_S):
        peer = await connect(broker)
        await peer.create("t")
        (connection,) = connections(broker)
        assert connection.session.security_protocol is SecurityProtocol.SSL
        assert str(connection.session.principal) == "User:ANONYMOUS"
        assert broker.node is not None
        assert str(broker.node.configs.broker_value("advertised.listeners")).startswith("SSL://")


async def test_who_does_not_speak_tls_is_closed_and_nobody_else(broker: Broker) -> None:
    with trio.fail_after(PATIENCE_S):
        good = await connect(broker)
        await good.create("t")
        plain = Peer(await trio.open_tcp_stream(HOST, broker.listeners[0].port))
        await plain.send_bytes(bytes.fromhex("0000000a 0012 0000 00000001 ffff"))
        await closed(plain)
        assert (await good.produce("t", batch(b"a", timestamp=0))).error_code == 0
        await good.close()
        while connections(broker):
            await trio.sleep(0.01)


async def closed(peer: Peer) -> None:
    """Read an alert, if there is one, until the broker closes."""
    while not await peer.is_closed():
        pass


async def test_a_stop_closes_connections_with_tls(broker: Broker) -> None:
    with trio.fail_after(PATIENCE_S):
        peer = await connect(broker)
        await peer.create("t")
        broker.stop()
        assert await peer.is_closed()


async def test_a_real_client_handshakes_produces_and_consumes(broker: Broker, tmp_path: Path) -> None:
    AUTHORITY.cert_pem.write_to_path(tmp_path / "ca.pem")
    config = {
        "bootstrap.servers": f"{HOST}:{broker.listeners[0].port}",
        "security.protocol": "ssl",
        "ssl.ca.location": str(tmp_path / "ca.pem"),
    }
    with trio.fail_after(PATIENCE_S):
        await (await connect(broker)).create("t")
        seen = await trio.to_thread.run_sync(produce_and_consume, config)
    assert seen == b"over TLS"


def produce_and_consume(config: dict[str, str]) -> bytes | None:
    producer = confluent_kafka.Producer(config)
    producer.produce("t", b"over TLS")
    assert producer.flush(PATIENCE_S) == 0
    consumer = confluent_kafka.Consumer({**config, "group.id": "g", "auto.offset.reset": "earliest"})
    try:
        consumer.assign([confluent_kafka.TopicPartition("t", 0, 0)])
        message = consumer.poll(PATIENCE_S)
        return None if message is None else message.value()
    finally:
        consumer.close()
