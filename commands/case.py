"""`casevault case`: the compartments of the vault."""

from __future__ import annotations

import click

from commands import _terminal
from commands._confirm import confirm
from commands._documents import CASE, CASE_DELETED, CASE_DETAILS
from commands._options import (
    PURPOSE_OPTION,
    Settings,
    command,
    fill_in,
    group,
    optional,
    pass_settings,
    refuse_unasked,
    required,
)
from commands._output import Output, human_size, moment
from commands._session import Session, opened
from commands._show import case_facts, say_who_has
from commands._terminal import visible
from commands._text import _, ngettext
from vault import references
from vault.requests import KnownBackup

case = group("case", _("Cases: new, list, show, edit, delete."))


@command("new", example="casevault case new", fields=CASE)
@click.argument("title", required=False)
@click.option(
    "--code", metavar="CODE", help="How the case is called aloud: 3 to 12 of A to Z and 0 to 9; else one is made."
)
@pass_settings
def new(settings: Settings, title: str | None, code: str | None) -> None:
    """Make a case. The title is asked for when it is left out.

    The case is named by its code from then on; choose one that tells nothing.
    """
    wanted = references.parse_case(code) if code else None
    refuse_unasked(title, name="TITLE")
    with opened(settings) as session:
        if wanted:
            _warn_of_similar(session, wanted)
        given = required(title, _("Title of the case:"), name="TITLE")
        made = session.go_on().cases.new(given, code=wanted)
    output = Output(settings)
    if output.json:
        output.answer(made)
        return
    output.line(made.code)
    _terminal.say(_("Next: `casevault add {code} FILE` stores something in this case.").format(code=made.code))


def _warn_of_similar(session: Session, code: str) -> None:
    similar = session.vault.cases.codes_like(code)
    if similar:
        _terminal.warn(
            ngettext(
                "{code} looks or sounds much like {others}, which is another case: one is easily taken for the other",
                "{code} looks or sounds much like {others}, which are other cases: one is easily taken for another",
                len(similar),
            ).format(code=code, others=", ".join(similar))
        )


@command("list", example="casevault case list", fields=CASE, many=True)
@pass_settings
def list_cases(settings: Settings) -> None:
    """List all cases."""
    with opened(settings) as session:
        cases = session.vault.cases.list()
    output = Output(settings)
    if output.json:
        output.answer(cases)
        return
    output.table(
        (_("Case"), _("Title"), _("Items"), _("Persons"), _("Changed")),
        [(each.code, each.title, str(each.items), str(each.persons), moment(each.changed)) for each in cases],
        empty=_("There are no cases yet: `casevault case new` makes one."),
    )


@command("show", example="casevault case show HARBOUR", fields=CASE_DETAILS)
@click.argument("code", metavar="CASE")
@PURPOSE_OPTION
@pass_settings
def show(settings: Settings, code: str, purpose: str | None) -> None:
    """Show what is known of a case: title, description, notes, tags, what was changed and deleted."""
    wanted = references.parse_case(code)
    with opened(settings) as session:
        purpose = optional(purpose, _("Purpose:"))
        details = session.vault.cases.get(wanted).show(purpose=purpose)
    Output(settings).show(details, case_facts)


@command("edit", example="casevault case edit HARBOUR", fields=CASE_DETAILS)
@click.argument("code", metavar="CASE")
@click.option("--title", metavar="TEXT", help="The new title.")
@click.option("--description", metavar="TEXT", help="The new description; an empty one clears it.")
@pass_settings
def edit(settings: Settings, code: str, title: str | None, description: str | None) -> None:
    """Change title or description; what it was before is kept. Without options both are asked for."""
    wanted = references.parse_case(code)
    if title is None and description is None and not _terminal.can_ask():
        raise click.UsageError(_("Say what to change: --title or --description"))
    with opened(settings) as session:
        handle = session.vault.cases.get(wanted)
        title, description = optional(title, _("Title:")), optional(description, _("Description:"))
        if title is None and description is None:
            now = handle.show()
            typed = fill_in(
                {
                    "title": (_("Title"), now.summary.title),
                    "description": (_("Description"), now.description),
                }
            )
            title, description = typed.get("title"), typed.get("description")
        details = session.go_on().cases.get(wanted).edit(title=title, description=description)
    Output(settings).show(details, case_facts)


@command("delete", example="casevault case delete HARBOUR", fields=CASE_DELETED)
@click.argument("code", metavar="CASE")
@click.option("--confirm", "confirmed", metavar="CODE", help="The case's code once more, where nobody can be asked.")
@pass_settings
def delete(settings: Settings, code: str, confirmed: str | None) -> None:
    """Delete a case: its key, its items, its persons, its notes.

    What will go is shown first, and the code is asked for. --yes is not enough.
    """
    wanted = references.parse_case(code)
    with opened(settings) as session:
        handle = session.vault.cases.get(wanted)
        details = handle.show()
        summary = details.summary
        _terminal.say(_("This deletes case {code}, “{title}”:").format(code=summary.code, title=visible(summary.title)))
        _terminal.say(
            "  "
            + ngettext("{number} item, {size}", "{number} items, {size}", summary.items).format(
                number=summary.items, size=human_size(details.size_bytes)
            )
        )
        _terminal.say(
            "  " + ngettext("{number} person", "{number} persons", summary.persons).format(number=summary.persons)
        )
        _terminal.say(_("Its key is destroyed, so nothing in this folder opens it any more. It can't be undone."))
        _name_backups(session.vault.info().backups)
        say_who_has(handle.shares())
        confirm(summary.code, confirmed, parse=references.parse_case)
        handle.delete(session.unlocker)
    Output(settings).done({"code": summary.code}, _("Case {code} is deleted.").format(code=summary.code))
    _terminal.say(
        _(
            "Backups, older copies of this folder, partners and worn flash memory may still hold it; exported files stay "
            "where they are."
        )
    )


def _name_backups(backups: tuple[KnownBackup, ...]) -> None:
    if backups:
        _terminal.say(_("Backups that may hold it until they are brought up to date, each at its place:"))
    for known in backups:
        _terminal.say("  " + _("{place}, of {moment}").format(place=visible(known.place), moment=moment(known.made)))


for each in (new, list_cases, show, edit, delete):
    case.add_command(each)
