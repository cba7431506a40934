"""The doctor against what it should find: each fault is made, and has to be told with its fix."""

import json
import resource
import socket
import struct
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import msgspec
import pytest
import trio
import trio.socket

from higgins.broker import Broker
from higgins.cli.doctor import network
from higgins.cli.doctor.finding import Finding, lines
from higgins.cli.doctor.machine import check_clock, check_files, check_store
from higgins.cli.doctor.network import check_address
from higgins.client import connect_tcp
from higgins.config.addresses import Address
from higgins.model.errors import Unfit
from higgins.runtime import Runtime
from higgins.storage.memory import MemoryStore
from higgins.storage.settings import StoreSettings
from higgins.testing import RunningBroker, broker
from tests.conformance.services import moto_server, settings_for

PATIENCE_S = 60
ASKED_FROM_AFAR = {"port": "ok", "advertised": "ok", "store": "skipped"}
FAKE_BYTES = b"HTTP/1.1 400 Bad Request\r\n\r\n"


def standings(findings: list[Finding]) -> list[tuple[str, str]]:
    return [(one.check, one.standing) for one in findings]


def address_of(running: RunningBroker) -> Address:
    return Address(running.host, running.port)


async def test_a_broker_that_answers_is_well() -> None:
    with broker() as running:
        found = await check_address(address_of(running))
        assert standings(found) == [("port", "ok"), ("advertised", "ok")]
        assert str(running.port) in found[1].what
        # The wildcard is where a broker listens, not where it can be asked.
        assert standings(await check_address(Address("0.0.0.0", running.port))) == standings(found)


async def test_a_free_port_is_well() -> None:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port = sock.getsockname()[1]
    assert standings(await check_address(Address("127.0.0.1", port))) == [("port", "ok"), ("advertised", "skipped")]


def serve_once(listening: socket.socket) -> None:
    try:
        while True:
            connection, _ = listening.accept()
            connection.recv(1)
            connection.sendall(FAKE_BYTES)
            connection.close()
    except OSError:
        pass  # closed: the test is over


async def test_another_program_on_the_port_is_told() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        threading.Thread(target=serve_once, args=[taken], daemon=True).start()
        (port, _) = await check_address(Address("127.0.0.1", taken.getsockname()[1]))
        taken.shutdown(socket.SHUT_RDWR)
    assert (port.standing, port.check) == ("failed", "port")
    assert "--listen" in port.fix


async def test_another_machine_where_nobody_answers_is_told() -> None:
    (port, _) = await check_address(Address("198.51.100.1.invalid", 9092))
    assert port.standing == "failed" and "firewall" in port.fix


@pytest.fixture
def advertise(monkeypatch: pytest.MonkeyPatch) -> object:
    """Make brokers tell clients another address than the one they listen on."""

    def set_to(host: str, port: int) -> None:
        bind = Broker._bind

        def bind_and_lie(self: Broker, held: ExitStack) -> object:
            bound = bind(self, held)
            self.listeners = tuple(
                msgspec.structs.replace(one, advertised_host=host, advertised_port=port) for one in self.listeners
            )
            return bound

        monkeypatch.setattr(Broker, "_bind", bind_and_lie)

    return set_to


async def test_an_advertised_address_that_leads_nowhere_is_told(advertise) -> None:
    advertise("127.0.0.1", 1)
    with broker() as running:
        (port, advertised) = await check_address(Address("127.0.0.1", running._broker.listeners[0].port))
    assert (port.standing, advertised.standing) == ("ok", "failed")
    assert "127.0.0.1:1" in advertised.what and "--advertise" in advertised.fix


async def test_an_advertised_address_of_another_cluster_is_told(advertise) -> None:
    with broker() as other:
        advertise(other.host, other.port)
        with broker() as running:
            (_, advertised) = await check_address(Address("127.0.0.1", running._broker.listeners[0].port))
    assert advertised.standing == "failed" and "another cluster's topics" in advertised.why


async def test_a_store_is_probed_and_left_as_it_was(tmp_path: Path) -> None:
    there, new = tmp_path / "there", tmp_path / "a" / "b"
    there.mkdir()
    assert (await check_store(Runtime(), StoreSettings(url=str(there)))).standing == "ok"
    found = await check_store(Runtime(), StoreSettings(url=new.as_uri()))
    assert found.standing == "ok" and "can be created" in found.what
    assert names_below(tmp_path) == {"there"} | {f"there/{one.name}" for one in there.glob("*") if one.is_dir()}


