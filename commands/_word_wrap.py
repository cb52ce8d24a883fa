"""Where the rows of a written line end: after a word, as on paper."""

from __future__ import annotations

from collections.abc import Sequence

# A line that is a whole book is broken where the row is full: it is laid out anew with every key.
LONGEST_LINE = 20_000


def broken_at_words(shown: Sequence[str], widths: Sequence[int], columns: int) -> list[str]:
    """How the characters of a line look, with spaces put in so that a screen that breaks full rows breaks no word.

    ``shown`` and ``widths`` say of each character how it looks and how many columns that takes. The spaces stand behind the
    one before the word. A word that is longer than a row is broken; a space for which there is no room is not shown.
    """
    looks = list(shown)
    if columns < 1 or len(looks) > LONGEST_LINE or sum(widths) <= columns:
        return looks
    used = 0
    for start, end in _pieces(shown):
        width = sum(widths[start:end])
        if shown[start] == " " and used == columns:
            looks[start] = ""
            used = 0
            continue
        if used and used + width > columns >= width:
            looks[start - 1] += " " * (columns - used)
            used = 0
        used += width
        if used > columns:
            used = (used - 1) % columns + 1
    return looks


def _pieces(shown: Sequence[str]) -> list[tuple[int, int]]:
    """From where to where each word goes, and each single space."""
    found: list[tuple[int, int]] = []
    start = 0
    for number, look in enumerate(shown):
        if look == " ":
            if start < number:
                found.append((start, number))
            found.append((number, number + 1))
            start = number + 1
    if start < len(shown):
        found.append((start, len(shown)))
    return found
