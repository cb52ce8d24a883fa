"""Writing line by line, for screen readers and for terminals that can do no more; every line is saved when it is entered."""

from __future__ import annotations

import os
import signal
import sys
import threading
from typing import TYPE_CHECKING

from commands import _terminal
from commands._errors import message_of
from commands._terminal import Lines, visible
from commands._text import _, ngettext
from vault import errors

if TYPE_CHECKING:
    from commands._editor import Desk, Ending

_LOOK_EVERY_SECONDS = 0.5
_LINES_SHOWN = 20
_END = "."


class PlainEditor:
    """One text, line after line, until a line with a single dot or the end of input."""

    def __init__(self, desk: Desk, *, heading: str, text: str, title: str | None, notice: str = "") -> None:
        self._desk = desk
        self._heading = heading
        self._text = text
        self._title = title
        self._notice = notice
        self._ended = threading.Event()
        self._over = False

    def run(self) -> Ending:
        """Write until the end. The text was saved, as far as that could be done, whatever the ending."""
        watcher = threading.Thread(target=self._watch, daemon=True)
        try:
            with _terminal.typed_lines() as lines:
                watcher.start()
                return self._write(lines)
        except (KeyboardInterrupt, OSError):
            return "over" if self._over else "gone"
        finally:
            self._ended.set()

    def _watch(self) -> None:
        """End the waiting for a line when the session ends."""
        while not self._ended.wait(_LOOK_EVERY_SECONDS):
            if self._desk.is_over():
                self._over = True
                if sys.platform != "win32":
                    os.kill(os.getpid(), signal.SIGTERM)  # like a polite kill: whatever waits for the keyboard stops
                return

    def _write(self, lines: Lines) -> Ending:
        lines.say(visible(self._heading))
        if self._notice:
            lines.say(self._notice)
        if self._text:
            shown = self._text.split("\n")
            left_out = max(0, len(shown) - _LINES_SHOWN)
            if left_out:
                lines.say(
                    ngettext("{number} line comes before this.", "{number} lines come before this.", left_out).format(
                        number=left_out
                    )
                )
            for earlier in shown[left_out:]:
                lines.say(visible(earlier))
        lines.say(_("Write line by line; each is saved when you press Enter. A line with a single dot ends."))
        while not self._over:
            line = lines.next()
            if line is None or line == _END:
                ending = self._ask_ending(lines)
                if ending is not None:
                    return ending
                continue
            self._add(line, lines)
        return "over"

    def _add(self, line: str, lines: Lines) -> None:
        self._text = f"{self._text}\n{line}" if self._text else line
        if lines.may_be_cut(line):
            lines.say(_("That line was long: some terminals cut such a line. Look whether its end is missing."))
        self._save(lines)

    def _save(self, lines: Lines) -> bool:
        try:
            self._desk.save(self._text)
        except (errors.VaultError, OSError) as error:
            reason = message_of(error) if isinstance(error, errors.VaultError) else type(error).__name__
            lines.say(
                _("NOT SAVED: {reason}. The text is still here; it is saved with the next line.").format(reason=reason)
            )
            return False
        return True

    def _ask_ending(self, lines: Lines) -> Ending | None:
        """What becomes of the text; None to go on writing."""
        question = _("1 store as an item, 2 keep as a draft, 3 throw away, Enter alone goes on writing: ")
        answer = lines.next(question)
        if answer is None or answer.strip() == "2":
            # Whoever can't be asked any more keeps what was written.
            return "kept" if self._save(lines) or answer is None else None
        try:
            if answer.strip() == "1":
                return self._store(lines)
            if answer.strip() == "3" and (lines.next(_("Type 3 once more to throw it away for good: ")) or "") == "3":
                self._desk.throw_away()
                return "thrown away"
        except (errors.VaultError, OSError) as error:
            reason = message_of(error) if isinstance(error, errors.VaultError) else type(error).__name__
            lines.say(_("That was not possible: {reason}. The text is still here.").format(reason=reason))
            return None
        if answer.strip():
            lines.say(_("The text is still here, and goes on."))
        return None

    def _store(self, lines: Lines) -> Ending | None:
        if not self._text.strip():
            lines.say(_("There is no text yet."))
            return None
        title = self._title or (lines.next(_("Title: ")) or "").strip()
        if not title:
            lines.say(_("A title is needed."))
            return None
        self._desk.store(self._text, title)
        return "stored"
