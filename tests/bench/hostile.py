"""Hostile clients: how long everybody else waits meanwhile, and how much memory the broker takes and keeps.

    python -m tests.bench.hostile [--only burst,deaf,frames,groups]

A broker of its own on a store in memory. Prints the longest time of a small request of another client while each attack
lasts, and the resident memory before, at most and afterwards. Absolute values depend on the machine.
"""

import argparse
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

from higgins_protocol.messages.api_versions import ApiVersionsRequest
from higgins_protocol.messages.create_topics import CreatableTopic, CreateTopicsRequest
from higgins_protocol.messages.describe_groups import DescribeGroupsRequest
from higgins_protocol.messages.join_group import JoinGroupRequest, JoinGroupRequestProtocol
from higgins_protocol.messages.metadata import MetadataRequest, MetadataRequestTopic
from higgins_protocol.messages.sync_group import SyncGroupRequest
from higgins_protocol.registry import APIS, decode_response, encode_request
from higgins_protocol.schema import Message

PORT = 29_470
KEYS = {api.request: api.key for api in APIS.values()}
MIB = 1 << 20


class Client:
    """One blocking connection."""

    def __init__(self) -> None:
        self.sock = socket.create_connection(("127.0.0.1", PORT), timeout=120)

    def frame(self, request: Message, version: int) -> bytes:
        return b"".join(encode_request(KEYS[type(request)], version, 1, "c", request))

    def send(self, data: bytes) -> None:
        self.sock.sendall(data)

    def receive(self) -> bytes:
        return self._exactly(int.from_bytes(self._exactly(4), "big"))

    def ask(self, request: Message, version: int) -> Message:
        self.send(self.frame(request, version))
        return decode_response(KEYS[type(request)], version, memoryview(self.receive()))[1]

    def _exactly(self, length: int) -> bytes:
        data = bytearray()
        while len(data) < length:
            piece = self.sock.recv(min(length - len(data), MIB))
            if not piece:
                raise ConnectionError("the broker closed the connection")
            data += piece
        return bytes(data)


class Bystander(threading.Thread):
    """A client of small requests, one after another."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.longest_s = 0.0
        self.requests = 0
        self.is_over = False

    def run(self) -> None:
        client = Client()
        frame = client.frame(ApiVersionsRequest(), 0)
        while not self.is_over:
            begun = time.perf_counter()
            client.send(frame)
            client.receive()
            self.longest_s = max(self.longest_s, time.perf_counter() - begun)
            self.requests += 1
            time.sleep(0.002)


def resident_mib(pid: int) -> int:
    fields = Path(f"/proc/{pid}/statm").read_text().split()
    return int(fields[1]) * 4096 // MIB


def burst() -> None:
    """One connection that pipelines 2 000 requests for metadata of 10 000 partitions, and reads the answers."""
    client = Client()
    frame = client.frame(MetadataRequest([MetadataRequestTopic(name="wide")]), 1)
    client.send(frame * 2_000)
    for _ in range(2_000):
        client.receive()


def deaf() -> None:
    """300 connections that pipeline 200 such requests each, and read nothing for 20 s."""
    clients = [Client() for _ in range(300)]
    frame = clients[0].frame(MetadataRequest([MetadataRequestTopic(name="wide")]), 1)
    for client in clients:
        client.send(frame * 200)
    time.sleep(20)
    for client in clients:
        client.sock.close()


def frames() -> None:
    """40 connections that send 95 MiB of a request of 100 MiB, and then nothing for 20 s."""

    def send() -> None:
        try:
            client = Client()
            client.send((100 * MIB - 10).to_bytes(4, "big") + b"\0\0\0\x09")
            for _ in range(95):
                client.send(bytes(MIB))
            time.sleep(20)
        except OSError:
            pass

    senders = [threading.Thread(target=send) for _ in range(40)]
    for sender in senders:
        sender.start()
    for sender in senders:
        sender.join()


def groups() -> None:
    """A member with 1 MiB of metadata, and a request that describes its group 1 100 times."""
    client = Client()
    join = JoinGroupRequest(
        group_id="g",
        session_timeout_ms=60_000,
        rebalance_timeout_ms=60_000,
        protocol_type="consumer",
        protocols=[JoinGroupRequestProtocol("range", bytes(MIB))],
    )
    joined = client.ask(join, 3)
    client.ask(SyncGroupRequest("g", joined.generation_id, joined.member_id), 3)  # type: ignore[attr-defined]
    client.send(client.frame(DescribeGroupsRequest(["g"] * 1_100), 5))
    print(f"  the answer has {len(client.receive()):,} bytes")


def main(only: list[str]) -> None:
    attacks: dict[str, Callable[[], None]] = {"burst": burst, "deaf": deaf, "frames": frames, "groups": groups}
    command = [sys.executable, "-m", "higgins", "up", "--store", "memory://", "--listen", f"127.0.0.1:{PORT}"]
    broker = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    try:
        while True:
            try:
                client = Client()
                break
            except OSError:
                time.sleep(0.1)
        client.ask(CreateTopicsRequest([CreatableTopic("wide", 10_000, 1)]), 5)
        for name in only or attacks:
            attack = attacks[name]
            before = most = resident_mib(broker.pid)
            bystander, worker = Bystander(), threading.Thread(target=attack)
            bystander.start()
            begun = time.perf_counter()
            worker.start()
            while worker.is_alive():
                most = max(most, resident_mib(broker.pid))
                time.sleep(0.02)
            took = time.perf_counter() - begun
            bystander.is_over = True
            time.sleep(8)
            after = resident_mib(broker.pid)
            print(
                f"{name}: {took:.1f} s; the longest of {bystander.requests} small requests took "
                f"{bystander.longest_s * 1000:.0f} ms; "
                f"resident {before} MiB before, {most} at most, {after} afterwards"
            )
    finally:
        broker.terminate()
        broker.wait(30)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--only", default="")
    given = parser.parse_args()
    main([name for name in given.only.split(",") if name])
