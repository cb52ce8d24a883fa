"""Encrypted files on disk: writing them, reading them from any place, verifying and removing them.

An object is a Cobblestone-256 stream for each 2**30 bytes of padded plaintext, in ``objects/ab/<30 hex>.<segment>``.
Its true length, digests and key stand in the case's database.
"""

from __future__ import annotations

import contextlib
import hashlib
import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from crypto.errors import CryptoError
from crypto.keys import ObjectKey
from crypto.objects import (
    CHUNK,
    PREFIX,
    SEALED_CHUNK,
    SEGMENT,
    ChunkDecryptor,
    StreamDecryptor,
    StreamEncryptor,
    ciphertext_size,
    object_context,
)
from crypto.padding import padded_size
from vault import errors, files
from vault.pipeline import BUFFER_BYTES, Pipeline
from vault.requests import KnownObject, ObjectGrant

_OBJECT_ID_BYTES = 16
_CHUNKS_AT_ONCE = 16

Progress = Callable[[int], None]


class Source(Protocol):
    """What can be stored: anything that fills a buffer, like an unbuffered file."""

    def readinto(self, buffer: memoryview, /) -> int | None:
        """Fill as much of the buffer as there is; 0 at the end."""
        ...


@dataclass(frozen=True, slots=True)
class Staged:
    """An object whose ciphertext lies in the staging folder and which no case has yet."""

    object_id: bytes
    key: bytes = field(repr=False)
    size_bytes: int
    padded_bytes: int
    segments: int
    sha256: str
    sha512: str | None


