"""A proxy that adds latency, so that a local store behaves like a remote one.

usage: python -m tests.bench.delay LISTEN_PORT HOST:PORT SECONDS

A response is forwarded no sooner than SECONDS after the last byte of its request. The throughput is not limited.
"""

import sys
from functools import partial

import trio


async def serve(host: str, port: int, delay_s: float, client: trio.SocketStream) -> None:
    asked_at = trio.current_time()

    async def up() -> None:
        nonlocal asked_at
        async for data in client:
            asked_at = trio.current_time()
            await server.send_all(data)
        await server.send_eof()

    async def down() -> None:
        async for data in server:
            await trio.sleep_until(asked_at + delay_s)
            await client.send_all(data)
        await client.aclose()

    async with client, await trio.open_tcp_stream(host, port) as server:
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(up)
                nursery.start_soon(down)
        except* (trio.BrokenResourceError, trio.ClosedResourceError):
            pass


def main() -> None:
    listen, target, delay_s = sys.argv[1:]
    host, _, port = target.rpartition(":")
    trio.run(partial(trio.serve_tcp, partial(serve, host, int(port), float(delay_s)), int(listen), host="127.0.0.1"))


if __name__ == "__main__":
    main()
