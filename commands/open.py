"""`casevault inspect` and `casevault open`: what others sealed for us, looked at and taken in."""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from commands import _terminal
from commands._documents import INSPECTED, OPENED
from commands._errors import LOCKED, USAGE, Stop, message_of
from commands._options import NewFile, PathName, Settings, command, complete_files, pass_settings
from commands._output import Fact, Output, exact_size, moment, progress, values
from commands._session import Session, opened, read_passphrase
from commands._show import sender_grade
from commands._show import stored as show_stored
from commands._terminal import visible
from commands._text import _, ngettext
from commands._words import word
from vault import errors, references

if TYPE_CHECKING:
    from vault.arrivals import Arrived, Sender, Verdict
    from vault.receipt_files import Written
    from vault.received_file import Outside
    from vault.sealed import SealedManifest
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
        output.facts(_outside_facts(outside))
    found = _inspected(settings, file, outside, spoken_file)
    if output.json:
        output.answer(_document(outside, found))
        return
    if found is None:
        _terminal.say(
            _(
                "Who sent it, what is in it and whether it is whole shows only to whoever has the key. Without your vault "
                "nothing more can be said of it."
            )
        )
        return
    output.facts([*_content_facts(found), *_sender_facts(found.verdict.sender), *_chain_facts(found.verdict)])
    if found.manifest is not None:
        _show_items(output, found.manifest)
    _warn_of_sender(found)
    _warn_of_passphrase(found)
    _warn_of_chain(found.verdict)
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

    def accept(found: Found) -> bool:
        if found.verdict.unconnected is not None and not _goes_on(found, accept_unconnected=accept_unconnected):
            return False
        if found.verdict.sender.trust not in ("unknown", "unverified"):
            return True
        return _agreed(settings, found, accept_unverified=accept_unverified)

    with opened(settings) as session:
        if receipt is not None:
            session.vault.verify_receipt_place(receipt)
        with progress(settings, file.name, size) as further:
            found, arrived = session.vault.open_file(
                file,
                spoken=_spoken(spoken_file),
                into=into,
                code=code,
                accept=accept,
                incomplete=None if receipt is None else partial(_confirm_part, session, receipt),
                progress=further,
            )
        written, refusal = (None, None) if receipt is None else _confirmed(session, found, receipt)
    if output.json:
        output.answer(_opened_document(found, arrived) | {"receipt": written and str(written.path)})
    else:
        for each in arrived.items:
            show_stored(output, each)
    _explain(found, arrived, file)
    if written is not None:
        _terminal.say(
            _("The receipt is {path}. Send it to {name} by any way; only they can read it.").format(
                path=visible(str(written.path)), name=visible(found.verdict.sender.name or "")
            )
        )
    if refusal is not None:
        raise refusal


def _confirmed(session: Session, found: Found, target: Path) -> tuple[Written | None, errors.VaultError | None]:
    """The receipt, or why there is none: what came is stored, and is told, whatever becomes of the receipt."""
    try:
        return session.vault.write_receipt(found, target), None
    except errors.VaultError as error:
        return None, error


def _confirm_part(session: Session, target: Path, found: Found, came: int) -> None:
    """The file is refused, and its sender is to know that it did not come whole; that it is refused is said after this."""
    try:
        written = session.vault.write_receipt(found, target, came=came)
    except errors.VaultError as error:
        _terminal.say(message_of(error))
        return
    _terminal.say(
        _("Not all of the file came. {path} says so to {name}, who alone can read it: send it to them.").format(
            path=visible(str(written.path)), name=visible(found.verdict.sender.name or "")
        )
    )


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


def _agreed(settings: Settings, found: Found, *, accept_unverified: bool) -> bool:
    """Whether a file of somebody whose key nobody compared is to be stored."""
    sender = found.verdict.sender
    if accept_unverified or (settings.yes and sender.trust == "unverified"):
        return True
    if not _terminal.can_ask():
        return False
    for name, value in [*_content_facts(found), *_sender_facts(sender)]:
        if value:
            _terminal.say(f"{name}: {visible(value)}")
    if sender.name is not None:
        question = _("Nobody compared the key of {name} yet. Store it as not verified?").format(
            name=visible(sender.name)
        )
    else:
        question = _("The sender is not known here. Store it as not verified?")
    try:
        return _terminal.confirm(question)
    except _terminal.UnreadableLine:
        return False


def _goes_on(found: Found, *, accept_unconnected: bool) -> bool:
    """Whether a file is to be stored of whose sender's log nobody can say whether it is still the one that was seen."""
    if accept_unconnected:
        return True
    if not _terminal.can_ask():
        return False
    _warn_of_log(found.verdict)
    try:
        return _terminal.confirm(_("Store it all the same?"))
    except _terminal.UnreadableLine:
        return False


