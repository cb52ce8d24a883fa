"""What commands share: the global options, before the command or after it, those of several commands, and words that are
asked for when left out.

A command asks for words only when the vault is open: a passphrase that fails must not cost what was typed before it, and
nobody who expects to be asked for the passphrase first should type it into a title.
"""

from __future__ import annotations

import inspect
import os
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from commands import _terminal
from commands._terminal import visible
from commands._text import _
from vault import errors

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

LARGEST_TYPED_BYTES = 1 << 20
_WHOLE_SENTENCE = 300  # of a help, in letters
_ALIKE = 0.65  # so that `nwe` is like `new`, and `broken` is not like `open`


@dataclass
class Settings:
    """The global options as given."""

    vault: Path | None = None
    json: bool = False
    plain: bool = False
    passphrase_file: str | None = None
    key_file: Path | None = None
    debug: bool = False
    yes: bool = False
    accept_older_copy: bool = False


class PathName(click.Path):
    """A path. An empty one, as from a variable that is not set, would be the current folder, and is refused."""

    def __init__(self, *, allow_dash: bool = False) -> None:
        super().__init__(readable=False, path_type=Path, allow_dash=allow_dash)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """See ``click.ParamType.convert``."""
        if not os.fspath(value):
            self.fail(_("an empty name is no path"), param, ctx)
        return super().convert(value, param, ctx)


class NewFile(PathName):
    """A place for a new file. What ends as folders do and is none, as of a stick that is not in, is no file's name."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """See ``click.ParamType.convert``. Raises ``NoSuchFolder``."""
        given = os.fsdecode(value)
        if given.endswith(("/", os.sep)) and not Path(given).is_dir():
            raise errors.NoSuchFolder(path=given)
        return super().convert(value, param, ctx)


def complete_files(_context: click.Context, _parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """For the completion: the shell's own names of files, where the value is no ``PathName``."""
    from click.shell_completion import CompletionItem

    return [CompletionItem(incomplete, type="file")]


def _complete_global_options(incomplete: str) -> list[CompletionItem]:
    """Those that are hidden in a command's help stand after it all the same."""
    if not incomplete.startswith("-"):
        return []
    from click.shell_completion import CompletionItem

    names = [name for option in global_options(shown=True) for name in option.opts]
    return [CompletionItem(name) for name in names if name.startswith(incomplete)]


def _remember(context: click.Context, parameter: click.Parameter, value: Any) -> None:
    if value is not None and parameter.name:
        setattr(context.ensure_object(Settings), parameter.name, value)


def global_options(*, shown: bool) -> list[click.Parameter]:
    """The options that may stand before the command or after it; one that is given twice counts as it came last."""

    def option(*names: str, help_text: str, **values: Any) -> click.Option:
        return click.Option(
            names, expose_value=False, callback=_remember, default=None, hidden=not shown, help=help_text, **values
        )

    def flag(name: str, help_text: str) -> click.Option:
        return option(name, is_flag=True, flag_value=True, is_eager=True, help_text=help_text)

    return [
        option(
            "--vault",
            type=PathName(),
            metavar="PATH",
            help_text=_("The vault's folder; else CASEVAULT_VAULT, else the place for data of this system."),
        ),
        flag("--json", _("The result as one JSON document.")),
        flag("--plain", _("No colours, boxes or bars, one fact a line: for screen readers.")),
        option(
            "--passphrase-file",
            metavar="FILE",
            shell_complete=complete_files,
            help_text=_(
                "Read the passphrase from a file or /dev/fd/N; else CASEVAULT_PASSPHRASE_FILE, else it is asked."
            ),
        ),
        option(
            "--key-file",
            type=PathName(),
            metavar="FILE",
            help_text=_("The key file, if the vault has one."),
        ),
        flag("--accept-older-copy", _("Open this copy although this computer remembers a later one; its log says so.")),
        flag("--yes", _("Do not ask before what can't be undone.")),
        flag("--debug", _("After an error say where in the program it happened, without any content.")),
    ]


def translate_help(command: click.Command) -> None:
    """Put the help of a command and its options, written in English, into the language of the user."""
    if command.help:
        command.help = _(inspect.cleandoc(command.help))
    for parameter in command.params:
        if isinstance(parameter, click.Option) and parameter.help:
            parameter.help = _(parameter.help)


