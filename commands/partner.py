"""`casevault partner`: whom we share with, under names of our own, and whether somebody compared their keys."""

from __future__ import annotations

from pathlib import Path

import click

from commands import _terminal
from commands._confirm import agree
from commands._documents import PARTNER, PARTNER_ADDED, PARTNER_VERIFIED
from commands._options import (
    PathName,
    Settings,
    asked,
    command,
    group,
    optional,
    pass_settings,
    refuse_unasked,
    required,
)
from commands._output import Fact, Output, moment, values
from commands._public import read_public
from commands._session import Session, opened
from commands._show import say_who_has
from commands._terminal import visible
from commands._text import _
from commands._which_partner import which_partner
from commands._words import grade, kind_of_partner
from vault import errors
from vault.sharing_requests import PartnerDetails, PartnerVerified

partner = group("partner", _("Whom we share with: add, list, show, verify, remove."))

_GROUPS, _GROUP_DIGITS, _LARGEST_GROUP = 16, 5, 65535
_AGE_PREFIX = "age1"
_LONGEST_SHOWN = 80


@command("add", example="casevault partner add lena.card", fields=PARTNER_ADDED)
@click.argument("card", type=PathName(allow_dash=True), metavar="[CARD|-]", required=False)
@click.option("--age", metavar="RECIPIENT", help="An age recipient (age1…) of somebody who has no card; `-` reads it.")
@click.option("--name", metavar="NAME", help="What we call them; asked for when left out.")
@pass_settings
def add(settings: Settings, card: Path | None, age: str | None, name: str | None) -> None:
    """Take a partner's card, or an age recipient, under a name that we give.

    A newer card of the same keys replaces the old one. Another card under a known name is kept, and nothing is sealed for
    this partner until `casevault partner verify` agrees with it.
    """
    if card is not None and age is not None:
        raise click.UsageError(_("Give a card or --age, not both"))
    if card is not None and _is_recipient(card):
        raise click.UsageError(_("That is an age recipient and no file; `--age -` asks for it"))
    if card is None and age is None:
        refuse_unasked(None, name="CARD")
    refuse_unasked(name, name="--name")
    with opened(settings) as session:
        if card is None and age is None:
            typed = required(None, _("Where is the card?"), name="CARD").strip()
            # Whoever has no card was sent this, and gives it here.
            card, age = (None, typed) if _is_recipient(Path(typed)) else (Path(typed), None)
            recipient = age
        else:
            recipient = optional(age, _("The age recipient:"))
        content = None if card is None else read_public(card)
        called = required(name, _("What do we call them?"), name="--name")
        added = session.go_on().partners.add(called, card=content, age=recipient)
    output = Output(settings)
    details = added.partner
    if output.json:
        output.answer(values(details) | {"again": added.again})
    elif added.again:
        output.line(_("The newer card of {name} took the place of the old one.").format(name=visible(details.name)))
    else:
        output.line(_("{name} is a partner now.").format(name=visible(details.name)))
    if details.own_name is not None:
        _terminal.say(_("The card calls itself “{name}”; that proves nothing.").format(name=visible(details.own_name)))
    if details.grade == "unverified":
        _terminal.say(
            _(
                "Nobody has compared it yet: it could be of somebody in between. Meet or call them, then "
                "`casevault partner verify`."
            )
        )


def _is_recipient(named: Path) -> bool:
    return str(named).lower().startswith(_AGE_PREFIX) and not named.exists()


@command("list", example="casevault partner list", fields=PARTNER, many=True)
@click.option("--removed", is_flag=True, help="Also those that were removed.")
@pass_settings
def list_partners(settings: Settings, removed: bool) -> None:
    """List the partners, and how their keys were compared."""
    with opened(settings) as session:
        found = session.vault.partners.list(removed=removed)
    output = Output(settings)
    if output.json:
        output.answer(found)
        return
    output.table(
        (_("Name"), _("Known by"), _("Compared"), _("Added"), _("State")),
        [
            (each.name, kind_of_partner(each.kind), grade(each.grade), moment(each.added), _state(each))
            for each in found
        ],
        empty=_("There are no partners yet: `casevault partner add CARD` adds one."),
    )


def _state(details: PartnerDetails) -> str:
    if details.removed:
        return _("removed {when}").format(when=moment(details.removed))
    return _("BLOCKED: another card came {when}").format(when=moment(details.changed)) if details.changed else ""


@command("show", example="casevault partner show", fields=PARTNER)
@click.argument("name", metavar="[NAME]", required=False)
@pass_settings
def show(settings: Settings, name: str | None) -> None:
    """Show what is known of a partner. Without NAME it is asked for."""
    refuse_unasked(name, name="NAME")
    with opened(settings) as session:
        details = session.go_on().partners.get(_name(session, name)).show()
    Output(settings).show(details, _facts)


def _facts(details: PartnerDetails) -> list[Fact]:
    return [
        (_("Name"), details.name),
        (_("Known by"), kind_of_partner(details.kind)),
        (_("The card calls itself"), details.own_name),
        (_("Card made"), details.dated),
        (_("Compared"), grade(details.grade)),
        (_("Last compared"), moment(details.verified)),
        (_("Added"), moment(details.added)),
        (_("State"), _state(details)),
        # Never in digits or words: who compares should type what is heard, and not what is seen here.
        (_("Fingerprint"), details.fingerprint if details.grade != "unverified" and not details.changed else None),
        (_("For ssh-keygen"), details.ssh_fingerprint),
        (_("age recipient"), _short(details.age_recipient)),
        (_("For classical tools"), details.age_classical),
    ]


