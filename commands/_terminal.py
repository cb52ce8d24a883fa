"""The only file that talks to the terminal, besides ``_screen``. Its rules:

1. What comes from a file, a case or a partner is shown through ``visible`` and never obeyed.
2. A secret is asked for without echo, on the controlling terminal, and never on a pipe.
3. Questions, and what must not stay in the scrollback, go to the controlling terminal; results go to stdout, everything
   else to stderr.
4. Where there is no terminal nothing is asked: the caller gets ``NoTerminal``.
"""

from __future__ import annotations

import contextlib
import io
import os
import re
import sys
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TextIO

from commands._text import _

# A terminal in line mode cuts a longer line without a word (1,024 bytes on some systems, 4,096 on others).
_LONGEST_LINE_BYTES = 1000
_HIDDEN_CATEGORIES = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
# Letters and marks that show nothing, though Unicode does not count them among the format characters.
_HIDDEN = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u180b\u180c\u180d\u180f\u2800\u3164\uffa0")
_HIDDEN |= {chr(number) for number in (*range(0xFE00, 0xFE10), *range(0xE0100, 0xE01F0))}  # variation selectors
_TRIES = 3  # of an answer that is neither yes nor no
_MARKS = frozenset({"Mn", "Me"})
_MOST_MARKS = 4
FEWEST_COLUMNS = 20  # below that, lines broken by us are no better than those that the terminal breaks
_PIECE = re.compile(r"(?:`[^`\n]*`|[^ ])+")


class NoTerminal(Exception):
    """Something had to be asked and there is no terminal to ask it on."""


class UnreadableLine(Exception):
    """What was typed cannot be taken: too long for the terminal, or not text."""


def hidden(char: str) -> bool:
    """Whether a character would be obeyed or not be seen."""
    return unicodedata.category(char) in _HIDDEN_CATEGORIES or char in _HIDDEN


def visible(text: str) -> str:
    """The text on one line with everything that a terminal would obey, or not show, written as ``<U+202E>``.

    That is control characters and newlines, bidirectional and zero-width characters, what is private or not assigned,
    lone surrogates, and accents piled up beyond four.
    """
    if text.isascii() and text.isprintable() and "<U+" not in text:
        return text
    return "".join(shown for _char, shown, _width in cells(text))


def cells(text: str) -> Iterator[tuple[str, str, int]]:
    """Each character of a text, how ``visible`` shows it, and how many columns that takes."""
    marks = 0
    for position, char in enumerate(text):
        if " " < char < "<" or "<" < char <= "~" or char == " ":
            marks = 0
            yield char, char, 1
            continue
        marked = unicodedata.category(char) in _MARKS
        marks = marks + 1 if marked else 0
        # The notation itself is marked, so that nobody can forge it.
        if hidden(char) or marks > _MOST_MARKS or text.startswith("<U+", position):
            shown = f"<U+{ord(char):04X}>"
            yield char, shown, len(shown)
        else:
            yield char, char, 0 if marked else 2 if unicodedata.east_asian_width(char) in "WF" else 1


# The standard streams


def prepare_streams() -> None:
    r"""Make the standard streams what every command expects.

    In place of a closed one stands a descriptor: else the next file that is opened, perhaps a database, would get its
    number. Reading from that input and writing to that output fails; errors are lost. What the encoding of the output
    lacks is written as ``\u0434``.
    """
    for name, mode, flags in (
        ("stdin", "r", os.O_WRONLY),
        ("stdout", "w", os.O_RDONLY),
        ("stderr", "w", os.O_WRONLY),
    ):
        if getattr(sys, name) is None:
            with contextlib.suppress(OSError):
                setattr(sys, name, os.fdopen(os.open(os.devnull, flags), mode, encoding="utf-8"))
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")


def stdout_is_utf8() -> bool:
    """Whether whatever reads the result gets UTF-8."""
    return sys.stdout is not None and (sys.stdout.encoding or "").lower().replace("-", "") == "utf8"


# Facts


def stdout_is_terminal() -> bool:
    """Whether a person looks at the result."""
    return _is_terminal(sys.stdout)


def stderr_is_terminal() -> bool:
    """Whether a person looks at the messages."""
    return _is_terminal(sys.stderr)


def stdin_is_terminal() -> bool:
    """Whether standard input is a keyboard and not a file or pipe."""
    return _is_terminal(sys.stdin)


