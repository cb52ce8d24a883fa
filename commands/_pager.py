"""Text on the alternate screen, page by page, with nothing in it obeyed and nothing of it left in the scrollback."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from commands import _screen, _terminal
from commands._content import LOOKED_AT_BYTES
from commands._encodings import OFFERED, Encoding
from commands._errors import REFUSED, Stop
from commands._options import Settings
from commands._pages import Pages, Row
from commands._terminal import visible
from commands._text import _
from vault import Reading

_LOOK_SECONDS = 0.1
_END = frozenset("qQ\x04\x1b")


@dataclass(frozen=True, slots=True)
class _Shown:
    """A text to be read: where its bytes come from, how many there are, and what it is called."""

    read: Callable[[int, int], bytes]
    size_bytes: int
    encoding: Encoding
    name: str


def beginning(reading: Reading) -> bytes:
    """The first bytes of what is read, from which its kind is told."""
    return b"".join(bytes(piece) for piece in reading.part(0, LOOKED_AT_BYTES))


def show_text(settings: Settings, reading: Reading, encoding: Encoding) -> None:
    """Show what is read as text on the alternate screen. Raises ``Stop`` where there is no terminal that has one."""

    def read(offset: int, length: int) -> bytes:
        return b"".join(bytes(piece) for piece in reading.part(offset, length))

    _show(settings, reading, _Shown(read, reading.size_bytes, encoding, reading.grant.reference))


def show_made_text(settings: Settings, reading: Reading, content: bytes) -> None:
    """Show text that was made of what is read, in UTF-8, as ``show_text`` does."""

    def read(offset: int, length: int) -> bytes:
        return content[offset : offset + length]

    _show(settings, reading, _Shown(read, len(content), Encoding("utf-8"), reading.grant.reference))


def _show(settings: Settings, reading: Reading, text: _Shown) -> None:
    if not _screen.has_alternate_screen() or not _terminal.stdout_is_terminal():
        raise Stop(
            REFUSED,
            _("{reference} is a text, and there is no terminal here that can show it and forget it").format(
                reference=reading.grant.reference
            ),
            _("`casevault cat` writes its bytes to standard output"),
        )
    _page(text, plain=settings.plain, verify=reading.verify_open)


def _page(text: _Shown, *, plain: bool, verify: Callable[[], None]) -> None:
    """Show a text until the person ends it.

    ``verify`` is called several times a second; what it raises ends the showing at once. Raises what ``read`` raises.
    """
    with _screen.Screen() as screen:
        reader = _Reader(text, screen, plain=plain)
        while True:
            verify()
            reader.draw()
            while (key := screen.key(_LOOK_SECONDS)) is None:
                verify()
            if key in _END:
                return
            reader.obey(key)


class _Reader:
    """The place where a person is in a text."""

    def __init__(self, text: _Shown, screen: _screen.Screen, *, plain: bool) -> None:
        self._text, self._screen, self._plain = text, screen, plain
        self._encoding = text.encoding
        self._place = 0
        self._rows: list[Row] = []
        self._look()

    def _look(self) -> None:
        """Lay the rows out for the window as it is now."""
        columns, lines = self._screen.size()
        # A terminal may jump to the next row by itself after its last column.
        self._pages = Pages(self._text.read, self._text.size_bytes, self._encoding, columns - 1)
        self._columns, self._height = columns - 1, lines - 1
        self._place = min(max(self._place, self._pages.begin), self._text.size_bytes)
        self._rows = self._pages.rows_from(self._place, self._height)

    def draw(self) -> None:
        self._screen.draw([row.shown for row in self._rows], self._status()[: self._columns], plain=self._plain)

    def _status(self) -> str:
        place = self._rows[-1].end if self._rows else self._text.size_bytes
        fields = {
            "name": visible(self._text.name),
            "percent": 100 * place // max(self._text.size_bytes, 1),
            "encoding": self._encoding.name,
        }
        if self._encoding.guessed:
            return _("{name}  {percent} %  {encoding} (guess; e: another)  Space: further  b: back  q: end").format(
                **fields
            )
        return _("{name}  {percent} %  {encoding}  Space: further  b: back  q: end").format(**fields)

    def obey(self, key: str) -> None:
        """Go where a key leads. Other keys do nothing."""
        if key in ("down", "j", "\n"):
            self._forward(1 if not self._plain or key == "down" else self._height)
        elif key in ("page down", " "):
            self._forward(self._height)
        elif key in ("up", "k"):
            self._back(1)
        elif key in ("page up", "b"):
            self._back(self._height)
        elif key in ("home", "g"):
            self._place = 0
        elif key in ("end", "G"):
            self._place = self._text.size_bytes
            self._back(self._height)
        elif key == "e":
            known = self._encoding.name
            following = OFFERED[(OFFERED.index(known) + 1) % len(OFFERED)]
            self._encoding = Encoding(following, self._encoding.mark_bytes, guessed=True)
        self._look()

    def _forward(self, count: int) -> None:
        following = self._pages.rows_from(self._place, count + 1)
        if len(following) > count:
            self._place = following[count].start

    def _back(self, count: int) -> None:
        above = self._pages.rows_before(self._place, count)
        if above:
            self._place = above[0].start
