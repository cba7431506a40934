"""Every command with its standard streams in every state that a system can hand to a process."""

import itertools
from collections.abc import Callable, Iterator

import msgspec
import pytest

from higgins.cli.app import app
from higgins.testing import RunningBroker, broker
from tests.cli.streams_server import SHORT_BYTES, Case, Outcome, Server
from tests.cli.test_for_programs_and_shells import commands

TOPOGRAPHY = '[streams.source]\n[streams.derived]\nbase = "source"\ntype = "filter"\nwhere = "qty > 5"\n'
LOSES = ("closed", "full", "wrong way", "short", "broken")
BROKEN_PIPE = 141

COMMANDS: dict[str, list[list[str]]] = {
    "up": [["up", "--listen", "256.0.0.1:1"], ["up", "--help"]],
    "demo": [["demo", "--for", "1ms", "--store", "memory://", "--listen", "127.0.0.1:0"]],
    "topic create": [["topic", "create", "made-NUMBER"], ["topic", "create", "t"]],
    "topic list": [["topic", "list"], ["topic", "list", "--json"]],
    "topic describe": [["topic", "describe", "t"]],
    "topic delete": [["topic", "delete", "no-such"]],
    "topic partitions": [["topic", "partitions", "t", "0"]],
    "topic truncate": [["topic", "truncate", "t", "--before", "0"]],
    "topic config get": [["topic", "config", "get", "t"]],
    "topic config set": [["topic", "config", "set", "t", "retention.ms=1"]],
    "topic config list": [["topic", "config", "list"], ["topic", "config", "list", "--markdown"]],
    "produce": [["produce", "t"]],
    "consume": [["consume", "t", "-e"], ["consume", "t", "-e", "--json"], ["consume", "no-such"]],
    "group list": [["group", "list"]],
    "group describe": [["group", "describe", "g"]],
    "group reset": [["group", "reset", "h", "--topic", "t", "--to", "0"]],
    "group delete": [["group", "delete", "no-such"]],
    "apply": [["apply", "FOLDER/shop.toml"], ["apply", "FOLDER/missing.toml"]],
    "operator list": [["operator", "list"]],
    "operator delete": [["operator", "delete", "no-such"]],
    "top": [["top", "--once", "--every", "100ms"], ["top", "--once", "--every", "100ms", "--json"]],
    "ping": [["ping"], ["ping", "--timeout", "soon"]],
    "doctor": [["doctor", "--store", "memory://"]],
    "completion": [["completion", "bash"]],
    "": [[], ["--help"], ["--version"], ["no-such"], ["topic", "create", "--no-such"]],
}
EVERY = [arguments for several in COMMANDS.values() for arguments in several]


@pytest.fixture(scope="module")
def running() -> Iterator[RunningBroker]:
    with broker() as found:
        found.create_topic("t")
        found.produce("t", *(b"line %d" % number for number in range(5_000)))
        yield found


@pytest.fixture(scope="module")
def run(running: RunningBroker, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[Case], Outcome]]:
    folder = tmp_path_factory.mktemp("streams")
    (folder / "shop.toml").write_text(TOPOGRAPHY)
    server = Server(running.bootstrap_servers)
    numbers = itertools.count()
    normal: dict[tuple[str, ...], Outcome] = {}

    def run(case: Case) -> Outcome:
        """The outcome. That of ordinary streams is remembered: every state is compared with it."""
        if case != Case(case.arguments):
            return ask(case)
        if tuple(case.arguments) not in normal:
            normal[tuple(case.arguments)] = ask(case)
        return normal[tuple(case.arguments)]

    def ask(case: Case) -> Outcome:
        arguments = [
            one.replace("FOLDER", str(folder)).replace("NUMBER", str(next(numbers))) for one in case.arguments
        ]
        return server.run(msgspec.structs.replace(case, arguments=arguments))

    # The second time it changes nothing, and prints something else.
    ask(Case(["apply", "FOLDER/shop.toml"]))
    yield run
    server.close()


def test_the_table_has_every_command() -> None:
    assert set(COMMANDS) - {""} == {" ".join(path) for path in commands(app)}


def is_a_sentence(text: str) -> bool:
    """A message of ours: no trace, nothing of the interpreter's own."""
    return "Traceback" not in text and "Exception ignored" not in text and "Errno" not in text


