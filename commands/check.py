"""`casevault check`: what is damaged, and how much was not read."""

from __future__ import annotations

import click

from commands import _terminal
from commands._documents import CHECKED
from commands._errors import DAMAGE, DONE
from commands._options import Settings, command, pass_settings
from commands._output import Output, exact_size, progress
from commands._session import opened, vault_path
from commands._text import _, ngettext


@command("check", example="casevault check --read-data", fields=CHECKED)
@click.option("--read-data", is_flag=True, help="Read every byte, and compare every digest.")
@pass_settings
def check(settings: Settings, read_data: bool) -> int:
    """Look for damage. Nothing is changed.

    Without --read-data the structure, the log and the sizes of files are checked, and no content is read.
    """
    from vault import inspect_folder

    size = inspect_folder(vault_path(settings)).size_bytes if read_data else None
    with (
        opened(settings) as session,
        progress(settings, _("checking"), size) as further,
    ):
        report = session.vault.check(read_data=read_data, progress=further if read_data else None)
    output = Output(settings)
    if output.json:
        output.answer(report)
    else:
        output.table(
            (_("Damage"), _("Where"), _("Detail")),
            [(each.kind, each.subject, each.detail) for each in report.findings],
            empty=_("No damage was found."),
        )
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
    if report.findings:
        _terminal.say(
            _(
                "Keep this folder as it is. A damaged item heals when its original is added again; else take it from a "
                "backup. The rest still opens."
            )
        )
    return DAMAGE if report.findings else DONE
