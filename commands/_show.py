"""How cases, items and persons look to a person: lists of names and values, the same in every command."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING

from commands import _terminal
from commands._output import Fact, Output, exact_size, moment
from commands._terminal import visible
from commands._text import _, ngettext
from commands._words import word

_LISTS = frozenset({"aliases", "phones", "mails", "messengers", "addresses"})

if TYPE_CHECKING:
    from vault.arrivals import Origin
    from vault.requests import (
        CaseDetails,
        Change,
        Circumstances,
        Finding,
        ItemDetails,
        ItemSummary,
        Note,
        PersonDetails,
    )
    from vault.sealing_requests import ShareSummary


def stored(output: Output, item: ItemSummary) -> None:
    """The line of an item that came in."""
    if output.plain:
        output.facts([(_("Item"), item.reference), (_("Title"), item.title)])
    else:
        output.line(f"{item.reference}\t{visible(item.title)}")


def damage(output: Output, findings: Sequence[Finding]) -> None:
    """What is damaged, and where."""
    output.table(
        (_("Damage"), _("Where"), _("Detail")),
        [(word(each.kind), each.subject, each.detail) for each in findings],
        empty=_("No damage was found."),
    )


def case_facts(case: CaseDetails) -> list[Fact]:
    """Everything about a case besides its items and persons."""
    summary = case.summary
    return [
        (_("Case"), summary.code),
        (_("Title"), summary.title),
        (_("Description"), case.description),
        (_("Tags"), ", ".join(case.tags)),
        (_("Items"), str(summary.items)),
        (_("Persons"), str(summary.persons)),
        (_("Size"), exact_size(case.size_bytes)),
        (_("Made"), moment(summary.created)),
        (_("Last change"), moment(summary.changed)),
        *_notes(case.notes),
        *_history(case.history),
        *((_("Deleted"), _deleted(each.reference, each.when, each.reason)) for each in case.disposals),
    ]


def item_facts(item: ItemDetails) -> list[Fact]:
    """Everything about an item besides its bytes."""
    summary = item.summary
    return [
        (_("Item"), summary.reference),
        (_("Title"), summary.title),
        (_("Kind"), word(summary.kind)),
        (_("Size"), exact_size(summary.size_bytes)),
        (_("File name"), item.file_name),
        (_("Media type"), item.media_type),
        (_("From"), item.source),
        (_("Came by"), item.via),
        (_("Recorded"), moment(summary.recorded)),
        (_("Received"), moment(item.received)),
        (_("Language"), item.language),
        (_("Tags"), ", ".join(summary.tags)),
        (_("Stored"), moment(summary.added)),
        (_("SHA-256"), item.sha256),
        (_("SHA-512"), item.sha512),
        (_("Later version of"), summary.revises),
        (_("Later versions"), ", ".join(item.revisions)),
        *circumstance_facts(item.statement),
        *_receptions(item),
        *(fact for each in item.receptions if each.origin for fact in _origin_facts(each.origin)),
        *_notes(item.notes),
        *_history(item.history),
    ]


def circumstance_facts(given: Circumstances | None) -> list[Fact]:
    """How a statement came about; nothing if nobody said."""
    if given is None:
        return []
    return [
        (_("In custody or within reach of the accused"), _reach(given.within_reach)),
        (_("Statement of"), given.person),
        (_("Given on"), given.date),
        (_("Place"), given.place),
        (_("Began"), given.started),
        (_("Ended"), given.ended),
        (_("Language of the statement"), given.language),
        (_("Interpreter"), given.interpreter),
        (_("In the room"), given.present),
        (_("Earlier accounts"), given.earlier_accounts),
        (_("Read back and confirmed"), given.read_back),
        (_("Signed"), given.signed),
        (_("Recorded by"), given.recorded_by),
    ]


def person_facts(person: PersonDetails) -> list[Fact]:
    """Everything about a person."""
    return [
        (_("Person"), person.reference),
        (_("Name"), person.name),
        *((_("Alias"), value) for value in person.aliases),
        (_("Role"), person.role),
        *((_("Phone"), value) for value in person.phones),
        *((_("Mail"), value) for value in person.mails),
        *((_("Messenger"), value) for value in person.messengers),
        *((_("Address"), value) for value in person.addresses),
        (_("Safe times"), person.safe_times),
        (_("Added"), moment(person.added)),
        *_history(person.history),
    ]


def say_who_has(shares: Sequence[ShareSummary]) -> None:
    """Which sealed files cannot be taken back, a line for each; nothing if there are none."""
    left = [each for each in shares if each.state != "failed"]
    if left:
        _terminal.say(_("Files that were sealed, which nobody can take back:"))
    for share in left:
        _terminal.say("  " + _who_has(share))


def arrived_items(share: ShareSummary) -> str:
    """How much came of a file of which not all did."""
    number = share.arrived_items or 0
    return ngettext("only {number} item came whole", "only {number} items came whole", number).format(number=number)


def _who_has(share: ShareSummary) -> str:
    name = visible(share.partner) if share.partner else _("whoever was told the passphrase")
    about = {"name": name, "file": f"{share.code}-{share.sequence}", "when": moment(share.made)}
    if share.state == "signed":
        return _("{name} perhaps has {file} of {when}: it is not known whether it was finished").format(**about)
    if share.complete:
        return _("{name} has {file} of {when}, and has confirmed it").format(**about)
    if share.complete is not None:
        return _("{name} has or had a part of {file} of {when}: {items}").format(items=arrived_items(share), **about)
    return _("{name} has, or can get, {file} of {when}; not confirmed").format(**about)


def _notes(notes: Sequence[Note]) -> list[Fact]:
    return [(_("Note of {when}").format(when=moment(note.written)), note.text) for note in notes]


def _history(history: Sequence[Change]) -> list[Fact]:
    was, was_empty = _("{when}: {field} was “{before}”"), _("{when}: {field} was empty")
    found: list[Fact] = []
    for each in history:
        before = _value(each.field, each.before)
        said = (was if before else was_empty).format(when=moment(each.when), field=_label(each.field), before=before)
        found.append((_("Changed"), said))
    return found


def _label(field: str) -> str:
    """What a field is called where its value is shown."""
    known = {
        "title": _("Title"),
        "description": _("Description"),
        "kind": _("Kind"),
        "source": _("From"),
        "via": _("Came by"),
        "recorded": _("Recorded"),
        "received": _("Received"),
        "language": _("Language"),
        "within_reach": _("In custody or within reach of the accused"),
        "person": _("Statement of"),
        "date": _("Given on"),
        "place": _("Place"),
        "started": _("Began"),
        "ended": _("Ended"),
        "interpreter": _("Interpreter"),
        "present": _("In the room"),
        "earlier_accounts": _("Earlier accounts"),
        "read_back": _("Read back and confirmed"),
        "signed": _("Signed"),
        "recorded_by": _("Recorded by"),
        "name": _("Name"),
        "aliases": _("Alias"),
        "role": _("Role"),
        "phones": _("Phone"),
        "mails": _("Mail"),
        "messengers": _("Messenger"),
        "addresses": _("Address"),
        "safe_times": _("Safe times"),
    }
    return known[field]


def _value(field: str, stored: str | None) -> str:
    """A value of before as a person reads it; what may come more than once is kept as a list."""
    if stored is None:
        return ""
    if field == "kind":
        return word(stored)
    if field == "within_reach":
        return _reach(stored) or ""
    return ", ".join(json.loads(stored)) if field in _LISTS else stored


def _reach(said: str | None) -> str | None:
    return {"yes": _("yes"), "no": _("no"), "unknown": _("not known")}.get(said or "")


def _receptions(item: ItemDetails) -> list[Fact]:
    if len(item.receptions) < 2:
        return []
    return [
        (_("Came in"), ", ".join(part for part in (moment(each.when), each.file_name, each.source, each.via) if part))
        for each in item.receptions
    ]


def sender_grade(grade: str | None) -> str:
    """How far a sender is known, as a person reads it."""
    known = {
        "unverified": _("nobody compared the key"),
        "voice": _("key compared by voice"),
        "person": _("key compared in person"),
        "unknown": _("not known here, and nobody compared the key"),
        "unproven": _("SENDER UNPROVEN: nobody signed it"),
    }
    return known.get(grade or "", grade or "")


def _origin_facts(origin: Origin) -> list[Fact]:
    kinds = {"share": _("sealed file"), "drop": _("dropped file"), "age": _("age file")}
    sender = sender_grade(origin.grade)
    if origin.grade == "unknown" and origin.sender_name is not None:
        # What they call themselves comes last, so that nothing in it reads as ours.
        sender = _("{grade}; they call themselves {name}").format(grade=sender, name=origin.sender_name)
    elif origin.sender is not None and origin.sender_name is not None:
        sender = _("{name} ({grade})").format(name=origin.sender_name, grade=sender)
    return [
        (_("Came in a"), kinds.get(origin.kind, origin.kind)),
        (_("Sender"), sender),
        *_fingerprint_facts(origin.sender),
        (_("There it is"), origin.reference if origin.kind == "share" else None),
        (_("There a later version of"), origin.revises),
        (_("Stored there"), moment(origin.added)),
        (_("Received there"), moment(origin.received)),
        (_("Sealed for the purpose"), origin.purpose),
        (_("Terms"), origin.terms),
        (_("Id of the sealed file"), origin.share_id),
        (_("Digest of its list"), origin.file_digest if origin.share_id is not None else None),
    ]


def _fingerprint_facts(fingerprint: str | None) -> list[Fact]:
    if fingerprint is None:
        return []
    from vault import fingerprints  # few items came from others

    return [
        (_("Sender in words"), fingerprints.words(fingerprint)),
        (_("Sender in digits"), fingerprints.digits(fingerprint)),
    ]


def _deleted(reference: str, when: str, reason: str | None) -> str:
    if reason:
        return _("{reference}, {when}: {reason}").format(reference=reference, when=moment(when), reason=reason)
    return _("{reference}, {when}").format(reference=reference, when=moment(when))
