"""The forms under which the words and numbers of a text can be found.

A word has, besides itself, its stem, its sounds and its coarse sounds; a number has its digits from each place on, so
that it does not matter how they are grouped. Each form is a term of the index, and its first letter says of what kind
it is, so that a sound is never taken for a word. A word that is looked for becomes terms as well, some of them the
beginning of what may be found.
"""

from __future__ import annotations

import re
import unicodedata
from array import array
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache

from vault import spelling
from vault.spelling import CYRILLIC, LATIN, OTHER

# The number of the rules of this module, of ``vault.spelling`` and of the libraries behind them. Whoever changes what
# a text's terms are counts it up: an index that was made by other rules is then made anew.
RULES = 2

WORD = "e"
_STEM, _SOUND, _NUMBER = "s", "f", "n"  # and coarse sounds begin with the letter of their script

_LONGEST_WORD = 64
_MOST_MARKS = 32  # of a letter, with itself
_MOST_JOINED = 4
_MOST_TURNS = 10_000
_MOST_FORMS = 30_000  # distinct words of one text that get more than themselves: more are no text that a person wrote
_SHORTEST_SOUNDS, _SHORTEST_COARSE = 4, 3  # as a beginning: what is shorter begins too much
_DIGITS_OF_A_TERM, _MOST_DIGITS = 15, 200
_LONGEST_GAP = 3  # between two groups of digits
_FEWEST_DIGITS, _LONGEST_PREFIX = 5, 3  # the latter: of a country, or for a call within one

# Written inside a name, or for a sign that the keyboard does not have; what they join are also words of their own.
_JOINING = "'’‘`´′ʹʺʼ\\-‐‑!|"
# Written inside words and not seen: soft hyphen, zero-width space and joiners, word joiner, signs of direction.
_UNSEEN = "\u00ad\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff"
_GROUP = re.compile(r"\d+")
_BETWEEN_GROUPS = re.compile(rf"[ ()./\-\u2010-\u2015\u2212{_UNSEEN}]{{1,3}}")
_DIGIT = re.compile(r"\d")
_STEMMER_LETTERS = str.maketrans("ёєіїґ", "ееииг")


@dataclass(frozen=True, slots=True)
class Piece:
    """A word or number where it stands in a text: small letters, without marks."""

    start: int
    end: int
    word: str
    sounding: str = ""  # as ``word``, with the marks that belong to its letters; empty for a number
    parts: int = 1


@dataclass(frozen=True, slots=True)
class Wanted:
    """What finds one word: whole terms, and beginnings of terms; ``exact`` is the beginning that is meant literally."""

    exact: str
    terms: tuple[str, ...] = ()
    beginnings: tuple[str, ...] = ()


@cache
def _patterns() -> tuple[re.Pattern[str], re.Pattern[str]]:
    """Of words, perhaps joined ones; and of all that stands in them without being a letter or digit."""
    blocks = (*range(0x300, 0x1100), *range(0x1AB0, 0x1B00), *range(0x1DC0, 0x1E00), *range(0x20D0, 0x2100))
    marks = "".join(chr(point) for point in blocks if unicodedata.category(chr(point))[0] == "M")
    loose = f"{marks}\ufe00-\ufe0f\ufe20-\ufe2f{_UNSEEN}"
    # Each turn of the outer repetition is remembered while it goes on: so a turn takes as much as it can, and none goes on
    # through millions of letters and apostrophes in turn.
    words = re.compile(rf"[^\W_](?:[^\W_]+|[{loose}]+|[{_JOINING}](?=[^\W_])){{0,{_MOST_TURNS}}}")
    return words, re.compile(f"[{loose}]")


_JOINED = re.compile(f"[{_JOINING}]")


def pieces(text: str) -> Iterator[Piece]:
    """The words of a text, joined ones also as one, and its numbers of several groups as one."""
    words, loose = _patterns()
    for run in words.finditer(text):
        yield from _run(run[0], run.start(), loose)
    for start, end in _runs_of_digits(text):
        yield from _numbers(text[start:end], start)


def _different_pieces(text: str) -> Iterator[Piece]:
    """As ``pieces``, but what is written in the same way again is left out."""
    words, loose = _patterns()
    seen: set[str] = set()
    for run in words.finditer(text):
        if run[0] not in seen:
            seen.add(run[0])
            yield from _run(run[0], run.start(), loose)
    seen.clear()  # what is a word is perhaps a number, too
    for start, end in _runs_of_digits(text):
        number = text[start:end]
        if number not in seen:
            seen.add(number)
            yield from _numbers(number, start)


