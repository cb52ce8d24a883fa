"""The program: its commands, and the one place where an error becomes a line and a status."""

from __future__ import annotations

import contextlib
import importlib
import os
import signal
import sys
from collections.abc import Sequence
from types import FrameType
from typing import TYPE_CHECKING, Any, cast

import click

from commands import _errors, _terminal
from commands._options import Settings, global_options, meant_by, no_such_command
from commands._terminal import visible
from commands._text import _

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

# Name, module, attribute, and the line of the list. A command's module is loaded when the command is used.
COMMANDS: tuple[tuple[str, str, str, str], ...] = (
    ("init", "commands.init", "init", "Make a vault."),
    ("unlock", "commands.unlock", "unlock", "Keep the vault open for the commands that follow."),
    ("lock", "commands.unlock", "lock", "End the session."),
    ("status", "commands.status", "status", "What can be said of the vault."),
    ("passphrase", "commands.passphrase", "passphrase", "Change the passphrase."),
    ("key", "commands.key", "key", "Ways into the vault: list, add, remove."),
    ("case", "commands.case", "case", "Cases: new, list, show, edit, delete."),
    ("add", "commands.add", "add", "Store files, folders or text in a case."),
    ("write", "commands.write", "write", "Write a statement; it is never on the disk in the clear."),
    ("items", "commands.items", "items", "List the items of a case."),
    ("show", "commands.items", "show", "What is known of an item."),
    ("view", "commands.view", "view", "Look at an item without a trace of it outside the vault."),
    ("cat", "commands.read", "cat", "Write an item's bytes to standard output."),
    ("export", "commands.read", "export", "Write an item or a case to a folder, in the clear."),
    ("edit", "commands.describe", "edit", "Change what is said of an item."),
    ("revise", "commands.add", "revise", "Store a later version beside an item."),
    ("delete", "commands.describe", "delete", "Delete an item."),
    ("statement", "commands.statement", "statement", "How a statement came about: where, when, in whose hands."),
    ("note", "commands.describe", "note", "Add a note to an item or a case."),
    ("tag", "commands.describe", "tag", "Add or remove tags of an item or a case."),
    ("person", "commands.person", "person", "Persons of a case: add, list, show, edit, remove."),
    ("identity", "commands.identity", "identity", "Who we are to partners: show, name, card."),
    ("partner", "commands.partner", "partner", "Whom we share with: add, list, show, verify, remove."),
    ("seal", "commands.seal", "seal", "Seal items of a case for one partner, in one file."),
    ("search", "commands.search", "search", "Find words in cases, items, notes and persons."),
    ("inspect", "commands.open", "inspect", "Say what a file is that somebody sealed."),
    ("open", "commands.open", "open_", "Verify a file that somebody sealed for us, and store it."),
    ("drop", "commands.drop", "drop", "Seal files for somebody's card, without a vault."),
    ("receipt", "commands.receipt", "receipt", "Take in a partner's receipt for what you sealed."),
    ("grants", "commands.receipt", "grants", "Who has what, since when, confirmed or not."),
    ("check", "commands.check", "check", "Look for damage; changes nothing."),
    ("backup", "commands.backup", "backup", "Copy the vault to a stick or disk, still encrypted."),
    ("restore", "commands.backup", "restore", "Make a vault from a backup, in a new place."),
    ("log", "commands.log", "log", "Who did what, and when."),
    ("help-partner", "commands.help_partner", "help_partner", "How to open a sealed file without this program."),
    ("demo", "commands.demo", "demo", "The whole story in a throw-away folder."),
    ("help", "commands.help", "help_", "Explain a command."),
    ("completion", "commands.completion", "completion", "Let the shell complete commands and options."),
)


class Program(click.Group):
    """The group that loads a command when it is used."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 -- click's signature
        """In the order of the table."""
        return [name for name, *_rest in COMMANDS]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 -- click's signature
        """Load the command's module."""
        for name, module, attribute, _line in COMMANDS:
            if name == cmd_name:
                return cast("click.Command", getattr(importlib.import_module(module), attribute))
        return None

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command; for one that is not there, name the one that is perhaps meant."""
        if not ctx.resilient_parsing and not args[0].startswith("-") and self.get_command(ctx, args[0]) is None:
            raise no_such_command(ctx, args[0], self.list_commands(ctx))
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 -- as above
        """The list, from the table alone."""
        with formatter.section(_("Commands")):
            formatter.write_dl([(name, _(line)) for name, _module, _attribute, line in COMMANDS])

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """The commands from the table alone, and the options: the Tab key loads no command."""
        from click.shell_completion import CompletionItem

        names = [CompletionItem(name, help=_(line)) for name, _m, _a, line in COMMANDS if name.startswith(incomplete)]
        return names + click.Command.shell_complete(self, ctx, incomplete)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; click would turn a closed pipe into a bare exit."""
        try:
            return super().invoke(ctx)
        except BrokenPipeError:
            raise _errors.PipeClosed from None


