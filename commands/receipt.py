"""`casevault receipt` and `casevault grants`: what partners confirmed, and who has what."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from commands import _terminal
from commands._documents import GRANT, RECEIPT
from commands._options import PathName, Settings, command, pass_settings
from commands._output import Fact, Output, moment
from commands._session import opened
from commands._show import arrived_items
from commands._terminal import visible
from commands._text import _
from vault import references

if TYPE_CHECKING:
    from vault.receipt_requests import ReceiptTaken
    from vault.sealing_requests import ShareSummary


@command("receipt", example="casevault receipt sealed-7f3a.age", fields=RECEIPT)
@click.argument("file", type=PathName())
@pass_settings
def receipt(settings: Settings, file: Path) -> None:
    """Take in a partner's receipt for a file that you sealed for them.

    It counts only when both keys of the partner's card signed it, and when it is about a file that was sealed for that card.
    Anything else is refused and changes nothing; but what proves that this vault's log has another history is kept.
    """
    with opened(settings) as session:
        taken = session.vault.take_receipt(file)
    Output(settings).show(taken, _facts)
    _explain(taken)


def _facts(taken: ReceiptTaken) -> list[Fact]:
    return [
        (_("Partner"), taken.partner),
        (_("File"), f"{taken.code}-{taken.sequence}"),
        (_("Came there"), moment(taken.arrived)),
        (_("Complete"), _("yes") if taken.complete else _("no")),
        (_("Items that came whole"), str(taken.items)),
    ]


def _explain(taken: ReceiptTaken) -> None:
    name = visible(taken.partner)
    if taken.former_card:
        _terminal.say(_("It is signed with the keys of the card that {name} had before.").format(name=name))
    if taken.log == "not-ours":
        _terminal.warn(
            _(
                "{name} has what this vault's own keys have signed of a state of its log that this log never had: an older copy was "
                "put back and gone on from, the log was rewritten, or somebody else has these keys. The proof is kept"
            ).format(name=name)
        )
    elif taken.log == "elsewhere":
        _terminal.warn(
            _(
                "{name} was shown the log of another copy of this vault, signed by its own keys, as a generation that this one does "
                "not have: it was restored, or gone on from, more than once. If none of you did that, somebody else has a copy "
                "and its keys"
            ).format(name=name)
        )
    elif taken.log == "claimed":
        _terminal.warn(
            _(
                "{name} says that they were shown a state of this vault's log that this log never had. It is their word alone: it is "
                "not true, or an older copy was put back, or the log was rewritten. Ask them by a way that you trust to open the file "
                "again with `open FILE --receipt`, which sends your own signature back and proves it"
            ).format(name=name)
        )
    elif taken.log == "lost":
        _terminal.warn(
            _(
                "{name} says that they saw more of this vault's log than it holds since it was restored: what was logged between is lost"
            ).format(name=name)
        )
    if taken.again:
        _terminal.say(_("This was confirmed before, on {when}; nothing changed.").format(when=moment(taken.confirmed)))
    elif not taken.complete:
        _terminal.warn(
            _("the file did not come whole, and nothing of it was stored there: send it to {name} again").format(
                name=name
            )
        )
    else:
        _terminal.say(_("{name} has signed that all of it came. When is what their clock said.").format(name=name))


@command("grants", example="casevault grants HARBOUR", fields=GRANT, many=True)
@click.argument("code", metavar="[CASE]", required=False)
@pass_settings
def grants(settings: Settings, code: str | None) -> None:
    """List who has what: every file that was sealed, since when, and whether its recipient confirmed it.

    Partners that were removed are in the list too: what they were sent, they keep.
    """
    wanted = references.parse_case(code) if code else None
    with opened(settings) as session:
        found = session.vault.shares(case=wanted)
    output = Output(settings)
    if output.json:
        output.answer(found)
        return
    left = [each for each in found if each.state != "failed"]
    output.table(
        (_("Who"), _("File"), _("Since"), _("Confirmed"), _("Items"), _("Persons"), _("Purpose"), _("Terms")),
        [
            (
                _who(each),
                f"{each.code}-{each.sequence}",
                moment(each.made),
                _confirmed(each),
                _items(each),
                references.listed((), each.persons),
                each.purpose or "",
                each.terms or "",
            )
            for each in left
        ],
        empty=_("Nothing was sealed for anybody."),
    )
    if left:
        _explain_grants(left)


def _who(share: ShareSummary) -> str:
    if share.partner is None:
        return _("whoever has the file and the passphrase")
    if share.removed is not None:
        return _("{name}, removed on {when}").format(name=share.partner, when=moment(share.removed))
    return share.partner


def _confirmed(share: ShareSummary) -> str:
    if share.complete:
        return _("yes: all of it came on {when}").format(when=moment(share.arrived))
    if share.complete is not None:
        return _("no: {items}, on {when}").format(items=arrived_items(share), when=moment(share.arrived))
    if share.state == "signed":
        return _("no: it is not known whether the file was finished")
    if share.recipient_kind != "card":
        return _("no: nobody can confirm it")
    return _("not yet")


def _items(share: ShareSummary) -> str:
    # Of a deleted case it is not known any more what went.
    return references.listed(share.items, ()) or _("case deleted here")


def _explain_grants(left: list[ShareSummary]) -> None:
    _terminal.say(
        _(
            "Nothing that was sealed can be taken back: whoever has a file can read it for good, and pass on what is in it. "
            "Where nothing is confirmed, count it as theirs all the same."
        )
    )
    if any(each.removed is not None for each in left):
        _terminal.say(_("For removed partners nothing more is sealed; what they were sent, they keep."))
