"""The payload of an age file: chunks of 64 KiB under ChaCha20-Poly1305. It knows no headers.

https://c2sp.org/age, "Payload". A chunk's nonce is its number (11 bytes, big-endian) and a byte that is 1 for the last
chunk alone, so that chunks can be neither moved nor cut off. Only a payload of nothing ends with an empty chunk.
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

from crypto.age_streams import Rest, Sink, write_all
from crypto.errors import PayloadFailure

if TYPE_CHECKING:
    from typing_extensions import Buffer

CHUNK = 65_536
TAG_SIZE = 16
SEALED_CHUNK = CHUNK + TAG_SIZE


def sealed_size(plaintext_size: int) -> int:
    """The bytes of all chunks of so much plaintext. Raises ValueError below zero."""
    if plaintext_size < 0:
        raise ValueError("a size is not negative")
    return plaintext_size + TAG_SIZE * max(1, -(-plaintext_size // CHUNK))


def plaintext_size(sealed: int) -> int:
    """The bytes of plaintext in so many bytes of chunks. Raises PayloadFailure for a size that no payload has."""
    chunks = -(-sealed // SEALED_CHUNK)
    last = sealed - (chunks - 1) * SEALED_CHUNK
    if sealed < TAG_SIZE or (chunks > 1 and last <= TAG_SIZE):
        raise PayloadFailure("the payload ends where none can end")
    return sealed - chunks * TAG_SIZE


class PayloadWriter:
    """Encrypts what is written to it. Without `finish` the payload is cut, and its reader will say so."""

    __slots__ = ("_aead", "_finished", "_kept", "_number", "_sealed", "_sink", "_used")

    def __init__(self, key: bytes, sink: Sink) -> None:
        self._aead = ChaCha20Poly1305(key)
        self._sink = sink
        # A full chunk waits here until more comes, because the last one is sealed in another way.
        self._kept = memoryview(bytearray(CHUNK))
        self._used = 0
        self._sealed = memoryview(bytearray(SEALED_CHUNK))
        self._number = 0
        self._finished = False

    def write(self, data: Buffer) -> int:
        """Take all of `data`; returns its size. Raises ValueError after `finish`; what the sink raises."""
        if self._finished:
            raise ValueError("the payload is finished")
        view = memoryview(data).cast("B")
        size = len(view)
        while len(view):
            if self._used == CHUNK:
                self._seal(self._kept, last=False)
                self._used = 0
            if self._used == 0 and len(view) > CHUNK:
                self._seal(view[:CHUNK], last=False)
                view = view[CHUNK:]
                continue
            count = min(CHUNK - self._used, len(view))
            self._kept[self._used : self._used + count] = view[:count]
            self._used += count
            view = view[count:]
        return size

    def finish(self) -> None:
        """Write the last chunk. The sink stays open. Raises ValueError the second time; what the sink raises."""
        if self._finished:
            raise ValueError("the payload is finished")
        self._finished = True
        self._seal(self._kept[: self._used], last=True)

    def _seal(self, plaintext: memoryview, *, last: bool) -> None:
        sealed = self._sealed[: len(plaintext) + TAG_SIZE]
        self._aead.encrypt_into(_nonce(self._number, last), plaintext, None, sealed)
        self._number += 1
        write_all(self._sink, sealed)


class PayloadReader(io.RawIOBase):
    """Decrypts from the first chunk to the last. Every byte that it gives is authentic; only its end shows that none
    is missing.

    It reads no further than the chunk that is asked for, so that all that is authentic is released before a failure of
    the source, or of a later chunk, is raised. After a failure it gives nothing more.
    """

    def __init__(self, key: bytes, source: Rest) -> None:
        super().__init__()
        self._aead = ChaCha20Poly1305(key)
        self._source = source
        self._plain = memoryview(bytearray(CHUNK))
        self._number = 0
        self._last_seen = False
        self._failure: str | None = None
        self._unread = self._plain[:0]

    def readable(self) -> bool:
        """It is."""
        return True

    def readinto(self, buffer: Buffer, /) -> int:
        """Fill the beginning of `buffer`; returns how many bytes, 0 at the end. Raises as `next_chunk` does."""
        view = memoryview(buffer).cast("B")
        while not len(self._unread) and len(view):
            if len(view) >= CHUNK:
                return self._next_into(view[:CHUNK]) or 0  # only an empty payload has an empty chunk
            chunk = self.next_chunk()
            if chunk is None:
                return 0
            self._unread = chunk
        count = min(len(view), len(self._unread))
        view[:count] = self._unread[:count]
        self._unread = self._unread[count:]
        return count

    def next_chunk(self) -> memoryview | None:
        """The next chunk, valid until the next call, or None when the payload is whole and has ended.

        Raises PayloadFailure, then for ever; what the source raises.
        """
        size = self._next_into(self._plain)
        if size == CHUNK:
            return self._plain
        return None if size is None else self._plain[:size]

    def _next_into(self, plain: memoryview) -> int | None:
        """The next chunk into a buffer that has room for any; its size."""
        if self._failure is not None:
            raise PayloadFailure(self._failure)
        sealed = self._source.take(1 if self._last_seen else SEALED_CHUNK)
        if self._last_seen:
            if len(sealed):
                raise self._failed("something follows the last chunk")
            return None
        if len(sealed) < TAG_SIZE:
            raise self._failed("the payload ends without its last chunk")
        if len(sealed) == TAG_SIZE and self._number:
            raise self._failed("an empty chunk at the end of a payload that is not empty")
        # A short chunk can only be the last one; a full one can be either.
        size = self._open(sealed, plain, last=False) if len(sealed) == SEALED_CHUNK else None
        if size is None:
            size = self._open(sealed, plain, last=True)
            self._last_seen = True
        if size is None:
            # The library may have written plaintext there before it saw that the tag is wrong.
            plain[:] = bytes(CHUNK)
            raise self._failed("a chunk is altered, out of its place, or cut")
        self._number += 1
        return size

    def _open(self, sealed: memoryview, plain: memoryview, *, last: bool) -> int | None:
        opened = plain if len(sealed) == SEALED_CHUNK else plain[: len(sealed) - TAG_SIZE]
        try:
            return self._aead.decrypt_into(_nonce(self._number, last), sealed, None, opened)
        except InvalidTag:
            return None

    def _failed(self, reason: str) -> PayloadFailure:
        self._failure = reason
        return PayloadFailure(reason)


class ChunkReader:
    """Decrypts single chunks, in any order, of a payload whose size is known.

    The size is believed only when the last chunk has opened as the last one.
    """

    __slots__ = ("_aead", "chunks", "size_bytes")

    def __init__(self, key: bytes, sealed: int) -> None:
        """`sealed` is the size of all chunks in bytes. Raises PayloadFailure for a size that no payload has."""
        self._aead = ChaCha20Poly1305(key)
        self.size_bytes = plaintext_size(sealed)
        self.chunks = max(1, -(-self.size_bytes // CHUNK))

    def sealed_chunk_size(self, number: int) -> int:
        """The size of that chunk with its tag."""
        return TAG_SIZE + (CHUNK if number < self.chunks - 1 else self.size_bytes - number * CHUNK)

    def decrypt_chunk(self, number: int, sealed: Buffer) -> bytes:
        """The plaintext of a chunk. Raises PayloadFailure when it is altered, cut or out of its place."""
        try:
            return self._aead.decrypt(_nonce(number, number == self.chunks - 1), memoryview(sealed).cast("B"), None)
        except (InvalidTag, ValueError):
            raise PayloadFailure("a chunk is altered, out of its place, or cut") from None


def _nonce(number: int, last: bool) -> bytes:
    return (number << 8 | last).to_bytes(12, "big")
