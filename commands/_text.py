"""Every sentence that a person reads passes through here, so that it can be translated; the source is English.

A sentence is translated whole, with named fields, and never glued together from pieces. Translations lie in
``commands/locale/LANGUAGE/LC_MESSAGES/casevault.mo`` and are looked up when the first sentence is needed.
"""

from __future__ import annotations

import functools
import gettext
from pathlib import Path

DOMAIN = "casevault"


@functools.cache
def _translations() -> gettext.NullTranslations:
    return gettext.translation(DOMAIN, Path(__file__).parent / "locale", fallback=True)


def _(sentence: str) -> str:
    """The sentence in the language of the user."""
    return _translations().gettext(sentence)


def ngettext(one: str, many: str, number: int) -> str:
    """``one`` or ``many``, in the language of the user and by its rules of number."""
    return _translations().ngettext(one, many, number)
