"""The command `higgins`. A health check and the version are answered here, without loading what they do not need."""

import sys

from higgins import __version__


def main() -> None:
    """Run the command line and exit."""
    # Imports stand in here because a health check is run every few seconds and must cost next to nothing.
    from higgins.cli.io.streams import guarded, prepare  # noqa: PLC0415

    prepare()
    sys.exit(guarded(_run))


def _run() -> int:
    arguments = sys.argv[1:]
    if arguments[:1] == ["ping"] and not {"--help", "-h"} & set(arguments):
        from higgins.cli.ping import ping  # noqa: PLC0415

        return ping(arguments[1:])
    if arguments in (["--version"], ["-V"]):
        print(f"higgins {__version__}")
        return 0
    from higgins.cli.app import run  # noqa: PLC0415

    return run(arguments)


if __name__ == "__main__":
    main()
