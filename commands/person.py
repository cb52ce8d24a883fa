"""`casevault person`: whom a case speaks of, and how they can be reached without harm."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from commands import _terminal
from commands._confirm import confirm
from commands._documents import DISPOSAL, PERSON, PERSON_LINE
from commands._options import (
    PURPOSE_OPTION,
    Settings,
    asked,
    command,
    fill_in,
    group,
    optional,
    pass_settings,
    refuse_unasked,
    required,
    several,
)
from commands._output import Output, moment
from commands._session import opened
from commands._show import person_facts
from commands._terminal import visible
from commands._text import _
from vault import references
from vault.requests import PersonFields

person = group("person", _("Persons of a case: add, list, show, edit, remove."))

_LISTS = ("aliases", "phones", "mails", "messengers", "addresses")
_OPTIONS = (
    click.option("--alias", "aliases", multiple=True, metavar="NAME", help="Another name or spelling."),
    click.option("--phone", "phones", multiple=True, metavar="NUMBER", help="A telephone number."),
    click.option("--mail", "mails", multiple=True, metavar="ADDRESS", help="A mail address."),
    click.option("--messenger", "messengers", multiple=True, metavar="NAME", help="A name in a messenger, and which."),
    click.option("--address", "addresses", multiple=True, metavar="TEXT", help="Where the person can be found."),
    click.option("--role", metavar="TEXT", help="Witness, driver, lawyer…"),
    click.option("--safe-times", metavar="TEXT", help="When and how the person may be reached safely."),
)


def _with_contacts(function: Callable[..., Any]) -> Callable[..., Any]:
    for option in reversed(_OPTIONS):
        function = option(function)
    return function


def _questions() -> dict[str, str]:
    return {
        "aliases": _("Another name or spelling:"),
        "phones": _("Phone:"),
        "mails": _("Mail:"),
        "messengers": _("Messenger:"),
        "addresses": _("Address:"),
        "role": _("Role:"),
        "safe_times": _("When and how it is safe to reach the person:"),
    }


def _given(contacts: dict[str, Any]) -> dict[str, Any]:
    questions = _questions()
    given: dict[str, Any] = {}
    for field, value in contacts.items():
        if isinstance(value, tuple) and value:
            given[field] = several(value, questions[field])
        elif isinstance(value, str):
            given[field] = optional(value, questions[field])
    return given


@command("add", example="casevault person add HARBOUR", fields=PERSON)
@click.argument("code", metavar="CASE")
@click.argument("name", required=False)
@_with_contacts
@pass_settings
def add(settings: Settings, code: str, name: str | None, **contacts: Any) -> None:
    """Add a person to a case. On a terminal the name, and every contact, is asked for when it is left out."""
    wanted = references.parse_case(code)
    refuse_unasked(name, name="NAME")
    with opened(settings) as session:
        given = _given(contacts)
        ask_for_all = name is None and not given and _terminal.can_ask()
        if name is None:
            session.see_case(wanted)
        called = required(name, _("Name:"), name="NAME")
        if ask_for_all:
            given = _ask_for_contacts()
        added = session.go_on().cases.get(wanted).persons.add(PersonFields(name=called, **given))
    Output(settings).done(added, added.reference)


def _ask_for_contacts() -> dict[str, Any]:
    _terminal.say(
        _(
            "One answer a line; names, numbers and addresses are asked for again. Enter alone goes on to the next question."
        )
    )
    answers: dict[str, Any] = {}
    for field, question in _questions().items():
        if field not in _LISTS:
            answers[field] = asked(question).strip() or None
            continue
        known: list[str] = []
        while answer := asked(question).strip():
            known.append(answer)
        answers[field] = tuple(known)
    return answers


@command("list", example="casevault person list HARBOUR", fields=PERSON_LINE, many=True)
@click.argument("code", metavar="[CASE]", required=False)
@pass_settings
def list_persons(settings: Settings, code: str | None) -> None:
    """List the persons of a case, or of all cases; how they can be reached only `show` tells."""
    wanted = references.parse_case(code) if code else None
    with opened(settings) as session:
        codes = [wanted] if wanted else [each.code for each in session.vault.cases.list()]
        found = [each for one in codes for each in session.vault.cases.get(one).persons.list()]
    output = Output(settings)
    if output.json:
        output.answer([{field: getattr(each, field) for field in PERSON_LINE} for each in found])
        return
    output.table(
        (_("Person"), _("Name"), _("Role"), _("Added")),
        [(each.reference, each.name, each.role or "", moment(each.added)) for each in found],
        empty=_("There are no persons yet: `casevault person add CASE` adds one."),
    )


@command("show", example="casevault person show HARBOUR/p2", fields=PERSON)
@click.argument("reference", metavar="PERSON")
@PURPOSE_OPTION
@pass_settings
def show(settings: Settings, reference: str, purpose: str | None) -> None:
    """Show everything that is known of a person."""
    code, number = references.parse_person(reference)
    with opened(settings) as session:
        purpose = optional(purpose, _("Purpose:"))
        details = session.vault.cases.get(code).persons.get(number).show(purpose=purpose)
    Output(settings).show(details, person_facts)


@command("edit", example="casevault person edit HARBOUR/p2", fields=PERSON)
@click.argument("reference", metavar="PERSON")
@click.option("--name", metavar="NAME", help="The new name.")
@_with_contacts
@pass_settings
def edit(settings: Settings, reference: str, name: str | None, **contacts: Any) -> None:
    """Change what is known of a person; what it was is kept.

    A contact that is given takes the place of all of its kind; an empty one clears them. Without options the name, the
    role and the safe times are asked for.
    """
    code, number = references.parse_person(reference)
    if name is None and not any(value or value == "" for value in contacts.values()) and not _terminal.can_ask():
        raise click.UsageError(_("Say what to change, as with --phone"))
    with opened(settings) as session:
        handle = session.vault.cases.get(code).persons.get(number)
        changes = _given(contacts)
        if name is not None:
            changes["name"] = optional(name, _("Name:"))
        if not changes:
            now = handle.show()
            changes = dict(
                fill_in(
                    {
                        "name": (_("Name"), now.name),
                        "role": (_("Role"), now.role),
                        "safe_times": (_("Safe times"), now.safe_times),
                    }
                )
            )
        details = session.go_on().cases.get(code).persons.get(number).edit(**changes)
    Output(settings).show(details, person_facts)


@command("remove", example="casevault person remove HARBOUR/p2", fields=DISPOSAL)
@click.argument("reference", metavar="PERSON")
@click.option("--reason", metavar="TEXT", help="Why; kept in the record that stays.")
@click.option("--confirm", "confirmed", metavar="PERSON", help="The person once more, where nobody can be asked.")
@pass_settings
def remove(settings: Settings, reference: str, reason: str | None, confirmed: str | None) -> None:
    """Remove a person and all that is known of them. A record that somebody was here stays, without a name."""
    code, number = references.parse_person(reference)
    with opened(settings) as session:
        reason = optional(reason, _("Reason:"))
        handle = session.vault.cases.get(code).persons.get(number)
        details = handle.show()
        _terminal.say(
            _("This removes {reference}, “{name}”, with every contact. It can't be undone.").format(
                reference=details.reference, name=visible(details.name)
            )
        )
        confirm(details.reference, confirmed, parse=references.parse_person, agreed=settings.yes)
        disposal = handle.remove(reason)
    Output(settings).done(disposal, _("{reference} is removed.").format(reference=details.reference))
    _terminal.say(
        _(
            "Titles, notes and statements may still name the person; backups and older copies may still hold the contacts."
        )
    )


for each in (add, list_persons, show, edit, remove):
    person.add_command(each)
