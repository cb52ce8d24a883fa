"""Every sentence that a person reads passes through here, so that it can be translated; the source is English.

A sentence is translated whole, with named fields, and never glued together from pieces. Translations lie in
``commands/locale/LANGUAGE/LC_MESSAGES/casevault.mo`` and are looked up when the first sentence is needed.
"""

from __future__ import annotations

import functools
import gettext
from pathlib import Path

DOMAIN = "casevault"
FOLDER = Path(__file__).parent / "locale"


def use_folder() -> None:
    """Take the translations of ``FOLDER`` from here on, for what the library for the command line says too."""
    _translations.cache_clear()
    gettext.bindtextdomain(DOMAIN, str(FOLDER))
    gettext.textdomain(DOMAIN)


@functools.cache
def _translations() -> gettext.NullTranslations:
    return gettext.translation(DOMAIN, FOLDER, fallback=True)


def _(sentence: str) -> str:
    """The sentence in the language of the user."""
    return _translations().gettext(sentence)


def ngettext(one: str, many: str, number: int) -> str:
    """``one`` or ``many``, in the language of the user and by its rules of number."""
    return _translations().ngettext(one, many, number)


use_folder()