def segment_count(padded_bytes: int) -> int:
    """How many files hold an object of this padded length."""
    return max(1, -(-padded_bytes // SEGMENT))


def _segment_size(padded_bytes: int, segment: int) -> int:
    """The plaintext length of one segment, in bytes."""
    return min(SEGMENT, padded_bytes - segment * SEGMENT)


def segment_path(objects: Path, object_id: bytes, segment: int) -> Path:
    """Where a segment of a stored object lies."""
    name = object_id.hex()
    return objects / name[:2] / f"{name[2:]}.{segment}"


def file_sizes(known: KnownObject) -> dict[str, int]:
    """The files of a stored object, each with its folder's name, and their sizes; none where the length is not known."""
    if not known.padded_bytes:
        return {}
    paths = (segment_path(Path(), known.object_id, each) for each in range(segment_count(known.padded_bytes)))
    return {
        path.as_posix(): ciphertext_size(_segment_size(known.padded_bytes, number)) for number, path in enumerate(paths)
    }


def staged_path(folder: Path, object_id: bytes, segment: int) -> Path:
    """Where a segment lies while it is written."""
    return folder / f"{object_id.hex()}.{segment}"


class _SegmentWriter:
    """Encrypts a stream into one file after another."""

    def __init__(self, folder: Path, key: ObjectKey, *, folder_id: bytes, case_id: bytes, object_id: bytes) -> None:
        self._folder, self._key = folder, key
        self._folder_id, self._case_id, self._object_id = folder_id, case_id, object_id
        self._buffer = bytearray(StreamEncryptor.output_size(BUFFER_BYTES))
        self._file: files.NewFile | None = None
        self._encryptor: StreamEncryptor | None = None
        self._left = 0
        self.segments = 0

    def write(self, part: memoryview) -> None:
        while len(part):
            if not self._left:
                self._finish_segment()
                self._begin_segment()
            piece, part = part[: self._left], part[self._left :]
            self._left -= len(piece)
            if self._encryptor is None or self._file is None:
                raise RuntimeError("no segment is open")
            size = self._encryptor.update_into(piece, self._buffer)
            with memoryview(self._buffer) as view, view[:size] as sealed:
                self._file.write(sealed)

    def _begin_segment(self) -> None:
        context = object_context(
            folder_id=self._folder_id, case_id=self._case_id, object_id=self._object_id, segment=self.segments
        )
        path = staged_path(self._folder, self._object_id, self.segments)
        self._encryptor = StreamEncryptor(self._key, context)
        self._file = files.NewFile(path, timeless=True).__enter__()
        self.segments += 1
        self._left = SEGMENT

    def _finish_segment(self) -> None:
        if self._encryptor is not None and self._file is not None:
            self._file.write(self._encryptor.finalize())
            self._file.__exit__(None, None, None)
            self._encryptor = self._file = None

    def finish(self) -> None:
        self._finish_segment()

    def abandon(self, error: BaseException) -> None:
        if self._file is not None:
            self._file.__exit__(type(error), error, None)
        for segment in range(self.segments):
            files.remove(staged_path(self._folder, self._object_id, segment))


def write_object(
    source: Source,
    folder: Path,
    *,
    folder_id: bytes,
    case_id: bytes,
    size_hint: int | None = None,
    both_digests: bool = True,
    progress: Progress | None = None,
) -> Staged:
    """Encrypt a whole stream into ``folder`` under a new key; nothing of the plaintext is written anywhere.

    ``size_hint`` is the expected length in bytes, None when unknown. After an error nothing is left.
    Raises ``NoSpace``, ``ReadOnly``, and whatever ``source`` raises.
    """
    object_id, key = secrets.token_bytes(_OBJECT_ID_BYTES), ObjectKey.random()
    writer = _SegmentWriter(folder, key, folder_id=folder_id, case_id=case_id, object_id=object_id)
    sha256, sha512 = hashlib.sha256(), hashlib.sha512() if both_digests else None

    def digest_and_write(part: memoryview) -> None:
        sha256.update(part)
        writer.write(part)

    # Two threads: where SHA-256 has instructions of its own, SHA-512 alone takes longer than all the rest together.
    consumers = [sha512.update, digest_and_write] if sha512 else [sha256.update, writer.write]
    size = 0
    try:
        with Pipeline(consumers, size_hint=size_hint) as pipeline:
            while True:
                buffer = pipeline.free()
                filled = _fill(source, buffer)
                if not filled:
                    break
                pipeline.feed(buffer, filled)
                size += filled
                if progress:
                    progress(filled)
        padded = padded_size(size)
        zeros = memoryview(bytes(min(BUFFER_BYTES, padded - size)))
        for start in range(size, padded, BUFFER_BYTES):
            writer.write(zeros[: padded - start])
        writer.finish()
    except BaseException as error:
        writer.abandon(error)
        raise
    return Staged(
        object_id,
        key.raw,
        size,
        padded,
        writer.segments,
        sha256.hexdigest(),
        sha512.hexdigest() if sha512 else None,
    )


def _fill(source: Source, buffer: bytearray) -> int:
    """Fill the buffer as far as the source goes: a pipe gives little at a time."""
    filled = 0
    with memoryview(buffer) as view:
        while filled < len(buffer):
            with view[filled:] as rest:
                count = source.readinto(rest)
            if not count:
                break
            filled += count
    return filled


def verify_new(staged: Staged, objects: Path) -> None:
    """See that no stored object has this id: what is announced under it is removed again after a failure.

    Raises ``ReceiptRefused``, as only a client that is not ours names another one.
    """
    name = staged.object_id.hex()
    parent = objects / name[:2]
    if len(staged.object_id) != _OBJECT_ID_BYTES or any(parent.glob(f"{name[2:]}.*")):
        raise errors.ReceiptRefused


def belongs(staged: Staged, folder: Path, *, folder_id: bytes, case_id: bytes) -> bool:
    """Whether a staged object was encrypted for this case: in another nobody could ever read it. Raises ``DiskFailed``,
    FileNotFoundError.
    """
    context = object_context(folder_id=folder_id, case_id=case_id, object_id=staged.object_id, segment=0)
    path = staged_path(folder, staged.object_id, 0)
    with files.translated(path), open(path, "rb", buffering=0, opener=files.open_own) as file:
        try:
            ChunkDecryptor(ObjectKey(staged.key), context, file.read(PREFIX)).decrypt_chunk(0, file.read(SEALED_CHUNK))
        except CryptoError:
            return False
    return True


def place(staged: Staged, folder: Path, objects: Path) -> None:
    """Move a staged object to its final place, durably."""
    for segment in range(staged.segments):
        target = segment_path(objects, staged.object_id, segment)
        if not target.parent.is_dir():
            files.make_folder(target.parent)
        files.move(staged_path(folder, staged.object_id, segment), target)


def remove_object(objects: Path, object_id: bytes) -> None:
    """Remove all files of an object; missing ones are fine."""
    name = object_id.hex()
    parent = objects / name[:2]
    found = sorted(parent.glob(f"{name[2:]}.*")) if parent.is_dir() else []
    files.remove(*found)
    # An empty folder would tell how many objects were removed.
    with contextlib.suppress(OSError):
        parent.rmdir()


class ObjectReader:
    """Reads a stored object with the key of one grant. Every byte that it gives out is authenticated."""

    def __init__(self, objects: Path, grant: ObjectGrant) -> None:
        self._objects = objects
        self._grant = grant
        self._key = ObjectKey(grant.key)

    def verify_sizes(self) -> None:
        """Compare the files' sizes with the row, which random access alone would not notice.

        Raises ``ObjectMissing`` and ``ObjectDamaged``.
        """
        for segment in range(segment_count(self._grant.padded_bytes)):
            path = segment_path(self._objects, self._grant.object_id, segment)
            try:
                size = path.stat().st_size
            except OSError:
                raise errors.ObjectMissing(what=self._grant.reference) from None
            if size != ciphertext_size(_segment_size(self._grant.padded_bytes, segment)):
                raise errors.ObjectDamaged(what=self._grant.reference)

    def read(self, offset: int = 0, length: int | None = None) -> Iterator[memoryview]:
        """The plaintext from ``offset`` on, in pieces that are valid until the next one is asked for."""
        end = self._grant.size_bytes if length is None else min(offset + length, self._grant.size_bytes)
        self.verify_sizes()
        yield from self._read_padded(offset, end)

    def _read_padded(self, offset: int, end: int) -> Iterator[memoryview]:
        while offset < end:
            segment, start = divmod(offset, SEGMENT)
            stop = min(end - segment * SEGMENT, SEGMENT)
            try:
                if start == 0 and stop > _CHUNKS_AT_ONCE * CHUNK:
                    yield from self._stream(segment, stop)
                else:
                    yield from self._chunks(segment, start, stop)
                if stop == _segment_size(self._grant.padded_bytes, segment) and stop % CHUNK == 0:
                    self._verify_empty_chunk(segment, stop // CHUNK)
            except CryptoError as error:
                raise errors.ObjectDamaged(what=self._grant.reference) from error
            except FileNotFoundError:
                raise errors.ObjectMissing(what=self._grant.reference) from None
            except OSError as error:
                raise errors.ObjectDamaged(what=self._grant.reference) from error
            offset = segment * SEGMENT + stop

    def _context(self, segment: int) -> bytes:
        grant = self._grant
        return object_context(
            folder_id=grant.folder_id, case_id=grant.case_id, object_id=grant.object_id, segment=segment
        )

    def _stream(self, segment: int, stop: int) -> Iterator[memoryview]:
        """A segment from its start: the fastest way, a buffer at a time."""
        sealed = bytearray(BUFFER_BYTES)
        opened = bytearray(StreamDecryptor.output_size(BUFFER_BYTES))
        decryptor = StreamDecryptor(self._key, self._context(segment))
        given = 0
        path = segment_path(self._objects, self._grant.object_id, segment)
        with path.open("rb", buffering=0) as file, memoryview(opened) as plain, memoryview(sealed) as view:
            while given < stop:
                count = file.readinto(view)
                size = decryptor.update_into(view[:count], opened) if count else 0
                if not count:
                    last = decryptor.finalize()
                    size = len(last)
                    plain[:size] = last
                wanted = min(size, stop - given)
                given += wanted
                if wanted:
                    yield plain[:wanted]
                if not count and given < stop:
                    raise errors.ObjectDamaged(what=self._grant.reference)

    def _chunks(self, segment: int, start: int, stop: int) -> Iterator[memoryview]:
        """A part of a segment: only the chunks that it touches are read."""
        path = segment_path(self._objects, self._grant.object_id, segment)
        with path.open("rb", buffering=0) as file:
            decryptor = ChunkDecryptor(self._key, self._context(segment), file.read(PREFIX))
            while start < stop:
                first = start // CHUNK
                count = min(_CHUNKS_AT_ONCE, (stop - 1) // CHUNK - first + 1)
                file.seek(PREFIX + first * SEALED_CHUNK)
                sealed = file.read(count * SEALED_CHUNK)
                plain = b"".join(
                    decryptor.decrypt_chunk(first + i, sealed[i * SEALED_CHUNK : (i + 1) * SEALED_CHUNK])
                    for i in range(count)
                )
                skipped = start - first * CHUNK
                piece = memoryview(plain)[skipped : skipped + stop - start]
                if not len(piece):
                    raise errors.ObjectDamaged(what=self._grant.reference)
                start += len(piece)
                yield piece

    def _verify_empty_chunk(self, segment: int, number: int) -> None:
        """A segment whose last chunk is full ends with an empty one, which nobody asks for."""
        with segment_path(self._objects, self._grant.object_id, segment).open("rb", buffering=0) as file:
            decryptor = ChunkDecryptor(self._key, self._context(segment), file.read(PREFIX))
            file.seek(PREFIX + number * SEALED_CHUNK)
            decryptor.decrypt_chunk(number, file.read(SEALED_CHUNK))

    def pour(
        self,
        write: Callable[[memoryview], object],
        *,
        progress: Progress | None = None,
        writing_here: bool = False,
    ) -> str:
        """Give the whole plaintext to ``write`` and return its SHA-256, computed beside the writing.

        ``write`` runs in a thread of its own; or in this one with ``writing_here``, for what takes the interpreter's lock
        so often that a further thread would mostly wait for it.
        """
        digest = hashlib.sha256()
        beside = [digest.update] if writing_here else [digest.update, write]
        with Pipeline(beside, size_hint=self._grant.size_bytes) as pipeline:
            for piece in self.read():
                self._feed(pipeline, piece)
                if writing_here:
                    write(piece)
                if progress:
                    progress(len(piece))
        return digest.hexdigest()

    def verify(self, *, progress: Progress | None = None) -> None:
        """Read every byte: all authentic, the digest as recorded, the padding zero. Raises ``ObjectDamaged``."""
        digest = hashlib.sha256()
        position, size = 0, self._grant.size_bytes
        self.verify_sizes()
        padding_is_zero = True
        with Pipeline([digest.update], size_hint=size) as pipeline:
            for piece in self._read_padded(0, self._grant.padded_bytes):
                true_part = piece[: max(0, size - position)]
                if len(true_part):
                    self._feed(pipeline, true_part)
                padding = piece[len(true_part) :].tobytes()
                padding_is_zero = padding_is_zero and padding.count(0) == len(padding)
                position += len(piece)
                if progress:
                    progress(len(piece))
        if digest.hexdigest() != self._grant.sha256 or not padding_is_zero:
            raise errors.ObjectDamaged(what=self._grant.reference)

    @staticmethod
    def _feed(pipeline: Pipeline, piece: memoryview) -> None:
        for start in range(0, len(piece), BUFFER_BYTES):
            part = piece[start : start + BUFFER_BYTES]
            buffer = pipeline.free()
            buffer[: len(part)] = part
            pipeline.feed(buffer, len(part))
