"""The one form of tar in which sealed files travel, written and read as a stream.

Archives of other forms are read differently by different programs. So a header is never interpreted: it is built again
from the name and the size that it seems to hold, and must be these very bytes. Every tar program unpacks the form: it
is ustar with regular files only, and a pax record for a size that ustar cannot hold.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Protocol

from vault import errors

if TYPE_CHECKING:
    from typing_extensions import Buffer

BLOCK = 512
END = bytes(2 * BLOCK)
MAX_MEMBERS = 100_000
_MAX_NAME_BYTES = 100
MAX_SIZE = 2**53 - 1

_PIECE = 1 << 20
_LARGE = 8**11
_PAX = "pax"
_COMPONENT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_DEVICE = re.compile(r"(?:con|prn|aux|nul|conin|conout|com[0-9]|lpt[0-9])(?:\..*)?", re.IGNORECASE)
_OCTAL = re.compile(rb"[0-7]{11}")
_RECORD = re.compile(rb"[0-9]{2} size=([1-9][0-9]{9,15})\n")


class Source(Protocol):
    """What an archive is read from."""

    def readinto(self, buffer: memoryview, /) -> int | None:
        """Fill the beginning of ``buffer``; how many bytes, 0 at the end."""


class Sink(Protocol):
    """What an archive is written to."""

    def write(self, data: Buffer, /) -> object:
        """Take all of ``data``, and do not keep it."""


def refused(*, reason: str) -> errors.SealedFileRefused:
    """The error for bytes that no program of ours writes; ``reason`` says nothing of the content."""
    return errors.SealedFileRefused(reason=reason)


def is_name(name: str) -> bool:
    """Whether a member may be called so: at most 100 bytes, and nothing that any system reads as more than a name.

    No part is empty, begins with a dot or a dash, ends with a dot or is the name of a Windows device.
    """
    return len(name) <= _MAX_NAME_BYTES and all(
        _COMPONENT.fullmatch(part) and not part.endswith(".") and not _DEVICE.fullmatch(part)
        for part in name.split("/")
    )


def header(name: str, size_bytes: int) -> bytes:
    """The header of a member: 512 bytes, or 1,536 for a size of 8 GiB or more.

    Raises ValueError for a name or a size that no member has.
    """
    if not is_name(name) or not 0 <= size_bytes <= MAX_SIZE:
        raise ValueError("no member has such a name or size")
    if size_bytes < _LARGE:
        return _ustar(name, size_bytes, b"0")
    record = b" size=%d\n" % size_bytes
    record = b"%d%s" % (len(record) + 2, record)
    return _ustar(_PAX, len(record), b"x") + record.ljust(BLOCK, b"\0") + _ustar(name, 0, b"0")


def _ustar(name: str, size_bytes: int, kind: bytes) -> bytes:
    # Mode, owner, group, size, time; then, behind the checksum, the kind, the format, and no device.
    numbers = b"0000600\0" + b"0000000\0" * 2 + b"%011o\0" % size_bytes + b"00000000000\0"
    before = name.encode("ascii").ljust(100, b"\0") + numbers
    after = kind + bytes(100) + b"ustar\x0000" + bytes(64) + b"0000000\0" * 2 + bytes(167)
    checksum = sum(before) + 8 * ord(" ") + sum(after)
    return before + b"%06o\0 " % checksum + after


def member_size(name: str, size_bytes: int) -> int:
    """What a member takes in the archive, in bytes. Raises as ``header`` does."""
    return len(header(name, size_bytes)) + size_bytes + -size_bytes % BLOCK


def archive_size(members: Iterable[tuple[str, int]]) -> int:
    """The size in bytes of an archive of members with these names and sizes. Raises as ``header`` does."""
    return sum(member_size(name, size_bytes) for name, size_bytes in members) + len(END)


class _Names:
    """The names so far. No two may be one on a disk that takes capital letters for small ones, and none a folder's."""

    def __init__(self) -> None:
        self._files: set[str] = set()
        self._folders: set[str] = set()

    def __len__(self) -> int:
        return len(self._files)

    def add(self, name: str) -> bool:
        """Whether the name is free; then it is taken."""
        name = name.lower()
        parts = name.split("/")
        folders = {"/".join(parts[:count]) for count in range(1, len(parts))}
        if name in self._files or name in self._folders or not self._files.isdisjoint(folders):
            return False
        self._files.add(name)
        self._folders |= folders
        return True


class ArchiveWriter:
    """Writes members one after the other: ``member``, its bytes with ``write``, and ``finish`` after the last.

    Every mistake in their order, names or sizes is a ValueError.
    """

    def __init__(self, sink: Sink) -> None:
        self._sink = sink
        self._names = _Names()
        self._left = 0
        self._fill = 0
        self._finished = False

    def member(self, name: str, size_bytes: int) -> None:
        """Begin a member of exactly so many bytes. Raises what the sink raises."""
        head = header(name, size_bytes)
        if self._finished or self._left or len(self._names) == MAX_MEMBERS or not self._names.add(name):
            raise ValueError("no member can begin here")
        self._sink.write(head)
        self._left, self._fill = size_bytes, -size_bytes % BLOCK

    def write(self, data: Buffer) -> int:
        """The next bytes of the member; returns how many. Raises what the sink raises."""
        count = memoryview(data).nbytes
        if count > self._left:
            raise ValueError("more bytes than the member has")
        if count:
            self._sink.write(data)
            self._left -= count
            if not self._left and self._fill:
                self._sink.write(bytes(self._fill))
        return count

    def write_member(self, name: str, data: Buffer) -> None:
        """A member whose bytes are all there."""
        self.member(name, memoryview(data).nbytes)
        self.write(data)

    def zeros(self) -> None:
        """Fill what is left of the member with zeros."""
        piece = memoryview(bytes(_PIECE))
        while self._left:
            self.write(piece[: self._left])

    def finish(self) -> None:
        """Write the end of the archive; the sink stays open."""
        if self._finished or self._left:
            raise ValueError("the archive cannot end here")
        self._finished = True
        self._sink.write(END)


