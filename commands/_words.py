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


def word(constant: str) -> str:
    """A kind of item, an act, a phase, a field, a kind of damage. Never for what a person wrote."""
    return visible(_(constant)) if constant else ""  # to gettext nothing at all means its own header
