"""ASCII armor: an age file as text.

The strict form of RFC 7468, section 3, with the label AGE ENCRYPTED FILE: lines of 64 characters, a last one that may
be shorter, padded and canonical base64. Only this is left free: whole lines of white space before the text, white
space after it, and lines that end with CRLF.
"""

from __future__ import annotations

import binascii
import io
from types import TracebackType
from typing import TYPE_CHECKING

from crypto.age_streams import Sink, Source, read_some, write_all
from crypto.errors import ArmorFailure

if TYPE_CHECKING:
    from typing_extensions import Buffer, Self

BEGIN = b"-----BEGIN AGE ENCRYPTED FILE-----"
END = b"-----END AGE ENCRYPTED FILE-----"

_COLUMNS = 64
_BYTES_PER_LINE = _COLUMNS // 4 * 3
_MOST_WHITE_SPACE = 1024
_WHITE_SPACE = b" \t\n\v\f\r"
_LINES_AT_ONCE = 1024
_BLOCK = _LINES_AT_ONCE * (_COLUMNS + 1)


class ArmorWriter:
    """Writes what it is given as armored text. `close` ends the text; the sink stays open.

    As a context manager it ends the text unless an exception leaves the block: then the text stays without its end,
    and is refused.
    """

    __slots__ = ("_closed", "_kept", "_sink", "_started")

    def __init__(self, sink: Sink) -> None:
        self._sink = sink
        self._kept = bytearray()
        self._started = False
        self._closed = False

    def write(self, data: Buffer) -> int:
        """Take all of `data`; returns its size. Raises ValueError after `close`; what the sink raises."""
        if self._closed:
            raise ValueError("the armored text has ended")
        view = memoryview(data).cast("B")
        self._kept += view
        whole = len(self._kept) // _BYTES_PER_LINE * _BYTES_PER_LINE
        if whole:
            self._put(_lines(self._kept[:whole]))
            del self._kept[:whole]
        return len(view)

    def flush(self) -> None:
        """Does nothing: a line that is not full waits for its rest."""

    def close(self) -> None:
        """End the text. Does nothing the second time. Raises what the sink raises."""
        if not self._closed:
            self._put(_lines(self._kept) + END + b"\n")
            self._closed = True

    def _put(self, text: bytes) -> None:
        if not self._started:
            self._started = True
            text = BEGIN + b"\n" + text
        write_all(self._sink, memoryview(text))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            self.close()
        self._closed = True


