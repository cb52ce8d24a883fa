"""Single words that the library gives as constants, as a person reads them."""

from __future__ import annotations

from commands._terminal import visible
from commands._text import _


def kind_of_key(kind: str) -> str:
    """What a way into the vault is."""
    known = {
        "passphrase": _("passphrase"),
        "passphrase+keyfile": _("passphrase and key file"),
        "keyfile": _("key file"),
        "recovery": _("recovery words"),
    }
    return known.get(kind) or visible(kind)


def kind_of_partner(kind: str) -> str:
    """By what a partner is known."""
    known = {"card": _("a card"), "age": _("an age recipient alone")}
    return known.get(kind) or visible(kind)


def grade(constant: str) -> str:
    """How a partner's key was compared."""
    known = {
        "unverified": _("not compared yet"),
        "voice": _("compared by voice"),
        "person": _("compared in person"),
    }
    return known.get(constant) or visible(constant)


def reason(constant: str) -> str:
    """Why something was not done, as the log keeps it."""
    known = {"Stop": _("stopped"), "KeyboardInterrupt": _("interrupted")}
    _name, _colon, said = constant.partition(": ")  # of a refused file the rule says more than the name of the error
    return known.get(constant) or word(said or constant)


def word(constant: str) -> str:
    """A kind of item, an act, a phase, a field, a kind of damage. Never for what a person wrote."""
    return visible(_(constant)) if constant else ""  # to gettext nothing at all means its own header
