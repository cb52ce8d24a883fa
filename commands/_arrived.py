"""What others sealed for us, as a person is told of it: what it is, who sent it, what to make of that."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from commands import _terminal
from commands._output import Fact, Output, exact_size, moment
from commands._show import sender_grade
from commands._terminal import visible
from commands._text import _, ngettext
from commands._words import word

if TYPE_CHECKING:
    from vault.arrivals import Arrived, Sender, Verdict
    from vault.received_file import Outside
    from vault.sealed import SealedManifest
    from vault.unsealing import Found


def outside_facts(outside: Outside) -> list[Fact]:
    """What shows without a key."""
    return [
        (_("File"), str(outside.path)),
        (_("Size"), exact_size(outside.size_bytes)),
        (_("Form"), _("age file, as text") if outside.armored else _("age file")),
        (_("Sealed for"), _stanzas(outside.stanzas)),
    ]


def _stanzas(stanzas: Sequence[str]) -> str:
    known = {
        "mlkem768x25519": _("a key that is safe against quantum computers too"),
        "X25519": _("a key that a quantum computer may break one day"),
        "scrypt": _("a passphrase"),
    }
    if len(stanzas) == 1:
        return known.get(stanzas[0]) or _("a key of a kind that is not known here")
    kinds = sorted({known.get(each) or _("a key of a kind that is not known here") for each in stanzas})
    return ngettext("{number} key: {kinds}", "{number} keys: {kinds}", len(stanzas)).format(
        number=len(stanzas), kinds="; ".join(kinds)
    )


def _content_facts(found: Found) -> list[Fact]:
    kinds = {
        "share": _("sealed file, signed by its sender"),
        "drop": _("dropped file: sealed by somebody who only had your card, signed by nobody"),
        "age": _("age file of another program, signed by nobody"),
    }
    facts: list[Fact] = [(_("Content"), kinds[found.kind]), (_("Size of the content"), exact_size(found.size_bytes))]
    manifest = found.manifest
    if manifest is not None:
        named = {"share": f"{manifest.case}-{manifest.sequence}"}.get(manifest.kind)
        facts += [
            (_("Case and number there"), named),
            (_("Sealed"), moment(manifest.made)),
            (_("Purpose"), manifest.purpose),
            (_("Terms"), manifest.terms),
            (_("Items"), str(len(manifest.items))),
            (_("Persons"), str(len(manifest.persons))),
        ]
    whole = _("read to its end: whole, and every byte as it was sealed") if found.whole else None
    return [*facts, (_("State"), whole)]


def _sender_facts(sender: Sender) -> list[Fact]:
    trusts = {
        "unknown": _("not known here; the signatures hold, for a key that nobody here has compared"),
        "changed": _("NOT the key that is known here under this name"),
        "unproven": _("not proven: anybody can have made this file"),
    }
    known = trusts.get(sender.trust) or _("{name} ({grade})").format(name=sender.name, grade=sender_grade(sender.grade))
    return [
        (_("Sender"), known),
        (
            _("Calls itself"),
            _("{name} (a name in a card proves nothing)").format(name=sender.claimed) if sender.claimed else None,
        ),
        (_("Fingerprint in words"), " ".join(sender.words)),
        (_("Fingerprint in digits"), " ".join(sender.digits)),
    ]


def facts(found: Found) -> list[Fact]:
    """What it is, who sent it, and whether it is here already."""
    stored = (_("Stored already, as"), ", ".join(found.verdict.again))
    return [*_content_facts(found), *_sender_facts(found.verdict.sender), stored]


def show_items(output: Output, manifest: SealedManifest) -> None:
    """What is in it, as its sender says."""
    output.table(
        (_("No."), _("Kind"), _("Title"), _("Size")),
        [
            (str(each.number), word(each.kind), each.title or each.file_name or "", exact_size(each.size_bytes))
            for each in manifest.items
        ],
        empty=_("There is nothing in it."),
    )


def warn(found: Found) -> None:
    """What must not be overlooked: an unproven sender, a signature that is for nobody, files that are missing before it."""
    _warn_of_sender(found)
    _warn_of_passphrase(found)
    _warn_of_chain(found.verdict)


def _warn_of_sender(found: Found) -> None:
    sender = found.verdict.sender
    if sender.trust == "unproven":
        _terminal.warn(
            _(
                "SENDER UNPROVEN: nobody signed this file. Anybody who has your card can have made it; do not rely on "
                "who it seems to be from"
            )
        )
    elif sender.trust == "changed":
        _terminal.warn(
            _(
                "under the name {name} comes another key than the one that is known here. Somebody may pretend to be {name}: "
                "ask them by a way that you trust"
            ).format(name=visible(sender.name or ""))
        )
    elif sender.trust in ("unknown", "unverified"):
        _terminal.warn(_("nobody compared the sender's key: compare its fingerprint with them by a way that you trust"))


def _warn_of_passphrase(found: Found) -> None:
    """What a signature does not say of a file that was for nobody in particular."""
    manifest = found.manifest
    if manifest is not None and manifest.to_kind == "passphrase":
        _terminal.warn(
            _(
                "its sender signed it for whoever has its passphrase, not for you: somebody who had it can have passed it on "
                "under another one. Whether files before it are missing cannot be told"
            )
        )


def _warn_of_chain(verdict: Verdict) -> None:
    if verdict.rival:
        _terminal.warn(
            _("another file of this sender has the same number. Ask them which of the two they made, and when")
        )
    if verdict.gap:
        _terminal.warn(
            _(
                "the file that this sender sealed for you before this one has not come here: it was lost, never sent, or is "
                "being withheld. Ask them"
            )
        )
    if verdict.late:
        _terminal.warn(
            _("this is an older file: a later one of this sender (number {number}) came before it").format(
                number=verdict.last_sequence
            )
        )
    if verdict.new_generation is not None:
        _terminal.warn(
            _(
                "since its last file the log of this sender has begun anew, as generation {number}: their vault was restored from "
                "a backup, or its log lost its key. What it logged between is not in it any more. Ask them"
            ).format(number=verdict.new_generation)
        )
    if verdict.beside is not None:
        _terminal.warn(
            _(
                "the log of this sender goes on in more than one copy: another one (generation {number}) was seen here last, and "
                "neither holds what the other logged. Their vault was restored more than once, or beside the one that went on, or "
                "this file was sealed before a restore and came late; or somebody else uses a copy of their vault. Ask them"
            ).format(number=verdict.beside)
        )
    warn_of_log(verdict)


def warn_of_log(verdict: Verdict) -> None:
    """Where what was seen of the sender's log lies too far from what the file shows."""
    if verdict.unconnected is not None:
        _terminal.warn(
            _(
                "nothing proves that the log of this sender goes on from the {number} entries that were seen of it here: very many "
                "of their files were not opened here, or this vault was restored from an old backup, or their log was rewritten. "
                "Send them a receipt (`open FILE --receipt`): their next file can prove it then"
            ).format(number=verdict.unconnected)
        )