def _short(recipient: str) -> str:
    # A hybrid one has two thousand letters, which nobody reads; --json has them all.
    return recipient if len(recipient) < _LONGEST_SHOWN else f"{recipient[:16]}…{recipient[-8:]}"


@command("verify", example="casevault partner verify", fields=PARTNER_VERIFIED)
@click.argument("name", metavar="[NAME]", required=False)
@click.option("--in-person", is_flag=True, help="You sit together: all sixteen groups, or the text of their QR code.")
@click.option(
    "--heard",
    type=PathName(allow_dash=True),
    metavar="FILE|-",
    help="What was heard, whole, from a file or a pipe: all sixteen groups, the twelve words or the text of the QR code.",
)
@pass_settings
def verify(settings: Settings, name: str | None, in_person: bool, heard: Path | None) -> None:
    """Compare a partner's fingerprint: they read out `casevault identity show`, and you type what you hear.

    Eight of the sixteen groups of digits are asked for, others every time; the twelve words do in their place. Use a way
    on which you know them, by voice or face, and another one than the card came by. If it differs, nothing changes.
    """
    refuse_unasked(name, name="NAME")
    if heard is None:
        refuse_unasked(None, name="--heard")
    with opened(settings) as session:
        called = _name(session, name)
        handle = session.vault.partners.get(called)
        before = handle.show()
        if heard is not None:
            found = handle.verify(read_public(heard).decode("utf-8", "replace"), in_person=in_person)
        else:
            found = _compared(session, before, in_person=in_person)
    details = found.partner
    Output(settings).done(
        values(details) | {"took": found.took},
        _("It agrees. {name}: {grade}.").format(name=visible(details.name), grade=grade(details.grade)),
    )
    if found.took == "changed":
        _terminal.say(_("The new card took the place of the old one; files are sealed for it from now on."))
    elif found.took == "kept":
        _terminal.warn(
            _(
                "they still have the card that you knew. The other one that came under this name is not theirs, and was "
                "thrown away: ask yourself who gave it to you"
            )
        )


def _compared(session: Session, details: PartnerDetails, *, in_person: bool) -> PartnerVerified:
    """What comparing says. What cannot be a fingerprint is typed again: a slip is not a difference."""
    _say_how(details)
    while True:
        handle = session.go_on().partners.get(details.name)
        text, groups = _heard(details, handle.draw(), in_person=in_person)
        try:
            return session.go_on().partners.get(details.name).verify(text, groups=groups, in_person=in_person)
        except errors.BadValue as error:
            _terminal.say(
                _("That can't be it: {reason}. Nothing was changed; please type it again.").format(
                    reason=_(str(error.fields["reason"]))
                )
            )


def _say_how(details: PartnerDetails) -> None:
    if _has_no_card(details):
        _terminal.say(
            _(
                "{name} has no card. Ask, by a way on which you know them, for the SHA-256 of their age recipient: "
                "`printf %s RECIPIENT | sha256sum`. Type all 64 characters of it."
            ).format(name=visible(details.name))
        )
        return
    _terminal.say(
        _(
            "Ask {name} to open `casevault identity show` and to read out what is asked for here. Type what you hear; do "
            "not read anything to them."
        ).format(name=visible(details.name))
    )


def _has_no_card(details: PartnerDetails) -> bool:
    return details.kind == "age" and not details.changed


def _heard(details: PartnerDetails, drawn: tuple[int, ...], *, in_person: bool) -> tuple[str, tuple[int, ...]]:
    """What the person types, and the numbers of its groups; none for everything."""
    if _has_no_card(details):
        return asked(_("SHA-256:")), ()
    if in_person:
        whole = asked(_("The text of their QR code (Enter alone: group by group):"))
        if whole.strip():
            return whole, ()
        drawn = tuple(range(1, _GROUPS + 1))
    groups: list[str] = []
    for number in drawn:
        words_too = not in_person and not groups
        group = _group(number, words_too=words_too)
        if words_too and not group.isdecimal():
            return group, ()
        groups.append(group)
    return " ".join(groups), drawn


def _group(number: int, *, words_too: bool) -> str:
    """A group's five digits, or with ``words_too`` what was typed with letters in it."""
    question = _("Group {number}, or all twelve words:") if words_too else _("Group {number}:")
    while True:
        typed = asked(question.format(number=number))
        if words_too and any(character.isalpha() for character in typed):
            return typed
        group = "".join(typed.split())
        if len(group) == _GROUP_DIGITS and group.isdecimal() and int(group) <= _LARGEST_GROUP:
            return group
        _terminal.say(_("A group has five digits, at most 65535."))


@command("remove", example="casevault partner remove", fields=PARTNER)
@click.argument("name", metavar="[NAME]", required=False)
@pass_settings
def remove(settings: Settings, name: str | None) -> None:
    """Seal for a partner no more. What they have, they keep; that they were a partner stays known here."""
    refuse_unasked(name, name="NAME")
    with opened(settings) as session:
        handle = session.vault.partners.get(_name(session, name))
        details = handle.show()
        _terminal.say(
            _(
                "From now on nothing is sealed for {name}. What they were sent they keep: nothing can take it back."
            ).format(name=visible(details.name))
        )
        say_who_has(session.vault.shares(partner=details.name))
        agree(settings, _("Remove {name}?").format(name=visible(details.name)))
        details = session.go_on().partners.get(details.name).remove()
    Output(settings).done(details, _("{name} is no partner any more.").format(name=visible(details.name)))


def _name(session: Session, name: str | None) -> str:
    return which_partner(session, name, _("Which partner?"), name="NAME")


for each in (add, list_partners, show, verify, remove):
    partner.add_command(each)
