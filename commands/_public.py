"""Small files that hold no secret: cards, and what was heard."""

from __future__ import annotations

import stat
import sys
from pathlib import Path

from commands import _terminal
from commands._options import stdin_is_free
from vault import errors

_MOST_BYTES = 64 << 10  # a card has at most half of it


def read_public(path: Path) -> bytes:
    """The beginning of a file, or of standard input for ``-``; all of whatever can be a card.

    Raises ``SourceMissing``, ``SourceUnreadable``, ``NotAFile``.
    """
    name = str(path)
    if name == "-":
        stdin_is_free()
        _terminal.say_how_to_end_input()
        return sys.stdin.buffer.read(_MOST_BYTES)
    try:
        if not stat.S_ISREG(path.stat().st_mode) and not name.startswith("/dev/fd/"):
            raise errors.NotAFile(path=name)
        with path.open("rb") as file:
            return file.read(_MOST_BYTES)
    except (FileNotFoundError, NotADirectoryError):
        raise errors.SourceMissing(path=name) from None
    except (OSError, ValueError):  # a name with a zero byte in it
        raise errors.SourceUnreadable(path=name) from None
