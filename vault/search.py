"""The words of a case: what is indexed, and what a search finds. SQLite's FTS5, inside the case's own database.

A row of ``words`` holds a text and its terms (``vault.wordforms``), and FTS5 indexes the terms. Nothing else of a text
is kept, so that whoever takes the row out of the index takes out all forms of its words.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass

from vault import errors
from vault.compartment import Compartment
from vault.requests import Hit
from vault.wordforms import RULES, WORD, Piece, Terms, Wanted, pieces

_EXCERPT_BEFORE, _EXCERPT_CHARACTERS = 60, 200
_LARGEST_TEXT = 4 << 20
_MOST_WORDS = 100
_LONGEST_QUERY = 10_000
_TOO_MANY_WORDS = f"it holds more than {_MOST_WORDS} words"
# Putting the marks of one letter in order takes time that grows as the square of their number.
_SIGNS = re.compile(r"([^\w\s!-~]{30})[^\w\s!-~]+")
# Of two hits, the one in a field that says more in fewer words comes first.
_FIELDS = {name: place for place, name in enumerate(("person", "contact", "title", "tag", "file name", "note"))}

CASE_REFERENCE = ""


@dataclass(frozen=True, slots=True)
class Query:
    """FTS5 expressions for all words that are looked for, and what finds each of them."""

    expression: str
    exact: str
    wanted: tuple[Wanted, ...]


def index(compartment: Compartment, reference: str, field: str, text: str | None) -> None:
    """Make ``text`` findable under a reference inside the case (``3``, ``p2``, or empty for the case itself)."""
    if not text:
        return
    _follow_rules(compartment)
    # An excerpt is one line.
    bounded = _SIGNS.sub(r"\1", text[:_LARGEST_TEXT])
    content = _in_one_line(unicodedata.normalize("NFC", bounded))
    compartment.store.execute("INSERT INTO indexed (reference, field) VALUES (?, ?)", (reference, field))
    ((number,),) = compartment.store.execute("SELECT last_insert_rowid()")
    compartment.store.execute(
        "INSERT INTO words (rowid, content, terms) VALUES (?, ?, ?)", (number, content, Terms().of_text(content))
    )


def _in_one_line(text: str) -> str:
    return " ".join(text.split())


def forget(compartment: Compartment, reference: str, *fields: str) -> None:
    """Take a reference out of the index: some of its fields, or all."""
    found = compartment.store.execute("SELECT id, field FROM indexed WHERE reference = ?", (reference,))
    for number, field in found:
        if not fields or field in fields:
            compartment.store.execute("DELETE FROM words WHERE rowid = ?", (number,))
            compartment.store.execute("DELETE FROM indexed WHERE id = ?", (number,))


def _follow_rules(compartment: Compartment) -> None:
    """Make the terms of all texts anew if other rules made them: in one transaction, and no change of the case."""
    store = compartment.store
    if store.execute("SELECT rules FROM index_rules") == [(RULES,)]:
        return
    with store.atomic():
        for (number,) in store.execute("SELECT id FROM indexed"):
            ((content,),) = store.execute("SELECT content FROM words WHERE rowid = ?", (number,))
            terms = Terms().of_text(content)
            store.execute("UPDATE words SET content = ?, terms = ? WHERE rowid = ?", (content, terms, number))
        store.execute("DELETE FROM index_rules")
        store.execute("INSERT INTO index_rules (rules) VALUES (?)", (RULES,))


def query(words: str) -> Query:
    """What finds words as a person types them: all of them, each in any spelling or as the beginning of a word.

    Raises ``BadValue`` if there is no word in it, or more than any search needs.
    """
    if len(words) > _LONGEST_QUERY:
        raise errors.BadValue(field="search", reason="it is too long")
    found = list(pieces(_in_one_line(words)))
    singles = [piece for piece in found if piece.parts == 1 and piece.sounding]
    if not singles:
        raise errors.BadValue(field="search", reason="it holds no word")
    if len(singles) > _MOST_WORDS:
        raise errors.BadValue(field="search", reason=_TOO_MANY_WORDS)
    terms = Terms()
    clauses: dict[str, str] = {}  # without those that stand there twice
    wanted: list[Wanted] = []
    for whole, parts in _grouped(found, singles):
        choices = [[terms.wanted(part) for part in parts]]
        if whole:
            choices.append([terms.wanted(whole)])
        wanted += (each for choice in choices for each in choice)
        clause = " OR ".join(_all(_any(each) for each in choice) for choice in choices)
        clauses[f"({clause})"] = " OR ".join(_all(_begun(each.exact) for each in choice) for choice in choices)
    exact = _all(f"({each})" for each in clauses.values())
    return Query(_all(clauses), exact, tuple(wanted))


def _grouped(found: list[Piece], singles: list[Piece]) -> Iterable[tuple[Piece | None, list[Piece]]]:
    """Each word alone; those of a joined word or of a number together, with it."""
    end = 0
    for whole in sorted(found, key=lambda piece: (piece.start, -piece.end, bool(piece.sounding))):
        if whole.start >= end:
            parts = [piece for piece in singles if whole.start <= piece.start < whole.end]
            yield None if parts == [whole] else whole, parts
            end = whole.end


def _all(clauses: Iterable[str]) -> str:
    return "(" + " AND ".join(clauses) + ")"


def _any(wanted: Wanted) -> str:
    return "(" + " OR ".join((*map(_begun, wanted.beginnings), *(f'"{term}"' for term in wanted.terms))) + ")"


def _begun(term: str) -> str:
    return f'"{term}"*'


def find(compartment: Compartment, wanted: Query, code: str) -> list[Hit]:
    """What a case has for a query: first what holds the words as they were typed. Titles are left for the caller."""
    _follow_rules(compartment)
    found = compartment.store.execute(
        "SELECT i.id, i.reference, i.field FROM words JOIN indexed i ON i.id = words.rowid WHERE words MATCH ?",
        (wanted.expression,),
    )
    if not found:
        return []
    exact = {
        number
        for (number,) in compartment.store.execute("SELECT rowid FROM words WHERE words MATCH ?", (wanted.exact,))
    }
    found.sort(key=lambda row: (row[0] not in exact, _FIELDS.get(row[2], len(_FIELDS)), row[0]))
    matches = _Matches(wanted.wanted)
    hits = []
    for number, reference, field in found:
        # Not by FTS5's snippet() or highlight(): they know terms, and not the words that these were made of.
        ((content, terms),) = compartment.store.execute("SELECT content, terms FROM words WHERE rowid = ?", (number,))
        excerpt, spans = _excerpt(content, matches.words(terms))
        full = f"{code}/{reference}" if reference else code
        hits.append(Hit(reference=full, title="", field=field, excerpt=excerpt, spans=spans))
    return hits


class _Matches:
    """Which words of a text are those that a query found, told by the terms that both have."""

    def __init__(self, wanted: Iterable[Wanted]) -> None:
        self._terms: set[str] = set()
        self._beginnings: dict[str, list[str]] = {}  # by their first letters
        for each in wanted:
            self._terms.update(each.terms)
            for beginning in each.beginnings:
                self._beginnings.setdefault(beginning[:2], []).append(beginning)

    def words(self, terms: str) -> dict[str, None]:
        """The words of the groups that ``Terms.of_text`` made, in its order."""
        found: dict[str, None] = {}
        word = ""
        for term in terms.split():
            if term[0] == WORD:
                word = term[1:]
            if term in self._terms or (term[:2] in self._beginnings and self._begins(term)):
                found[word] = None
        return found

    def _begins(self, term: str) -> bool:
        return term.startswith(tuple(self._beginnings[term[:2]]))


def _excerpt(content: str, words: dict[str, None]) -> tuple[str, tuple[tuple[int, int], ...]]:
    first = _place(content, words)
    start = max(0, first - _EXCERPT_BEFORE)
    if start:
        start = content.find(" ", start, first) + 1 or start
    end = start + _EXCERPT_CHARACTERS
    if end < len(content):
        end = max(content.rfind(" ", first, end), end - _EXCERPT_BEFORE)
    before, after = "…" if start else "", "…" if end < len(content) else ""
    shown = content[start:end]
    spans: list[tuple[int, int]] = []
    for piece in sorted(pieces(shown), key=lambda piece: (piece.start, piece.end)):
        if piece.word in words and (not spans or piece.start + len(before) >= spans[-1][1]):
            spans.append((piece.start + len(before), piece.end + len(before)))
    return before + shown + after, tuple(spans)


def _place(content: str, words: dict[str, None]) -> int:
    """Where the first of ``words`` stands."""
    if len(content) <= _EXCERPT_CHARACTERS:
        return 0
    # Between its letters may stand what joins the parts of a name, groups digits, or belongs to a letter.
    pattern = r"(?<![^\W_])" + r"\W{0,3}".join(map(re.escape, next(iter(words), "")))
    found = re.search(pattern, content.translate(_FOLDED))
    if found:
        return found.start()
    return next((piece.start for piece in pieces(content) if piece.word in words), 0)


class _Folding(dict[int, str]):
    """For ``str.translate``: each letter small and without its marks, as one character, so that places stay the same."""

    def __missing__(self, point: int) -> str:
        plain = unicodedata.normalize("NFD", chr(point))[0].lower()
        self[point] = plain if len(plain) == 1 else chr(point)
        return self[point]


_FOLDED = _Folding()
