"""A new passphrase: from a file, proposed, or typed twice; weak ones are refused unless the user insists."""

from __future__ import annotations

import click

from commands import _terminal
from commands._errors import REFUSED, Stop, entry, message_of
from commands._options import complete_files
from commands._session import ask_passphrase, locked, read_passphrase
from commands._text import _
from vault import errors, passphrases

NEW_PASSPHRASE_FILE_OPTION = click.option(
    "--new-passphrase-file",
    metavar="FILE",
    shell_complete=complete_files,
    help="Read the new passphrase from a file or /dev/fd/N.",
)
INSIST_OPTION = click.option("--insist", is_flag=True, help="Take a passphrase that is too weak.")

_TRIES = 3
_OWN_WORDS = ("casevault", "case", "vault", "passphrase")


def new_passphrase(file: str | None, *, insist: bool) -> str:
    """Raises ``WeakPassphrase``, ``UnusablePassphrase``, and ``Stop`` where there is neither file nor terminal."""
    if file is not None:
        return _judged(read_passphrase(file), insist=insist)
    if not _terminal.can_ask():
        raise locked()
    _terminal.say(_("Press Enter to be given a passphrase of seven random words, or type one of your own."))
    for left in reversed(range(_TRIES)):
        typed = ask_passphrase(_("New passphrase:"))
        if not typed:
            return _generated()
        try:
            _judged(typed, insist=insist)
        except (errors.WeakPassphrase, errors.UnusablePassphrase) as error:
            if not left:
                raise
            _terminal.say(_("{message}.").format(message=message_of(error)))
            _terminal.say(_("casevault: hint: {hint}").format(hint=_(entry(type(error))[1])))
            continue
        if ask_passphrase(_("Once more:")) == typed:
            return typed
        _terminal.say(_("The two are not the same."))
    raise Stop(REFUSED, _("The passphrase was not given twice the same, so nothing was changed"))


def _judged(passphrase: str, *, insist: bool) -> str:
    try:
        passphrases.judge(passphrase, own_words=_OWN_WORDS)
    except errors.WeakPassphrase as error:
        if not insist:
            raise
        _terminal.warn(message_of(error))
    return passphrase


def _generated() -> str:
    """Show a passphrase on the alternate screen until it is typed back."""
    passphrase = passphrases.generate()
    text = _(
        "Your passphrase. Learn it, or write it down and keep the paper on you until you know it by heart. The hyphens belong to it:"
    )
    again = ""
    for _attempt in range(_TRIES):
        _terminal.show_once(f"{again}{text}\n\n    {passphrase}", _("Press Enter, then type it back."))
        if ask_passphrase(_("The passphrase, to see that it was taken down right:")) == passphrase:
            return passphrase
        # On the screen that comes next: what was said before it would be hidden by it.
        again = _("That is not the same. Here it is once more.") + "\n\n"
    raise Stop(REFUSED, _("The passphrase was not typed back, so nothing was changed"))
