"""Reading what is to be stored: a file that must not change under our hands, text that can be searched later."""

from __future__ import annotations

import errno
import hashlib
import io
import mimetypes
import os
import stat
import time
from pathlib import Path
from types import TracebackType

from vault import errors, files
from vault.objects import Source, Staged

# FAT keeps times to two seconds only, so a file written to just now may change without a trace.
_TRUSTED_AGE_NS = 4_000_000_000
_LARGEST_SEARCHED = 4 << 20


class SourceFile:
    """A file on the user's disk being read; a context manager that changes nothing."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.size_bytes = 0

    def __enter__(self) -> SourceFile:
        try:
            if not stat.S_ISREG(self.path.stat().st_mode):
                raise errors.NotAFile(path=str(self.path))
            self._file = open(self.path, "rb", buffering=0, opener=files.open_at_once)
        except OSError as error:
            raise self._reported(error) from error
        except ValueError:  # a NUL in the name
            raise errors.SourceMissing(path=str(self.path)) from None
        self._before = os.fstat(self._file.fileno())
        if not stat.S_ISREG(self._before.st_mode):  # somebody put it there since
            self._file.close()
            raise errors.NotAFile(path=str(self.path))
        self._opened_ns = time.time_ns()
        self.size_bytes = self._before.st_size
        return self

    def readinto(self, buffer: memoryview) -> int | None:
        """See ``Source.readinto``. Raises ``SourceMissing`` and ``SourceUnreadable``."""
        try:
            return self._file.readinto(buffer)
        except OSError as error:
            raise self._reported(error) from error

    def verify_unchanged(self, staged: Staged) -> None:
        """Raise ``SourceChanged`` or ``SourceMissing`` unless the file is still what was read from it."""
        try:
            after, named = os.fstat(self._file.fileno()), self.path.stat()
        except OSError as error:
            raise self._reported(error) from error
        same = _identity(self._before) == _identity(after) == _identity(named)
        if not same or staged.size_bytes != after.st_size:
            raise errors.SourceChanged(path=str(self.path))
        if self._opened_ns - self._before.st_mtime_ns < _TRUSTED_AGE_NS and self._digest_again() != staged.sha256:
            raise errors.SourceChanged(path=str(self.path))

    def _digest_again(self) -> str:
        digest, buffer = hashlib.sha256(), memoryview(bytearray(1 << 20))
        try:
            with open(self.path, "rb", buffering=0, opener=files.open_at_once) as file:
                while count := file.readinto(buffer):
                    digest.update(buffer[:count])
        except OSError as error:
            raise self._reported(error) from error
        return digest.hexdigest()

    def _reported(self, error: OSError) -> errors.VaultError:
        if error.errno in (errno.ENOENT, errno.ENODEV, errno.ENOTDIR):
            return errors.SourceMissing(path=str(self.path))
        return errors.SourceUnreadable(path=str(self.path))

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()


def _identity(found: os.stat_result) -> tuple[int, int, int, int, int]:
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns


def read_up_to(source: Source, size: int) -> bytes:
    """The next bytes of a source: so many, or fewer where it ends. Raises what the source raises."""
    found, done = bytearray(size), 0
    with memoryview(found) as view:
        while done < size and (count := source.readinto(view[done:])):
            done += count
    return bytes(found[:done])


class TextCollector:
    """A source that keeps a copy of what passes through, if it is text of a size that can be searched."""

    def __init__(self, source: Source, file_name: str | None, *, size_bytes: int | None = None) -> None:
        self._source = source
        media = mimetypes.guess_type(file_name)[0] if file_name else "text/plain"
        small = size_bytes is None or size_bytes <= _LARGEST_SEARCHED
        self._kept: bytearray | None = bytearray() if small and media and media.startswith("text/") else None

    def readinto(self, buffer: memoryview) -> int | None:
        """See ``Source.readinto``."""
        count = self._source.readinto(buffer)
        if count and self._kept is not None:
            self._kept += buffer[:count]
            if len(self._kept) > _LARGEST_SEARCHED:
                self._kept = None
        return count

    def text(self) -> str | None:
        """What passed through, or None if it was no text in UTF-8 or UTF-16 with its mark."""
        if self._kept is None:
            return None
        encoding = "utf-16" if self._kept.startswith((b"\xff\xfe", b"\xfe\xff")) else "utf-8-sig"
        try:
            text = self._kept.decode(encoding)
        except UnicodeDecodeError:
            return None
        return None if "\0" in text else text


class TextStream:
    """Text as a source of bytes."""

    def __init__(self, text: str) -> None:
        try:
            encoded = text.encode()
        except UnicodeEncodeError:
            raise errors.BadValue(field="text", reason="it is not valid Unicode") from None
        self.size_bytes = len(encoded)
        self._bytes = io.BytesIO(encoded)

    def readinto(self, buffer: memoryview) -> int | None:
        """See ``Source.readinto``."""
        return self._bytes.readinto(buffer)