class ArmorReader(io.RawIOBase):
    """The bytes of an armored text. It reads to the end of the source, because nothing but white space may follow.

    All reading raises ArmorFailure for any other form, after it has given what stands before the fault; after a
    failure it gives nothing more.
    """

    def __init__(self, source: Source) -> None:
        super().__init__()
        self._source = source
        self._text = bytearray()
        self._source_ended = False
        self._inside = False
        self._ended = False
        self._failure: str | None = None
        self._unread = memoryview(b"")

    def readable(self) -> bool:
        """It is."""
        return True

    def readinto(self, buffer: Buffer, /) -> int:
        """Fill the beginning of `buffer`; returns how many bytes, 0 at the end. Raises ArmorFailure."""
        view = memoryview(buffer).cast("B")
        while not len(self._unread) and len(view) and not self._ended:
            if self._failure is not None:
                raise ArmorFailure(self._failure)
            try:
                self._unread = memoryview(self._more())
            except ArmorFailure as failure:
                self._failure = str(failure)
                raise
        count = min(len(view), len(self._unread))
        view[:count] = self._unread[:count]
        self._unread = self._unread[count:]
        return count

    def _more(self) -> bytes:
        if not self._inside:
            self._find_beginning()
            self._inside = True
        if not self._fill(_BLOCK):
            raise ArmorFailure("the text ends before its last line")
        for end_of_line in (b"\n", b"\r\n"):
            data = self._many_lines(end_of_line)
            if data:
                return data
        line = self._line(_COLUMNS)
        if line == END:
            self._find_end()
            return b""
        data = _decoded(line)
        if len(data) < _BYTES_PER_LINE:
            if self._line(len(END)) != END:
                raise ArmorFailure("a short line that is not the last")
            # What is wrong behind the end is reported after what stands before it, as with every other fault.
            self._text[:0] = END + b"\n"
        return data

    def _many_lines(self, end_of_line: bytes) -> bytes:
        """The bytes of the full lines at the beginning of the buffer, as long as nothing is special about them."""
        width = _COLUMNS + len(end_of_line)
        lines = len(self._text) // width
        for i, byte in enumerate(end_of_line):
            ends = self._text[_COLUMNS + i :: width][:lines]
            lines = lines - len(ends.lstrip(bytes([byte])))
        joined = bytes(self._text[: lines * width]).replace(b"\n", b"").replace(b"\r", b"")
        if lines < 2 or len(joined) != lines * _COLUMNS or b"=" in joined:
            return b""
        try:
            data = binascii.a2b_base64(joined)
        except ValueError:
            return b""
        if binascii.b2a_base64(data, newline=False) != joined:
            return b""
        del self._text[: lines * width]
        return data

    def _find_beginning(self) -> None:
        skipped = 0
        while not (line := self._line(_MOST_WHITE_SPACE)).strip(_WHITE_SPACE):
            skipped += len(line) + 1
            if skipped > _MOST_WHITE_SPACE:
                raise ArmorFailure("too much white space before the text")
        if line != BEGIN:
            raise ArmorFailure("the text does not begin as armor does")

    def _find_end(self) -> None:
        self._fill(_MOST_WHITE_SPACE + 1)
        if self._text.strip(_WHITE_SPACE) or len(self._text) > _MOST_WHITE_SPACE:
            raise ArmorFailure("something follows the text")
        self._ended = True

    def _line(self, most_columns: int) -> bytes:
        """The next line, without its end, which the last line of the source need not have."""
        self._fill(most_columns + 2)
        end = self._text.find(b"\n", 0, most_columns + 2)
        if end < 0:
            if not self._source_ended or len(self._text) > most_columns + 1:
                raise ArmorFailure("a line is too long")
            if not self._text:
                raise ArmorFailure("the text ends before its last line")
            end = len(self._text)
        line = bytes(self._text[:end])
        del self._text[: end + 1]
        line = line.removesuffix(b"\r")
        if len(line) > most_columns:
            raise ArmorFailure("a line is too long")
        return line

    def _fill(self, size: int) -> int:
        """Have at least `size` bytes of text, unless the source ends before; returns how many there are."""
        while len(self._text) < size and not self._source_ended:
            block = bytearray(_BLOCK)
            count = read_some(self._source, memoryview(block))
            self._text += block[:count]
            self._source_ended = not count
        return len(self._text)


def armor(sink: Sink) -> ArmorWriter:
    """A stream that writes to `sink` as armored text; close it to end the text."""
    return ArmorWriter(sink)


def dearmor(source: Source) -> ArmorReader:
    """A stream that reads the bytes of the armored text in `source`; reading raises ArmorFailure."""
    return ArmorReader(source)


def _lines(data: bytes | bytearray) -> bytes:
    return b"".join(
        binascii.b2a_base64(data[start : start + _BYTES_PER_LINE]) for start in range(0, len(data), _BYTES_PER_LINE)
    )


def _decoded(line: bytes) -> bytes:
    try:
        data = binascii.a2b_base64(line)
    except ValueError:
        raise ArmorFailure("not base64") from None
    # The decoder overlooks much; encoding again catches all of it at once. An empty line is no line of base64.
    if not line or binascii.b2a_base64(data, newline=False) != line:
        raise ArmorFailure("base64 that is not canonical")
    return data
