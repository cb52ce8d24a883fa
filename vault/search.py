"""The words of a case: what is indexed, and what a search finds. SQLite's FTS5, inside the case's own database."""

from __future__ import annotations

import re
import unicodedata

from vault import errors
from vault.compartment import Compartment
from vault.requests import Hit

_EXCERPT_BEFORE, _EXCERPT_CHARACTERS = 60, 200
_LARGEST_TEXT = 4 << 20
_MOST_WORDS = 100
_TOKEN = re.compile(r"[^\W_]+")

CASE_REFERENCE = ""


def index(compartment: Compartment, reference: str, field: str, text: str | None) -> None:
    """Make ``text`` findable under a reference inside the case (``3``, ``p2``, or empty for the case itself)."""
    if not text:
        return
    # Words and single spaces: an excerpt is one line.
    content = " ".join(_composed(text[:_LARGEST_TEXT]).split())
    compartment.store.execute("INSERT INTO indexed (reference, field) VALUES (?, ?)", (reference, field))
    ((number,),) = compartment.store.execute("SELECT last_insert_rowid()")
    compartment.store.execute("INSERT INTO words (rowid, content) VALUES (?, ?)", (number, content))


def forget(compartment: Compartment, reference: str, *fields: str) -> None:
    """Take a reference out of the index: some of its fields, or all."""
    found = compartment.store.execute("SELECT id, field FROM indexed WHERE reference = ?", (reference,))
    for number, field in found:
        if not fields or field in fields:
            compartment.store.execute("DELETE FROM words WHERE rowid = ?", (number,))
            compartment.store.execute("DELETE FROM indexed WHERE id = ?", (number,))


def query(words: str) -> str:
    """An FTS5 expression for words as a person types them: all of them, each also as the beginning of a word.

    Raises ``BadValue`` if there is no word in it, or more than any search needs.
    """
    tokens = _TOKEN.findall(_composed(words))
    if not tokens:
        raise errors.BadValue(field="search", reason="it holds no word")
    if len(tokens) > _MOST_WORDS:
        raise errors.BadValue(field="search", reason=f"it holds more than {_MOST_WORDS} words")
    return " ".join(f'"{token}"*' for token in tokens)


def _composed(text: str) -> str:
    # A letter and its mark may be one character or two (macOS writes file names so); a word must be found either way.
    return unicodedata.normalize("NFC", text)


def find(compartment: Compartment, expression: str, code: str) -> list[Hit]:
    """What a case has for an expression of ``query``, best first. Titles are left for the caller to fill."""
    found = compartment.store.execute(
        "SELECT i.id, i.reference, i.field FROM words JOIN indexed i ON i.id = words.rowid"
        " WHERE words MATCH ? ORDER BY rank, i.id",
        (expression,),
    )
    tokens = "|".join(_TOKEN.findall(expression.translate(_FOLDED)))
    pattern = re.compile(rf"(?<![^\W_])(?:{tokens})[^\W_]*")
    hits = []
    for number, reference, field in found:
        # Not by FTS5's snippet() or highlight(): their time grows with the square of the matches in a text.
        ((content,),) = compartment.store.execute("SELECT content FROM words WHERE rowid = ?", (number,))
        excerpt, spans = _excerpt(content, pattern)
        full = f"{code}/{reference}" if reference else code
        hits.append(Hit(reference=full, title="", field=field, excerpt=excerpt, spans=spans))
    return hits


class _Folding(dict[int, str]):
    """For ``str.translate``: each letter small and without its marks, as one character, so that places stay the same."""

    def __missing__(self, point: int) -> str:
        plain = unicodedata.normalize("NFD", chr(point))[0].lower()
        self[point] = plain if len(plain) == 1 else chr(point)
        return self[point]


_FOLDED = _Folding()


def _excerpt(content: str, pattern: re.Pattern[str]) -> tuple[str, tuple[tuple[int, int], ...]]:
    folded = content.translate(_FOLDED)
    match = pattern.search(folded)
    first = match.start() if match else 0
    start = max(0, first - _EXCERPT_BEFORE)
    if start:
        start = content.find(" ", start, first) + 1 or start
    end = start + _EXCERPT_CHARACTERS
    if end < len(content):
        end = max(content.rfind(" ", first, end), end - _EXCERPT_BEFORE)
    before, after = "…" if start else "", "…" if end < len(content) else ""
    spans = tuple(
        (each.start() - start + len(before), each.end() - start + len(before))
        for each in pattern.finditer(folded, start, end)
    )
    return before + content[start:end] + after, spans
