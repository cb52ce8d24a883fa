"""`casevault help`: what `--help` says, without dashes, and the same as a manual page."""

from __future__ import annotations

import sys

import click

from commands._options import command
from commands._terminal import visible
from commands._text import _


def _names(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[str]:
    """For the completion: the commands below what stands there already."""
    from commands.cli import root

    group: click.Command | None = root
    for word in context.params.get(parameter.name or "") or ():
        group = group.get_command(context, word) if isinstance(group, click.Group) else None
    return (
        [name for name in group.list_commands(context) if name.startswith(incomplete)]
        if isinstance(group, click.Group)
        else []
    )


@command("help", example="casevault help case new")
@click.argument("words", nargs=-1, metavar="[COMMAND]...", shell_complete=_names)
@click.option("--man", is_flag=True, help="All of it as a manual page, for `man -l` or a reader of roff.")
@click.pass_context
def help_(context: click.Context, words: tuple[str, ...], man: bool) -> None:
    """Explain a command, or list all of them."""
    if man:
        from commands._manual import manual_page

        sys.stdout.write(manual_page())
        return
    where = context.find_root()
    found: click.Command = where.command
    for word in words:
        further = found.get_command(where, word) if isinstance(found, click.Group) else None
        if further is None:
            raise click.UsageError(_("There is no command {name}").format(name=visible(" ".join(words))))
        found, where = further, click.Context(further, info_name=word, parent=where)
    sys.stdout.write(found.get_help(where) + "\n")
