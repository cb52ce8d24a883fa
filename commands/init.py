"""`casevault init`: a vault, its passphrase, and the words for the day when the passphrase is forgotten."""

from __future__ import annotations

import contextlib
import os
from functools import partial
from pathlib import Path

import click

from commands import _key_files, _recovery, _terminal
from commands._documents import MADE
from commands._new_passphrase import INSIST_OPTION, new_passphrase
from commands._options import PathName, Settings, command, pass_settings
from commands._output import Output
from commands._places import make_for_owner, state_folder
from commands._session import passphrase_file, vault_path
from commands._terminal import visible
from commands._text import _
from vault import errors, platform


@command("init", example="casevault init", fields=MADE)
@click.option(
    "--recovery-file",
    type=PathName(),
    metavar="FILE",
    help="Write the recovery words to a new file.",
)
@click.option("--no-recovery", is_flag=True, help="No recovery words: a forgotten passphrase loses everything.")
@_recovery.WORDS_OPTION
@click.option("--no-passphrase", is_flag=True, help="The key file alone opens the vault.")
@INSIST_OPTION
@pass_settings
def init(
    settings: Settings, recovery_file: Path | None, no_recovery: bool, words: str, no_passphrase: bool, insist: bool
) -> None:
    """Make a vault.

    A passphrase is proposed or asked for, and 24 recovery words are shown once: write them on paper. With --key-file
    FILE the vault opens only with that file too; a file that does not exist is made.
    """
    from vault import KeyFileUnlocker, PassphraseUnlocker, RecoveryUnlocker, Vault

    if recovery_file and no_recovery:
        raise click.UsageError(_("--recovery-file and --no-recovery exclude each other"))
    if no_passphrase and (settings.key_file is None or passphrase_file(settings)):
        raise click.UsageError(_("--no-passphrase needs --key-file, and no --passphrase-file"))
    platform.harden_process()
    path = vault_path(settings)
    if os.path.lexists(path) and not (path.is_dir() and not any(path.iterdir())):
        raise errors.AlreadyThere(path=str(path))
    if not no_recovery:
        _recovery.refuse_without_place(recovery_file, path)
    with contextlib.ExitStack() as undo:
        unused = partial(_is_empty, path)
        key_file, key_file_made = None, None
        if settings.key_file is not None:
            key_file, key_file_made = _key_files.key_file(settings.key_file, path, undo, unused=unused)
        way = (
            KeyFileUnlocker(key_file)
            if no_passphrase and key_file is not None
            else PassphraseUnlocker(new_passphrase(passphrase_file(settings), insist=insist), key_file)
        )
        recovery = None
        if not no_recovery:
            recovery, chosen = RecoveryUnlocker.generate(words)
            if recovery_file:
                _key_files.recovery_sheet(recovery_file, _recovery.sheet(chosen), undo, unused=unused)
            else:
                _recovery.show(chosen)
        make_for_owner(path.parent)
        _terminal.say(_("Making the vault; this takes a moment."))
        with Vault.create(path, way, recovery=recovery, state_dir=state_folder()) as vault:
            made = vault.info()
            owner_only = vault.owner_only
        undo.pop_all()
    output = Output(settings)
    if output.json:
        output.answer(
            {
                "path": path,
                "keys": made.keys,
                "recovery": "none" if no_recovery else "file" if recovery_file else "shown",
                "key_file_made": key_file_made,
                "owner_only": owner_only,
            }
        )
    else:
        output.line(visible(str(path)))
    _explain(path, recovery_file, key_file_made, no_recovery=no_recovery, owner_only=owner_only)


def _explain(
    path: Path, recovery_file: Path | None, key_file_made: Path | None, *, no_recovery: bool, owner_only: bool
) -> None:
    _terminal.say(
        _(
            "The vault is in {path}. Everything in it is encrypted; what anybody can see is how many cases there are and "
            "about how large they are."
        ).format(path=visible(str(path)))
    )
    if key_file_made:
        _key_files.say_key_file_made(key_file_made)
    if recovery_file:
        _key_files.say_sheet_made(recovery_file)
    if no_recovery:
        _terminal.warn(
            _("there are no recovery words: without the passphrase or key file all is lost, and nobody can help")
        )
    if not owner_only:
        _terminal.warn(
            _(
                "this disk does not keep files from other users of the computer. They cannot read the vault, but they "
                "can copy or delete it"
            )
        )
    _terminal.say(_("Next: `casevault case new` makes a case; `casevault add CASE FILE` stores something in it."))


def _is_empty(vault: Path) -> bool:
    return not (vault.is_dir() and any(vault.iterdir()))
