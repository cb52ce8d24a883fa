"""`casevault inspect` and `casevault open`: what others sealed for us, looked at and taken in."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from commands import _arrived, _arrived_fields, _terminal
from commands._documents import INSPECTED, OPENED
from commands._errors import LOCKED, USAGE, Declined, Stop, message_of
from commands._options import NewFile, PathName, Settings, command, complete_files, pass_settings
from commands._output import Output, progress
from commands._session import Session, opened, read_passphrase
from commands._show import stored as show_stored
from commands._terminal import visible
from commands._text import _
from vault import errors, references

if TYPE_CHECKING:
    from vault.received_file import Outside
    from vault.unsealing import Found, Spoken

_spoken_option = click.option(
    "--spoken",
    "spoken_file",
    metavar="FILE",
    shell_complete=complete_files,
    help="Where the one-time passphrase of the file is, which the sender told you: a file or /dev/fd/N; else it is asked for.",
)


@command("inspect", example="casevault inspect sealed-7f3a.age", fields=INSPECTED)
@click.argument("file", type=PathName())
@_spoken_option
@pass_settings
def inspect(settings: Settings, file: Path, spoken_file: str | None) -> None:
    """Say what a file is that somebody sealed; nothing of it is stored.

    Without a vault it says what shows from outside. With the vault open it reads the file to its end and says who sent
    it, what is in it, and whether it is whole and authentic.
    """
    from vault import received_file

    outside = received_file.look(file)
    output = Output(settings)
    if not output.json:
        output.facts(_arrived.outside_facts(outside))
    found = _inspected(settings, file, outside, spoken_file)
    if output.json:
        output.answer(_arrived_fields.inspected(outside, found))
        return
    if found is None:
        _terminal.say(
            _(
                "Who sent it, what is in it and whether it is whole shows only to whoever has the key. Without your vault "
                "nothing more can be said of it."
            )
        )
        return
    output.facts(_arrived.facts(found))
    if found.manifest is not None:
        _arrived.show_items(output, found.manifest)
    _arrived.warn(found)
    _terminal.say(_("Nothing of it was stored. `casevault open FILE` stores it."))


def _inspected(settings: Settings, file: Path, outside: Outside, spoken_file: str | None) -> Found | None:
    """What is in the file, if there is a vault and a way into it."""
    try:
        with opened(settings) as session, progress(settings, file.name, outside.size_bytes) as further:
            return session.vault.inspect_file(file, spoken=_spoken(spoken_file), progress=further)
    except errors.NoSuchVault:
        return None
    except Stop as stop:
        if stop.status != LOCKED:
            raise
        return None


@command("open", example="casevault open sealed-7f3a.age --into HARBOUR", fields=OPENED)
@click.argument("file", type=PathName())
@click.option("--into", "into", metavar="CASE", help="The case that takes it in; else a new case is made.")
@click.option("--code", metavar="CODE", help="The code of the new case; else one is made.")
@click.option(
    "--accept-unverified", is_flag=True, help="Store it although nobody compared the sender's key; it is marked so."
)
@click.option(
    "--accept-unconnected",
    is_flag=True,
    help="Store it although nothing proves that its sender's log goes on from what was seen of it here.",
)
@click.option(
    "--receipt",
    "receipt",
    type=NewFile(),
    metavar="FILE",
    help="Write a receipt for the sender: a new file, or the folder for one of a random name.",
)
@_spoken_option
@pass_settings
def open_(
    settings: Settings,
    file: Path,
    into: str | None,
    code: str | None,
    accept_unverified: bool,
    accept_unconnected: bool,
    receipt: Path | None,
    spoken_file: str | None,
) -> None:
    """Verify a file that somebody sealed for us, and store what is in it: all of it, or nothing.

    Nothing of it is ever on the disk in the clear. A file whose signatures or digests do not hold, or that was sealed for
    somebody else, is refused. What nobody signed, as a dropped file, is stored and marked: sender unproven.

    A receipt says what came, and when, and that you signed it; only the sender can read it. It can be written later, too:
    the same file again is recognised.
    """
    _hint_at_view(file)
    if into is not None and code is not None:
        raise click.UsageError(_("`--code` is for a new case, `--into` for one that is there"))
    into = None if into is None else references.parse_case(into)
    size = file.stat().st_size if file.is_file() else None
    output = Output(settings)

    asking = _Asking(settings, accept_unverified=accept_unverified, accept_unconnected=accept_unconnected)
    with opened(settings) as session:
        if receipt is not None:
            receipt = session.vault.verify_place(receipt)
        with asking.calmly(), progress(settings, file.name, size) as further:
            found, arrived = session.vault.open_file(
                file,
                spoken=_spoken(spoken_file),
                into=into,
                code=code,
                accept=asking.accepts,
                incomplete=None if receipt is None else partial(_confirm_part, session, receipt),
                progress=further,
            )
        written, refusal = (None, None) if receipt is None else _confirmed(session, found, receipt)
    if output.json:
        output.answer(_arrived_fields.opened(found, arrived) | {"receipt": written and str(written)})
    else:
        for each in arrived.items:
            show_stored(output, each)
    _arrived.explain(found, arrived, file)
    if written is not None:
        _terminal.say(
            _("The receipt is {path}. Send it to {name} by any way; only they can read it.").format(
                path=visible(str(written)), name=visible(found.verdict.sender.name or "")
            )
        )
    if refusal is not None:
        raise refusal


def _confirmed(
    session: Session, found: Found, place: Path, came: int | None = None
) -> tuple[Path | None, errors.VaultError | None]:
    """The receipt, and why there is none: what came is stored, and is told, whatever becomes of the receipt. Both where only
    its outcome is missing in the log.
    """
    try:
        return session.vault.write_receipt(found, place, came=came).path, None
    except (errors.OutcomeUnrecorded, errors.SessionOver) as error:
        return place if place.exists() else None, error
    except errors.VaultError as error:
        return None, error


def _confirm_part(session: Session, place: Path, found: Found, came: int) -> None:
    """The file is refused, and its sender is to know that it did not come whole; that it is refused is said after this."""
    written, refusal = _confirmed(session, found, place, came)
    if written is not None:
        _terminal.say(
            _("Not all of the file came. {path} says so to {name}, who alone can read it: send it to them.").format(
                path=visible(str(written)), name=visible(found.verdict.sender.name or "")
            )
        )
    if refusal is not None:
        _terminal.say(message_of(refusal))


def _hint_at_view(file: Path) -> None:
    """Whoever wants to open an item is told how."""
    name = os.fspath(file)
    if os.path.lexists(file) or "/" not in name:
        return
    try:
        references.parse_item(name)
    except errors.BadReference:
        return
    raise Stop(
        USAGE,
        _("There is no file {path}; `open` takes in files that others sealed").format(path=visible(name)),
        _("`casevault view {reference}` shows an item").format(reference=visible(name)),
    )


def _spoken(name: str | None) -> Spoken:
    def ask() -> str:
        if name is not None:
            return read_passphrase(name)
        try:
            return _terminal.ask_secret(_("The passphrase that the sender told you (not that of your vault):"))
        except _terminal.NoTerminal:
            raise Stop(
                LOCKED,
                _("The file was sealed with a passphrase, and there is no terminal to ask for it"),
                _("`--spoken FILE` (also /dev/fd/N) names where it is"),
            ) from None
        except _terminal.UnreadableLine:
            raise errors.UnusablePassphrase(reason="long") from None

    return ask


class _Asking:
    """Whether a file is to be stored of somebody whose key nobody compared, or whose log nobody can say whether it is still
    the one that was seen: said before, or asked.
    """

    def __init__(self, settings: Settings, *, accept_unverified: bool, accept_unconnected: bool) -> None:
        self._settings, self._accept_unverified = settings, accept_unverified
        self._accept_unconnected = accept_unconnected
        self._declined = False

    def accepts(self, found: Found) -> bool:
        """Whether it was accepted. Raises ``LogNotConnected`` where that is what was not."""
        if found.verdict.unconnected is not None and not self._accepts_log(found):
            raise errors.LogNotConnected
        return self._accepts_sender(found)

    def _accepts_log(self, found: Found) -> bool:
        if self._accept_unconnected or not _terminal.can_ask():
            return self._accept_unconnected
        _arrived.warn_of_log(found.verdict)
        self._declined = not _terminal.confirm(_("Store it all the same?"))
        return not self._declined

    def _accepts_sender(self, found: Found) -> bool:
        sender = found.verdict.sender
        if sender.trust not in ("unknown", "unverified"):
            return True
        if self._accept_unverified or (self._settings.yes and sender.trust == "unverified"):
            return True
        if not _terminal.can_ask():
            return False
        for name, value in _arrived.facts(found):
            if value:
                _terminal.say(f"{name}: {visible(value)}")
        if sender.name is not None:
            question = _("Nobody compared the key of {name} yet. Store it as not verified?").format(
                name=visible(sender.name)
            )
        else:
            question = _("The sender is not known here. Store it as not verified?")
        self._declined = not _terminal.confirm(question)
        return not self._declined

    @contextlib.contextmanager
    def calmly(self) -> Iterator[None]:
        """A file that the person did not want is refused with that said, and not as an error. Raises ``Declined``."""
        try:
            yield
        except (errors.SenderUnproven, errors.LogNotConnected):
            if self._declined:
                raise Declined(_("Nothing of it was stored.")) from None
            raise
