"""How results look: tables for a person, lines for a program, one fact a line with ``--plain``, one JSON document."""

from __future__ import annotations

import contextlib
import json
import os
import re
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, is_dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from commands import _terminal
from commands._options import Settings
from commands._terminal import hidden, visible
from commands._text import _, ngettext

if TYPE_CHECKING:
    from rich.console import Console

Fact = tuple[str, str | None]
_Found = TypeVar("_Found")
_BAR_AFTER_SECONDS = 0.4
_SIZES = ("COLUMNS", "LINES", "JUPYTER_COLUMNS", "JUPYTER_LINES")
_SIZE = re.compile(r"[1-9][0-9]{0,3}")
_GAPS = (3, 1)  # between two columns of a table; then where room is short
_LONGEST_WORD = 40  # in a table; what is longer is a digest or an address, which nobody reads as a word
_INDENT = 2
_TAKEN = re.compile(r"([0-9]{4}-[0-9]{2}-[0-9]{2})T([0-9]{2}:[0-9]{2}:[0-9]{2})(?:\.[0-9]+)?Z")


def human_size(size_bytes: int) -> str:
    """``1.5 MB``."""
    if size_bytes < 1000:
        return ngettext("{number} byte", "{number} bytes", size_bytes).format(number=size_bytes)
    units = (_("{number} kB"), _("{number} MB"), _("{number} GB"), _("{number} TB"))
    power = 1
    while size_bytes / 1000**power >= 999.95 and power < len(units):  # 999.95 would be rounded to 1000.0
        power += 1
    return units[power - 1].format(number=f"{size_bytes / 1000**power:.1f}")


def exact_size(size_bytes: int) -> str:
    """``1.5 MB (1,532,123 bytes)``."""
    human = human_size(size_bytes)
    if size_bytes < 1000:
        return human
    return _("{human} ({exact} bytes)").format(human=human, exact=f"{size_bytes:,}")


def moment(time_text: str | None) -> str:
    """A time that the program took, as people read it; one that a person gave, as it was given."""
    if not time_text:
        return ""
    taken = _TAKEN.fullmatch(time_text)
    # Translators: a day and a time, in Coordinated Universal Time.
    return _("{day} {time} UTC").format(day=taken[1], time=taken[2]) if taken else visible(time_text)