# How it looks


def _outside_facts(outside: Outside) -> list[Fact]:
    return [
        (_("File"), str(outside.path)),
        (_("Size"), exact_size(outside.size_bytes)),
        (_("Form"), _("age file, as text") if outside.armored else _("age file")),
        (_("Sealed for"), _stanzas(outside.stanzas)),
    ]


def _stanzas(stanzas: Sequence[str]) -> str:
    known = {
        "mlkem768x25519": _("a key that is safe against quantum computers too"),
        "X25519": _("a key that a quantum computer may break one day"),
        "scrypt": _("a passphrase"),
    }
    if len(stanzas) == 1:
        return known.get(stanzas[0]) or _("a key of a kind that is not known here")
    kinds = sorted({known.get(each) or _("a key of a kind that is not known here") for each in stanzas})
    return ngettext("{number} key: {kinds}", "{number} keys: {kinds}", len(stanzas)).format(
        number=len(stanzas), kinds="; ".join(kinds)
    )


def _content_facts(found: Found) -> list[Fact]:
    kinds = {
        "share": _("sealed file, signed by its sender"),
        "drop": _("dropped file: sealed by somebody who only had your card, signed by nobody"),
        "age": _("age file of another program, signed by nobody"),
    }
    facts: list[Fact] = [(_("Content"), kinds[found.kind]), (_("Size of the content"), exact_size(found.size_bytes))]
    manifest = found.manifest
    if manifest is not None:
        named = {"share": f"{manifest.case}-{manifest.sequence}"}.get(manifest.kind)
        facts += [
            (_("Case and number there"), named),
            (_("Sealed"), moment(manifest.made)),
            (_("Purpose"), manifest.purpose),
            (_("Terms"), manifest.terms),
            (_("Items"), str(len(manifest.items))),
            (_("Persons"), str(len(manifest.persons))),
        ]
    whole = _("read to its end: whole, and every byte as it was sealed") if found.whole else None
    return [*facts, (_("State"), whole)]


def _sender_facts(sender: Sender) -> list[Fact]:
    trusts = {
        "unknown": _("not known here; the signatures hold, for a key that nobody here has compared"),
        "changed": _("NOT the key that is known here under this name"),
        "unproven": _("not proven: anybody can have made this file"),
    }
    known = trusts.get(sender.trust) or _("{name} ({grade})").format(name=sender.name, grade=sender_grade(sender.grade))
    return [
        (_("Sender"), known),
        (
            _("Calls itself"),
            _("{name} (a name in a card proves nothing)").format(name=sender.claimed) if sender.claimed else None,
        ),
        (_("Fingerprint in words"), " ".join(sender.words)),
        (_("Fingerprint in digits"), " ".join(sender.digits)),
    ]


def _chain_facts(verdict: Verdict) -> list[Fact]:
    return [(_("Stored already, as"), ", ".join(verdict.again))]


def _show_items(output: Output, manifest: SealedManifest) -> None:
    output.table(
        (_("No."), _("Kind"), _("Title"), _("Size")),
        [
            (str(each.number), word(each.kind), each.title or each.file_name or "", exact_size(each.size_bytes))
            for each in manifest.items
        ],
        empty=_("There is nothing in it."),
    )


def _warn_of_sender(found: Found) -> None:
    sender = found.verdict.sender
    if sender.trust == "unproven":
        _terminal.warn(
            _(
                "SENDER UNPROVEN: nobody signed this file. Anybody who has your card can have made it; do not rely on "
                "who it seems to be from"
            )
        )
    elif sender.trust == "changed":
        _terminal.warn(
            _(
                "under the name {name} comes another key than the one that is known here. Somebody may pretend to be {name}: "
                "ask them by a way that you trust"
            ).format(name=visible(sender.name or ""))
        )
    elif sender.trust in ("unknown", "unverified"):
        _terminal.warn(_("nobody compared the sender's key: compare its fingerprint with them by a way that you trust"))


def _warn_of_passphrase(found: Found) -> None:
    """What a signature does not say of a file that was for nobody in particular."""
    manifest = found.manifest
    if manifest is not None and manifest.to_kind == "passphrase":
        _terminal.warn(
            _(
                "its sender signed it for whoever has its passphrase, not for you: somebody who had it can have passed it on "
                "under another one. Whether files before it are missing cannot be told"
            )
        )


