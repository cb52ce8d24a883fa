"""`casevault identity`: who this vault is to partners, and the card that they are given."""

from __future__ import annotations

from pathlib import Path

import click

from commands import _terminal
from commands._documents import IDENTITY, IDENTITY_CARD
from commands._key_files import new_file
from commands._options import Settings, command, group, output_option, pass_settings, refuse_unasked, required
from commands._output import Fact, Output, moment
from commands._session import opened
from commands._terminal import visible
from commands._text import _
from vault.sharing_requests import IdentityDetails

identity = group("identity", _("Who we are to partners: show, name, card."))

_GROUPS_A_LINE = 4


@command("show", example="casevault identity show", fields=IDENTITY)
@pass_settings
def show(settings: Settings) -> None:
    """Show our fingerprint, to be read out to a partner or scanned: digits, words, QR code.

    The partner types what they hear into `casevault partner verify`. All of it may be said aloud; nothing is secret.
    """
    with opened(settings) as session:
        details = session.vault.identity.show()
    _print(settings, details)


@command("name", example="casevault identity name", fields=IDENTITY)
@click.argument("name", metavar="[NAME]", required=False)
@pass_settings
def rename(settings: Settings, name: str | None) -> None:
    """Set what our cards call us; an empty name takes it away. A card needs no name, and a name in it proves nothing."""
    refuse_unasked(name, name="NAME")
    with opened(settings) as session:
        called = required(
            name, _("What our cards call us (Enter alone: nothing):"), name="NAME", may_be_empty=True
        ).strip()
        details = session.go_on().identity.rename(called or None)
    output = Output(settings)
    if output.json:
        output.answer(details)
    elif details.name is None:
        output.line(_("Our cards have no name in them."))
    else:
        output.line(_("Our cards say “{name}” from now on.").format(name=visible(details.name)))


@command("card", example="casevault identity card -o our.card", fields=IDENTITY_CARD)
@output_option(_("Write the card to a new file."))
@click.option(
    "--classical", is_flag=True, help="Also name a recipient for tools that are not safe from quantum computers."
)
@pass_settings
def card(settings: Settings, target: Path | None, classical: bool) -> None:
    """Write our card: what others need to seal files for us and to verify what we sign.

    Nothing in it is secret, but whoever has it knows that its owner uses this program, and calls them what it says.
    """
    with opened(settings) as session:
        vault = session.vault
        text = vault.identity.card(classical=classical)
        details = vault.identity.show()
    output = Output(settings)
    if target is not None:
        new_file(target, text)
    if output.json:
        output.answer({"path": target, "card": text.decode(), "fingerprint": details.fingerprint, "name": details.name})
    elif target is not None:
        output.line(_("The card is in {path}.").format(path=visible(str(target))))
    elif _terminal.stdout_is_terminal():
        output.line("\n".join(visible(line) for line in text.decode().split("\n")[:-1]))
    else:
        output.exactly(text)
    if details.name is None:
        _terminal.say(_("It names nobody."))
    else:
        _terminal.say(_("It says “{name}”.").format(name=visible(details.name)))
    _terminal.say(
        _(
            "Give it to partners by any way, then read out `casevault identity show` to them by another: only that shows "
            "them that the card is ours. Nothing in it is secret; that somebody uses this program can be told from it."
        )
    )


def _print(settings: Settings, details: IdentityDetails) -> None:
    output = Output(settings)
    if output.json:
        output.answer(details)
        return
    facts: list[Fact] = [(_("Name in our cards"), details.name), (_("Made"), moment(details.created))]
    if output.plain:
        facts += [
            (_("Group {number}").format(number=number), digits) for number, digits in enumerate(details.digits, 1)
        ]
        facts += [(_("Word {number}").format(number=number), word) for number, word in enumerate(details.words, 1)]
    else:
        facts.append((_("Fingerprint"), "\n".join(_numbered(details.digits))))
        facts.append((_("In words"), "\n".join((" ".join(details.words[:6]), " ".join(details.words[6:])))))
    facts.append((_("For ssh-keygen"), details.ssh_fingerprint))
    if output.rich and _terminal.stdout_is_utf8():
        from commands import _qr

        # Above, because on a small screen what comes first scrolls away, and the digits are what is read aloud.
        output.picture(_qr.lines(details.qr_text))
        output.line("")
    output.facts(facts)


def _numbered(digits: tuple[str, ...]) -> list[str]:
    groups = [f"{number:2}: {group}" for number, group in enumerate(digits, 1)]
    return ["   ".join(groups[at : at + _GROUPS_A_LINE]) for at in range(0, len(groups), _GROUPS_A_LINE)]


for each in (show, rename, card):
    identity.add_command(each)