def length(seconds: int) -> str:
    """A time span in words, rounded up to minutes."""
    minutes = -(-seconds // 60)
    if seconds < 60:
        return ngettext("{number} second", "{number} seconds", seconds).format(number=seconds)
    return ngettext("{number} minute", "{number} minutes", minutes).format(number=minutes)


def values(answer: object) -> Any:
    """An answer of the library as JSON knows it: a ``summary`` inside is laid flat, paths and bytes become text."""
    if is_dataclass(answer) and not isinstance(answer, type):
        answer = asdict(answer)
    if isinstance(answer, dict):
        flat: dict[str, Any] = {}
        for name, value in answer.items():
            if name == "summary":
                flat |= values(value)
            else:
                flat[str(name)] = values(value)
        return flat
    if isinstance(answer, (list, tuple)):
        return [values(each) for each in answer]
    return str(answer) if isinstance(answer, Path) else answer


def document(answer: object, *, ascii_only: bool = False) -> str:
    """JSON text in which every character is seen: what a terminal would obey is escaped."""
    text = json.dumps(values(answer), ensure_ascii=ascii_only, indent=2)
    if text.isascii() and "\x7f" not in text:
        return text
    return "".join(_escaped(char) if char != "\n" and hidden(char) else char for char in text)


def _escaped(char: str) -> str:
    return json.dumps(char)[1:-1]


class Output:
    """Where the result of one command goes, in the form that was asked for."""

    def __init__(self, settings: Settings) -> None:
        self.json = settings.json
        self.plain = settings.plain
        self.rich = _terminal.stdout_is_terminal() and not settings.plain and not settings.json
        self._lines = not self.rich and not settings.plain

    def answer(self, answer: object) -> None:
        """The JSON document."""
        # In any other encoding JSON is not JSON, letters of ASCII apart.
        self._print(document(answer, ascii_only=not _terminal.stdout_is_utf8()))

    def show(self, found: _Found, facts: Callable[[_Found], Sequence[Fact]]) -> None:
        """One thing that is known: the JSON document, or its facts."""
        if self.json:
            self.answer(found)
        else:
            self.facts(facts(found))

    def done(self, answer: object, line: str) -> None:
        """What a command did: the JSON document, or one line, in which what is foreign went through ``visible``."""
        if self.json:
            self.answer(answer)
        else:
            self.line(line)

    def line(self, text: str) -> None:
        """A line of the result; what is foreign in it went through ``visible``."""
        self._print(text)

    def exactly(self, content: bytes) -> None:
        """The result byte for byte, whatever the encoding of the output is: what is signed must not be translated."""
        sys.stdout.flush()
        sys.stdout.buffer.write(content)

    def table(self, headings: Sequence[str], rows: Sequence[Sequence[str]], *, empty: str) -> None:
        """Rows of text that may come from anywhere; ``empty`` is said if there are none."""
        if not rows:
            _terminal.say(empty)
        elif self.plain:
            self._print(
                "\n\n".join(
                    "\n".join(f"{head}: {visible(cell)}" for head, cell in zip(headings, row, strict=True) if cell)
                    for row in rows
                )
            )
        elif self._lines:
            self._print("\n".join("\t".join(visible(cell) for cell in row) for row in rows))
        else:
            self._rich_table(headings, rows)

    def _rich_table(self, headings: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        from rich import box
        from rich.table import Table
        from rich.text import Text

        console = _console()
        said = [at for at in range(len(headings)) if any(row[at] for row in rows)]
        headings = [headings[at] for at in said]
        shown = [[visible(row[at]) for at in said] for row in rows]
        found = column_widths([list(headings), *shown], console.width)
        if found is None:
            for row in shown:
                self.facts([(head, cell) for head, cell in zip(headings, row, strict=True) if cell])
                self._print("")
            return
        widths, gap = found
        table = Table(box=box.SIMPLE_HEAD, padding=(0, gap // 2), pad_edge=False, show_edge=False)
        for heading, width in zip(headings, widths, strict=True):
            table.add_column(heading, overflow="fold", width=width)
        for row in shown:
            table.add_row(*(Text(cell) for cell in row))
        console.print(table)

    def facts(self, facts: Sequence[Fact]) -> None:
        """Names and values, one a line; a value of several lines gets its name on each. None and nothing are left out."""
        shown = [(name, visible(line)) for name, value in facts if value for line in _lines_of(value)]
        if not self.rich:
            self._print("\n".join(f"{name}: {line}" for name, line in shown))
            return
        from rich.text import Text

        console = _console()
        for name, row in placed_facts(shown, console.width):
            console.print(Text.assemble((name, "dim"), row), soft_wrap=True)

    def marked(self, *cells: Sequence[tuple[str, bool]]) -> None:
        """Cells on a line, in pieces of which some stand out where there are colours. They may come from anywhere."""
        if not self.rich:
            self._print("\t".join("".join(visible(text) for text, _strong in cell) for cell in cells))
            return
        from rich.text import Text

        line = Text()
        for cell in cells:
            for text, strong in cell:
                line.append(visible(text), style="bold" if strong else "")
            line.append("  ")
        line.rstrip()
        _console().print(line)

    def picture(self, rows: Sequence[str]) -> None:
        """Rows of blocks in black on white, whatever the terminal's colours are, for a camera; only where ``rich``."""
        from rich.text import Text

        width = max(map(len, rows))
        if width <= _console().width:  # a picture whose rows are broken shows nothing
            for row in rows:
                _console().print(Text(row, style="black on bright_white"))

    def _print(self, text: str) -> None:
        sys.stdout.write((text if self.json else _terminal.fitted_to(sys.stdout, text)) + "\n")


def placed_facts(facts: Sequence[tuple[str, str]], room: int) -> Iterator[tuple[str, str]]:
    """Names and values in rows of so many columns: side by side; or, where a word would be broken there, the value below."""
    from rich.cells import cell_len

    left = max((cell_len(name) for name, _value in facts), default=0) + _INDENT
    beside = room - left
    for name, value in facts:
        first, *rest = _terminal.fitted(value, beside).split("\n")
        if beside >= _terminal.FEWEST_COLUMNS and all(cell_len(row) <= beside for row in (first, *rest)):
            yield name + " " * (left - cell_len(name)), first
            yield from ((" " * left, row) for row in rest)
        else:
            yield name, ""
            yield from ((" " * _INDENT, row) for row in _terminal.fitted(value, room - _INDENT).split("\n"))


def column_widths(rows: Sequence[Sequence[str]], room: int) -> tuple[list[int], int] | None:
    """How wide each column is, and the gap between two, so that no word is broken that can stay whole; None where they
    do not fit side by side.
    """
    from rich.cells import cell_len

    columns = list(zip(*rows, strict=True))
    for gap in _GAPS:
        least = [
            max(min(cell_len(word), _LONGEST_WORD) for cell in each for word in [*cell.split(), ""]) for each in columns
        ]
        widths = [min(max(map(cell_len, column)), room) for column in columns]
        left = room - gap * (len(columns) - 1)
        if sum(least) > left:
            continue
        while sum(widths) > left:
            widest = max((width, at) for at, width in enumerate(widths) if width > least[at])[1]
            widths[widest] -= 1
        return widths, gap
    return None


def _lines_of(value: str) -> list[str]:
    # Only line ends of plain texts part a value; any other control character is made visible in its line.
    return value.replace("\r\n", "\n").split("\n")


def _console(*, stderr: bool = False) -> Console:
    from rich.console import Console

    # A width that is no number would end the command in the middle of its work.
    known = {name: text for name, text in os.environ.items() if name not in _SIZES or _SIZE.fullmatch(text)}
    return Console(stderr=stderr, markup=False, highlight=False, emoji=False, _environ=known)


@contextlib.contextmanager
def progress(settings: Settings, what: str, total: int | None) -> Iterator[Bar | None]:
    """A bar on a terminal's stderr with bytes, speed and time left, for work that takes longer than a moment."""
    with _shown(settings, Bar(what, total)) as bar:
        yield bar


@contextlib.contextmanager
def counted(settings: Settings, what: str, total: int | None) -> Iterator[Bar | None]:
    """``progress`` for things that are counted one by one."""
    with _shown(settings, Bar(what, total, in_bytes=False)) as bar:
        yield bar


@contextlib.contextmanager
def _shown(settings: Settings, bar: Bar) -> Iterator[Bar | None]:
    if settings.plain or settings.json or not _terminal.stderr_is_terminal():
        yield None
        return
    try:
        yield bar
    finally:
        bar.stop()


class Bar:
    """A bar on the terminal: called with how much further the work is."""

    def __init__(self, what: str, total: int | None, *, in_bytes: bool = True) -> None:
        self._what, self._total, self._in_bytes = what, total, in_bytes
        self._done = 0
        self._begun = time.monotonic()
        self._stop: Callable[[], None] | None = None
        self._update: Callable[[int], None] | None = None

    def expect(self, total: int) -> None:
        """Say how much it will be in all, where that shows only when the work begins."""
        self._total = total

    def __call__(self, further: int) -> None:
        self._done += further
        if self._update is None and time.monotonic() - self._begun > _BAR_AFTER_SECONDS:
            self._start()
        if self._update is not None:
            self._update(self._done)

    def _start(self) -> None:
        from rich.progress import (
            BarColumn,
            DownloadColumn,
            MofNCompleteColumn,
            Progress,
            TextColumn,
            TimeRemainingColumn,
            TransferSpeedColumn,
        )

        amounts = (DownloadColumn(), TransferSpeedColumn()) if self._in_bytes else (MofNCompleteColumn(),)
        bar = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            *amounts,
            TimeRemainingColumn(),
            console=_console(stderr=True),
            transient=True,
        )
        task = bar.add_task(visible(self._what), total=self._total)
        bar.start()
        self._stop = bar.stop
        self._update = lambda done: bar.update(task, completed=done)

    def stop(self) -> None:
        """Take the bar away."""
        if self._stop is not None:
            self._stop()
