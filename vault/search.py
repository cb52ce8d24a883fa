"""The words of a case: what is indexed, and what a search finds. SQLite's FTS5, inside the case's own database."""

from __future__ import annotations

import re
import unicodedata

from vault import errors
from vault.compartment import Compartment
from vault.requests import Hit

# FTS5 marks the matches with characters that no indexed text has.
_BEGIN, _END = "\x02", "\x03"
_EXCERPT_BEFORE, _EXCERPT_CHARACTERS = 60, 200
_LARGEST_TEXT = 4 << 20
_MOST_WORDS = 100
_TOKEN = re.compile(r"[^\W_]+")

CASE_REFERENCE = ""


def index(compartment: Compartment, reference: str, field: str, text: str | None) -> None:
    """Make ``text`` findable under a reference inside the case (``3``, ``p2``, or empty for the case itself)."""
    if not text:
        return
    # Words and single spaces: an excerpt is one line, and holds none of the marks.
    content = " ".join(_composed(text[:_LARGEST_TEXT]).replace(_BEGIN, " ").replace(_END, " ").split())
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
        # Not snippet(): its time grows with the square of the matches, and one text may repeat a word 10**6 times.
        "SELECT i.reference, i.field, highlight(words, 0, ?, ?) FROM words JOIN indexed i ON i.id = words.rowid"
        " WHERE words MATCH ? ORDER BY rank, i.id",
        (_BEGIN, _END, expression),
    )
    hits = []
    for reference, field, marked in found:
        excerpt, spans = _unmark(_around_first_match(marked))
        full = f"{code}/{reference}" if reference else code
        hits.append(Hit(reference=full, title="", field=field, excerpt=excerpt, spans=spans))
    return hits


def _around_first_match(marked: str) -> str:
    first = max(0, marked.find(_BEGIN))
    start = max(0, first - _EXCERPT_BEFORE)
    if start:
        start = marked.find(" ", start, first) + 1 or start
    end = start + _EXCERPT_CHARACTERS
    if end < len(marked):
        end = max(end if (space := marked.rfind(" ", first, end)) < 0 else space, first + 1)
    part = marked[start:end]
    if part.count(_BEGIN) > part.count(_END):
        part += _END
    return f"{'…' if start else ''}{part}{'…' if end < len(marked) else ''}"


def _unmark(marked: str) -> tuple[str, tuple[tuple[int, int], ...]]:
    text, spans, begun = "", [], 0
    for part in re.split(f"([{_BEGIN}{_END}])", marked):
        if part == _BEGIN:
            begun = len(text)
        elif part == _END:
            spans.append((begun, len(text)))
        else:
            text += part
    return text, tuple(spans)