def _warn_of_chain(verdict: Verdict) -> None:
    if verdict.rival:
        _terminal.warn(
            _("another file of this sender has the same number. Ask them which of the two they made, and when")
        )
    if verdict.gap:
        _terminal.warn(
            _(
                "the file that this sender sealed for you before this one has not come here: it was lost, never sent, or is "
                "being withheld. Ask them"
            )
        )
    if verdict.late:
        _terminal.warn(
            _("this is an older file: a later one of this sender (number {number}) came before it").format(
                number=verdict.last_sequence
            )
        )
    if verdict.new_generation is not None:
        _terminal.warn(
            _(
                "since its last file the log of this sender has begun anew, as generation {number}: their vault was restored from "
                "a backup, or its log lost its key. What it logged between is not in it any more. Ask them"
            ).format(number=verdict.new_generation)
        )
    _warn_of_log(verdict)


def _warn_of_log(verdict: Verdict) -> None:
    """Where two states of the sender's log lie too far from each other."""
    if verdict.unconnected is not None:
        _terminal.warn(
            _(
                "nothing proves that the log of this sender goes on from the {number} entries that were seen of it here: hundreds of "
                "their files were not opened here, or this vault was restored from an old backup, or their log was rewritten. Send "
                "them a receipt (`open FILE --receipt`): their next file can prove it then"
            ).format(number=verdict.unconnected)
        )


def _explain(found: Found, arrived: Arrived, file: Path) -> None:
    if arrived.known:
        _terminal.say(
            _(
                "This file was opened before, and what came in it is still there: {items}. Nothing was stored again."
            ).format(items=", ".join(arrived.again))
        )
        return
    sender = found.verdict.sender
    if arrived.new_case:
        _terminal.say(_("It is in the new case {code}.").format(code=arrived.code))
    if sender.trust == "known":
        _terminal.say(_("It is from {name}; both signatures hold.").format(name=visible(sender.name or "")))
    _warn_of_sender(found)
    _warn_of_passphrase(found)
    _warn_of_chain(found.verdict)
    for reference in arrived.again:
        _terminal.say(
            _("{reference} has these bytes already; that they came once more is noted there.").format(
                reference=reference
            )
        )
    if found.manifest is not None and found.manifest.terms:
        _terminal.say(_("The sender's terms: {terms}").format(terms=visible(found.manifest.terms)))
    if arrived.persons:
        _terminal.say(_("Persons that came: {persons}.").format(persons=", ".join(arrived.persons)))
    if arrived.proofs is not None:
        _terminal.say(
            _("{reference} keeps the signatures, with which others can verify what came.").format(
                reference=arrived.proofs
            )
        )
    _terminal.say(
        _("The file is still at {path}, sealed as it came; we never delete it.").format(path=visible(str(file)))
    )


# JSON


def _document(outside: Outside, found: Found | None) -> dict[str, Any]:
    document: dict[str, Any] = values(outside) | {"path": _text_of(outside.path), "opened": found is not None}
    return document | (_found_values(found) if found is not None else dict.fromkeys(_FOUND))


_FOUND = (
    "kind",
    "content_bytes",
    "whole",
    "case",
    "sequence",
    "made",
    "purpose",
    "terms",
    "items",
    "persons",
    "sender",
    "stored_as",
    "gap",
    "late",
    "rival",
    "new_generation",
    "unconnected",
)


_OF_OPENED = ("kind", "sender", "gap", "late", "rival", "new_generation", "unconnected")


def _found_values(found: Found) -> dict[str, Any]:
    manifest, verdict = found.manifest, found.verdict
    signed = manifest if manifest is not None and manifest.kind == "share" else None
    told = (
        found.kind,
        found.size_bytes,
        found.whole,
        signed.case if signed else None,
        signed.sequence if signed else None,
        manifest.made if manifest else None,
        manifest.purpose if manifest else None,
        manifest.terms if manifest else None,
        [
            {
                "number": each.number,
                "kind": each.kind,
                "title": each.title,
                "file_name": each.file_name,
                "size_bytes": each.size_bytes,
                "sha256": each.sha256,
            }
            for each in (manifest.items if manifest else ())
        ],
        len(manifest.persons) if manifest else 0,
        values(verdict.sender),
        list(verdict.again),
        verdict.gap,
        verdict.late,
        verdict.rival,
        verdict.new_generation,
        verdict.unconnected,
    )
    return dict(zip(_FOUND, told, strict=True))


def _opened_document(found: Found, arrived: Arrived) -> dict[str, Any]:
    said = _found_values(found)
    document: dict[str, Any] = values(arrived)
    return document | {name: said[name] for name in _OF_OPENED}


def _text_of(path: Path) -> str:
    return str(path).encode(errors="backslashreplace").decode()
