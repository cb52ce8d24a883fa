"""PDF documents: their pages as pictures or as text, made by poppler's programs from standard input to standard output.

A document is a program for whoever shows it. So none gets it but these, which know no network, no history and no other
file, and end with their one page.
"""

from __future__ import annotations

import io
import os
import re
import selectors
import subprocess
import sys
import time
from collections.abc import Iterator

from commands import _players
from commands._errors import REFUSED, Stop
from commands._text import _
from vault import Reading

PROGRAMS = ("pdftotext", "pdfinfo", "pdftoppm")
LARGEST_BYTES = 256 << 20  # the programs hold the whole document in memory
_LARGEST_ANSWER_BYTES = 32 << 20
# Beside the document. A page may say that it is five metres wide, and a picture in it has any number of points.
_MOST_MEMORY_BYTES = 1 << 30
_LONGEST_SECONDS = 60.0
_DOTS_PER_INCH = "130"
_PNG_SIZE = slice(16, 24)
_ONE_DOT = bytes((0, 0, 0, 1)) * 2
_COUNT = re.compile(rb"^Pages:\s+([0-9]{1,7})$", re.MULTILINE)


class Bytes:
    """Bytes in memory, to be offered to a player."""

    def __init__(self, content: bytes) -> None:
        self._content = content
        self.size_bytes = len(content)

    def part(self, offset: int, length: int, /) -> Iterator[memoryview]:
        """See ``vault.streaming.Seekable``."""
        yield memoryview(self._content)[offset : offset + length]


def text(reading: Reading) -> bytes:
    """The words of a document, as UTF-8. Raises ``Stop``, and as ``Reading.part`` does."""
    return _made(reading, "pdftotext", "-q", "-layout", "-nopgbrk", "-enc", "UTF-8", "-", "-")


def page_count(reading: Reading) -> int:
    """How many pages a document has. Raises as ``text`` does."""
    match = _COUNT.search(_made(reading, "pdfinfo", "-"))
    if not match or not int(match[1]):
        raise _unreadable(reading)
    return int(match[1])


def page(reading: Reading, number: int) -> Bytes:
    """A page as a PNG picture. Raises as ``text`` does."""
    wanted = ("-png", "-r", _DOTS_PER_INCH, "-f", str(number), "-l", str(number), "-")
    made = _made(reading, "pdftoppm", "-q", *wanted)
    if made[_PNG_SIZE] == _ONE_DOT:  # what it makes of a page for which it has no memory
        raise _unreadable(reading)
    return Bytes(made)


def _made(reading: Reading, name: str, *arguments: str) -> bytes:
    """What a program makes of the document, which goes in and comes out through pipes."""
    program = _players.found(name)
    if program is None:
        raise Stop(
            REFUSED,
            _("{reference} needs the program {name}, which is not installed").format(
                reference=reading.grant.reference, name=name
            ),
            _("install poppler (Debian and Ubuntu: `apt install poppler-utils`), or `casevault export` the item"),
        )
    if reading.size_bytes > LARGEST_BYTES:
        raise Stop(
            REFUSED,
            _("{reference} is too large a document to be shown without writing it to a file").format(
                reference=reading.grant.reference
            ),
            _("`casevault export` writes it to a folder, in the clear, on purpose"),
        )
    process = _players.start(
        [program, *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        memory_bytes=_MOST_MEMORY_BYTES + reading.size_bytes,
    )
    made = None
    try:
        made = _piped(reading, process)
    finally:
        _players.end(process, at_once=made is None)
        for stream in (process.stdin, process.stdout):
            if stream is not None:
                stream.close()
    if made is None or process.returncode:
        raise _unreadable(reading)
    return made


def _piped(reading: Reading, process: subprocess.Popen[bytes]) -> bytes | None:
    """Everything that comes out while everything goes in; None if it is too much or takes too long."""
    if sys.platform == "win32" or process.stdin is None or process.stdout is None:
        return None
    made = io.BytesIO()
    pieces = reading.part(0, reading.size_bytes)
    sending = memoryview(b"")
    end = time.monotonic() + _LONGEST_SECONDS
    os.set_blocking(process.stdin.fileno(), False)
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdin, selectors.EVENT_WRITE)
        selector.register(process.stdout, selectors.EVENT_READ)
        while made.tell() <= _LARGEST_ANSWER_BYTES and time.monotonic() < end:
            reading.verify_open()
            for key, _events in selector.select(0.5):
                if key.fileobj is process.stdout:
                    part = os.read(process.stdout.fileno(), 1 << 16)
                    if not part:
                        return made.getvalue()
                    made.write(part)
                    continue
                sending = sending or next(pieces, memoryview(b""))
                try:
                    sending = sending[os.write(process.stdin.fileno(), sending) :] if sending else sending
                except BlockingIOError:
                    continue
                except OSError:  # it has enough
                    sending = memoryview(b"")
                    pieces = iter(())
                if not sending and not (sending := next(pieces, memoryview(b""))):
                    selector.unregister(process.stdin)
                    process.stdin.close()
    return None


def _unreadable(reading: Reading) -> Stop:
    return Stop(
        REFUSED,
        _("{reference} can't be shown: it is damaged, locked by a password, or too much for the program").format(
            reference=reading.grant.reference
        ),
        _("`casevault export` writes it to a folder, in the clear, on purpose"),
    )
