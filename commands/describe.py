"""`casevault edit`, `note`, `tag` and `delete`: what is said of an item or case, and its end."""

from __future__ import annotations

import click

from commands import _terminal
from commands._confirm import confirm
from commands._described import person_or_text
from commands._documents import DISPOSAL, ITEM_DETAILS, NOTE, TAGS
from commands._options import Settings, command, fill_in, optional, pass_settings, refuse_unasked, required, several
from commands._output import Output, human_size, values
from commands._session import Session, opened
from commands._show import item_facts
from commands._terminal import visible
from commands._text import _
from commands._words import word
from vault import Case, Item, references
from vault.requests import KINDS, ItemDetails


def _thing(reference: str) -> tuple[str, int | None]:
    """The case or item that was named, as code and number."""
    return references.parse_item(reference) if "/" in reference else (references.parse_case(reference), None)


def _name(code: str, number: int | None) -> str:
    return code if number is None else references.item_reference(code, number)


def _handle(session: Session, code: str, number: int | None) -> Case | Item:
    case = session.vault.cases.get(code)
    return case if number is None else case.items.get(number)


def _see(session: Session, code: str, number: int | None) -> None:
    """Nobody should type something about a case or item to hear that there is none. Raises ``NoSuchCase``, ``NoSuchItem``."""
    if number is None:
        session.see_case(code)
    else:
        session.see_item(code, number)


@command("edit", example="casevault edit HARBOUR/3", fields=ITEM_DETAILS)
@click.argument("reference", metavar="ITEM")
@click.option("--title", metavar="TEXT", help="The new title.")
@click.option("--kind", type=click.Choice(list(KINDS)), help="The new kind.")
@click.option("--from", "source", metavar="PERSON", help="From whom: a person of the case, or text.")
@click.option("--via", metavar="HOW", help="How it came.")
@click.option("--recorded", metavar="TIME", help="When it was recorded.")
@click.option("--received", metavar="TIME", help="When it was received.")
@click.option("--language", metavar="TEXT", help="The language spoken or written in it.")
@pass_settings
def edit(
    settings: Settings,
    reference: str,
    title: str | None,
    kind: str | None,
    source: str | None,
    via: str | None,
    recorded: str | None,
    received: str | None,
    language: str | None,
) -> None:
    """Change what is said of an item; the old value is kept, and an empty one clears it.

    Without options each is asked for. The bytes of an item never change.
    """
    code, number = references.parse_item(reference)
    given = {
        "title": title,
        "kind": kind,
        "source": source,
        "via": via,
        "recorded": recorded,
        "received": received,
        "language": language,
    }
    changes = {field: value for field, value in given.items() if value is not None}
    if not changes and not _terminal.can_ask():
        raise click.UsageError(_("Say what to change, as with --title"))
    with opened(settings) as session:
        item = session.vault.cases.get(code).items.get(number)
        if title is not None:
            changes["title"] = required(title, _("Title:"), name="--title")
        if source is not None:
            changes["source"] = person_or_text(source) or ""
        if not changes:
            changes = _asked(item.show())
        details = session.go_on().cases.get(code).items.get(number).edit(**changes)
    Output(settings).show(details, item_facts)


def _asked(now: ItemDetails) -> dict[str, str]:
    typed = fill_in(
        {
            "title": (_("Title"), now.summary.title),
            "kind": (_("Kind"), now.summary.kind),
            "source": (_("From whom"), now.source),
            "via": (_("How it came"), now.via),
            "recorded": (_("When recorded"), now.summary.recorded),
            "received": (_("When received"), now.received),
            "language": (_("Language"), now.language),
        }
    )
    if "source" in typed:
        typed["source"] = person_or_text(typed["source"]) or ""
    return typed


@command("note", example="casevault note HARBOUR/3", fields=NOTE)
@click.argument("reference", metavar="ITEM|CASE")
@click.argument("text", required=False)
@pass_settings
def note(settings: Settings, reference: str, text: str | None) -> None:
    """Add a note to an item or a case. The text is asked for when it is left out."""
    code, number = _thing(reference)
    refuse_unasked(text, name="TEXT")
    with opened(settings) as session:
        if text is None:
            _see(session, code, number)
        given = required(text, _("Note:"), name="TEXT")
        session.go_on()
        added = _handle(session, code, number).note(given)
    Output(settings).done(
        {"reference": _name(code, number)} | values(added),
        _("The note is added to {reference}.").format(reference=_name(code, number)),
    )


@command("tag", example="casevault tag HARBOUR/3 court --remove draft", fields=TAGS)
@click.argument("reference", metavar="ITEM|CASE")
@click.argument("tags", nargs=-1, metavar="[TAG]...")
@click.option("--remove", multiple=True, metavar="TAG", help="A tag to take away; may come more than once.")
@pass_settings
def tag(settings: Settings, reference: str, tags: tuple[str, ...], remove: tuple[str, ...]) -> None:
    """Add or remove tags of an item or a case. A tag is asked for when all are left out."""
    code, number = _thing(reference)
    refuse_unasked(tags or remove or None, name="TAG")
    with opened(settings) as session:
        more = several(tags, _("Tag:"))
        less = several(remove, _("Tag to remove:"))
        if not more and not less:
            _see(session, code, number)
            more = (required(None, _("Tag:"), name="TAG"),)
        session.go_on()
        left = _handle(session, code, number).tag(more, less)
    output = Output(settings)
    if output.json:
        output.answer({"reference": _name(code, number), "tags": left})
    else:
        output.table((_("Tag"),), [(each,) for each in left], empty=_("There are no tags left."))


@command("delete", example="casevault delete HARBOUR/3", fields=DISPOSAL)
@click.argument("reference", metavar="ITEM")
@click.option("--reason", metavar="TEXT", help="Why; kept in the record that stays.")
@click.option("--confirm", "confirmed", metavar="ITEM", help="The item once more, where nobody can be asked.")
@pass_settings
def delete(settings: Settings, reference: str, reason: str | None, confirmed: str | None) -> None:
    """Delete an item: its bytes, its key, its description and notes. A record that it was there stays.

    What will go is shown first, and the reference is asked for.
    """
    code, number = references.parse_item(reference)
    with opened(settings) as session:
        reason = optional(reason, _("Reason:"))
        item = session.vault.cases.get(code).items.get(number)
        details = item.show()
        summary = details.summary
        _terminal.say(
            _("This deletes {reference}, “{title}” ({kind}, {size}). It can't be undone.").format(
                reference=summary.reference,
                title=visible(summary.title),
                kind=word(summary.kind),
                size=human_size(summary.size_bytes),
            )
        )
        if details.revisions:
            _terminal.say(_("Its later versions stay: {references}.").format(references=", ".join(details.revisions)))
        confirm(summary.reference, confirmed, parse=references.parse_item, agreed=settings.yes)
        disposal = item.delete(reason)
    Output(settings).done(disposal, _("{reference} is deleted.").format(reference=summary.reference))
    _terminal.say(_("Backups, older copies of this folder and exported files may still hold it."))
