"""The pytest plugin, by running pytest on a test suite of one file."""

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from kafka import KafkaProducer

from higgins.testing import RunningBroker

ROOT = Path(__file__).parents[2]
TIMEOUT_S = 120


def run_suite(folder: Path, text: str, *arguments: str) -> str:
    """Pytest's output for a suite of one file, with no other plugin loaded."""
    (folder / "test_suite.py").write_text(text)
    command = [sys.executable, "-m", "pytest", "-p", "higgins.pytest_plugin", "-p", "no:cacheprovider"]
    done = subprocess.run(
        [*command, "-q", "-ra", *arguments],
        cwd=folder,
        env={"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )
    return done.stdout + done.stderr


def test_a_suite_without_a_broker_does_not_import_one(tmp_path: Path) -> None:
    output = run_suite(
        tmp_path,
        "import sys\n\n"
        "def test_lean():\n"
        "    assert not {'trio', 'structlog', 'msgspec', 'higgins.testing', 'higgins.broker'} & set(sys.modules)\n",
    )
    assert "1 passed" in output, output


def test_fixtures_have_the_documented_scope_and_configs(tmp_path: Path) -> None:
    output = run_suite(
        tmp_path,
        "import threading, pytest\n"
        "seen = {}\n\n"
        "@pytest.fixture(scope='session')\n"
        "def higgins_configs():\n"
        "    return {'num.partitions': 2}\n\n"
        "def test_a(higgins_broker, higgins_session_broker):\n"
        "    higgins_broker.produce('t', b'1')\n"
        "    higgins_session_broker.produce('t', b'2')\n"
        "    seen.update(own=higgins_broker, shared=higgins_session_broker)\n\n"
        "@pytest.mark.higgins(num_partitions=7)\n"
        "def test_b(higgins_broker, higgins_session_broker):\n"
        "    assert higgins_broker is not seen['own'] and higgins_session_broker is seen['shared']\n"
        "    higgins_broker.produce('t', b'3', partition=6)\n"
        "    assert [one.value for one in higgins_broker.records('t')] == [b'3']\n"
        "    assert [one.value for one in higgins_session_broker.records('t')] == [b'2']\n\n"
        "@pytest.mark.higgins({'auto.create.topics.enable': False})\n"
        "def test_c(higgins_broker):\n"
        "    higgins_broker.create_topic('two')\n"
        "    higgins_broker.produce('two', b'4', partition=1)\n"
        "    with pytest.raises(Exception, match='no partition 2'):\n"
        "        higgins_broker.produce('two', b'5', partition=2)\n"
        "    with pytest.raises(Exception, match='does not exist'):\n"
        "        higgins_broker.produce('absent', b'6')\n\n"
        "def test_d():\n"
        "    assert sum(one.name == 'higgins-broker' for one in threading.enumerate()) == 1\n",
        "--strict-markers",
    )
    assert "4 passed" in output, output


def test_an_error_in_the_broker_fails_the_test_that_caused_it(tmp_path: Path) -> None:
    output = run_suite(
        tmp_path,
        "import socket, struct, pytest\n"
        "from higgins.kafka.apis import ROWS\n\n"
        "def provoke(broker, monkeypatch):\n"
        "    monkeypatch.setattr(ROWS[18], 'handle', lambda *_: 1 // 0)\n"
        "    with socket.create_connection((broker.host, broker.port)) as connection:\n"
        "        connection.sendall(struct.pack('>ihhih', 10, 18, 0, 1, -1))\n"
        "        assert connection.recv(1) == b''\n\n"
        "def test_own(higgins_broker, monkeypatch):\n"
        "    provoke(higgins_broker, monkeypatch)\n\n"
        "def test_shared(higgins_session_broker, monkeypatch):\n"
        "    provoke(higgins_session_broker, monkeypatch)\n"
        "    raise LookupError('a reason of its own')\n\n"
        "def test_after(higgins_session_broker):\n"
        "    higgins_session_broker.produce('t', b'1')\n\n"
        "@pytest.fixture\n"
        "def closing(higgins_broker, monkeypatch):\n"
        "    yield\n"
        "    provoke(higgins_broker, monkeypatch)\n\n"
        "def test_late(closing):\n"
        "    pass\n",
    )
    assert "2 failed, 2 passed, 1 error" in output, output
    assert "FAILED test_suite.py::test_own - higgins.testing.running.BrokerFault" in output
    assert "FAILED test_suite.py::test_shared - LookupError: a reason of its own" in output
    assert "ERROR test_suite.py::test_late - higgins.testing.running.BrokerFault" in output
    assert "Meanwhile in the broker" in output and "ZeroDivisionError" in output


def test_the_plugin_is_registered_and_pytest_is_no_dependency() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["entry-points"]["pytest11"] == {"higgins": "higgins.pytest_plugin"}
    assert not any(one.startswith("pytest") for one in project["dependencies"])


@pytest.mark.higgins(num_partitions=3)
def test_a_stock_client_with_the_fixture(higgins_broker: RunningBroker) -> None:
    producer = KafkaProducer(bootstrap_servers=higgins_broker.bootstrap_servers)
    sent = producer.send("shown", key=b"k", value=b"v", headers=[("h", b"1")]).get(timeout=TIMEOUT_S)
    assert producer.partitions_for("shown") == {0, 1, 2}
    (record,) = higgins_broker.records("shown")
    assert (record.partition, record.offset, record.key, record.headers) == (
        sent.partition, sent.offset, b"k", (("h", b"1"),)
    )  # fmt: skip
    producer.close()
