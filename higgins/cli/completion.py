"""`higgins completion`: completion scripts for shells."""

from typing import Literal

from higgins.cli.app import app


def completion(shell: Literal["bash", "zsh", "fish"], /) -> int:
    """Print the completion script of a shell."""
    print(app.generate_completion(shell=shell))
    return 0
