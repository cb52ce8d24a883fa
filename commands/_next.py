"""What `casevault` alone says: where the vault stands, and what a person may want to do next. Nothing is opened or asked."""

from __future__ import annotations

from commands._errors import described
from commands._options import Settings
from commands._output import Output
from commands._session import vault_path
from commands._terminal import visible
from commands._text import _
from vault import errors


def say_what_next(settings: Settings, *, has_session: bool) -> None:
    """Say it on standard output; ``has_session`` is whether the program can keep a vault open."""
    from vault import inspect_folder

    path = vault_path(settings)
    output = Output(settings)
    try:
        state = "in use" if inspect_folder(path).in_use else "locked"
    except errors.NoSuchVault:
        state = "none"
    except errors.VaultError as error:
        state = "unreadable"
        if not output.json:
            _status, message, hint = described(error)
            output.line(_("{message}. {hint}.").format(message=message, hint=hint))
    if output.json:
        output.answer({"path": path, "state": state})
        return
    where = visible(str(path))
    if state == "none":
        output.line(_("There is no vault at {path} yet.").format(path=where))
        _offer(
            output,
            ("casevault init", _("makes one")),
            ("casevault demo", _("shows the whole story in a throw-away folder")),
        )
    elif state == "locked":
        output.line(_("The vault at {path} is locked.").format(path=where))
        if has_session:
            _offer(output, ("casevault unlock", _("opens it for a while")))
        else:
            output.line(_("Each command asks for the passphrase."))
        _offer_work(output)
    elif state == "in use":
        output.line(_("The vault at {path} is open now.").format(path=where))
        _offer_work(output)
        if has_session:
            _offer(output, ("casevault lock", _("closes it")))
    _offer(output, ("casevault help", _("lists all commands")))


def _offer_work(output: Output) -> None:
    _offer(
        output,
        ("casevault case list", _("lists the cases")),
        ("casevault search", _("finds words in all of them")),
        ("casevault add CASE FILE", _("stores something in a case")),
    )


def _offer(output: Output, *commands: tuple[str, str]) -> None:
    output.facts(commands)
