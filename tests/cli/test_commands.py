"""The commands as people run them: processes against a broker that is a process too."""

import json
import os
import re
import shlex
import signal
import socket
import subprocess
import sys

import pytest

HIGGINS = [sys.executable, "-m", "higgins"]
PATIENCE_S = 60
TOPOGRAPHY = """\
[streams.orders]
format = "json"

[streams.large]
base = "orders"
type = "filter"
where = "qty > 5"
"""


def environment():
    """Ours without the settings of whoever runs the tests."""
    return {name: value for name, value in os.environ.items() if not name.startswith("HIGGINS_")}


class Up:
    """A broker process; `address` is where it listens."""

    def __init__(self, directory, *arguments):
        self.directory = directory
        self.process = subprocess.Popen(
            [*HIGGINS, "up", "--listen", "127.0.0.1:0", *arguments],
            cwd=directory,
            env=environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.banner = []
        for line in self.process.stdout:
            self.banner.append(line.rstrip())
            if "Ctrl-C" in line:
                break
        found = re.search(r"listening +(\S+:\d+)", "\n".join(self.banner))
        assert found, (self.banner, self.process.poll())
        self.address = found[1]

    def run(self, *arguments, stdin="", code=0):
        """Run a command against it; returns what it printed, after checking its exit code."""
        done = subprocess.run(
            [*HIGGINS, *arguments, "--bootstrap", self.address],
            cwd=self.directory,
            env=environment(),
            input=stdin,
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
            check=False,
        )
        assert done.returncode == code, (arguments, done.stdout, done.stderr)
        return done.stdout + done.stderr

    def stop(self, how=signal.SIGTERM):
        """End it and return its exit code."""
        self.process.send_signal(how)
        try:
            self.process.communicate(timeout=PATIENCE_S)
        finally:
            self.process.kill()
        return self.process.returncode


@pytest.fixture(scope="module")
def broker(tmp_path_factory):
    up = Up(tmp_path_factory.mktemp("broker"), "--store", "memory://", "--set", "group.initial.rebalance.delay.ms=0")
    yield up
    assert up.stop() == 0


def test_what_starts_says_what_it_is_and_what_to_run_next(broker):
    text = "\n".join(broker.banner)
    assert re.search(r"^Higgins \d", text)
    assert "memory://: in memory; everything is gone when this process ends" in text
    assert f"higgins produce greetings --bootstrap {broker.address}" in text


def test_lines_written_are_read_back(broker):
    broker.run("produce", "lines", "--key-separator", ":", "--header", "from=test", stdin="a:1\nb:2\na:3\n")
    printed = broker.run("consume", "lines", "-e", "-f", "%k=%v %t %p %o %h")
    assert printed == "a=1 lines 0 0 from=test\nb=2 lines 0 1 from=test\na=3 lines 0 2 from=test\n"
    assert broker.run("consume", "lines", "--from", "1", "-n", "1") == "2\n"
    again = broker.run("consume", "lines", "-e", "--json")
    broker.run("produce", "copy", "--json", stdin=again)
    assert broker.run("consume", "copy", "-e", "-f", "%k=%v %h") == "a=1 from=test\nb=2 from=test\na=3 from=test\n"


def test_topics_are_made_shown_and_deleted(broker):
    broker.run("topic", "create", "shown", "--partitions", "2")
    assert re.search(r"^shown +2$", broker.run("topic", "list"), re.MULTILINE)
    assert len(re.findall(r"^[01] +1 +0 +0 +0$", broker.run("topic", "describe", "shown"), re.MULTILINE)) == 2
    assert "TOPIC_ALREADY_EXISTS" in broker.run("topic", "create", "shown", code=1)
    broker.run("topic", "delete", "shown")
    assert "Topic 'shown' does not exist" in broker.run("consume", "shown", code=1)


def test_a_group_goes_on_where_it_stopped(broker):
    broker.run("produce", "shared", stdin="1\n2\n3\n4\n5\n")
    assert broker.run("consume", "shared", "--group", "g", "-n", "2") == "1\n2\n"
    assert broker.run("consume", "shared", "--group", "g", "-n", "3") == "3\n4\n5\n"
    assert re.search(r"^g +consumer +Empty$", broker.run("group", "list"), re.MULTILINE)
    assert re.search(r"^shared +0 +5 +5 +0 +-$", broker.run("group", "describe", "g"), re.MULTILINE)
    assert "GROUP_ID_NOT_FOUND" in broker.run("group", "describe", "nobody", code=1)


def test_a_group_is_reset_and_deleted(broker):
    broker.run("topic", "create", "moved", "--partitions", "2")
    broker.run("produce", "moved", "--partition", "1", stdin="1\n2\n3\n")
    shown = broker.run("group", "reset", "r", "--topic", "moved:1", "--to", "2", "--dry-run")
    assert re.search(r"^moved +1 +- +2$", shown, re.MULTILINE) and "dry run" in shown
    assert "r" not in broker.run("group", "list").split()
    broker.run("group", "reset", "r", "--topic", "moved:1", "--to", "2")
    assert broker.run("consume", "moved", "--group", "r", "-n", "1") == "3\n"
    found = json.loads(broker.run("group", "reset", "r", "-t", "moved", "--to", "@1", "--json"))
    assert found == {"group": "r", "done": True, "partitions": [
        {"topic": "moved", "partition": 0, "from": 0, "to": 0},
        {"topic": "moved", "partition": 1, "from": 3, "to": 0},
    ]}  # fmt: skip
    for to, place in (("latest", 3), ("99", 3), ("earliest", 0), ("2999-01-01T00:00:00Z", 3)):
        moved = json.loads(broker.run("group", "reset", "r", "-t", "moved:1", "--to", to, "--json"))
        assert moved["partitions"][0]["to"] == place
    assert "give earliest, latest" in broker.run("group", "reset", "r", "-t", "moved", "--to", "soon", code=1)
    assert "has no partition 7" in broker.run("group", "reset", "r", "-t", "moved:7", "--to", "latest", code=1)
    assert broker.run("group", "delete", "r") == "Deleted group r.\n"
    assert "Group 'r' does not exist" in broker.run("group", "delete", "r", code=1)


def test_a_topic_grows_and_is_truncated(broker):
    broker.run("topic", "create", "grown", "--partitions", "1")
    broker.run("produce", "grown", stdin="1\n2\n3\n")
    assert broker.run("topic", "partitions", "grown", "3") == "Topic grown now has 3 partitions.\n"
    assert "already has 3" in broker.run("topic", "partitions", "grown", "3", code=1)
    assert re.search(r"^grown +0 +2$", broker.run("topic", "truncate", "grown:0", "--before", "2"), re.MULTILINE)
    assert broker.run("consume", "grown", "-e") == "3\n"
    refused = broker.run("topic", "truncate", "grown", "--before", "2", code=1)
    assert "grown [1] ends at offset 0, its high watermark. Nothing was deleted." in refused
    assert "ends at offset 3, its high watermark" in broker.run(
        "topic", "truncate", "grown:0", "--before", "9", code=1
    )
    rows = json.loads(broker.run("topic", "truncate", "grown", "--before", "end", "--json"))
    assert [row["start"] for row in rows] == [3, 0, 0]


def test_a_topography_is_applied_and_an_operator_listed_and_deleted(broker):
    file = broker.directory / "shop.toml"
    file.write_text(TOPOGRAPHY)
    assert "Operator 'large'" in broker.run("apply", "shop.toml")
    assert broker.run("apply", "shop.toml") == "Nothing to change.\n"
    broker.run("produce", "orders", stdin='{"qty": 3}\n{"qty": 7}\nnot json\n{"qty": 9}\n')
    assert broker.run("consume", "large", "-n", "2") == '{"qty": 7}\n{"qty": 9}\n'
    header, row = broker.run("operator", "list").splitlines()
    assert header.split()[4:] == ["TASKS", "LAG", "STATE", "KEPT", "DROPPED", "NOT_JSON", "UNREADABLE", "FAILED"]
    assert re.search(r"^large +orders +large +qty > 5 +1 +\d+ +\w+ +2 +1 +1 +0 +0$", row)
    (listed,) = json.loads(broker.run("operator", "list", "--json"))
    names = ("seen", "kept", "dropped", "not_json", "unreadable", "failed", "removed")
    assert [listed[name] for name in names] == [4, 2, 1, 1, 0, 0, 0]
    assert listed["partitions"][0]["counters"] == {name: listed[name] for name in names}
    assert "is written by operator 'large'" in broker.run("produce", "large", stdin="x\n", code=1)
    file.write_text(TOPOGRAPHY.replace('"filter"', '"filtre"').replace("format", "formt"))
    faults = broker.run("apply", "shop.toml", code=1)
    assert {int(line) for line in re.findall(r"shop\.toml, line (\d+):", faults)} == {2, 6}
    way_on = broker.run("operator", "delete", "large")
    assert "large" not in broker.run("operator", "list")
    # Some editors begin a file with this mark.
    file.write_text("\ufeff" + TOPOGRAPHY + "[streams.more]\nconfig.retention.ms = 5\n", encoding="utf-8")
    assert "--adopt large=latest" in broker.run("apply", "shop.toml", code=1)
    (adopt,) = re.findall(r"--adopt (large=\S+)", way_on)
    assert adopt == "large=0:4"
    broker.run("produce", "orders", stdin='{"qty": 8}\n')
    applied = broker.run("apply", "shop.toml", "--adopt", adopt)
    assert "Topic 'large' is adopted" in applied
    assert "Note: Config 'retention.ms' of topic 'more' is accepted, without effect because" in applied
    assert broker.run("consume", "large", "-n", "3").splitlines()[2] == '{"qty": 8}'


def test_a_closed_pipe_ends_quietly(broker):
    broker.run("produce", "long", stdin="line\n" * 20_000)
    command = " ".join([*HIGGINS, "consume", "long", "--bootstrap", broker.address])
    done = subprocess.run(
        f"{command} | head -n 1", shell=True, capture_output=True, timeout=PATIENCE_S, check=False, env=environment()
    )
    assert (done.stdout, done.stderr) == (b"line\n", b"")


def test_an_interrupt_ends_quietly(broker):
    broker.run("produce", "one", stdin="line\n")
    consuming = subprocess.Popen(
        [*HIGGINS, "consume", "one", "--bootstrap", broker.address],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment(),
        # Whoever runs the tests in the background has made this process deaf to it, and its children with it.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),  # noqa: PLW1509 - no threads here
    )
    assert consuming.stdout.readline() == b"line\n"
    consuming.send_signal(signal.SIGINT)
    assert consuming.communicate(timeout=PATIENCE_S) == (b"", b"")
    assert consuming.returncode == 130


def test_what_was_acknowledged_survives_a_restart(tmp_path):
    first = Up(tmp_path)
    assert "./higgins-data: acknowledged once it is on disk (fsync)" in "\n".join(first.banner)
    first.run("produce", "kept", stdin="1\n2\n")
    assert first.stop(signal.SIGINT) == 0
    second = Up(tmp_path)
    try:
        assert second.run("consume", "kept", "-e") == "1\n2\n"
        refused = subprocess.run(
            [*HIGGINS, "up", "--listen", second.address],
            cwd=tmp_path,
            env=environment(),
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
            check=False,
        )
        assert refused.returncode == 1
        assert refused.stderr.startswith("higgins: ")
        assert "Traceback" not in refused.stderr
    finally:
        assert second.stop() == 0


def test_nobody_to_talk_to_is_said_with_what_to_do():
    done = subprocess.run(
        [*HIGGINS, "topic", "list", "--bootstrap", "127.0.0.1:1"],
        env=environment(),
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )
    assert done.returncode == 1
    assert "Cannot connect to 127.0.0.1:1" in done.stderr
    assert "higgins up" in done.stderr


def test_faults_of_settings_are_told_before_anything_starts(tmp_path):
    (tmp_path / "higgins.toml").write_text("[store]\nurll = 1\n")
    done = subprocess.run(
        [*HIGGINS, "up", "--set", "num.partitions=none"],
        cwd=tmp_path,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )
    assert done.returncode == 1
    assert "higgins.toml, line 2: Unknown key 'store.urll'" in done.stderr
    assert "--set num.partitions=none" in done.stderr
    assert not (tmp_path / "higgins-data").exists()


def test_the_demo_shows_orders_and_what_is_derived(tmp_path):
    done = subprocess.run(
        [*HIGGINS, "demo", "--for", "2s", "--rate", "40", "--listen", "127.0.0.1:0"],
        cwd=tmp_path,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    written = re.findall(r"^orders +#(\d+) \w+: (\d+) x", done.stdout, re.MULTILINE)
    derived = re.findall(r"^large +#(\d+) \w+: (\d+) x", done.stdout, re.MULTILINE)
    assert len(written) >= 5
    assert {number for number, _ in derived} <= {number for number, quantity in written if int(quantity) > 5}
    assert "kcat -C -b 127.0.0.1:" in done.stdout


def test_a_second_broker_on_a_store_says_whom_it_has_joined(tmp_path):
    first = Up(tmp_path)
    assert "cluster" not in "\n".join(first.banner)
    try:
        second = Up(tmp_path)
        text = "\n".join(second.banner)
        assert f"joined 1 other node on this store, at {first.address}" in text
        assert "higgins up --store DIRECTORY" in text
        third = subprocess.Popen(
            [*HIGGINS, "up", "--listen", "127.0.0.1:0", "--json"],
            cwd=tmp_path, env=environment(), stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        told = json.loads(third.stdout.readline())
        assert {one["address"] for one in told["other_nodes"]} == {first.address, second.address}
        third.terminate()
        assert third.wait(PATIENCE_S) == 0
        assert second.stop() == 0
    finally:
        assert first.stop() == 0


@pytest.mark.parametrize("stdout", ["/dev/full", "closed"])
def test_a_broker_serves_although_its_banner_is_lost(tmp_path, stdout):
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{sock.getsockname()[1]}"
    redirection = ">&-" if stdout == "closed" else f"> {stdout}"
    command = shlex.join([*HIGGINS, "up", "--store", "memory://", "--listen", address])
    process = subprocess.Popen(
        ["bash", "-c", f"exec {command} {redirection}"],
        cwd=tmp_path, env=environment(), stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert any("Standard output cannot be written" in line for line in process.stderr)
    done = subprocess.run(
        [*HIGGINS, "ping", "-b", address, "--timeout", str(PATIENCE_S)], capture_output=True, check=False
    )
    process.terminate()
    rest = process.communicate(timeout=PATIENCE_S)[1]
    assert done.returncode == 0 and process.returncode == 1 and "Traceback" not in rest


@pytest.mark.parametrize(
    "variables", [{"PYTHONIOENCODING": "ascii"}, {"LANG": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}]
)
@pytest.mark.parametrize("redirections", ["<&-", "<&- 2>&-", "< /dev/null 2> /dev/full", "0> /dev/null"])
def test_a_whole_interpreter_in_a_poor_environment_prints_its_help(variables, redirections):
    done = subprocess.run(
        f"{shlex.join(HIGGINS)} topic config list retention {redirections}",
        shell=True, env=environment() | variables, capture_output=True, timeout=PATIENCE_S, check=False,
    )  # fmt: skip
    assert done.returncode == 0 and b"retention.ms" in done.stdout and done.stderr == b""
