"""Before anything irreversible: the person types what is to be deleted, or says yes; a script names it."""

from __future__ import annotations

from collections.abc import Callable

from commands import _terminal
from commands._errors import REFUSED, Declined, Stop
from commands._options import Settings, asked
from commands._text import _
from vault import errors

_TRIES = 3


def confirm(reference: str, given: str | None, *, parse: Callable[[str], object], agreed: bool = False) -> None:
    """Return if ``reference`` was confirmed by ``--confirm``, by ``agreed``, or by typing it. Raises ``Stop``, ``Declined``."""
    if given is not None:
        if not _names(given, reference, parse):
            raise Stop(
                REFUSED, _("What --confirm names is not {reference}; nothing was deleted").format(reference=reference)
            )
        return
    if agreed:
        return
    if not _terminal.can_ask():
        raise Stop(
            REFUSED,
            _("This cannot be undone and was not confirmed; nothing was deleted"),
            _("`--confirm {reference}` confirms it").format(reference=reference),
        )
    question = _("Type {reference} to delete it; Enter alone leaves it:").format(reference=reference)
    for _nth in range(_TRIES):
        typed = asked(question)
        if _names(typed, reference, parse):
            return
        # Translators: the answers that count as a no, separated by spaces.
        if not typed.strip() or typed.strip().casefold() in _("no n").split():
            break
        question = _("That is not {reference}. Type it to delete it; Enter alone leaves it:").format(
            reference=reference
        )
    raise Declined(_("Nothing was deleted."))


def _names(typed: str, reference: str, parse: Callable[[str], object]) -> bool:
    try:
        return parse(typed) == parse(reference)
    except (errors.BadCode, errors.BadReference):
        return False


def agree(settings: Settings, question: str) -> None:
    """Return if ``--yes`` was given or the answer is a clear yes. Raises ``Stop``, ``Declined``."""
    if settings.yes:
        return
    try:
        agreed = _terminal.confirm(question)
    except _terminal.NoTerminal:
        raise Stop(
            REFUSED, _("This cannot be undone and was not confirmed; nothing was changed"), _("`--yes` confirms it")
        ) from None
    if not agreed:
        raise Declined(_("Nothing was done."))
