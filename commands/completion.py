"""`casevault completion`: a script that teaches a shell the commands and options. It knows no case and opens no vault."""

from __future__ import annotations

import sys

import click

from commands._options import command
from commands._text import _

VARIABLE = "_CASEVAULT_COMPLETE"
_SWITCHED_ON = {
    "bash": 'eval "$(casevault completion bash)"',
    "zsh": 'eval "$(casevault completion zsh)"',
    "fish": "casevault completion fish | source",
}
_WHERE = {"bash": "~/.bashrc", "zsh": "~/.zshrc", "fish": "~/.config/fish/config.fish"}


@command("completion", example="casevault completion bash")
@click.argument("shell", type=click.Choice(list(_SWITCHED_ON)))
def completion(shell: str) -> None:
    """Print a script that lets the Tab key complete commands, options and file names.

    Codes of cases and names are never completed: for them the vault would have to be open.
    """
    from click.shell_completion import ShellComplete, get_completion_class

    from commands.cli import root

    kind = get_completion_class(shell)
    if kind is None:
        raise click.UsageError(_("There is no completion for this shell"))
    # Not the method of its own class: that starts a shell to look at its version.
    script = ShellComplete.source(kind(root, {}, "casevault", VARIABLE))
    line = _("# To switch it on, write this line into {file}: {line}").format(
        file=_WHERE[shell], line=_SWITCHED_ON[shell]
    )
    sys.stdout.write(f"{line}\n{script}\n")
