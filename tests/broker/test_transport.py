"""A socket as a transport: what becomes of calls on a connection that this side has closed."""

import socket

import pytest
import trio
import trio.testing

from higgins.server.transport import SocketTransport


def drained_transport():
    """One that has found its socket empty, so that its next call has to wait; and its peer."""
    listener = socket.create_server(("127.0.0.1", 0))
    peer = socket.create_connection(listener.getsockname())
    accepted, _ = listener.accept()
    listener.close()
    transport = SocketTransport(accepted)
    assert transport.poll_into(memoryview(bytearray(1)), 0, lambda: 0.0) is None
    return transport, peer


async def test_every_closed_connection_says_so_to_who_would_receive():
    for _ in range(3):
        transport, peer = drained_transport()
        with peer:
            transport.close()
            with pytest.raises(trio.ClosedResourceError):
                await transport.receive_into(memoryview(bytearray(1)))


async def test_every_closed_connection_says_so_to_who_would_send():
    for _ in range(3):
        transport, peer = drained_transport()
        with peer:
            transport.close()
            with pytest.raises(trio.ClosedResourceError):
                await transport.send([b"late"])


async def test_who_waits_already_is_woken_by_the_close():
    transport, peer = drained_transport()
    with peer:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(closed_soon, transport)
            with pytest.raises(trio.ClosedResourceError):
                await transport.receive_into(memoryview(bytearray(1)))


async def closed_soon(transport):
    await trio.testing.wait_all_tasks_blocked()
    transport.close()
