"""What age files are read from and written to: any binary stream, also one that takes or gives less than asked for."""

from __future__ import annotations

from io import BytesIO, RawIOBase
from typing import Protocol

from crypto.errors import HeaderFailure

_BLOCK = 4096


class Source(Protocol):
    """A binary stream to read from, such as an open file. One that also has `readinto` is read without copies."""

    def read(self, size: int, /) -> bytes | None:
        """At most `size` bytes, fewer if it likes, none at the end."""


class Sink(Protocol):
    """A binary stream to write to, such as an open file.

    As everywhere in Python, `write` must not keep what it is given, whose bytes change as soon as it returns.
    """

    def write(self, data: memoryview, /) -> int | None:
        """Take `data`, or as many bytes of it as the answer says."""


def read_some(source: Source, view: memoryview) -> int:
    """Read once into the beginning of `view`; returns how many bytes, 0 at the end.

    Raises BlockingIOError for a stream that has nothing now; what the stream itself raises.
    """
    readinto = getattr(source, "readinto", None)
    if readinto is not None:
        count: int | None = readinto(view)
    else:
        data = source.read(len(view))
        count = None if data is None else len(data)
        if data:
            view[: len(data)] = data
    if count is None:
        raise BlockingIOError("a source that blocks is needed")
    return count


def read_full(source: Source, view: memoryview) -> int:
    """Read until `view` is full or the stream ends; returns how many bytes."""
    done = 0
    while done < len(view):
        count = read_some(source, view[done:])
        if not count:
            break
        done += count
    return done


def write_all(sink: Sink, view: memoryview) -> None:
    """Write all of `view`. Raises BlockingIOError for a stream that takes nothing now; what the stream raises."""
    while (count := sink.write(view)) != len(view):
        if count is None and not isinstance(sink, RawIOBase):
            return  # many a writer that is no file takes everything and says nothing
        if not count:
            raise BlockingIOError("a sink that blocks is needed")
        view = view[count:]


class LineSource:
    """Gives the lines at a stream's beginning, and then, as a stream of its own, what follows them.

    Raises HeaderFailure for lines that do not keep to the limits, so that memory is bounded whatever the stream holds.
    """

    __slots__ = ("_kept", "_limit", "_position", "_source")

    def __init__(self, source: Source, *, limit_bytes: int) -> None:
        self._source = source
        self._kept = bytearray()
        self._position = 0
        self._limit = limit_bytes

    def line(self, most_bytes: int | None = None) -> bytes:
        """The next line with its line feed. Raises HeaderFailure when it is longer, or does not end."""
        left = self._limit - self._position
        most = left if most_bytes is None else min(most_bytes, left)
        start = searched = self._position
        while True:
            end = self._kept.find(b"\n", searched, start + most)
            if end >= 0:
                self._position = end + 1
                return bytes(self._kept[start : self._position])
            searched = len(self._kept)
            if searched - start >= most:
                raise HeaderFailure("a line of the header, or the header, is too long")
            block = bytearray(_BLOCK)
            count = read_some(self._source, memoryview(block))
            if not count:
                raise HeaderFailure("the file ends within its header")
            self._kept += block[:count]

    def taken(self) -> bytes:
        """All lines so far."""
        return bytes(self._kept[: self._position])

    def rest(self) -> Rest:
        """What follows the lines. No line can be asked for any more."""
        return rest_of(self._source, bytes(self._kept[self._position :]))


class Rest:
    """What follows the header, taken in pieces."""

    __slots__ = ("_buffer", "_kept", "_source")

    def __init__(self, kept: bytes, source: Source) -> None:
        self._kept = kept
        self._source = source
        self._buffer = memoryview(b"")

    def take(self, size: int) -> memoryview:
        """The next `size` bytes, fewer only at the end; valid until the next call. Raises what the source raises."""
        if len(self._buffer) < size:
            self._buffer = memoryview(bytearray(size))
        kept, self._kept = self._kept[:size], self._kept[size:]
        self._buffer[: len(kept)] = kept
        return self._buffer[: len(kept) + read_full(self._source, self._buffer[len(kept) : size])]


class RestInMemory(Rest):
    """The same of a source that lies in memory: its pieces are not copied."""

    __slots__ = ("_bytes", "_memory", "_position")

    def __init__(self, kept: bytes, source: BytesIO) -> None:
        super().__init__(b"", source)
        self._memory = source
        self._position = source.tell() - len(kept)
        # Not `getbuffer`, which copies all of it when the source was made of bytes, as most are.
        self._bytes = memoryview(source.getvalue())

    def take(self, size: int) -> memoryview:
        """See Rest."""
        piece = self._bytes[self._position : self._position + size]
        self._position += len(piece)
        self._memory.seek(self._position)
        return piece


def rest_of(source: Source, kept: bytes = b"") -> Rest:
    """What is still to be read: `kept`, which was read before, and then the source."""
    # A subclass may read in its own way.
    return RestInMemory(kept, source) if type(source) is BytesIO else Rest(kept, source)
