"""`casevault statement`: the circumstances in which a statement was given."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from commands import _terminal
from commands._documents import ITEM_DETAILS
from commands._errors import message_of
from commands._options import Settings, as_question, asked, command, optional, pass_settings, say_what_enter_does
from commands._output import Output
from commands._session import Session, opened
from commands._show import item_facts
from commands._text import _
from vault import errors, references
from vault.requests import WITHIN_REACH, Circumstances

# Field, option, metavar and help, in the order in which a person is asked.
_FIELDS = (
    ("person", "--person", "PERSON", _("Who gave it: a person of the case (HARBOUR/p2).")),
    ("date", "--date", "TIME", _("The day on which it was given.")),
    ("place", "--place", "TEXT", _("Where.")),
    ("started", "--started", "TIME", _("When it began.")),
    ("ended", "--ended", "TIME", _("When it ended.")),
    ("language", "--language", "TEXT", _("In which language.")),
    ("interpreter", "--interpreter", "TEXT", _("Who interpreted.")),
    ("present", "--present", "TEXT", _("Everyone in the room.")),
    ("earlier_accounts", "--earlier-accounts", "TEXT", _("What was told before: to whom, and when.")),
    ("read_back", "--read-back", "TEXT", _("Whether it was read back and confirmed, and how.")),
    ("signed", "--signed", "TEXT", _("Whether it was signed, and how.")),
    ("recorded_by", "--recorded-by", "TEXT", _("Who wrote it down or recorded it.")),
)


def _with_circumstances(function: Callable[..., Any]) -> Callable[..., Any]:
    for _field, name, metavar, line in reversed(_FIELDS):
        function = click.option(name, metavar=metavar, help=line)(function)
    reach = click.option(
        "--within-reach",
        type=click.Choice(list(WITHIN_REACH)),
        help=_("Whether it was given in custody or within reach of the accused."),
    )
    return reach(function)


def _questions() -> dict[str, str]:
    return {
        "person": _("Who gave it (a person of the case, like p2)"),
        "date": _("On which day, as 2026-03-12"),
        "place": _("Where"),
        "started": _("When it began"),
        "ended": _("When it ended"),
        "language": _("In which language"),
        "interpreter": _("Who interpreted"),
        "present": _("Everyone in the room"),
        "earlier_accounts": _("Earlier accounts: to whom, and when"),
        "read_back": _("Read back and confirmed"),
        "signed": _("Signed"),
        "recorded_by": _("Who recorded it"),
    }


@command("statement", example="casevault statement HARBOUR/3", fields=ITEM_DETAILS)
@click.argument("reference", metavar="ITEM")
@_with_circumstances
@pass_settings
def statement(settings: Settings, reference: str, within_reach: str | None, **options: str | None) -> None:
    """Say how a statement came about. Without options each circumstance is asked for; Enter goes on to the next.

    What was said before is kept in the item's history. An option that is given empty clears its field.
    """
    code, number = references.parse_item(reference)
    questions = _questions()
    said = {field: value for field, value in options.items() if value is not None}
    if within_reach is None and not said and not _terminal.can_ask():
        raise click.UsageError(_("Say what to change, as with --within-reach"))
    with opened(settings) as session:
        changes = {field: optional(value, as_question(questions[field])) for field, value in said.items()}
        if within_reach is not None:
            changes["within_reach"] = within_reach
        item = session.vault.cases.get(code).items.get(number)
        if not changes:
            changes = _asked(session, item.show().statement or Circumstances(), code)
        if "person" in changes:
            changes["person"] = _person(changes["person"] or "", code)
        item = session.go_on().cases.get(code).items.get(number)
        details = item.circumstances(**changes) if changes else item.show()
    Output(settings).show(details, item_facts)
    if changes.get("within_reach") == "yes":
        _terminal.say(
            _(
                "This account was given within reach of the accused. It stands beside the others with this said of it; none "
                "overwrites another."
            )
        )


def _asked(session: Session, now: Circumstances, code: str) -> dict[str, str | None]:
    say_what_enter_does()
    answers: dict[str, str | None] = {}
    reach = _asked_reach(now.within_reach)
    if reach:
        answers["within_reach"] = reach
    for field, question in _questions().items():
        current = getattr(now, field)
        while typed := asked(as_question(question, current)).strip():
            if field == "person":
                try:
                    typed = _known_person(session, typed, code)
                except errors.BadReference:
                    _terminal.say(_("A person is named like p2; `casevault person list CASE` shows them."))
                    continue
                except errors.NoSuchPerson as error:
                    _terminal.say(
                        _(
                            "{message}. Enter alone leaves it for later: `casevault person add CASE`, then this command again."
                        ).format(message=message_of(error))
                    )
                    continue
            answers[field] = typed
            break
    return answers


def _asked_reach(current: str | None) -> str | None:
    words = {"yes": _("yes y"), "no": _("no n"), "unknown": _("unknown u")}
    shown = {"yes": _("yes"), "no": _("no"), "unknown": _("unknown")}
    question = _("In custody, or within reach of the accused? (yes, no, unknown)")
    while typed := asked(as_question(question, shown.get(current or ""))).strip().casefold():
        for answer, known in words.items():
            if typed in known.split():
                return answer
        _terminal.say(_("Please answer with yes, no or unknown; Enter alone leaves it."))
    return None


def _known_person(session: Session, typed: str, code: str) -> str:
    """As ``_person``, of somebody who is in the case. Raises ``BadReference``, ``NoSuchPerson``."""
    reference = _person(typed, code)
    if reference not in {each.reference for each in session.go_on().cases.get(code).persons.list()}:
        raise errors.NoSuchPerson(reference=reference)
    return reference


def _person(typed: str, code: str) -> str:
    """A person's whole reference; the case may be left out. Empty stays empty."""
    if not typed.strip():
        return ""
    return references.person_reference(*references.parse_person(typed if "/" in typed else f"{code}/{typed}"))