class Member:
    """A file in an archive that is being read. Its bytes can be taken once, before the next member."""

    def __init__(self, archive: ArchiveReader, name: str, size_bytes: int) -> None:
        self._archive = archive
        self.name = name
        self.size_bytes = size_bytes
        self.left_bytes = size_bytes

    def readinto(self, buffer: memoryview, /) -> int:
        """Fill ``buffer``, with less only at the member's end; how many bytes. Raises ``SealedFileRefused``."""
        count = min(len(buffer), self.left_bytes)
        if count:
            self._archive._fill(buffer[:count])
            self.left_bytes -= count
            if not self.left_bytes:
                self._archive._skip_fill(self.size_bytes)
        return count

    def pieces(self) -> Iterator[memoryview]:
        """The bytes in pieces of up to 1 MiB, each valid until the next. Raises ``SealedFileRefused``."""
        piece = memoryview(bytearray(min(_PIECE, self.left_bytes)))
        while count := self.readinto(piece):
            yield piece[:count]

    def read(self, most_bytes: int) -> bytes:
        """All bytes. Raises ``SealedFileRefused`` for more than ``most_bytes``, before it takes memory for them."""
        if self.size_bytes > most_bytes:
            raise refused(reason="a part of it is larger than any that is written")
        # A size is believed as far as bytes come: the file may end long before.
        return b"".join(map(bytes, self.pieces()))

    def read_zeros(self) -> None:
        """Take all bytes. Raises ``SealedFileRefused`` unless they are zeros."""
        zeros = bytearray(min(_PIECE, self.size_bytes))
        for piece in self.pieces():
            # A bytearray compares memory; a memoryview would look at each byte on its own.
            if (zeros if len(piece) == len(zeros) else bytearray(len(piece))) != piece:
                raise refused(reason="its padding holds something")


def packed(members: Iterable[tuple[str, bytes]]) -> bytes:
    """A whole archive of members that are small, as bytes. Raises as ``ArchiveWriter``."""
    sink = io.BytesIO()
    writer = ArchiveWriter(sink)
    for name, data in members:
        writer.write_member(name, data)
    writer.finish()
    return sink.getvalue()


class ArchiveReader:
    """Gives the members in their order; iterating over it ends where the archive and the source have ended.

    Raises ``SealedFileRefused`` for every other form, for names that could be one on some disk, for more than
    ``max_members`` members, and for anything before or after its end; ValueError when a member is asked for before
    the one before it was read; what the source raises.
    """

    def __init__(self, source: Source, *, max_members: int = MAX_MEMBERS) -> None:
        self._source = source
        self._max_members = max_members
        self._names = _Names()
        self._member: Member | None = None
        self._block = memoryview(bytearray(BLOCK))
        self._ended = False

    def __iter__(self) -> Iterator[Member]:
        while (member := self.next_member()) is not None:
            yield member

    def next_member(self) -> Member | None:
        """The next member, or None at the end."""
        if self._member is not None and self._member.left_bytes:
            raise ValueError("the member before was not read")
        if self._ended:
            return None
        head = self._next_block()
        if head == END[:BLOCK]:
            self._end()
            return None
        if head[156:157] == b"x":
            head += self._next_block() + self._next_block()
        name, size_bytes = _parsed(head)
        if len(self._names) == self._max_members:
            raise refused(reason="it has more parts than any that is written")
        if not self._names.add(name):
            raise refused(reason="two of its parts have the same name")
        self._member = Member(self, name, size_bytes)
        return self._member

    def _end(self) -> None:
        if self._next_block() != END[BLOCK:]:
            raise refused(reason="it goes on after its end")
        if _read_some(self._source, self._block):
            raise refused(reason="it goes on after its end")
        self._ended = True

    def _next_block(self) -> bytes:
        self._fill(self._block)
        return bytes(self._block)

    def _skip_fill(self, size_bytes: int) -> None:
        fill = -size_bytes % BLOCK
        if fill:
            self._fill(self._block[:fill])
            if bytes(self._block[:fill]) != END[:fill]:
                raise refused(reason="something is hidden between its parts")

    def _fill(self, view: memoryview) -> None:
        done = 0
        while done < len(view):
            count = _read_some(self._source, view[done:])
            if not count:
                raise refused(reason="it ends early")
            done += count


def _read_some(source: Source, view: memoryview) -> int:
    count = source.readinto(view)
    if count is None:
        raise BlockingIOError("a source that blocks is needed")
    return count


def _parsed(head: bytes) -> tuple[str, int]:
    """Name and size of a header. Raises ``SealedFileRefused`` unless ``header`` writes these bytes for them."""
    try:
        name = head[-BLOCK : 100 - BLOCK].rstrip(b"\0").decode("ascii")
        size_bytes = _announced(head)
        if header(name, size_bytes) == head:
            return name, size_bytes
    except ValueError:
        pass
    raise refused(reason="it is not packed as casevault packs")


def _announced(head: bytes) -> int:
    if len(head) == BLOCK:
        octal = head[124:135]
        return int(octal, 8) if _OCTAL.fullmatch(octal) else -1
    record = _RECORD.match(head, BLOCK)
    return int(record[1]) if record else -1