@pytest.mark.parametrize(
    ("stdout", "unbuffered"), [*((one, False) for one in LOSES), ("full", True), ("short", True)]
)
def test_output_that_is_lost_is_an_error_in_one_sentence(
    run: Callable[[Case], Outcome], stdout: str, unbuffered: bool
) -> None:
    for arguments in EVERY:
        normal = run(Case(arguments))
        assert is_a_sentence(normal.stderr), (arguments, normal)
        found = run(Case(arguments, stdout=stdout, unbuffered=unbuffered))
        assert is_a_sentence(found.stderr), (arguments, found)
        if len(normal.stdout) <= (SHORT_BYTES if stdout == "short" else 0):
            assert found.code == normal.code, (arguments, found, normal)
        elif stdout == "broken":
            assert found.code == BROKEN_PIPE and found.stderr == normal.stderr, (arguments, found)
        else:
            assert found.code not in (0, BROKEN_PIPE), (arguments, found)
            sentence = found.stderr.removeprefix(normal.stderr).splitlines()
            assert len(sentence) == 1 and sentence[0].startswith("higgins: Standard output cannot be written: "), (
                arguments,
                found,
            )


@pytest.mark.parametrize(("unbuffered", "encoding"), [(False, "utf-8"), (True, "utf-8"), (True, "ascii")])
def test_a_pipe_that_does_not_block_gets_everything(
    run: Callable[[Case], Outcome], unbuffered: bool, encoding: str
) -> None:
    for arguments in EVERY:
        normal = run(Case(arguments))
        state = Case(
            arguments, stdout="non-blocking", stderr="non-blocking", unbuffered=unbuffered, encoding=encoding
        )
        found = run(state)
        assert is_a_sentence(found.stderr) and found.code == normal.code, (arguments, found, normal)
        # Other commands print what changes between two runs.
        if arguments[:1] in (["consume"], ["completion"], ["--help"]) and encoding == "utf-8":
            assert found.stdout == normal.stdout


@pytest.mark.parametrize("stderr", LOSES)
def test_a_standard_error_that_is_lost_does_not_change_the_result(run: Callable[[Case], Outcome], stderr: str) -> None:
    for arguments in EVERY:
        normal = run(Case(arguments))
        found = run(Case(arguments, stderr=stderr))
        assert found.code == normal.code and bool(found.stdout) == bool(normal.stdout), (arguments, found, normal)

def test_a_command_with_no_stream_at_all_ends_with_an_error_or_its_work_done(run: Callable[[Case], Outcome]) -> None:
    for arguments in EVERY:
        normal = run(Case(arguments))
        found = run(Case(arguments, stdin="closed", stdout="closed", stderr="closed"))
        assert found.code not in (0, 120) or (not normal.stdout and found.code == normal.code), (arguments, found)


@pytest.mark.parametrize("stdin", ["closed", "wrong way", "directory"])
def test_input_that_cannot_be_read_is_an_error_of_the_command_that_reads_it(
    run: Callable[[Case], Outcome], stdin: str
) -> None:
    for arguments in EVERY:
        normal, found = run(Case(arguments)), run(Case(arguments, stdin=stdin))
        if arguments[:1] == ["produce"]:
            assert found.code == 1 and is_a_sentence(found.stderr)
            assert found.stderr.startswith("higgins: Standard input cannot be read: "), found
            assert "0 records stored" in found.stderr
        else:
            assert found.code == normal.code and is_a_sentence(found.stderr), (arguments, found)


@pytest.mark.parametrize("stdin", ["input", "slow input"])
def test_input_is_read_whole_however_it_comes(run: Callable[[Case], Outcome], stdin: str) -> None:
    topic = f"in-{stdin.replace(' ', '-')}"
    text = "".join(f"{number} é\n" for number in range(1_000))
    assert run(Case(["produce", topic], stdin=stdin, input=text)) == Outcome(0, "", "")
    assert run(Case(["consume", topic, "-e"])).stdout == text
    # Records are bytes: the encoding of the streams has no say in them.
    assert run(Case(["consume", topic, "-e"], encoding="ascii")).stdout == text


@pytest.mark.parametrize("unbuffered", [False, True])
@pytest.mark.parametrize("stdout", LOSES)
def test_a_group_commits_nothing_that_was_not_written(
    run: Callable[[Case], Outcome], stdout: str, unbuffered: bool
) -> None:
    group = f"lost-{stdout.replace(' ', '-')}-{unbuffered}"
    found = run(Case(["consume", "t", "-g", group, "-n", "3000"], stdout=stdout, unbuffered=unbuffered))
    assert found.code == (BROKEN_PIPE if stdout == "broken" else 1)
    again = run(Case(["consume", "t", "-g", group, "-n", "1"]))
    assert again.stdout == "line 0\n"
