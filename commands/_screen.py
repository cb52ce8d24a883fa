"""The terminal's alternate screen: what is drawn on it stays in no scrollback, and its keys are read one by one."""

from __future__ import annotations

import contextlib
import os
import re
import sys

from commands import _terminal

_ENTER, _LEAVE = "\x1b[?1049h\x1b[?25l\x1b[2J\x1b[H", "\x1b[2J\x1b[H\x1b[?25h\x1b[?1049l"
_KEYS = {
    "\x1b[A": "up",
    "\x1bOA": "up",
    "\x1b[B": "down",
    "\x1bOB": "down",
    "\x1b[5~": "page up",
    "\x1b[6~": "page down",
    "\x1b[H": "home",
    "\x1bOH": "home",
    "\x1b[1~": "home",
    "\x1b[F": "end",
    "\x1bOF": "end",
    "\x1b[4~": "end",
    "\r": "\n",
}
_KEY = re.compile("\x1b(?:\\[[0-9;]*[A-Za-z~]|O[A-Za-z])|.", re.DOTALL)
_LEAST_SIZE = (20, 3)


def has_alternate_screen() -> bool:
    """Whether there is a terminal that forgets what was shown, and whose keys can be read one by one."""
    return sys.platform != "win32" and os.environ.get("TERM", "") not in ("", "dumb") and _terminal.can_ask()


class Screen:
    """The terminal's alternate screen and its keys; a context manager that gives the terminal back after every end.

    What is drawn on it stays in no scrollback. When it is suspended it leaves the screen first.
    """

    def __init__(self) -> None:
        self._descriptor = self._woken = self._wakes = -1
        self._typed: list[str] = []

    def __enter__(self) -> Screen:
        if sys.platform == "win32":
            raise _terminal.NoTerminal
        import signal
        import termios

        self._descriptor = os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY)
        self._before = termios.tcgetattr(self._descriptor)
        self._woken, self._wakes = os.pipe()
        os.set_blocking(self._wakes, False)
        self._old_wakeup = signal.set_wakeup_fd(self._wakes, warn_on_full_buffer=False)
        self._old_handlers = {
            signal.SIGWINCH: signal.signal(signal.SIGWINCH, lambda *_: None),
            signal.SIGTSTP: signal.signal(signal.SIGTSTP, lambda *_: self._suspend()),
        }
        try:
            self._take()
        except BaseException:
            self.__exit__()
            raise
        return self

    def _take(self) -> None:
        if sys.platform == "win32":
            return
        import termios

        changed = termios.tcgetattr(self._descriptor)
        changed[3] &= ~(termios.ECHO | termios.ICANON)  # Ctrl-C and Ctrl-Z keep their meaning
        termios.tcsetattr(self._descriptor, termios.TCSAFLUSH, changed)
        self._write(_ENTER)

    def _give_back(self) -> None:
        if sys.platform == "win32":
            return
        import termios

        with contextlib.suppress(OSError, termios.error):  # the terminal may be gone
            self._write(_LEAVE)
            termios.tcsetattr(self._descriptor, termios.TCSAFLUSH, self._before)

    def _suspend(self) -> None:
        if sys.platform == "win32":
            return
        import signal

        self._give_back()
        os.kill(os.getpid(), signal.SIGSTOP)
        self._take()

    def __exit__(self, *_: object) -> None:
        if sys.platform == "win32":
            return
        import signal

        self._give_back()
        for number, handler in self._old_handlers.items():
            signal.signal(number, handler)
        signal.set_wakeup_fd(self._old_wakeup)
        for descriptor in (self._woken, self._wakes, self._descriptor):
            os.close(descriptor)

    def size(self) -> tuple[int, int]:
        """Columns and rows, now."""
        with contextlib.suppress(OSError):
            found = os.get_terminal_size(self._descriptor)
            if not found.columns or not found.lines:  # the terminal does not say
                return 80, 24
            return max(found.columns, _LEAST_SIZE[0]), max(found.lines, _LEAST_SIZE[1])
        return 80, 24

    def draw(self, rows: list[str], status: str, *, plain: bool) -> None:
        """Show rows that went through ``visible``, and below them a line of our own."""
        below = status if plain else f"\x1b[7m{status}\x1b[0m"
        self._write("\x1b[2J\x1b[H" + "".join(f"{row}\r\n" for row in rows) + below)

    def key(self, seconds: float) -> str | None:
        """The next key: a character, or one of up, down, page up, page down, home, end; None after so many seconds without.

        An empty text says that the window may have another size.
        """
        import select

        if not self._typed:
            ready, _, _ = select.select([self._descriptor, self._woken], [], [], seconds)
            if self._woken in ready:
                os.read(self._woken, 4096)
                return ""
            if not ready:
                return None
            typed = os.read(self._descriptor, 256).decode("utf-8", errors="replace")
            if not typed:  # the terminal is gone
                raise KeyboardInterrupt
            self._typed = _KEY.findall(typed)
        key = self._typed.pop(0)
        return _KEYS.get(key, key)

    def _write(self, text: str) -> None:
        data = text.encode("utf-8", errors="replace")
        while data:
            data = data[os.write(self._descriptor, data) :]
