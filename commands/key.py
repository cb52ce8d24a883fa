"""`casevault key`: the ways into the vault, at most eight; each opens everything."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from commands import _key_files, _recovery, _terminal
from commands._confirm import agree
from commands._documents import KEY, KEY_ADDED, KEY_REMOVED
from commands._new_passphrase import INSIST_OPTION, NEW_PASSPHRASE_FILE_OPTION, new_passphrase
from commands._options import (
    PathName,
    Settings,
    asked,
    command,
    group,
    needed,
    pass_settings,
    required,
)
from commands._output import Output, counted, moment, values
from commands._session import Session, opened, warning
from commands._terminal import visible
from commands._text import _
from commands._words import kind_of_key
from vault import errors
from vault.requests import KeyLabel

if TYPE_CHECKING:
    from vault.unlock import SecretUnlocker

KINDS = ("passphrase", "passphrase+keyfile", "keyfile", "recovery")
_MOST = 8

key = group("key", _("Ways into the vault: list, add, remove."))


@command("list", example="casevault key list", fields=KEY, many=True)
@pass_settings
def list_keys(settings: Settings) -> None:
    """List the ways into the vault: passphrases, key files, recovery words. Each of them opens everything."""
    with opened(settings) as session:
        info = session.vault.info()
    output = Output(settings)
    if output.json:
        known = [values(each) | {"known": True} for each in info.keys]
        planted = [{"slot": info.unknown_slot, "kind": None, "label": None, "added": None, "known": False}]
        output.answer(known + (planted if info.unknown_slot is not None else []))
        return
    rows = _rows(info.keys)
    if info.unknown_slot is not None:
        rows.append((str(info.unknown_slot), _("NOT KNOWN TO THE VAULT"), _("opened it just now"), ""))
        _terminal.warn(warning("unknown-slot"))
    output.table((_("Number"), _("Label"), _("Kind"), _("Added")), rows, empty=_("There is no way in."))


def _rows(keys: Sequence[KeyLabel]) -> list[tuple[str, ...]]:
    return [(str(each.slot), each.label, kind_of_key(each.kind), moment(each.added)) for each in keys]


# Adding


@command("add", example="casevault key add --kind recovery", fields=KEY_ADDED)
@click.option("--kind", type=click.Choice(KINDS), help="What is added; asked for, or told by the other options.")
@click.option("--label", metavar="TEXT", help="What it is called in the list and in the log.")
@NEW_PASSPHRASE_FILE_OPTION
@click.option(
    "--new-key-file", type=PathName(), metavar="FILE", help="The new key file; one that is not there is made."
)
@click.option("--recovery-file", type=PathName(), metavar="FILE", help="Write the new recovery words to a new file.")
@_recovery.WORDS_OPTION
@INSIST_OPTION
@pass_settings
def add(
    settings: Settings,
    kind: str | None,
    label: str | None,
    new_passphrase_file: str | None,
    new_key_file: Path | None,
    recovery_file: Path | None,
    words: str,
    insist: bool,
) -> None:
    """Add a way into the vault: a further passphrase, a key file, both together, or new recovery words.

    The ways that are there stay. A key file is made where there is none; recovery words are shown once.
    """
    wanted = _kind(kind, new_passphrase_file, new_key_file, recovery_file)
    with opened(settings) as session, contextlib.ExitStack() as undo:
        current = session.unlocker  # asked for again where a session has the vault open
        keys = session.vault.info().keys
        if len(keys) >= _MOST:
            raise errors.TooManyKeys
        wanted = wanted or _asked_kind()
        label = _label(label, keys)
        unused = _Unused(session, len(keys))
        content, made = None, None
        if "keyfile" in wanted:
            path = new_key_file or _asked_path()
            content, made = _key_files.key_file(path, session.vault.path, undo, unused=unused)
        new: SecretUnlocker
        if wanted == "recovery":
            new = _recovery_words(session, words, recovery_file, undo, unused)
        elif wanted == "keyfile" and content is not None:
            new = _key_file_alone(content, made)
        else:
            from vault import PassphraseUnlocker

            new = PassphraseUnlocker(new_passphrase(new_passphrase_file, insist=insist), content)
        _terminal.say(_("Adding it, and trying it; this takes a moment."))
        added = session.vault.add_key(current, new, label=label)
        undo.pop_all()
    Output(settings).done(
        values(added) | {"key_file_made": made, "recovery_file": recovery_file},
        _("“{label}” opens the vault now ({kind}).").format(label=visible(added.label), kind=kind_of_key(added.kind)),
    )
    if made:
        _key_files.say_key_file_made(made)
    if recovery_file:
        _key_files.say_sheet_made(recovery_file)
    if wanted == "recovery" and any(each.kind == "recovery" for each in keys):
        _terminal.say(_("Earlier recovery words still open the vault; `casevault key remove` ends that."))


def _kind(kind: str | None, passphrase: str | None, key_file: Path | None, recovery: Path | None) -> str | None:
    """What the options say is wanted; None if nothing. Raises a usage error where they contradict each other."""
    fitting = [
        each
        for each in KINDS
        if kind in (None, each)
        and (passphrase is None or "passphrase" in each)
        and (key_file is None or "keyfile" in each)
        and (recovery is None or each == "recovery")
    ]
    if not fitting:
        raise click.UsageError(_("These options are for different kinds of ways in"))
    nothing_said = kind is None and passphrase is None and key_file is None and recovery is None
    wanted = None if nothing_said else min(fitting, key=len)
    if _terminal.can_ask():
        return wanted
    if wanted is None:
        raise click.UsageError(_("Say what to add: --new-passphrase-file, --new-key-file or --recovery-file"))
    if "keyfile" in wanted and key_file is None:
        raise click.UsageError(_("--new-key-file is missing and there is no terminal to ask for it"))
    return wanted


def _asked_kind() -> str:
    known = ", ".join(KINDS)
    question = _("What is added ({kinds})? Enter alone means a passphrase:").format(kinds=known)
    while (chosen := asked(question).strip().casefold() or "passphrase") not in KINDS:
        question = _("It is one of these: {kinds}. Enter alone means a passphrase:").format(kinds=known)
    return chosen


def _asked_path() -> Path:
    while True:
        path = Path(needed(_("Where is the key file? One that is not there is made:")))
        if path.absolute().parent.is_dir():
            return path
        _terminal.say(
            _("There is no folder {path}. Look whether the stick is plugged in.").format(
                path=visible(str(path.absolute().parent))
            )
        )


def _label(given: str | None, keys: Sequence[KeyLabel]) -> str:
    label = required(given, _("A label, so that it is known in the list and the log:"), name="--label").strip()
    if label in (each.label for each in keys):
        raise errors.Refused(reason="another way in has this label already")
    return label


class _Unused:
    """Whether the vault, as far as it can still be asked, has no more ways in than before."""

    def __init__(self, session: Session, before: int) -> None:
        self._session, self._before = session, before

    def __call__(self) -> bool:
        try:
            return len(self._session.vault.info().keys) == self._before
        except errors.VaultError:
            return False


def _recovery_words(
    session: Session, language: str, recovery_file: Path | None, undo: contextlib.ExitStack, unused: _Unused
) -> SecretUnlocker:
    from vault import RecoveryUnlocker

    _recovery.refuse_without_place(recovery_file, session.vault.path)
    new, chosen = RecoveryUnlocker.generate(language)
    if recovery_file:
        _key_files.recovery_sheet(recovery_file, _recovery.sheet(chosen), undo, unused=unused)
    else:
        _recovery.show(chosen)
    return new


def _key_file_alone(content: bytes, made: Path | None) -> SecretUnlocker:
    from vault import KeyFileUnlocker

    if made is None:
        _terminal.warn(
            _(
                "this file alone will open the vault, and it is never stretched as a passphrase is: take it only if its "
                "bytes are random and nobody else has them"
            )
        )
    return KeyFileUnlocker(content)


# Removing


@command("remove", example="casevault key remove", fields=KEY_REMOVED)
@click.argument("way", metavar="[NUMBER|LABEL]", required=False)
@pass_settings
def remove(settings: Settings, way: str | None) -> None:
    """Remove a way into the vault, and renew every key below it. Without NUMBER or LABEL it is asked for.

    The last way in stays. What will go is shown first, and asked; without a terminal --yes.
    """
    with opened(settings) as session:
        current = session.unlocker  # asked for again where a session has the vault open
        info = session.vault.info()
        asking = way is None and _terminal.can_ask()
        if asking:
            for row in _rows(info.keys):
                _terminal.say(
                    _("{number}  {label} ({kind}), added {added}").format(
                        number=row[0], label=visible(row[1]), kind=row[2], added=row[3]
                    )
                )
        chosen = (
            _asked_way(info.keys)
            if asking
            else _chosen(required(way, _("Which number or label?"), name="NUMBER"), info.keys)
        )
        left = [each for each in info.keys if each != chosen]
        if not left:
            raise errors.Refused(reason="it is the last way into the vault")
        _explain(session, chosen, left)
        agree(settings, _("Remove it?"))
        with counted(settings, _("renewing keys"), info.cases) as further:
            removed = session.vault.remove_key(current, chosen.slot, progress=further)
        epoch = session.vault.info().epoch
    Output(settings).done(
        values(removed) | {"epoch": epoch}, _("“{label}” opens the vault no more.").format(label=visible(removed.label))
    )
    _terminal.say(
        _(
            "Whoever has it and an older copy of this folder can still read what was in it then, also those items here. "
            "What is added from now on they cannot."
        )
    )


def _asked_way(keys: Sequence[KeyLabel]) -> KeyLabel:
    while True:
        try:
            return _chosen(needed(_("Which number or label?")), keys)
        except errors.NoSuchKey:
            _terminal.say(_("That is none of them. Type one of these numbers or labels."))


def _chosen(named: str, keys: Sequence[KeyLabel]) -> KeyLabel:
    found = [each for each in keys if named.strip() in (each.label, str(each.slot))]
    if not found:
        raise errors.NoSuchKey(name=named)
    if len(found) > 1:
        raise click.UsageError(
            _("{name} is the number of one way in and the label of another").format(name=visible(named))
        )
    return found[0]


def _explain(session: Session, chosen: KeyLabel, left: Sequence[KeyLabel]) -> None:
    _terminal.say(
        _("This removes “{label}” ({kind}). Every key is renewed.").format(
            label=visible(chosen.label), kind=kind_of_key(chosen.kind)
        )
    )
    if session.vault.key_of(session.unlocker) == chosen:
        _terminal.warn(_("it is the one that opened the vault now. Be sure that you have one of these at hand:"))
        for each in left:
            _terminal.say(_("  {label} ({kind})").format(label=visible(each.label), kind=kind_of_key(each.kind)))
    if chosen.kind == "recovery" and not any(each.kind == "recovery" for each in left):
        _terminal.warn(_("without recovery words a forgotten passphrase or a lost key file loses everything"))


for each in (list_keys, add, remove):
    key.add_command(each)
