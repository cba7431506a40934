"""`higgins.testing.broker` with stock Kafka clients, without the pytest plugin."""

import logging
import socket
import struct
import subprocess
import sys
import threading
from pathlib import Path

import pytest
import structlog
import trio
from confluent_kafka import Producer
from kafka import KafkaConsumer, KafkaProducer

import higgins.testing
from higgins.broker import Broker
from higgins.client import BrokerRefused, ClientError
from higgins.kafka.apis import ROWS
from higgins.model.errors import Unfit
from higgins.runtime import LoopThread, Ready

TIMEOUT_S = 30
API_VERSIONS = 18


def test_stock_clients_write_and_read() -> None:
    with higgins.testing.broker() as broker:
        theirs = Producer({"bootstrap.servers": broker.bootstrap_servers})
        theirs.produce("greetings", b"from librdkafka")
        assert theirs.flush(TIMEOUT_S) == 0
        producer = KafkaProducer(bootstrap_servers=broker.bootstrap_servers)
        producer.send("greetings", b"from Python").get(TIMEOUT_S)
        consumer = KafkaConsumer(
            "greetings", group_id="g", auto_offset_reset="earliest", bootstrap_servers=broker.bootstrap_servers
        )
        assert [next(consumer).value for _ in range(2)] == [b"from librdkafka", b"from Python"]
        consumer.close()
        producer.close()


def test_threads_sockets_and_logging_are_restored_when_the_block_ends() -> None:
    before = set(threading.enumerate())
    processors = list(structlog.get_config()["processors"])
    with higgins.testing.broker() as broker:
        idle = socket.create_connection((broker.host, broker.port))
        assert set(threading.enumerate()) > before
    assert set(threading.enumerate()) == before
    assert structlog.get_config()["processors"] == processors
    assert idle.recv(1) == b""
    idle.close()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((broker.host, broker.port))
    with pytest.raises(RuntimeError, match="has ended"):
        broker.create_topic("late")


def test_two_brokers_run_at_once() -> None:
    with higgins.testing.broker() as one, higgins.testing.broker() as other:
        one.produce("t", b"one")
        other.produce("t", b"other")
        assert [record.value for record in one.records("t")] == [b"one"]
        assert [record.value for record in other.records("t")] == [b"other"]


def test_configs_are_set_by_name_or_as_keywords() -> None:
    config = {"auto.create.topics.enable": False}
    with higgins.testing.broker(config=config, num_partitions=3) as broker:
        with pytest.raises(BrokerRefused):
            broker.records("absent")
        broker.create_topic("three")
        broker.create_topic("five", partitions=5)
        consumer = KafkaConsumer(bootstrap_servers=broker.bootstrap_servers)
        assert [len(consumer.partitions_for_topic(one)) for one in ("three", "five")] == [3, 5]
        consumer.close()


def test_an_invalid_config_is_refused_before_anything_starts() -> None:
    before = set(threading.enumerate())
    with pytest.raises(Unfit, match=r"'num\.partition'.*Did you mean 'num\.partitions'"):
        higgins.testing.broker(num_partition=3).__enter__()
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(Unfit, match="Another process has this port"):
            higgins.testing.broker(listen=f"127.0.0.1:{taken.getsockname()[1]}").__enter__()
    assert set(threading.enumerate()) == before