def can_ask() -> bool:
    """Whether there is a terminal to ask on: the controlling one, even if input and output are pipes."""
    if sys.platform == "win32":
        return stdin_is_terminal() and stderr_is_terminal()
    try:
        os.close(os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY))
    except OSError:
        return False
    return True


def is_gone() -> bool:
    """Whether a terminal that this program was started on has been closed since."""
    if sys.platform == "win32":
        return False
    import errno
    import termios

    for descriptor in range(3):
        try:
            termios.tcgetattr(descriptor)
        except termios.error as error:
            if error.args[0] == errno.EIO:  # what is no terminal says ENOTTY
                return True
    return False


def _is_terminal(stream: TextIO | None) -> bool:
    try:
        return stream is not None and stream.isatty()
    except ValueError:  # closed
        return False


# Messages


def say(message: str) -> None:
    """A message for the person, on stderr. Names in it went through ``visible``."""
    _write(message + "\n")


def warn(message: str) -> None:
    """A message that must not be overlooked."""
    _write(_("casevault: warning: {message}").format(message=message) + "\n")


def _write(text: str) -> None:
    # A closed stderr must not change what the command does.
    with contextlib.suppress(OSError, ValueError, AttributeError):
        sys.stderr.write(fitted_to(sys.stderr, text))
        sys.stderr.flush()


def _columns(stream: TextIO) -> int:
    """How wide the terminal is; 0 for what is none, or does not say."""
    try:
        return os.get_terminal_size(stream.fileno()).columns if stream.isatty() else 0
    except (OSError, ValueError):
        return 0


def fitted_to(stream: TextIO, text: str) -> str:
    """Text as it is written to a stream: broken between words for a terminal, as it is for anything else."""
    return fitted(text, _columns(stream))


def fitted(text: str, columns: int) -> str:
    """Lines that are too long for so many columns, broken between words; never within `a command`, so that it can be
    copied. For 0 columns nothing is broken.
    """
    if columns < FEWEST_COLUMNS:
        return text
    return "\n".join(_broken(line, columns) for line in text.split("\n"))


def _broken(line: str, columns: int) -> str:
    if _width(line) <= columns:
        return line
    indent = line[: len(line) - len(line.lstrip(" "))]
    rows: list[str] = []
    for piece in _PIECE.findall(line):
        if rows and _width(f"{rows[-1]} {piece}") <= columns:
            rows[-1] += f" {piece}"
        else:
            rows.append(indent + piece)
    return "\n".join(rows)


def _width(text: str) -> int:
    return sum(columns for _char, _shown, columns in cells(text))


def say_how_to_end_input() -> None:
    """Where standard input is a keyboard: that the program waits for text, and how it ends."""
    if not stdin_is_terminal():
        return
    if sys.platform == "win32":
        say(_("Type or paste the text. Ctrl-Z and Enter on a line of their own end it."))
    else:
        say(_("Type or paste the text. Ctrl-D on a line of its own ends it."))


# Questions


@contextlib.contextmanager
def _terminal() -> Iterator[tuple[TextIO, TextIO]]:
    """The keyboard and the screen. Raises ``NoTerminal``."""
    if not can_ask():
        raise NoTerminal
    if sys.platform == "win32":
        yield sys.stdin, sys.stderr
        return
    encoding = sys.stdin.encoding if sys.stdin else "utf-8"
    with (
        open("/dev/tty", encoding=encoding) as keyboard,  # noqa: PTH123 -- a device, not a path of ours
        open("/dev/tty", "w", encoding=encoding, errors="backslashreplace") as screen,  # noqa: PTH123 -- as above
    ):
        yield keyboard, screen


def ask(question: str) -> str:
    """One line, with echo. What holds a key's control characters, as an arrow key leaves them, is asked for again.

    Raises ``NoTerminal``, ``UnreadableLine``, and KeyboardInterrupt at the end of input.
    """
    with _terminal() as (keyboard, screen):
        while True:
            screen.write(fitted_to(screen, question) + " ")
            screen.flush()
            try:
                line = keyboard.readline()
            except UnicodeDecodeError:
                raise UnreadableLine from None
            if not line:
                screen.write("\n")
                raise KeyboardInterrupt
            line = line.removesuffix("\n")
            if all(char == "\t" or unicodedata.category(char) != "Cc" for char in line):
                return _checked(line)
            screen.write(_("Arrow keys can't be used here; Backspace can. Please type it again.") + "\n")


