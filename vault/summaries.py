"""The lines of lists. They stand apart from the other answers because a list is asked for most often, and each class that
is not loaded makes the command that asks for it start sooner.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class CaseSummary:
    """A line of the list of cases."""

    code: str
    title: str
    created: str
    changed: str
    items: int
    persons: int


@dataclass(frozen=True, slots=True)
class ItemSummary:
    """A line of the list of items."""

    reference: str
    kind: str
    title: str
    size_bytes: int
    added: str
    recorded: str | None
    tags: tuple[str, ...]
    revises: str | None
