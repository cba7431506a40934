"""The command `higgins`. A health check and the version are answered here, without loading what they do not need."""

import sys

from higgins import __version__


def main() -> None:
    """Run the command line and exit."""
    arguments = sys.argv[1:]
    # Imports stand in here because a health check is run every few seconds and must cost next to nothing.
    if arguments[:1] == ["ping"] and not {"--help", "-h"} & set(arguments):
        from higgins.cli.ping import ping  # noqa: PLC0415

        sys.exit(ping(arguments[1:]))
    if arguments in (["--version"], ["-V"]):
        print(f"higgins {__version__}")
        return
    from higgins.cli.app import run  # noqa: PLC0415

    sys.exit(run(arguments))


if __name__ == "__main__":
    main()
