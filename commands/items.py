"""`casevault items` and `casevault show`: what there is, and what is known of it."""

from __future__ import annotations

import click

from commands._documents import ITEM, ITEM_DETAILS
from commands._options import PURPOSE_OPTION, Settings, command, optional, pass_settings
from commands._output import Output, human_size, moment
from commands._session import opened
from commands._text import _
from commands._words import word
from vault import references


@command("items", example="casevault items HARBOUR", fields=ITEM, many=True)
@click.argument("code", metavar="CASE")
@pass_settings
def items(settings: Settings, code: str) -> None:
    """List the items of a case."""
    wanted = references.parse_case(code)
    with opened(settings) as session:
        found = session.vault.cases.get(wanted).items.list()
    output = Output(settings)
    if output.json:
        output.answer(found)
        return
    output.table(
        (_("Item"), _("Kind"), _("Title"), _("Size"), _("Recorded"), _("Stored"), _("Tags")),
        [
            (
                each.reference,
                word(each.kind),
                each.title,
                human_size(each.size_bytes) if output.rich else str(each.size_bytes),
                moment(each.recorded),
                moment(each.added),
                ", ".join(each.tags),
            )
            for each in found
        ],
        empty=_("There are no items in {code} yet: `casevault add {code} FILE` stores one.").format(code=wanted),
    )


@command("show", example="casevault show HARBOUR/3", fields=ITEM_DETAILS)
@click.argument("reference", metavar="ITEM")
@PURPOSE_OPTION
@pass_settings
def show(settings: Settings, reference: str, purpose: str | None) -> None:
    """Show what is known of an item: its description, digests, notes and what was changed; not its content."""
    code, number = references.parse_item(reference)
    with opened(settings) as session:
        purpose = optional(purpose, _("Purpose:"))
        details = session.vault.cases.get(code).items.get(number).show(purpose=purpose)
    from commands._show import item_facts

    Output(settings).show(details, item_facts)
