"""`casevault backup` and `restore`: the copy for the day when the computer is gone, and the way back from it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from commands import _terminal
from commands._documents import BACKED_UP, RESTORED
from commands._errors import DAMAGE, DONE
from commands._options import PathName, Settings, command, pass_settings
from commands._output import Fact, Output, exact_size, moment, progress
from commands._places import make_for_owner, state_folder
from commands._session import ask_until_right, named_key_file, opened, vault_path
from commands._show import damage
from commands._terminal import visible
from commands._text import _, ngettext
from vault import errors, platform

if TYPE_CHECKING:
    from vault import BackedUp, Restored


@command("backup", example="casevault backup /media/stick/backup", fields=BACKED_UP)
@click.argument("folder", metavar="DIR", type=PathName())
@pass_settings
def backup(settings: Settings, folder: Path) -> int:
    """Copy the vault to DIR, still encrypted, and read back what was written.

    DIR is made, the folder around it is not: it must be there. A backup that is there already is brought up to date; only
    what is new is written, and what was deleted from the vault is removed from it. It opens with the same passphrase.
    """
    from vault.backing_up import missing_bytes, verified_place

    place = verified_place(folder, vault_path(settings))
    with opened(settings) as session:
        expected = missing_bytes(place, session.vault.path)
        with progress(settings, _("copying"), expected) as further:
            done = session.vault.backup(place, anew=settings.yes, progress=further)
    Output(settings).show(done, _facts)
    _explain(done)
    return DONE if done.is_sound else DAMAGE


def _facts(done: BackedUp) -> list[Fact]:
    return [
        (_("Backup"), str(done.path)),
        (_("Moment"), moment(done.made)),
        (_("Files of items in it"), str(done.objects)),
        (_("Files of items written"), str(done.objects_written)),
        (_("Databases written"), str(done.databases_written)),
        (_("Written and read back"), exact_size(done.bytes_written)),
        (_("Removed, because deleted from the vault"), str(done.objects_removed)),
    ]


def _explain(done: BackedUp) -> None:
    for code in done.damaged:
        _terminal.warn(
            _(
                "the database of case {code} is damaged in the vault; the backup keeps the copy that it had, if it had one"
            ).format(code=visible(code))
        )
    if done.lost or done.shorter:
        _terminal.warn(
            ngettext(
                "{number} file that the vault has lost is still in this backup, and stays there",
                "{number} files that the vault has lost are still in this backup, and stay there",
                done.lost + done.shorter,
            ).format(number=done.lost + done.shorter)
        )
    if done.unreadable:
        _terminal.warn(
            ngettext(
                "{number} file of the vault cannot be read and was not copied",
                "{number} files of the vault cannot be read and were not copied",
                done.unreadable,
            ).format(number=done.unreadable)
        )
    if done.missing:
        _terminal.warn(
            ngettext(
                "{number} file of an item is missing or cut off in the vault, and the backup has it no better",
                "{number} files of items are missing or cut off in the vault, and the backup has them no better",
                done.missing,
            ).format(number=done.missing)
        )
    _terminal.say(_("It opens with what opens the vault today. Keep it in another place than the computer."))
    if not done.is_sound:
        _terminal.say(_("`casevault check` names what is damaged. Everything else is in the backup."))


@command("restore", example="casevault restore /media/stick/backup --vault NEW", fields=RESTORED)
@click.argument("source", metavar="BACKUP", type=PathName())
@click.option("--despite-damage", is_flag=True, help="Restore all the rest of a damaged backup; the damage is named.")
@pass_settings
def restore(settings: Settings, source: Path, despite_damage: bool) -> int:
    """Make a vault from BACKUP, in the place that --vault names, where nothing may be yet.

    BACKUP is a backup, or a copy of a vault's whole folder, and is only read. The passphrase is that of the time of the
    backup; recovery words and key files open it too. Every byte is checked, and the log says that the vault was restored.
    """
    from vault import Vault, inspect_folder
    from vault.backup_marker import is_backup
    from vault.copying import occupied
    from vault.snapshot import object_files

    platform.harden_process()
    path = vault_path(settings)
    if occupied(path):
        raise errors.AlreadyThere(path=str(path))
    if not is_backup(source) and inspect_folder(source).in_use:
        raise errors.VaultInUse(path=str(source))
    make_for_owner(path.parent)
    size = sum(object_files(source / "objects").values())
    with progress(settings, _("copying and checking"), 2 * size) as further:
        done, _way = ask_until_right(
            settings,
            named_key_file(settings),
            lambda unlocker: Vault.restore(
                source, path, unlocker, state_dir=state_folder(), despite_damage=despite_damage, progress=further
            ),
        )
    output = Output(settings)
    if output.json:
        output.answer(done)
    else:
        _show(output, done, named=settings.vault is not None)
    return DAMAGE if done.findings else DONE


def _show(output: Output, done: Restored, *, named: bool) -> None:
    output.facts(
        [
            (_("Vault"), str(done.path)),
            (_("As it was at"), moment(done.made) or _("an unknown time: a copy of a folder")),
            (_("Cases"), str(done.cases)),
            (_("Items"), str(done.items)),
            (_("Read and authentic"), exact_size(done.bytes_read)),
            (_("Generation of its log"), str(done.generation)),
        ]
    )
    if done.findings:
        damage(output, done.findings)
    if done.older:
        _terminal.warn(
            _(
                "this computer has seen a later state of this vault. What came after the backup is not in it; a consent "
                "that was withdrawn since looks as if it were given"
            )
        )
    _terminal.say(_("Its log says that it was restored, and from which state. The backup was not changed."))
    if named:
        _terminal.say(_("Commands take it with `--vault PATH`, or when the variable CASEVAULT_VAULT names it."))
