"""`casevault check`: what is damaged, and how much was not read."""

from __future__ import annotations

from pathlib import Path

import click

from commands import _terminal
from commands._documents import CHECKED
from commands._errors import DAMAGE, DONE
from commands._options import Settings, command, pass_settings
from commands._output import Output, exact_size, progress
from commands._session import ask_until_right, named_key_file, opened, vault_path
from commands._show import damage
from commands._text import _, ngettext
from vault.requests import CheckReport


@command("check", example="casevault check --read-data", fields=CHECKED)
@click.option("--read-data", is_flag=True, help="Read every byte, and compare every digest.")
@pass_settings
def check(settings: Settings, read_data: bool) -> int:
    """Look for damage, in a vault or in a backup (--vault BACKUP). Nothing is changed.

    Without --read-data the structure, the log and the sizes of files are checked, and no content is read.
    """
    from vault.backup_marker import is_backup

    path = vault_path(settings)
    backup = is_backup(path)
    report = _check_backup(settings, path, read_data) if backup else _check_vault(settings, path, read_data)
    output = Output(settings)
    if output.json:
        output.answer(report)
    else:
        damage(output, report.findings)
        output.facts(
            [
                (_("Cases"), str(report.cases)),
                (_("Items"), str(report.items)),
                (_("Entries of the log"), str(report.log_entries)),
                (_("Files read to the end"), str(report.objects_read)),
                (_("Files not read"), str(report.objects_not_read)),
                (_("Read"), exact_size(report.bytes_read)),
            ]
        )
    if report.objects_not_read and not read_data:
        _terminal.say(
            ngettext(
                "The content of {number} file was not read: `casevault check --read-data` reads it.",
                "The content of {number} files was not read: `casevault check --read-data` reads it.",
                report.objects_not_read,
            ).format(number=report.objects_not_read)
        )
    if report.findings and backup:
        _terminal.say(_("Do not rely on this backup: make a new one in another folder, on another stick."))
    elif report.findings:
        _terminal.say(
            _(
                "Keep this folder as it is. A damaged item heals when its original is added again; else take it from a "
                "backup. The rest still opens."
            )
        )
    return DAMAGE if report.findings else DONE


def _check_vault(settings: Settings, path: Path, read_data: bool) -> CheckReport:
    from vault import inspect_folder

    size = inspect_folder(path).size_bytes if read_data else None
    with opened(settings) as session, progress(settings, _("checking"), size) as further:
        return session.vault.check(read_data=read_data, progress=further if read_data else None)


def _check_backup(settings: Settings, path: Path, read_data: bool) -> CheckReport:
    """Nothing is written, neither there nor on this computer."""
    from vault import check_backup
    from vault.snapshot import object_files

    size = sum(object_files(path / "objects").values()) if read_data else None
    with progress(settings, _("checking"), size) as further:
        return ask_until_right(
            settings,
            named_key_file(settings),
            lambda unlocker: check_backup(path, unlocker, read_data=read_data, progress=further if read_data else None),
        )[0]
