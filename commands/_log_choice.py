"""Which entries of the log are asked for: of one item or person, about one partner, of a time."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import datetime

import click

from commands._text import _
from vault import references
from vault.log_requests import LogEntry
from vault.sharing_requests import folded_name

_TIME = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}(?:[T ][0-9]{2}:[0-9]{2}(?::[0-9]{2})?)?")


def moment_given(_context: click.Context, _parameter: click.Parameter, value: str | None) -> str | None:
    """A day, or a time of a day, in UTC, in the form in which the log has it. Raises ``click.BadParameter``."""
    if value is None:
        return None
    text = value.strip().removesuffix("Z")
    try:
        if _TIME.fullmatch(text):
            datetime.fromisoformat(text)
            return text.replace(" ", "T")
    except ValueError:
        pass
    raise click.BadParameter(_("a day (2026-11-22) or a time (2026-11-22T08:15), in UTC"))


def chosen(
    entries: Iterable[LogEntry],
    *,
    reference: str | None = None,
    partner: str | None = None,
    since: str | None = None,
    until: str | None = None,
) -> tuple[LogEntry, ...]:
    """The entries of acts that speak of an item or person and of a partner, as far as they are of that time.

    An intent and what came of it belong together: one of them may name what the other leaves out.
    """
    found = list(entries)
    acts = {_act(each) for each in found}
    if reference is not None:
        acts &= {_act(each) for each in found if each.item and references.is_among(reference, each.item)}
    if partner is not None:
        name = folded_name(partner)
        acts &= {_act(each) for each in found if each.counterparty and folded_name(each.counterparty) == name}
    return tuple(
        each
        for each in found
        if _act(each) in acts
        and (since is None or each.when >= since)
        and (until is None or each.when[: len(until)] <= until)
    )


def _act(entry: LogEntry) -> int:
    return entry.number if entry.answers is None else entry.answers
