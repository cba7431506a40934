"""The table of commands. Each is imported when it runs."""

from collections.abc import Sequence

from cyclopts import App, CycloptsError, Group, Parameter

from higgins import __version__
from higgins.cli.text.help import examples, shown_default

HELP = """A Kafka broker whose only state is object storage, with stream operators inside it.

Start one with `higgins up`, or see one at work with `higgins demo`. `higgins COMMAND --help` explains a command.
"""

BROKER = Group("Brokers", sort_key=1)
RECORDS = Group("Records", sort_key=2)
ADMINISTRATION = Group("Topics, groups and operators", sort_key=3)
SHELL = Group("Shell", sort_key=4)

TAIL_RECORDS = "10"
"""What `--tail` means without a number, as in tail(1)."""

EXIT_USAGE = 2

app = App(
    name="higgins",
    help=HELP,
    version=__version__,
    version_flags=["--version", "-V"],
    help_format="plaintext",
    default_parameter=Parameter(negative_iterable=(), show_default=shown_default),
    help_epilogue=examples(
        "higgins up --store ./data",
        "echo hello | higgins produce greetings",
        "higgins consume greetings --until-end",
    ),
)
app.command(
    "higgins.cli.up:up",
    name="up",
    group=BROKER,
    help="Start a broker, and serve until Ctrl-C or SIGTERM.\n\n"
    "Flags override HIGGINS_* variables, which override higgins.toml.",
    help_epilogue=examples(
        "higgins up",
        "higgins up --store s3://bucket/prefix --metrics 127.0.0.1:9404",
        "higgins up --listen 0.0.0.0:9092 --advertise broker.example.com:9092",
        "higgins up --store memory:// --set num.partitions=4",
    ),
)
app.command(
    "higgins.cli.demo:demo",
    name="demo",
    group=BROKER,
    help="Start a broker, write orders, and show what an operator derives from them.",
    help_epilogue=examples("higgins demo", "higgins demo --for 20s --rate 10 --store memory://"),
)
app.command("higgins.cli.topic:app", name="topic", group=ADMINISTRATION, help="Create, list, change and delete topics.")
app.command(
    "higgins.cli.produce:produce",
    name="produce",
    group=RECORDS,
    help="Write each line of standard input as a record.\n\n"
    "Records are sent as they arrive, the last ones when the input ends. A line that is refused ends the command; the "
    "lines before it are stored. The exit code is 0 if every line was stored.",
    help_epilogue=examples(
        "echo hello | higgins produce greetings",
        "higgins produce orders --key-separator '\\t' --compression zstd < orders.tsv",
        "higgins consume orders --json --until-end | higgins produce copy --json",
    ),
)
app.command(
    "higgins.cli.consume:consume",
    name="consume",
    group=RECORDS,
    help="Read a topic and print its records as they arrive.\n\n"
    "On a terminal, control characters in records are shown as escapes. A pipe or a file gets the bytes as they are.",
    help_epilogue=examples(
        "higgins consume orders --until-end",
        "higgins consume orders --tail 10",
        "higgins consume orders --from 1h --format '%p %o %k %v'",
        "higgins consume orders --from 2026-01-31T12:00:00Z --json --max 100",
        "higgins consume orders --group readers",
    ),
)
app.command("higgins.cli.group:app", name="group", group=ADMINISTRATION, help="List, reset and delete consumer groups.")
app.command(
    "higgins.cli.apply:apply",
    name="apply",
    group=ADMINISTRATION,
    help="Apply a topography file: streams and operators in TOML, as one commit.\n\n"
    "If anything in the file is wrong, nothing is applied, and every error is printed with its line. Applying the same "
    "file again changes nothing.",
    help_epilogue=examples("higgins apply shop.toml", "higgins apply shop.toml --adopt large=latest"),
)
app.command("higgins.cli.operator:app", name="operator", group=ADMINISTRATION, help="List and delete operators.")
app.command(
    "higgins.cli.top.command:top",
    name="top",
    group=BROKER,
    help="Show the load of a cluster: live in a terminal until q or Ctrl-C, elsewhere a line for each interval.",
    help_epilogue=examples("higgins top", "higgins top --once", "higgins top --every 5s --json"),
)
app.command(
    "higgins.cli.ping_command:ping",
    name="ping",
    group=BROKER,
    help="Check whether a broker answers. The exit code is 0 if it does, and 1 if it does not.",
    help_epilogue=examples("higgins ping", "higgins ping --bootstrap broker.example.com:9092 --timeout 2"),
)
app.command(
    "higgins.cli.doctor.command:doctor",
    name="doctor",
    group=BROKER,
    help="Check network, store and machine for problems, and print how to fix them.\n\n"
    "The exit code is 1 if a check failed; warnings do not count.",
    help_epilogue=examples("higgins doctor", "higgins doctor --store s3://bucket/prefix"),
)
app.command(
    "higgins.cli.completion:completion",
    name="completion",
    group=SHELL,
    help="Print the completion script of a shell.\n\n"
    "bash: add the first example to ~/.bashrc.\n\n"
    "zsh: run the second, with ~/.zfunc in fpath before compinit.\n\n"
    "fish: run the third.",
    help_epilogue=examples(
        "source <(higgins completion bash)",
        "higgins completion zsh > ~/.zfunc/_higgins",
        "higgins completion fish > ~/.config/fish/completions/higgins.fish",
    ),
)


def run(arguments: Sequence[str]) -> int:
    """Run a command and return its exit code. Raises: KeyboardInterrupt, OutputLost."""
    try:
        code = app(
            with_tail(arguments), result_action="return_value", print_error=False, exit_on_error=False
        )
    except CycloptsError as error:
        # These import the client, which a mistake alone needs.
        from higgins.cli.common import complain  # noqa: PLC0415
        from higgins.cli.text.usage import usage_error  # noqa: PLC0415

        complain(usage_error(error))
        return EXIT_USAGE
    return code if isinstance(code, int) else 0


def with_tail(arguments: Sequence[str]) -> list[str]:
    """The arguments with a number after each `--tail` of `consume` that has none. cyclopts knows no optional values."""
    given = list(arguments)
    if given[:1] != ["consume"]:
        return given
    return [
        part
        for index, one in enumerate(given)
        for part in ([one, TAIL_RECORDS] if one == "--tail" and not _is_number(given[index + 1 : index + 2]) else [one])
    ]


def _is_number(following: Sequence[str]) -> bool:
    return any(one.removeprefix("-").isdigit() for one in following)
