"""`higgins completion`: completion scripts for shells."""

from typing import Literal

from higgins.cli.app import app


def completion(shell: Literal["bash", "zsh", "fish"], /) -> int:
    """Print the completion script of a shell.

    - bash: `source <(higgins completion bash)`, in `~/.bashrc`
    - zsh: `higgins completion zsh > ~/.zfunc/_higgins`, with `~/.zfunc` in `fpath` before `compinit`
    - fish: `higgins completion fish > ~/.config/fish/completions/higgins.fish`
    """
    print(app.generate_completion(shell=shell))
    return 0
