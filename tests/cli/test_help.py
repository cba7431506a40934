"""Help pages, their examples, and mistakes in arguments."""

import re
import shlex

import pytest
from cyclopts import App

from higgins.cli.app import EXIT_USAGE, app, run, with_tail
from tests.cli.test_for_programs_and_shells import commands, flags_of

GROUPS = ((), ("topic",), ("topic", "config"), ("group",), ("operator",))
PAGES = [*GROUPS, *commands(app)]
EXAMPLE = re.compile(r"^  (\S.*)$", re.MULTILINE)
COMMAND = re.compile(r"higgins( [^|<>)]*)")


def page_of(path: tuple[str, ...]) -> str:
    return flags_of(path)


def command_at(path: tuple[str, ...]) -> App:
    found = app
    for name in path:
        found = found[name]
    return found


@pytest.mark.parametrize("path", PAGES, ids=" ".join)
def test_every_help_page_has_examples_of_its_command(path: tuple[str, ...]) -> None:
    page = page_of(path)
    assert re.search(r"^Examples?:$", page, re.MULTILINE), page
    examples = EXAMPLE.findall(page[page.index("\nExample") :])
    assert examples
    of_the_command = [one for one in examples if f"higgins {' '.join(path)}".strip() in one]
    assert of_the_command and (path == () or len(of_the_command) == len(examples)), examples
    for example in examples:
        # A pipe or a redirection ends the arguments.
        for arguments in COMMAND.findall(example):
            app.parse_args(with_tail(shlex.split(arguments)), print_error=False, exit_on_error=False)


@pytest.mark.parametrize("path", PAGES, ids=" ".join)
def test_every_option_is_explained_and_shows_a_default_that_says_something(path: tuple[str, ...]) -> None:
    if path in GROUPS:
        return
    for argument in command_at(path).assemble_argument_collection():
        if argument.show and argument.index is None:
            assert argument.parameter.help, (path, argument.name)
    assert "[default: ]" not in page_of(path) and "[default: None]" not in page_of(path)


def test_commands_are_listed_in_groups() -> None:
    page = page_of(())
    titles = re.findall(r"─ (.+?) ─", page)
    assert titles[-4:] == ["Brokers", "Records", "Topics, groups and operators", "Shell"]


MISTAKES = [
    (["no-such"], "There is no command 'no-such'.", "higgins --help"),
    (["tpic", "list"], "There is no command 'tpic'. Did you mean 'topic'?", "higgins --help"),
    (["topic", "crate", "x"], "There is no command 'crate'. Did you mean 'create'?", "higgins topic --help"),
    (["topic", "create"], "NAME is missing.", "higgins topic create --help"),
    (["topic", "create", "a", "b"], "Too many arguments: 'b' cannot be used here.", "higgins topic create --help"),
    (["topic", "create", "a", "-p"], "-p needs a value.", "higgins topic create --help"),
    (["topic", "create", "a", "-p", "x"], "-p x: give a whole number.", "higgins topic create --help"),
    (["topic", "create", "a", "-p", "1", "-p", "2"], "-p is given twice.", "higgins topic create --help"),
    (["group", "reset", "g", "--to", "1"], "--topic is missing.", "higgins group reset --help"),
    (["produce", "t", "-z", "zip"], "-z zip: give none, gzip, snappy, lz4 or zstd.", "higgins produce --help"),
    (["consume", "--formt"], "There is no option '--formt'. Did you mean '--format'?", "higgins consume --help"),
    (["demo", "--rate", "fast"], "--rate fast: give a number.", "higgins demo --help"),
    (["completion", "tcsh"], "SHELL tcsh: give bash, zsh or fish.", "higgins completion --help"),
    (["up", "--store"], "--store needs a value.", "higgins up --help"),
]


@pytest.mark.parametrize(("arguments", "sentence", "page"), MISTAKES)
def test_a_mistake_in_arguments_is_told_in_our_words(
    arguments: list[str], sentence: str, page: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(arguments) == EXIT_USAGE
    assert capsys.readouterr().err == f"higgins: {sentence}\nSee: {page}\n"


@pytest.mark.parametrize("path", PAGES, ids=" ".join)
def test_no_mistake_shows_the_words_of_the_parser(
    path: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    """Each page with an unknown option, and with more arguments than it can take."""
    takes_any_number = path == ("topic", "config", "set")
    for extra in (["--no-such-option"], ["--json=maybe"], ["-9x"], *([] if takes_any_number else [[*"abcdefgh"]])):
        assert run([*path, *extra]) == EXIT_USAGE
        told = capsys.readouterr()
        assert told.out == "" and told.err.startswith("higgins: ") and told.err.count("\n") == 2, told.err
        assert not re.search(r"[Uu]nused|[Tt]oken|unable to|parameter|─|Error", told.err), told.err
