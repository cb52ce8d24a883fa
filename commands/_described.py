"""The options that describe an item when it is added or revised."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from commands._options import optional, several
from commands._text import _
from vault import errors, references
from vault.requests import KINDS, Description

_OPTIONS = (
    click.option("--kind", type=click.Choice(list(KINDS)), help="Guessed from the file name unless given."),
    click.option("--title", metavar="TEXT", help="Its title; else the file name."),
    click.option("--note", metavar="TEXT", help="A note."),
    click.option("--tag", "tags", multiple=True, metavar="TEXT", help="A tag; may come more than once."),
    click.option("--from", "source", metavar="PERSON", help="From whom: a person of the case (HARBOUR/p2), or text."),
    click.option("--via", metavar="HOW", help="How it came: stick, messenger, mail…"),
    click.option("--recorded", metavar="TIME", help="When it was recorded; a bare date stays a date."),
    click.option("--received", metavar="TIME", help="When it was received; a bare date stays a date."),
    click.option("--language", metavar="TEXT", help="The language spoken or written in it."),
)


def describing(function: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the options; they arrive as keyword arguments for ``description``."""
    for option in reversed(_OPTIONS):
        function = option(function)
    return function


def description(
    *,
    kind: str | None,
    title: str | None,
    note: str | None,
    tags: tuple[str, ...],
    source: str | None,
    via: str | None,
    recorded: str | None,
    received: str | None,
    language: str | None,
) -> Description:
    """What was given, with ``-`` read or asked for."""
    return Description(
        kind=kind,
        title=optional(title, _("Title:")),
        note=optional(note, _("Note:")),
        tags=several(tags, _("Tag:")),
        source=person_or_text(source),
        via=via,
        recorded=recorded,
        received=received,
        language=language,
    )


def person_or_text(source: str | None) -> str | None:
    """A person's reference as it is stored, or free text."""
    if source is None:
        return None
    try:
        code, number = references.parse_person(source)
    except errors.BadReference:
        return optional(source, _("From whom:"))
    return references.person_reference(code, number)