def ask_secret(question: str) -> str:
    """One line without echo. Raises as ``ask`` does."""
    if not can_ask():
        raise NoTerminal
    import getpass
    import warnings

    with warnings.catch_warnings():
        # Where echo cannot be switched off nothing secret is asked for.
        warnings.simplefilter("error", getpass.GetPassWarning)
        try:
            line = getpass.getpass(fitted_to(sys.stderr, question) + " ")
        except EOFError:
            raise KeyboardInterrupt from None
        except getpass.GetPassWarning:
            raise NoTerminal from None
        except UnicodeDecodeError:
            raise UnreadableLine from None
    return _checked(line)


def _checked(line: str) -> str:
    try:
        size = len(line.encode())
    except UnicodeEncodeError:
        raise UnreadableLine from None
    if size > _LONGEST_LINE_BYTES:
        raise UnreadableLine
    return line


def confirm(question: str) -> bool:
    """Yes or no. What is neither is asked for again, and counts as a no at last. Raises ``NoTerminal``."""
    shown = _("{question} [yes/no]").format(question=question)
    for _nth in range(_TRIES):
        try:
            answer = ask(shown).strip().casefold()
        except UnreadableLine:
            answer = ""
        # Translators: the answers that count as a yes, separated by spaces.
        if answer in _("yes y").split():
            return True
        # Translators: the answers that count as a no, separated by spaces.
        if answer in _("no n").split():
            return False
        shown = _("Please type yes or no.\n{question} [yes/no]").format(question=question)
    return False


@dataclass(frozen=True, slots=True)
class Aside:
    """The alternate screen, or a terminal that has none and keeps what it shows."""

    screen: TextIO
    leaves_nothing: bool

    @property
    def columns(self) -> int:
        """How wide the screen is; 0 if it does not say."""
        return _columns(self.screen)

    def show(self, text: str) -> None:
        """Show text in place of what was shown before."""
        if self.leaves_nothing:
            self.screen.write("\x1b[2J\x1b[H")
        self.screen.write(fitted_to(self.screen, text) + "\n\n" if text else "")
        self.screen.flush()


def has_second_screen() -> bool:
    """Whether the terminal has a screen whose content does not stay."""
    return os.environ.get("TERM", "") not in ("", "dumb") or sys.platform == "win32"


@contextlib.contextmanager
def aside() -> Iterator[Aside]:
    """The alternate screen for what must stay in no scrollback: texts and questions. Raises ``NoTerminal``.

    A terminal that has no such screen is told so.
    """
    with _terminal() as (_keyboard, screen):
        alternate = has_second_screen()
        if alternate:
            screen.write("\x1b[?1049h")
        else:
            screen.write(_("This terminal cannot hide what was shown: clear its window afterwards.") + "\n\n")
        try:
            yield Aside(screen, alternate)
        finally:
            if alternate:
                screen.write("\x1b[2J\x1b[?1049l")
                screen.flush()


class Lines:
    """Lines typed one by one, for ``typed_lines``."""

    def __init__(self, keyboard: TextIO, screen: TextIO) -> None:
        self._keyboard, self._screen = keyboard, screen

    def say(self, message: str) -> None:
        """A message where the lines are typed."""
        self._screen.write(fitted_to(self._screen, message) + "\n")
        self._screen.flush()

    def next(self, question: str = "") -> str | None:
        """The next line, None at the end of input."""
        self._screen.write(question)
        self._screen.flush()
        line = self._keyboard.readline()
        return line.removesuffix("\n") if line else None

    @staticmethod
    def may_be_cut(line: str) -> bool:
        """Whether a line is as long as a terminal can give, so that its end may be missing."""
        return len(line.encode(errors="replace")) > _LONGEST_LINE_BYTES


@contextlib.contextmanager
def typed_lines() -> Iterator[Lines]:
    """Lines typed on the alternate screen, which is cleared at the end. Raises as ``aside`` does."""
    with _terminal() as (keyboard, screen), aside() as shown:
        if isinstance(keyboard, io.TextIOWrapper):
            keyboard.reconfigure(errors="replace")  # a line that was cut may end within a letter
        shown.show("")
        yield Lines(keyboard, screen)


def show_once(text: str, question: str) -> None:
    """Show text on the alternate screen until Enter is pressed. Raises as ``aside`` does."""
    with aside() as shown:
        shown.show(text)
        ask(question)