def _version(context: click.Context, _parameter: click.Parameter, wanted: bool) -> None:
    if wanted and not context.resilient_parsing:
        from vault._version import __version__

        sys.stdout.write(f"casevault {__version__}\n")
        context.exit()


@click.pass_context
def _alone(context: click.Context) -> None:
    """Without a command: what to do next."""
    if context.invoked_subcommand is None:
        from commands._next import say_what_next

        say_what_next(context.ensure_object(Settings))


root = Program(
    "casevault",
    help=_(
        "A vault for testimony, documents and contact details, encrypted on this computer.\n\n"
        "Titles, names and search words that are left out are asked for: what stands on a command line stays in the "
        "shell's history. Begin with `casevault init`, or watch `casevault demo`."
    ),
    invoke_without_command=True,
    callback=_alone,
    params=[
        *global_options(shown=True),
        click.Option(
            ["--version"],
            is_flag=True,
            expose_value=False,
            is_eager=True,
            callback=_version,
            help=_("Say the version and end."),
        ),
    ],
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command line; returns the exit status."""
    settings = Settings()
    _terminal.prepare_streams()
    os.umask(0o077)  # whatever is made is for the owner alone, who can use it
    _end_like_an_interrupt()
    try:
        status = _run(arguments, settings)
        sys.stdout.flush()
    except (BrokenPipeError, _errors.PipeClosed):
        _forget_output()
        status = _errors.OTHER
    except OSError as error:  # the result could not be written, as on a full disk
        _forget_output()
        status = _report(error, settings)
    return status


def _run(arguments: Sequence[str] | None, settings: Settings) -> int:
    try:
        result = root.main(arguments, prog_name="casevault", standalone_mode=False, obj=settings)
    except (click.Abort, KeyboardInterrupt):
        _terminal.say(_("\ncasevault: interrupted; what was not finished was not stored"))
        return _errors.INTERRUPTED
    except click.exceptions.NoArgsIsHelpError as error:
        sys.stderr.write(error.format_message() + "\n")
        return _errors.USAGE
    except click.ClickException as error:
        return _usage(error)
    except (BrokenPipeError, _errors.PipeClosed):
        raise
    except _errors.Declined as declined:
        _terminal.say(declined.message)
        return declined.status
    except Exception as error:  # noqa: BLE001 -- the one place where an error becomes a line and a status
        return _report(error, settings)
    return result if isinstance(result, int) else _errors.DONE


def _report(error: BaseException, settings: Settings) -> int:
    status, message, hint = _errors.described(error)
    _terminal.say(_("casevault: error: {message}").format(message=message))
    if hint:
        _terminal.say(_("casevault: hint: {hint}").format(hint=hint))
    if settings.debug:
        for line in _errors.trace(error):
            _terminal.say(visible(line))
    return status


def _usage(error: click.ClickException) -> int:
    message = " ".join(visible(line.strip()) for line in _sentence(error).splitlines()).removesuffix(".")
    _terminal.say(_("casevault: error: {message}").format(message=message))
    context = getattr(error, "ctx", None)
    if context is not None:
        path = visible(context.command_path)
        _terminal.say(_("casevault: hint: `{path} --help` shows how it is used").format(path=path))
    return _errors.USAGE


def _sentence(error: click.ClickException) -> str:
    if not isinstance(error, click.NoSuchOption):
        return error.format_message()
    said = {"name": error.option_name}
    close = meant_by(error.option_name, error.possibilities or ())
    if close:
        return _("There is no option {name}. Perhaps {close} is meant?").format(close=close, **said)
    return _("There is no option {name}").format(**said)


def _end_like_an_interrupt() -> None:
    r"""A closed terminal, a polite kill or Ctrl-\ must not leave a hidden echo, words on the screen or half an export."""

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    for name in ("SIGTERM", "SIGHUP", "SIGQUIT"):
        number = getattr(signal, name, None)
        if number is not None and signal.getsignal(number) is signal.SIG_DFL:
            with contextlib.suppress(ValueError):  # not in the main thread
                signal.signal(number, interrupt)


def _forget_output() -> None:
    """Nobody reads stdout any more: nothing may be written to it when the interpreter ends."""
    with contextlib.suppress(OSError, ValueError, AttributeError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
