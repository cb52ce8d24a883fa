"""The manual page, made from the program itself: every command, option and example, in roff."""

from __future__ import annotations

import inspect
from collections.abc import Iterator

import click

from commands._options import Command
from commands._text import _


def manual_page() -> str:
    """casevault(1), the whole of it."""
    from commands.cli import root

    context = click.Context(root, info_name="casevault")
    lines = [
        '.TH CASEVAULT 1 "" "casevault" ""',
        ".nh",  # a command that is broken at a hyphen can't be copied
        _section(_("Name")),
        _text(_("casevault - an encrypted vault for testimony, documents and contact details")),
        _section(_("Synopsis")),
        f".B casevault\n{_text(' '.join(root.collect_usage_pieces(context)))}",
        _section(_("Description")),
        *_paragraphs(root.help or ""),
        _section(_("Options")),
        *_options(root, context),
        _section(_("Commands")),
        *_commands(root, context),
    ]
    return "\n".join(lines) + "\n"


def _commands(group: click.Group, parent: click.Context) -> Iterator[str]:
    for name in group.list_commands(parent):
        command = group.get_command(parent, name)
        if command is None:
            continue
        context = click.Context(command, info_name=name, parent=parent)
        if isinstance(command, click.Group):
            yield from _commands(command, context)
            continue
        yield f".SS {_text(context.command_path)}"
        yield f".B {_text(context.command_path)}\n{_text(' '.join(command.collect_usage_pieces(context)))}"
        yield from _paragraphs(command.help or "")
        yield from _options(command, context)
        if isinstance(command, Command) and command.example:
            heading = _text(_("Example:"))
            yield f".PP\n{heading}\n.nf"
            yield from (_text(f"  {line}") for line in command.example.splitlines())
            yield ".fi"


def _options(command: click.Command, context: click.Context) -> Iterator[str]:
    for parameter in command.get_params(context):
        record = parameter.get_help_record(context) if isinstance(parameter, click.Option) else None
        if record is not None and "--help" not in parameter.opts:
            yield f".TP\n.B {_text(record[0])}\n{_text(record[1])}"


def _paragraphs(text: str) -> Iterator[str]:
    for paragraph in inspect.cleandoc(text).split("\n\n"):
        yield f".PP\n{_text(' '.join(paragraph.split()))}"


def _section(heading: str) -> str:
    return f".SH {_text(heading.upper())}"


def _text(text: str) -> str:
    r"""Text in which roff finds nothing to obey."""
    shown = text.replace("\\", r"\e").replace("-", r"\-").replace("`", r"\`")
    shown = "".join(char if char.isascii() else rf"\[u{ord(char):04X}]" for char in shown)
    return rf"\&{shown}" if shown.startswith((".", "'")) else shown
