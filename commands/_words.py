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
