"""`casevault seal`: a part of a case, in one file, for one partner."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from commands import _terminal
from commands._confirm import agree
from commands._documents import SEALED
from commands._errors import LOCKED, Stop
from commands._options import Settings, asked, command, optional, output_option, pass_settings, refuse_unasked
from commands._output import Output, exact_size, human_size, progress
from commands._session import Session, opened
from commands._terminal import visible
from commands._text import _
from commands._which_partner import which_partner
from commands._words import word
from vault import errors, references

if TYPE_CHECKING:
    from vault.sealing import Sealed, Sealing
    from vault.sealing_requests import SharePlan

_INCLUDES = ("names", "notes", "tags", "circumstances")
# Half of what a file has room to prove.
_MANY_UNCONFIRMED = 256
_SAFE_RECIPIENT = "age1pq"
_HYBRID, _CLASSICAL, _PASSPHRASE = "mlkem768x25519", "X25519", "scrypt"
_LIMITS = {"mail": 25_000_000, "signal": 100_000_000, "fat32": 2**32 - 1}  # the largest size that is taken


@command("seal", example="casevault seal HARBOUR --item 3", fields=SEALED)
@click.argument("code", metavar="CASE")
@click.option("--item", "items", multiple=True, metavar="ITEM", help="An item that goes; may come more than once.")
@click.option("--all", "everything", is_flag=True, help="All items of the case go.")
@click.option("--to", metavar="PARTNER", help="For whom; asked for when left out.")
@click.option("--passphrase", is_flag=True, help="For whoever is told a passphrase, which is made and shown once.")
@click.option("--person", "persons", multiple=True, metavar="PERSON", help="A person whose details go.")
@click.option(
    "--with",
    "includes",
    multiple=True,
    metavar="WHAT",
    help="What else goes: names, notes, tags, circumstances, with commas between them.",
)
@click.option("--purpose", metavar="TEXT", help="What for; in the file and in the log. Asked for when left out.")
@click.option("--terms", metavar="TEXT", help="What they may do with it; in the file. Asked for when left out.")
@click.option("--classical", is_flag=True, help="For a program that knows nothing safe against quantum computers.")
@output_option(_("The new file, or the folder for one of a random name."))
@pass_settings
def seal(
    settings: Settings,
    code: str,
    items: tuple[str, ...],
    everything: bool,
    to: str | None,
    passphrase: bool,
    persons: tuple[str, ...],
    includes: tuple[str, ...],
    purpose: str | None,
    terms: str | None,
    classical: bool,
    target: Path | None,
) -> None:
    """Seal items of a case for one partner, in one file that age and tar open.

    Nothing goes that is not named: titles, file names, notes, tags and persons stay. What will go is shown first. The file
    gets a random name in this folder; nothing of it is on the disk in the clear. Whoever opens it can prove that it
    came from you.
    """
    wanted = references.parse_case(code)
    if everything == bool(items):
        raise click.UsageError(_("Say what goes: `--item ITEM`, once for each, or `--all`"))
    if passphrase and (to is not None or classical):
        raise click.UsageError(_("A file is sealed for a partner or for a passphrase, not both"))
    numbers = None if everything else _numbers(items, wanted, person=False)
    people = _numbers(persons, wanted, person=True)
    named = _named(includes)
    if passphrase and not _terminal.can_ask():
        raise Stop(
            LOCKED,
            _("There is no terminal to show the passphrase on, and it is shown nowhere else"),
            _("`--to PARTNER` seals without one"),
        )
    if not passphrase:
        refuse_unasked(to, name="--to")
    with opened(settings) as session:
        session.see_case(wanted)
        if not passphrase:
            to = which_partner(session, to, _("For which partner?"), name="--to")
        place = target or Path()
        if _terminal.can_ask() and (purpose is None or terms is None):
            _look_before_asking(session, wanted, to, numbers, people, place, classical=classical)
        purpose = _asked_for(purpose, _("What is it for? (Enter: nothing is said)"))
        terms = _asked_for(terms, _("What may they do with it? (Enter: nothing is said)"))
        case = session.go_on().cases.get(wanted)
        with case.seal(
            to=to,
            items="all" if numbers is None else numbers,
            persons=people,
            includes=named,
            purpose=purpose,
            terms=terms,
            classical=classical,
        ) as sealing:
            sealing.verify_room(place)
            for line in _preview(sealing.plan):
                _terminal.say(line)
            agree(settings, _question(sealing.plan))
            try:
                done = _written(settings, sealing, place)
            except BaseException:
                if sealing.done is not None:  # a file for somebody else must not lie there untold
                    _report(settings, sealing.plan, sealing.done)
                    _terminal.say(_("The file is whole and can be sent. What follows is about the log alone."))
                raise
    _report(settings, sealing.plan, done)


def _look_before_asking(
    session: Session,
    code: str,
    to: str | None,
    numbers: Sequence[int] | None,
    people: Sequence[int],
    place: Path,
    *,
    classical: bool,
) -> None:
    """Nobody should say what for, and under which terms, to hear that there is no such partner, item, person or place.

    Raises as sealing does.
    """
    if to is not None:
        partner = session.vault.partners.get(to).show()
        if partner.changed:
            raise errors.PartnerChanged(name=partner.name)
        if not classical and not partner.age_recipient.startswith(_SAFE_RECIPIENT):
            raise errors.OnlyClassical(name=partner.name)
    case = session.vault.cases.get(code)
    listed = {references.parse_item(each.reference)[1]: each for each in case.items.list()}
    for number in numbers or ():
        if number not in listed:
            raise errors.NoSuchItem(reference=references.item_reference(code, number))
    for number in people:
        case.persons.get(number).show()
    going = listed.values() if numbers is None else [listed[number] for number in set(numbers)]
    session.vault.verify_place(place, sum(each.size_bytes for each in going))


def _numbers(given: Iterable[str], code: str, *, person: bool) -> tuple[int, ...]:
    """The numbers of what was named, as ``HARBOUR/3`` or in short ``3``; for persons ``p2``. Raises ``BadReference``."""
    parse = references.parse_person if person else references.parse_item
    numbers = []
    for each in given:
        named, number = parse(each if "/" in each else f"{code}/{each}")
        if named != code:
            raise errors.BadReference(reference=each)
        numbers.append(number)
    return tuple(numbers)


def _named(given: tuple[str, ...]) -> tuple[str, ...]:
    named = [each.strip() for part in given for each in part.split(",") if each.strip()]
    for each in named:
        if each not in _INCLUDES:
            raise click.UsageError(
                _("--with does not know {name}; it takes names, notes, tags, circumstances").format(name=visible(each))
            )
    return tuple(named)


def _asked_for(given: str | None, question: str) -> str | None:
    """What was given; left out, it is asked for where somebody can be, because the history of the shell is in the clear."""
    if given is None and _terminal.can_ask():
        return asked(question)
    return optional(given, question)


# What is shown before


def _preview(plan: SharePlan) -> Iterable[str]:
    yield _("This seals a file from case {code}, “{title}”:").format(code=plan.code, title=visible(plan.title))
    yield "  " + _recipient(plan)
    yield "  " + _protection(plan)
    yield "  " + _opened_with(plan)
    for item in plan.items:
        yield "  " + _("{reference}, {kind}, {size}: “{title}”").format(
            reference=item.reference,
            kind=word(item.kind),
            size=human_size(item.size_bytes),
            title=visible(item.title),
        )
    what = {
        "names": _("Titles and file names go too."),
        "notes": _("Notes go too."),
        "tags": _("Tags go too."),
        "circumstances": _("The circumstances of statements go too."),
    }
    yield from ("  " + what[each] for each in _INCLUDES if each in plan.includes)
    if not plan.includes:
        yield "  " + _("Titles, file names, notes, tags and circumstances stay here.")
    yield "  " + _("The code {code} and the numbers of the items go along.").format(code=plan.code)
    for person in plan.persons:
        yield "  " + _("{reference}, “{name}”, goes with all contact details.").format(
            reference=person.reference, name=visible(person.name)
        )
    if not plan.persons:
        yield "  " + _("No person goes.")
    yield "  " + _sender(plan)
    if plan.purpose:
        yield "  " + _("Purpose: {text}").format(text=visible(plan.purpose))
    if plan.terms:
        yield "  " + _("Terms: {text}").format(text=visible(plan.terms))
    yield "  " + _("Size of the file: {size}").format(size=exact_size(plan.size_bytes))
    yield from ("  " + _limit(name) for name in exceeded(plan.size_bytes))
    if plan.unconfirmed >= _MANY_UNCONFIRMED:
        yield "  " + _(
            "{name} has not confirmed the last {number} files. Ask for a receipt (`open FILE --receipt`): without one their casevault "
            "cannot tell much longer that the log of this vault was not rewritten."
        ).format(name=visible(plan.partner or ""), number=plan.unconfirmed)


def _recipient(plan: SharePlan) -> str:
    if plan.partner is None:
        return _("For: whoever has the file and is told the passphrase that is shown next.")
    name = visible(plan.partner)
    if plan.grade == "person":
        return _("For: {name}, whose card was compared in person.").format(name=name)
    if plan.grade == "voice":
        return _("For: {name}, whose card was compared by voice.").format(name=name)
    return _(
        "For: {name}, whose card NOBODY HAS COMPARED with them. If somebody else made it, they read this file."
    ).format(name=name)


def _protection(plan: SharePlan) -> str:
    if plan.protection == _HYBRID:
        return _("Protected for the recipient alone, also against quantum computers to come.")
    if plan.protection == _CLASSICAL:
        return _(
            "Protected for the recipient alone, but NOT against quantum computers: whoever keeps a copy may read it when they "
            "have one."
        )
    return _("Protected by a passphrase: tell it by voice, never by the way on which the file goes.")


def _opened_with(plan: SharePlan) -> str:
    if plan.protection == _HYBRID:
        return _("Opens with casevault, age 1.3 or later, and age-encryption in a browser; not with older age.")
    return _("Opens with casevault and with every age.")


def _sender(plan: SharePlan) -> str:
    if plan.sender is None:
        return _("It is signed by this vault, without a name; to whoever opens it that is a proof.")
    return _("It is signed by this vault, as “{name}”; to whoever opens it that is a proof.").format(
        name=visible(plan.sender)
    )


def exceeded(size_bytes: int) -> list[str]:
    """The limits that a file of this size is above."""
    return [name for name, largest in _LIMITS.items() if size_bytes > largest]


def _limit(name: str) -> str:
    return {
        "mail": _("Too large for most mail (25 MB)."),
        "signal": _("Too large for Signal (100 MB)."),
        "fat32": _("Too large for sticks with FAT32 (4 GiB), as most come; exFAT takes it."),
    }[name]


def _question(plan: SharePlan) -> str:
    if plan.grade == "unverified":
        return _("Nobody has compared this card. Seal for it all the same?")
    return _("Seal this file?")


# The file


def _written(settings: Settings, sealing: Sealing, target: Path) -> Sealed:
    passphrase = None
    if sealing.plan.protection == _PASSPHRASE:
        from vault.sealing import new_passphrase

        passphrase = new_passphrase()
        _terminal.show_once(
            _(
                "The passphrase of this file. It is shown once and kept nowhere. Write it down, tell it by voice, and burn the "
                "paper. The hyphens belong to it:"
            )
            + f"\n\n    {passphrase}",
            _("Written down? Press Enter."),
        )
    total = sum(item.size_bytes * (1 if item.hashed else 2) for item in sealing.plan.items)
    with progress(settings, _("sealing"), total) as further:
        return sealing.write(target, passphrase=passphrase, progress=further)


def _report(settings: Settings, plan: SharePlan, done: Sealed) -> None:
    output = Output(settings)
    if output.json:
        output.answer(
            {
                "path": done.path,
                "size_bytes": done.size_bytes,
                "sha256": done.sha256,
                "share_id": done.share_id,
                "code": plan.code,
                "sequence": done.sequence,
                "partner": plan.partner,
                "grade": plan.grade,
                "protection": plan.protection,
                "items": [item.reference for item in plan.items],
                "persons": [person.reference for person in plan.persons],
                "exceeds": exceeded(done.size_bytes),
                "owner_only": done.owner_only,
            }
        )
    else:
        output.line(visible(str(done.path)))
    _terminal.say(
        _(
            "Send or carry it by any way, under any name. `casevault help-partner` says how it is opened without this program. It "
            "cannot be called back."
        )
    )