def _run(whole: str, place: int, loose: re.Pattern[str]) -> Iterator[Piece]:
    if not _JOINED.search(whole):
        yield _piece(whole, place, loose)
        return
    start, parts = place, 0
    for part in _JOINED.split(whole):
        if part:
            parts += 1
            yield _piece(part, place, loose)
        place += len(part) + 1
    if 1 < parts <= _MOST_JOINED:
        yield _piece(_JOINED.sub("", whole), start, loose, length=len(whole), parts=parts)


def _runs_of_digits(text: str) -> Iterator[tuple[int, int]]:
    """Where numbers stand that have enough digits, each perhaps in groups; a group that a letter touches belongs to none.

    Not one expression: that remembers each of its steps, and a text may be nothing but digits.
    """
    begin, end, count = 0, -1, 0  # of the run so far; an end of -1 is none
    for group in _GROUP.finditer(text):
        start, stop = group.span()
        if end >= 0 and not (start - end <= _LONGEST_GAP and _BETWEEN_GROUPS.fullmatch(text, end, start)):
            if count >= _FEWEST_DIGITS:
                yield begin, end
            end, count = -1, 0
        if text[stop : stop + 1].isalnum():
            if count >= _FEWEST_DIGITS:
                yield begin, end
            end, count = -1, 0
        elif end >= 0 or not text[start - 1 : start].isalnum():
            if end < 0:
                begin = start - 1 if _has_plus(text, start) else start
            end, count = stop, count + stop - start
    if count >= _FEWEST_DIGITS:
        yield begin, end


def _has_plus(text: str, start: int) -> bool:
    return start > 0 and text[start - 1] == "+" and (start == 1 or not text[start - 2].isalnum())


def _numbers(run: str, begin: int) -> Iterator[Piece]:
    """A number; a long list of numbers in pieces that overlap, so that each number of it is whole in one."""
    places = array("Q", (found.start() for found in _DIGIT.finditer(run)))
    digits = "".join(str(unicodedata.digit(run[place])) for place in places)
    for first in range(0, max(1, len(digits) - _DIGITS_OF_A_TERM), _MOST_DIGITS - _DIGITS_OF_A_TERM):
        last = min(first + _MOST_DIGITS, len(digits)) - 1
        start = begin + (places[first] if first else 0)
        yield Piece(start, begin + places[last] + 1, digits[first : last + 1])


def _piece(written: str, start: int, loose: re.Pattern[str], *, length: int | None = None, parts: int = 1) -> Piece:
    end = start + (len(written) if length is None else length)
    # A letter and its mark may be one character or two (macOS writes file names so); a word is found either way.
    sounding = written[: _MOST_MARKS * _LONGEST_WORD].casefold()
    if sounding.isascii():
        return Piece(start, end, sounding[:_LONGEST_WORD], sounding[:_LONGEST_WORD], parts)
    sounding = loose.sub("", unicodedata.normalize("NFC", sounding))[:_LONGEST_WORD]
    return Piece(start, end, folded(sounding), sounding, parts)


def folded(word: str) -> str:
    """A word without marks, so that ё is е and é is e."""
    if word.isascii():
        return word
    return "".join(filter(str.isalnum, unicodedata.normalize("NFKD", word)))[:_LONGEST_WORD]