class Command(click.Command):
    """A command that takes the global options too, ends its help with an example, and names its JSON fields."""

    def __init__(
        self,
        *args: Any,
        example: str = "",
        fields: Mapping[str, str] | None = None,
        many: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        translate_help(self)
        self.params += global_options(shown=False)
        self.example = example
        self.fields = dict(fields or {})
        self.many = many

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Its options, and those of every command."""
        return super().shell_complete(ctx, incomplete) + _complete_global_options(incomplete)

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 -- as above
        """The example, and where the other options are."""
        if self.example:
            with formatter.section(_("Example")):
                formatter.write("".join(f"  {line}\n" for line in self.example.splitlines()))
        formatter.write_paragraph()
        formatter.write_text(_("The options of `casevault --help` may stand here too."))


class NoSuchWord(click.UsageError):
    """No command, or no option, is called so; perhaps another one was meant."""


def meant_by(name: str, names: Iterable[str]) -> str | None:
    """The name that is most like one that is not there, if any is like it; of options what follows the dashes is compared."""
    from difflib import get_close_matches

    known = {each.lstrip("-"): each for each in names}
    close = get_close_matches(name.lstrip("-").casefold(), known, 1, _ALIKE)
    return known[close[0]] if close else None


def no_such_command(context: click.Context, name: str, names: Iterable[str]) -> NoSuchWord:
    """What to raise for a command that is not there, with the one that is called most like it."""
    said = {"name": name, "path": context.command_path}
    close = meant_by(name, names)
    if close:
        message = _("There is no command {name}. Perhaps `{path} {close}` is meant?").format(close=close, **said)
    else:
        message = _("There is no command {name}").format(**said)
    return NoSuchWord(message, context)


class Group(click.Group):
    """A group of commands in one file; takes the global options too."""

    command_class = Command

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        translate_help(self)
        self.params += global_options(shown=False)

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 -- click's signature
        """In the order in which they are written."""
        return list(self.commands)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command; for one that is not there, name the one that is perhaps meant."""
        if not ctx.resilient_parsing and not args[0].startswith("-") and args[0] not in self.commands:
            raise no_such_command(ctx, args[0], self.commands)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 -- as above
        """Each command with its whole first sentence."""
        with formatter.section(_("Commands")):
            formatter.write_dl(
                [(name, each.get_short_help_str(_WHOLE_SENTENCE)) for name, each in self.commands.items()]
            )

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Its commands, and the options of every command."""
        return super().shell_complete(ctx, incomplete) + _complete_global_options(incomplete)


class DefaultGroup(Group):
    """A group that is also a command: without the name of one of its commands it is the first."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Put in the name of the first command where none is given."""
        return super().parse_args(ctx, self.completed(args))

    def completed(self, args: list[str]) -> list[str]:
        """The arguments with the name of a command among them."""
        rest = list(args)
        while rest and rest[0] not in self.commands:
            word = rest.pop(0)
            if word == "--help":
                return args
            if not word.startswith("-"):  # the first takes no words
                return args
            if self._takes_value(word) and rest:
                rest.pop(0)
        return args if rest else [next(iter(self.commands)), *args]

    def _takes_value(self, word: str) -> bool:
        parameters = [*self.params, *next(iter(self.commands.values())).params]
        return any(
            isinstance(each, click.Option) and not each.is_flag and word in (*each.opts, *each.secondary_opts)
            for each in parameters
        )


def command(
    name: str, *, example: str = "", fields: Mapping[str, str] | None = None, many: bool = False
) -> Callable[[Callable[..., Any]], Command]:
    """Make a command of a function: its docstring is the help."""

    def decorate(function: Callable[..., Any]) -> Command:
        return click.command(name, cls=Command, example=example, fields=fields, many=many)(function)

    return decorate


def group(name: str, help_text: str) -> Group:
    """A group whose commands are added with ``add_command``."""
    return Group(name, help=help_text, no_args_is_help=True)


def pass_settings(function: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the global options as its first argument."""
    return click.make_pass_decorator(Settings, ensure=True)(function)


# Options of several commands

PURPOSE_OPTION = click.option("--purpose", metavar="TEXT", help="What for; the log keeps it.")


def output_option(help_text: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """``--output``: the place of a new file, as ``target``."""
    return click.option("-o", "--output", "target", type=NewFile(), metavar="FILE", help=help_text)


# Words that are given, read or asked for


_said_once: set[str] = set()


def _warn_of_history() -> None:
    if "history" not in _said_once and _terminal.stderr_is_terminal():
        _said_once.add("history")
        _terminal.warn(
            _("words given after the command stay in the shell's history; leave them out, or write `-`, to be asked")
        )


def required(value: str | None, question: str, *, name: str, may_be_empty: bool = False) -> str:
    """What was given; or, for nothing and for ``-``, what is read from stdin or asked for on the terminal.

    Enter alone is no answer, unless it ``may_be_empty``. ``name`` is how the help calls it. Raises a usage error where nobody
    can be asked.
    """
    refuse_unasked(value, name=name)
    if value is None or (value == "-" and _terminal.stdin_is_terminal()):
        return asked(question) if may_be_empty else needed(question)
    return _taken(value, question)


def needed(question: str) -> str:
    """A line from the terminal, asked for until there is something in it; Ctrl-C and the end of input end that."""
    shown = question
    while not (answer := asked(shown)).strip():
        shown = _("This is needed; Ctrl-C ends the command.\n{question}").format(question=question)
    return answer


def refuse_unasked(value: object, *, name: str) -> None:
    """What ``required`` refuses where nobody can be asked, before the vault is opened for it."""
    if value is None and not _terminal.can_ask():
        raise click.UsageError(
            _("{name} is missing and there is no terminal to ask for it; `-` reads it from stdin").format(name=name)
        )


def optional(value: str | None, question: str) -> str | None:
    """What was given, or for ``-`` what is read or asked for; None stays None."""
    return None if value is None else _taken(value, question)


def several(values: tuple[str, ...], question: str) -> tuple[str, ...]:
    """``optional`` for an option that may come more than once."""
    return tuple(_taken(value, question) for value in values)


def asked(question: str) -> str:
    """A line from the terminal."""
    try:
        return _terminal.ask(question)
    except _terminal.UnreadableLine:
        raise click.UsageError(
            _(
                "What was typed is too long for a terminal, or is no text; write it to a file and give it with `-` and `<`"
            )
        ) from None


def _taken(value: str, question: str) -> str:
    if value != "-":
        _warn_of_history()
        return value
    if _terminal.stdin_is_terminal():
        return asked(question)
    return text_from_stdin()


def text_from_stdin() -> str:
    """All of stdin as text, without one final line end. Raises a usage error for what is no text, or the second time."""
    if "stdin" in _said_once:
        raise click.UsageError(_("`-` can be used only once: standard input has one text"))
    _said_once.add("stdin")
    content = sys.stdin.buffer.read(LARGEST_TYPED_BYTES + 1)
    if len(content) > LARGEST_TYPED_BYTES:
        raise click.UsageError(_("Standard input is too long for this"))
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise click.UsageError(_("Standard input is not UTF-8 text")) from None
    return text.removesuffix("\n").removesuffix("\r")


def stdin_is_free() -> None:
    """Take standard input for bytes. Raises a usage error if it was read as text already."""
    if "stdin" in _said_once:
        raise click.UsageError(_("`-` can be used only once: standard input has one text"))
    _said_once.add("stdin")


def say_what_enter_does() -> None:
    """What comes before questions that may be left."""
    _terminal.say(_("Enter alone leaves what is in brackets and goes on to the next question."))


def as_question(question: str, current: str | None = None) -> str:
    """The name of a field as the question for it, with what is there."""
    if current:
        return _("{question} [{current}]:").format(question=question, current=visible(current))
    return _("{question}:").format(question=question)


def fill_in(questions: Mapping[str, tuple[str, str | None]]) -> dict[str, str]:
    """Ask for fields one after the other, showing what is there; Enter leaves it. Returns what was typed."""
    say_what_enter_does()
    answers = {}
    for field, (question, current) in questions.items():
        answer = asked(as_question(question, current))
        if answer.strip():
            answers[field] = answer
    return answers
