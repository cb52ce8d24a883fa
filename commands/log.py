"""`casevault log`: what was done in the vault, newest last."""

from __future__ import annotations

import click

from commands._documents import LOG_ENTRY
from commands._options import Settings, command, pass_settings
from commands._output import Output, human_size, moment
from commands._session import opened
from commands._text import _
from commands._words import reason, word
from vault import references
from vault.requests import LogEntry


@command("log", example="casevault log --case HARBOUR", fields=LOG_ENTRY, many=True)
@click.option("--case", "code", metavar="CASE", help="Only of this case.")
@pass_settings
def log(settings: Settings, code: str | None) -> None:
    """List the access log: what was intended, and what came of it. The newest entry comes last."""
    wanted = references.parse_case(code) if code else None
    with opened(settings) as session:
        entries = session.vault.log(wanted)
    output = Output(settings)
    if output.json:
        output.answer(entries)
        return
    output.table(
        (_("No."), _("When"), _("Act"), _("Phase"), _("Of"), _("Size"), _("Purpose or reason"), _("Way in")),
        [
            (
                str(each.number),
                moment(each.when),
                word(each.act),
                word(each.phase)
                if each.answers is None
                else _("{phase} ({number})").format(phase=word(each.phase), number=each.answers),
                _subject(each),
                "" if each.size_bytes is None else human_size(each.size_bytes),
                each.purpose or reason(each.reason or ""),
                each.actor,
            )
            for each in entries
        ],
        empty=_("The log is empty."),
    )


def _subject(entry: LogEntry) -> str:
    """What the entry speaks of: an item or person by its whole reference, a case, the label of a way in, or a
    partner.
    """
    return entry.item or entry.case or entry.counterparty or ""