def names_below(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*")}


async def test_a_store_that_cannot_be_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "No directory can be created in /proc" in (await check_store(Runtime(), StoreSettings(url="/proc/x"))).what
    (tmp_path / "file").touch()
    assert (await check_store(Runtime(), StoreSettings(url=str(tmp_path / "file")))).standing == "failed"
    assert "unknown scheme" in (await check_store(Runtime(), StoreSettings(url="ftp://x"))).what
    assert (await check_store(Runtime(), StoreSettings(url="memory://"))).standing == "warning"
    monkeypatch.setattr(MemoryStore, "create", MemoryStore.put)
    found = await check_store(Runtime(), StoreSettings(url="memory://"))
    assert found.standing == "failed" and "create only if absent" in found.what


async def test_a_bucket_that_does_not_exist_is_told_with_the_fix() -> None:
    with moto_server() as endpoint:
        there = settings_for("s3", endpoint, "doctor")
        assert (await check_store(Runtime(), there)).standing == "ok"
        missing = msgspec.structs.replace(there, url="s3://no-such-bucket/prefix")
        found = await check_store(Runtime(), missing)
    assert found.standing == "failed" and "no-such-bucket" in found.what
    assert "probe/" not in found.what and found.why and found.fix


async def test_a_port_that_only_a_connection_uses_is_free_once_that_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    """An outgoing connection of any program may have the port for a moment."""
    monkeypatch.setattr(network, "BIND_PAUSE_S", 0.01)
    with socket.socket() as listening, socket.socket() as connected:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        connected.connect(listening.getsockname())
        address = Address("127.0.0.1", connected.getsockname()[1])
        (port, _) = await check_address(address)
        assert port.standing == "failed" and "none could be started there" in port.what

        attempts = 0
        bind_error = network._bind_error

        def end_the_connection(address: Address) -> Unfit | None:
            nonlocal attempts
            attempts += 1
            if attempts == 3:
                connected.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                connected.close()
            return bind_error(address)

        monkeypatch.setattr(network, "_bind_error", end_the_connection)
        (port, _) = await check_address(address)
    assert port.standing == "ok" and attempts >= 3


async def test_a_connection_to_itself_is_no_broker(monkeypatch: pytest.MonkeyPatch) -> None:
    """TCP connects a socket to its own port, if that is the one it asks for and nobody listens there."""
    real = trio.open_tcp_stream

    async def connect_to_itself(host: str, port: int) -> trio.SocketStream:
        sock = trio.socket.socket()
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        await sock.bind((host, port))
        await sock.connect((host, port))
        return trio.SocketStream(sock)

    monkeypatch.setattr(trio, "open_tcp_stream", connect_to_itself)
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port = sock.getsockname()[1]
    with pytest.raises(ConnectionRefusedError):
        await connect_tcp("127.0.0.1", port)
    monkeypatch.setattr(trio, "open_tcp_stream", real)
    assert standings(await check_address(Address("127.0.0.1", port)))[0] == ("port", "ok")


class Clock(BaseHTTPRequestHandler):
    off_s = 0

    def do_HEAD(self) -> None:
        self.send_response_only(403)
        self.send_header("Date", formatdate(Runtime().now_ms() / 1000 + self.off_s, usegmt=True))
        self.end_headers()


@pytest.fixture
def clock_url() -> Iterator[str]:
    server = HTTPServer(("127.0.0.1", 0), Clock)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.parametrize(
    ("off_s", "standing", "word"),
    [(0, "ok", ""), (-120, "warning", "ahead of"), (120, "warning", "behind"), (3600, "failed", "behind")],
)
async def test_the_clock_is_held_beside_the_stores(
    clock_url: str, off_s: int, standing: str, word: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Clock, "off_s", off_s)
    found = await check_clock(Runtime(), StoreSettings(url="s3://bucket", endpoint=clock_url))
    assert found.standing == standing and word in found.what
    assert bool(found.fix) == (standing != "ok")


async def test_a_clock_that_cannot_be_checked_is_said() -> None:
    assert (await check_clock(Runtime(), StoreSettings(url="./data"))).standing == "skipped"
    found = await check_clock(Runtime(), StoreSettings(url="s3://bucket", endpoint="http://127.0.0.1:1"))
    assert found.standing == "skipped" and "127.0.0.1:1" in found.what


def test_too_few_open_files_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    for limits, standing in [((1_024, 1_024), "warning"), ((64, 128), "failed"), ((1_024, 65_536), "ok")]:
        monkeypatch.setattr(resource, "getrlimit", lambda _, limits=limits: limits)
        assert check_files(10_000).standing == standing
    monkeypatch.setattr(resource, "getrlimit", lambda _: (1_024, 4_096))
    assert "ulimit -Hn 10064" in check_files(10_000).fix


def test_a_finding_is_told_with_why_and_fix() -> None:
    found = Finding(check="port", standing="failed", what="It is taken.", why="Nobody can connect.", fix="Free it.")
    assert [" ".join(one.split()) for one in lines(found)] == [
        "failed port It is taken.",
        "why: Nobody can connect.",
        "fix: Free it.",
    ]


def run_doctor(folder: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "higgins", "doctor", *arguments],
        cwd=folder,
        env={},
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )


def test_the_command_tells_by_its_exit_code(tmp_path: Path) -> None:
    with broker() as running:
        done = run_doctor(tmp_path, "--bootstrap", running.bootstrap_servers, "--json")
        assert done.returncode == 0, done
        told = json.loads(done.stdout)
        # What a broker started here would keep its records in is not the question.
        checks = {one["check"]: one["standing"] for one in told["findings"]}
        assert told["ok"] and checks.pop("open files") and checks == ASKED_FROM_AFAR
        done = run_doctor(tmp_path, "--bootstrap", running.bootstrap_servers, "--store", "ftp://x")
        assert done.returncode == 1 and "1 of 5 checks failed." in done.stdout
    (tmp_path / "higgins.toml").write_text("urll = 1\n")
    done = run_doctor(tmp_path, "--store", str(tmp_path / "store"))
    assert done.returncode == 1 and "higgins.toml, line 1: Unknown key 'urll'" in done.stdout
    assert [path.name for path in tmp_path.iterdir()] == ["higgins.toml"]
