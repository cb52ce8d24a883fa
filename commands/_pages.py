"""A text of any size as rows of a screen, from any place on, forwards and backwards. Only what is shown is held.

Places are bytes of the text. A row ends where the text has a line end, or after the last word that fits.
"""

from __future__ import annotations

import codecs
from collections.abc import Callable
from dataclasses import dataclass

from commands._encodings import Encoding
from commands._terminal import cells

_BLOCK_BYTES = 64 << 10
_TAB = 8


@dataclass(frozen=True, slots=True)
class Row:
    """What stands on one row, with nothing in it that a terminal would obey, and from where to where it goes."""

    start: int
    end: int
    shown: str


class Pages:
    """The rows of a text that is read through ``read(offset, length)``."""

    def __init__(self, read: Callable[[int, int], bytes], size_bytes: int, encoding: Encoding, width: int) -> None:
        self._read = read
        self.begin, self.end = min(encoding.mark_bytes, size_bytes), size_bytes
        self.width = max(width, 1)
        self._encoding = encoding.name
        self._wide = encoding.name.startswith("utf-16")
        # Bytes that are no text keep their place, so that a row always ends where the next one begins.
        self._errors = "surrogatepass" if self._wide else "surrogateescape"

    def rows_from(self, place: int, count: int) -> list[Row]:
        """The next rows, fewer at the end."""
        rows: list[Row] = []
        while len(rows) < count and place < self.end:
            found = self._rows_of_block(place, count - len(rows))
            rows += found
            place = found[-1].end
        return rows

    def rows_before(self, place: int, count: int) -> list[Row]:
        """The rows that stand above a place, fewer at the beginning."""
        rows: list[Row] = []
        while len(rows) < count and place > self.begin:
            start = self._line_start(place)
            above: list[Row] = []
            at = start
            while at < place:
                found = [row for row in self._rows_of_block(at, count) if row.start < place]
                above = (above + found)[-count:]
                at = found[-1].end
            rows = (above + rows)[-count:]
            place = start
        return rows

    def _line_start(self, place: int) -> int:
        """Where the line begins of which the last byte stands before ``place``; of an endless one, some place in it."""
        step = 2 if self._wide else 1
        first = max(self.begin, place - _BLOCK_BYTES)
        block = self._read(first, place - step - first)
        newline = "\n".encode(self._encoding)
        at = len(block)
        while (at := block.rfind(newline, 0, at)) >= 0:
            if (first + at - self.begin) % step == 0:
                return first + at + step
            at += 1 if step == 2 else 0
        if first > self.begin:
            if self._encoding == "utf-8":
                while first < place - 1 and block and block[0] & 0xC0 == 0x80:
                    first, block = first + 1, block[1:]
            first += (first - self.begin) % step
        return first

    def _rows_of_block(self, place: int, count: int) -> list[Row]:
        block = self._read(place, min(_BLOCK_BYTES, self.end - place))
        last = place + len(block) >= self.end
        decoder = codecs.getincrementaldecoder(self._encoding)(errors=self._errors)
        text = decoder.decode(block, final=last and not self._wide)
        rows: list[Row] = []
        at = 0
        while at < len(text) and len(rows) < count:
            taken, shown, complete = self._row(text, at)
            if not complete and not last and rows:
                break  # the next block shows how it goes on
            length = len(text[at : at + taken].encode(self._encoding, self._errors))
            rows.append(Row(place, place + length, shown))
            place, at = place + length, at + taken
        if not rows or (last and at >= len(text) and place < self.end):
            rows.append(Row(place, self.end if last else place + len(block), "\ufffd"))  # half a letter
        return rows

    def _row(self, text: str, at: int) -> tuple[int, str, bool]:
        """How many characters of the text from ``at`` on are the next row, how it looks, and whether it can grow no more."""
        stop = text.find("\n", at)
        line = text[at : stop if stop >= 0 else len(text)]
        line = line.removesuffix("\r") if stop >= 0 else line
        shown: list[str] = []
        used = 0
        fits = 0  # characters up to the end of the last word
        for number, (char, look, columns) in enumerate(cells(line)):
            width = _TAB - used % _TAB if char == "\t" else columns
            foreign = "\udc80" <= char <= "\udcff" and not self._wide
            if used + (1 if foreign else width) > self.width and number:
                if fits:
                    return fits, "".join(shown[:fits]).rstrip(), True
                return number, "".join(shown), True
            shown.append(" " * width if char == "\t" else "\ufffd" if foreign else look)
            used += 1 if foreign else width
            if char in " \t":
                fits = number + 1
        return (stop + 1 - at if stop >= 0 else len(line)), "".join(shown), stop >= 0
