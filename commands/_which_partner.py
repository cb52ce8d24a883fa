"""Which partner a command is about: given, or chosen from the list before anything else is asked."""

from __future__ import annotations

from commands import _terminal
from commands._errors import NOT_FOUND, Stop
from commands._options import required
from commands._session import Session
from commands._terminal import visible
from commands._text import _
from commands._words import grade
from vault.sharing_requests import folded_name

_TRIES = 3


def which_partner(session: Session, given: str | None, question: str, *, name: str) -> str:
    """What was given; or a name from the list of partners. What is none of them is asked for again, a few times.

    ``name`` is how the help calls the value. Raises ``Stop`` where there is nobody to choose, and as ``required``.
    """
    if given is not None or not _terminal.can_ask():
        return required(given, question, name=name)
    listed = session.vault.partners.list()
    if not listed:
        raise Stop(NOT_FOUND, _("There is no partner yet"), _("`casevault partner add CARD` adds one"))
    for each in listed:
        state = _("BLOCKED: another card came") if each.changed else grade(each.grade)
        _terminal.say(_("  {name} ({grade})").format(name=visible(each.name), grade=state))
    known = {folded_name(each.name) for each in listed}
    called = required(None, question, name=name, may_be_empty=True)
    for _nth in range(_TRIES - 1):
        if folded_name(called) in known:
            break
        _terminal.say(_("That is none of them. Type one of these names."))
        called = required(None, question, name=name, may_be_empty=True)
    return called
