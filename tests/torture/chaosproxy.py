#!/usr/bin/env python3
"""A TCP proxy that injects faults, for an S3 endpoint or a broker (whose advertised listener must be the proxy).
Faults are drawn for each connection and chunk from a seed; commands on stdin change the mode.

usage: chaosproxy.py LISTEN_PORT HOST:PORT [--seed 1] [--lose .1] [--reset .05] [--hole .02] [--delay 0:.05]
       [--rate B/s]
stdin:  off | on | hole (drop everything, both ways) | down (refuse) | lose (drop the next response)

 lose   forward the request, drop the response and close: the client cannot know whether it took effect
 reset  close (RST) before the request is forwarded      hole  keep the connection open and forward nothing
"""

import argparse
import random
import socket
import struct
import sys

import trio


class Proxy:
    def __init__(self, a):
        self.a, self.rng, self.mode, self.lose_next = a, random.Random(a.seed), "on", 0
        self.stats = dict.fromkeys(("connections", "chunks", "lost", "reset", "hole"), 0)

    def rst(self, s):
        s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    async def serve(self, client):
        a, rng = self.a, self.rng
        self.stats["connections"] += 1
        if self.mode == "down":
            self.rst(client)
            return await client.aclose()
        host, port = a.target.rsplit(":", 1)
        lost = [False]
        async with client, await trio.open_tcp_stream(host, int(port)) as server:

            async def up():
                async for data in client:
                    self.stats["chunks"] += 1
                    lo, hi = map(float, a.delay.split(":"))
                    await trio.sleep(rng.uniform(lo, hi))
                    r = rng.random() if self.mode == "on" else 1
                    if self.mode == "hole" or r < a.hole:
                        self.stats["hole"] += 1
                        await trio.sleep(a.hole_seconds)
                        return
                    if r < a.hole + a.reset:
                        self.stats["reset"] += 1
                        self.rst(client)
                        return
                    if r < a.hole + a.reset + a.lose or self.lose_next:
                        self.lose_next = 0
                        lost[0] = True
                    await server.send_all(data)

            async def down():
                async for data in server:
                    if lost[0]:
                        self.stats["lost"] += 1
                        self.rst(client)
                        return
                    if self.mode == "hole":
                        await trio.sleep(a.hole_seconds)
                        return
                    for i in range(0, len(data), a.rate or len(data)):
                        await client.send_all(data[i : i + (a.rate or len(data))])
                        if a.rate:
                            await trio.sleep(1)

            try:
                async with trio.open_nursery() as n:

                    async def one(f):
                        try:
                            await f()
                        finally:
                            n.cancel_scope.cancel()

                    n.start_soon(one, up)
                    n.start_soon(one, down)
            except* (trio.BrokenResourceError, trio.ClosedResourceError):
                pass

    async def commands(self):
        async with trio.lowlevel.FdStream(0) as f:
            async for data in f:
                for word in data.decode().split():
                    if word == "lose":
                        self.lose_next = 1
                    else:
                        self.mode = word
                    print(word, self.stats, file=sys.stderr, flush=True)

    async def run(self):
        async with trio.open_nursery() as n:
            if self.a.stdin:
                n.start_soon(self.commands)
            await trio.serve_tcp(self.serve, self.a.port, host="127.0.0.1")


def main():
    p = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    p.add_argument("port", type=int)
    p.add_argument("target")
    p.add_argument("--seed", type=int, default=1)
    p.add_argument("--lose", type=float, default=0)
    p.add_argument("--reset", type=float, default=0)
    p.add_argument("--hole", type=float, default=0)
    p.add_argument("--hole-seconds", type=float, default=60)
    p.add_argument("--delay", default="0:0")
    p.add_argument("--rate", type=int, default=0)
    p.add_argument("--stdin", action="store_true")
    x = Proxy(p.parse_args())
    try:
        trio.run(x.run)
    except* KeyboardInterrupt:
        pass
    print(x.stats, file=sys.stderr)


if __name__ == "__main__":
    main()
