"""How a text's bytes are to be read. Old texts of this region say nothing of it, and each of their encodings reads as any other.

So it is guessed: first by a mark or by the form of UTF-8, which chance does not produce, then by which letters come out.
The person who reads can choose another one.
"""

from __future__ import annotations

import codecs
import itertools
from dataclasses import dataclass

# What a person can choose from, in the order in which they are offered.
OFFERED = ("utf-8", "cp1251", "koi8-u", "cp866", "cp1252", "utf-16-le", "utf-16-be")
_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_CYRILLIC = ("cp1251", "koi8-u", "cp866")
_ALLOWED = frozenset(b"\t\n\r\f\x1a\x1b")
# The letters that make up two thirds of any text in Russian; Ukrainian and Bulgarian have the same favourites.
_FREQUENT = frozenset("оеаинтсрвлкм")
_HIGH_BYTES_OF_WORDS = frozenset({0x00, 0x04, 0x10})  # Latin, Cyrillic and Georgian in UTF-16
_LEAST_SHARE = 0.9


@dataclass(frozen=True, slots=True)
class Encoding:
    """An encoding's name in Python, the length of the mark before the text, and whether it was only guessed."""

    name: str
    mark_bytes: int = 0
    guessed: bool = False


def of_text(start: bytes) -> Encoding | None:
    """The encoding of a text that begins like this; None for what is no text."""
    for mark, name in _MARKS:
        if start.startswith(mark):
            return Encoding(name, len(mark))
    if b"\0" in start:
        return None
    if _is_utf8(start):
        return Encoding("utf-8")
    if any(byte < 0x20 and byte not in _ALLOWED for byte in start):
        return None
    return Encoding(_single_byte(start), guessed=True)


def of_unmarked_utf16(start: bytes) -> Encoding | None:
    """UTF-16 without its mark, told from the bytes that all its letters share. Media must have been ruled out before."""
    if len(start) < 4 or len(start) % 2:
        start = start[: len(start) & ~1]
    for name, place in (("utf-16-le", 1), ("utf-16-be", 0)):
        high = start[place::2]
        if len(high) >= 2 and sum(byte in _HIGH_BYTES_OF_WORDS for byte in high) >= _LEAST_SHARE * len(high):
            text = start.decode(name, errors="replace")
            if all(char.isprintable() or char in "\t\n\r\f" for char in text):
                return Encoding(name, guessed=True)
    return None


def _is_utf8(start: bytes) -> bool:
    try:
        codecs.getincrementaldecoder("utf-8")().decode(start)
    except UnicodeDecodeError:
        return False
    return True


def _single_byte(start: bytes) -> str:
    neighbours = list(itertools.pairwise(start))
    among_latin = sum(chr(min(a, b)).isalpha() and min(a, b) < 0x80 <= max(a, b) for a, b in neighbours)
    among_themselves = sum(min(a, b) >= 0x80 for a, b in neighbours)
    if among_latin > among_themselves:
        return "cp1252"  # single accented letters in words of plain ones
    return max(_CYRILLIC, key=lambda name: _likeness(start.decode(name, errors="replace")))


def _likeness(text: str) -> int:
    """How much like words it looks: favourite letters count, and capitals inside words and signs count against it."""
    found = 0
    for before, char in itertools.pairwise(" " + text):
        if ord(char) < 0x80:
            continue
        if char in _FREQUENT:
            found += 1
        elif not char.isalpha() or (char.isupper() and before.islower()):
            found -= 1
    return found