def test_environment_variables_and_config_files_are_ignored(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HIGGINS_STORE", "s3://nowhere")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "higgins.toml").write_text("nonsense = true\n")
    with higgins.testing.broker() as broker:
        broker.produce("t", b"stored")


def test_records_in_a_directory_outlive_the_block(tmp_path: Path) -> None:
    with higgins.testing.broker(store=tmp_path) as broker:
        broker.produce("kept", b"1", None, key=b"k")
    with higgins.testing.broker(store=tmp_path) as broker:
        assert [(one.key, one.value) for one in broker.records("kept", 2)] == [(b"k", b"1"), (b"k", None)]


def test_missing_records_raise_with_the_records_that_came() -> None:
    with higgins.testing.broker() as broker:
        broker.produce("t", b"only this")
        with pytest.raises(AssertionError, match=r"has 1 record after 0.1 s, not 2: \[b'only this'\]"):
            broker.records("t", 2, timeout_s=0.1)


def test_a_topography_is_applied() -> None:
    text = '[streams.orders]\nformat = "json"\n[streams.large]\nbase = "orders"\ntype = "filter"\nwhere = "qty > 5"\n'
    with higgins.testing.broker() as broker:
        assert any("large" in change for change in broker.apply(text))
        broker.produce("orders", b'{"qty": 3}', b'{"qty": 7}')
        assert [one.value for one in broker.records("large")] == [b'{"qty": 7}']
        with pytest.raises(ClientError, match="line 5: "):
            broker.apply(text.replace('"filter"', '"filtre"'))
        with pytest.raises(ClientError, match="is written by operator 'large'"):
            broker.produce("large", b"mine")


CHAIN = """
[streams.orders]
format = "json"

[streams.large]
base = "orders"
type = "filter"
where = "qty > 5"

[streams.huge]
base = "large"
type = "filter"
where = "qty > 500"
"""


def test_records_waits_for_all_operators_above_a_topic() -> None:
    with higgins.testing.broker(num_partitions=3) as broker:
        broker.apply(CHAIN)
        for round_number in range(1, 6):
            broker.produce("orders", *({"qty": qty} for qty in range(1_000)), key=str(round_number))
            assert len(broker.records("large")) == 994 * round_number
            assert len(broker.records("huge")) == 499 * round_number
        assert len(broker.records("orders", 1)) == 5_000, "all of them, not only as many as were waited for"


def test_a_derived_topic_without_records_is_read_as_empty() -> None:
    with higgins.testing.broker() as broker:
        broker.apply(CHAIN)
        broker.produce("orders", {"qty": 7})
        assert broker.records("huge") == []
        broker.wait_until_idle()
        assert len(broker.records("large")) == 1


def test_an_operator_that_does_not_finish_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    async def idle(_task: object) -> None:
        await trio.sleep_forever()

    with higgins.testing.broker() as broker:
        broker.apply(CHAIN)
        monkeypatch.setattr("higgins.operators.task.Task.run", idle)
        broker.apply(CHAIN.replace("qty > 500", "qty > 400"))
        broker.produce("orders", {"qty": 7})
        with pytest.raises(AssertionError, match=r": \[\]\. Operator 'huge' is 1 record behind in partition 0"):
            broker.records("huge", timeout_s=0.3)
        with pytest.raises(AssertionError, match=r"did not process all of their input within 0\.3 s"):
            broker.wait_until_idle(timeout_s=0.3)


def test_text_and_documents_become_bytes() -> None:
    with higgins.testing.broker() as broker:
        headers = {"text": "caf\u00e9", "bytes": b"\xff", "none": None}
        broker.produce("t", "caf\u00e9", {"qty": 1}, [1, "a"], b"\xff", bytearray(b"b"), None, key="k", headers=headers)
        records = broker.records("t")
        assert [one.value for one in records] == ["caf\u00e9".encode(), b'{"qty":1}', b'[1,"a"]', b"\xff", b"b", None]
        assert {one.key for one in records} == {b"k"}
        assert list(records[0].headers) == [("text", "caf\u00e9".encode()), ("bytes", b"\xff"), ("none", None)]


@pytest.mark.parametrize("value", [7, 1.5, True, {1}, object()])
def test_values_of_other_types_are_refused_before_anything_is_stored(value: object) -> None:
    with higgins.testing.broker() as broker:
        broker.create_topic("t")
        for arguments in ({"key": value}, {"headers": {"h": value}}):
            with pytest.raises(TypeError, match=f"of type {type(value).__name__}. Pass bytes, a str"):
                broker.produce("t", b"v", **arguments)  # type: ignore[arg-type]
        with pytest.raises(TypeError, match=f"of type {type(value).__name__}. Pass bytes, a str"):
            broker.produce("t", b"v", value)  # type: ignore[arg-type]
        assert broker.records("t") == []


def test_a_topography_may_be_a_file(tmp_path: Path) -> None:
    file = tmp_path / "topography.toml"
    file.write_bytes(b"\xef\xbb\xbf" + CHAIN.encode())
    with higgins.testing.broker() as broker:
        assert any("large" in change for change in broker.apply(file))
        with pytest.raises(ValueError, match=r"Pass Path\('topography.toml'\)"):
            broker.apply("topography.toml")
        with pytest.raises(TypeError, match="not bytes"):
            broker.apply(CHAIN.encode())  # type: ignore[arg-type]


async def test_it_can_be_used_in_another_event_loop() -> None:
    with higgins.testing.broker() as broker:
        broker.produce("t", b"from a trio test")
        assert [one.value for one in broker.records("t")] == [b"from a trio test"]


def test_events_go_to_logging_and_not_to_standard_output(
    caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.INFO, logger="higgins")
    with higgins.testing.broker() as broker:
        structlog.get_logger("the program under test").info("mine")
    assert "broker.started" in {one["event"] for one in broker.events}
    assert any("broker.started store='memory" in line for line in caplog.messages)
    out = "".join(capfd.readouterr())
    assert "mine" in out and "broker.started" not in out


def provoke_an_error(broker: higgins.testing.RunningBroker, monkeypatch: pytest.MonkeyPatch) -> None:
    """Send ApiVersions while its handler raises; the broker logs an error and closes the connection."""

    def broken(*_: object) -> None:
        raise LookupError("a bug in the handler")

    monkeypatch.setattr(ROWS[API_VERSIONS], "handle", broken)
    with socket.create_connection((broker.host, broker.port), timeout=TIMEOUT_S) as connection:
        connection.sendall(struct.pack(">ihhih", 10, API_VERSIONS, 0, 1, -1))
        assert connection.recv(1) == b""


def test_an_error_in_the_broker_fails_the_block(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(higgins.testing.BrokerFault, match="a bug in the handler"), higgins.testing.broker() as broker:
        provoke_an_error(broker, monkeypatch)


def test_an_error_in_the_broker_is_a_note_when_the_block_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ZeroDivisionError) as raised, higgins.testing.broker() as broker:
        provoke_an_error(broker, monkeypatch)
        raise ZeroDivisionError
    assert any("a bug in the handler" in note for note in raised.value.__notes__)


def test_a_broker_that_ends_by_itself_raises_the_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    async def end(*_: object) -> None:
        await trio.sleep(0.05)
        raise Unfit("stopped by the test")

    monkeypatch.setattr(Broker, "_expire_deadlines", end)
    with pytest.raises(Unfit, match="stopped by the test"), higgins.testing.broker() as broker:
        broker._thread._thread.join(TIMEOUT_S)


def test_a_loop_thread_raises_what_its_main_function_raised() -> None:
    thread = LoopThread("loop")

    async def main(ready: Ready) -> None:
        raise LookupError("before it was ready")

    with pytest.raises(LookupError, match="before it was ready"):
        thread.start(main)
    assert thread.join(TIMEOUT_S)


def test_it_works_without_pytest() -> None:
    program = (
        "import sys; sys.modules['pytest'] = None\n"
        "import higgins.testing\n"
        "with higgins.testing.broker() as broker: broker.produce('t', b'1'); print(broker.records('t')[0].value)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False)
    assert (done.stdout, done.stderr) == ("b'1'\n", "")