class Terms:
    """Makes terms; one for each text or query, because stemmers keep what they work on."""

    def __init__(self) -> None:
        from snowballstemmer import stemmer

        self._stemmers = {CYRILLIC: stemmer("russian"), LATIN: stemmer("english")}

    def of_text(self, text: str) -> str:
        """The terms of a text, in groups: each begins with the word itself, in the order of first appearance."""
        groups: dict[tuple[str, bool], str] = {}
        for piece in _different_pieces(text):
            key = piece.word, not piece.sounding
            if piece.word and key not in groups:
                few = len(groups) < _MOST_FORMS
                groups[key] = " ".join(self._of_piece(piece)) if few else WORD + piece.word
        return " ".join(groups.values())

    def _of_piece(self, piece: Piece) -> list[str]:
        if not piece.sounding:
            starts = range(len(piece.word) - _FEWEST_DIGITS + 1)
            numbers = (_NUMBER + piece.word[start : start + _DIGITS_OF_A_TERM] for start in starts)
            return [WORD + piece.word, *numbers]
        forms = self._forms(piece)
        # What is neither Cyrillic nor Latin is looked for from both.
        kinds = (CYRILLIC, LATIN) if forms.script == OTHER else (forms.script,)
        coarse = (kind + sounds for kind in kinds for sounds in (*forms.coarse, *forms.coarse_bases))
        sounds = (_SOUND + sounds for sounds in (*forms.sounds, *forms.bases))
        stem = [_STEM + forms.stem] if forms.stem else []
        return list(dict.fromkeys((WORD + piece.word, *stem, *sounds, *coarse)))

    def wanted(self, piece: Piece) -> Wanted:
        """What finds a word that somebody looks for: what begins with it, its inflections and its other spellings."""
        exact = WORD + piece.word
        if not piece.sounding:
            return Wanted(exact, (), (exact, *(_NUMBER + each for each in _dialled(piece.word))))
        forms = self._forms(piece)
        terms = [WORD + forms.stem, _STEM + forms.stem] if forms.stem else []
        terms += [_SOUND + sounds for sounds in (*forms.sounds, *forms.bases)]
        beginnings = [exact]
        beginnings += [_SOUND + each for each in map(_unfinished, forms.sounds) if len(each) >= _SHORTEST_SOUNDS]
        for script in (CYRILLIC, LATIN):
            if script == forms.script == CYRILLIC:
                continue  # it has one reading: its sounds say it all
            terms += [script + sounds for sounds in (*forms.coarse, *forms.coarse_bases)]
            if script != forms.script:
                begun = {other for each in forms.coarse for other in spelling.beginnings(piece.sounding, each)}
                beginnings += [script + each for each in sorted(begun) if len(each) >= _SHORTEST_COARSE]
        return _wanted(exact, terms, beginnings)

    def _forms(self, piece: Piece) -> _Forms:
        if piece.sounding.isdigit():
            return _Forms(OTHER)
        script = spelling.script(piece.sounding)
        stemmer = self._stemmers.get(script)
        written = stemmer.stemWord(piece.sounding.translate(_STEMMER_LETTERS)) if stemmer else piece.sounding
        stem = folded(written) or piece.word
        readings = spelling.readings(piece.sounding)
        # Endings of English words are part of names in other languages, so only their vowels are taken off.
        stems = spelling.readings(written) if script == CYRILLIC and written else readings
        told = len(readings) if script == CYRILLIC else 1
        return _Forms(
            script,
            stem,
            _different(readings[:told]),
            _different(map(spelling.base, stems[:told])),
            coarse=_different(map(spelling.coarse, readings)),
            coarse_bases=_different(spelling.base(spelling.coarse(each)) for each in stems),
        )


@dataclass(frozen=True, slots=True)
class _Forms:
    script: str
    stem: str = ""
    sounds: tuple[str, ...] = ()
    bases: tuple[str, ...] = ()
    coarse: tuple[str, ...] = ()
    coarse_bases: tuple[str, ...] = ()


def _different(values: Iterable[str]) -> tuple[str, ...]:
    return tuple(value for value in dict.fromkeys(values) if value)


def _unfinished(sounds: str) -> str:
    """Before a vowel that may follow, an i at the end is a glide, which does not count."""
    return sounds[:-1] if sounds.endswith("i") else sounds


def _dialled(digits: str) -> Iterator[str]:
    """The digits of a number that is looked for, also without what is dialled before it."""
    yield digits[:_DIGITS_OF_A_TERM]
    if len(digits) <= _DIGITS_OF_A_TERM:
        rest = digits.removeprefix("00")
        for count in range(_LONGEST_PREFIX + 1):
            if len(rest) - count > _FEWEST_DIGITS:
                yield rest[count:]


def _wanted(exact: str, terms: Iterable[str], beginnings: Iterable[str]) -> Wanted:
    """Without what another beginning covers."""
    shortest = sorted(set(beginnings), key=lambda each: (len(each), each))
    begins = tuple(each for i, each in enumerate(shortest) if not each.startswith(tuple(shortest[:i])))
    return Wanted(exact, tuple(each for each in dict.fromkeys(terms) if not each.startswith(begins)), begins)
