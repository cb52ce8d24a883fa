"""What `casevault` alone says: where the vault stands, and what a person may want to do next. Nothing is opened or asked."""

from __future__ import annotations

from pathlib import Path

from commands._errors import described
from commands._options import Settings
from commands._output import Output
from commands._places import runtime_folders
from commands._session import attached, vault_path
from commands._terminal import visible
from commands._text import _, ngettext
from vault import errors


def say_what_next(settings: Settings) -> None:
    """Say it on standard output."""
    from vault import inspect_folder

    path = vault_path(settings)
    output = Output(settings)
    try:
        in_use = inspect_folder(path).in_use
        state = "unlocked" if in_use and _has_session(path) else "in use" if in_use else "locked"
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
        if any(runtime_folders()):
            _offer(output, ("casevault unlock", _("opens it for a while")), *_work())
        else:
            output.line(_("Each command asks for the passphrase."))
            _offer(output, *_work())
    elif state == "in use":
        output.line(_("Another process has the vault at {path} open now.").format(path=where))
        _offer(output, ("casevault status", _("says what can be said of it")))
    elif state == "unlocked":
        output.line(_("The vault at {path} is unlocked.").format(path=where))
        _offer(output, *_waiting(output, path), *_work(), ("casevault lock", _("closes it")))
    else:
        _offer(output)


def _has_session(path: Path) -> bool:
    try:
        there = attached(path, only_look=True)
    except errors.VaultError:  # whatever it is, it serves nobody
        return False
    if there is None:
        return False
    there.close()
    return True


def _waiting(output: Output, path: Path) -> list[tuple[str, str]]:
    """What should not be forgotten, before all else; nothing where the session does not say."""
    found: list[tuple[str, str]] = []
    try:
        there = attached(path)
        if there is None:
            return found
        with there:
            info = there.info()
    except errors.VaultError:
        return found
    if info.drafts:
        output.line(
            ngettext(
                "{number} text was begun and not stored.", "{number} texts were begun and not stored.", info.drafts
            ).format(number=info.drafts)
        )
        found.append(("casevault write CASE", _("goes on with it")))
    if info.cases and info.last_backup is None:
        output.line(_("There is no backup of it yet."))
        found.append(("casevault backup FOLDER", _("makes one, best on a stick that is kept elsewhere")))
    return found


def _work() -> list[tuple[str, str]]:
    return [
        ("casevault case new", _("makes a case")),
        ("casevault case list", _("lists the cases")),
        ("casevault search", _("finds words in all of them")),
        ("casevault add CASE FILE", _("stores something in a case")),
    ]


def _offer(output: Output, *commands: tuple[str, str]) -> None:
    output.facts([*commands, ("casevault help", _("lists all commands"))])