def explain(found: Found, arrived: Arrived, file: Path) -> None:
    """What became of it, and what to make of that."""
    if arrived.known:
        _terminal.say(
            _(
                "This file was opened before, and what came in it is still there: {items}. Nothing was stored again."
            ).format(items=", ".join(arrived.again))
        )
        return
    sender = found.verdict.sender
    if arrived.new_case:
        _terminal.say(_("It is in the new case {code}.").format(code=arrived.code))
    if sender.trust == "known":
        _terminal.say(_("It is from {name}; both signatures hold.").format(name=visible(sender.name or "")))
    warn(found)
    for reference in arrived.again:
        _terminal.say(
            _("{reference} has these bytes already; that they came once more is noted there.").format(
                reference=reference
            )
        )
    if found.manifest is not None and found.manifest.terms:
        _terminal.say(_("The sender's terms: {terms}").format(terms=visible(found.manifest.terms)))
    if arrived.persons:
        _terminal.say(_("Persons that came: {persons}.").format(persons=", ".join(arrived.persons)))
    if arrived.proofs is not None:
        _terminal.say(
            _("{reference} keeps the signatures, with which others can verify what came.").format(
                reference=arrived.proofs
            )
        )
    _terminal.say(
        _("The file is still at {path}, sealed as it came; we never delete it.").format(path=visible(str(file)))
    )
