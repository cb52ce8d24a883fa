"""Copying ciphertext: whole, durable, and read back."""

from __future__ import annotations

import errno
import hashlib
import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

from vault import errors, files, platform

Progress = Callable[[int], None]

_BUFFER_BYTES = 1 << 20


def copy(source: Path, target: Path, *, progress: Progress | None = None) -> tuple[int, str]:
    """Copy a file to a new name, durably, without its times; returns size and SHA-256 of what was read.

    Raises ``FileNotFoundError`` if the source is not there, ``SourceUnreadable`` if it cannot be read,
    ``FileExistsError`` if something is at ``target``, ``NoSpace``, ``ReadOnly``, ``DiskFailed``.
    """
    digest, size = hashlib.sha256(), 0
    pieces = _pieces(source)
    piece = next(pieces, None)  # a source that is not there leaves no target
    with files.NewFile(target, timeless=True) as file:
        while piece is not None:
            digest.update(piece)
            file.write(piece)
            size += len(piece)
            if progress:
                progress(len(piece))
            piece = next(pieces, None)
    return size, digest.hexdigest()


def verify_copy(target: Path, size: int, sha256: str) -> None:
    """Read from the medium what was written. Raises ``CopyDiffers``."""
    if not reads_as(target, size, sha256):
        raise errors.CopyDiffers(path=str(target))


def reads_as(path: Path, size: int, sha256: str) -> bool:
    """Whether a file has this size and digest, read from the medium as far as the system lets us."""
    try:
        if path.stat().st_size != size:
            return False
        digest = hashlib.sha256()
        for piece in _pieces(path, from_medium=True):
            digest.update(piece)
    except (OSError, errors.SourceUnreadable):
        return False
    return digest.hexdigest() == sha256


def forget_cached(path: Path) -> None:
    """Let the next reader of a synced file get it from the medium."""
    with open(path, "rb", buffering=0, opener=files.open_at_once) as file:
        platform.read_from_medium(file.fileno())


def _pieces(path: Path, *, from_medium: bool = False) -> Iterator[memoryview]:
    """A file's content; each piece is valid until the next."""
    buffer = bytearray(_BUFFER_BYTES)
    try:
        with open(path, "rb", buffering=0, opener=files.open_own) as file, memoryview(buffer) as view:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise errors.SourceUnreadable(path=str(path))  # a device would never end
            if from_medium:
                platform.read_from_medium(file.fileno())
            while count := file.readinto(view):
                yield view[:count]
    except FileNotFoundError:
        raise
    except OSError as error:
        raise errors.SourceUnreadable(path=str(path)) from error


def occupied(path: Path) -> bool:
    """Whether anything but an empty folder is at ``path``. Raises ``ReadOnly``."""
    with files.translated(path):
        if files.is_folder(path):
            return any(path.iterdir())
        return os.path.lexists(path)


def make_parent(path: Path) -> None:
    """Make the folder of a file, one level, unless it is there."""
    if not files.is_folder(path.parent):
        try:
            files.make_folder(path.parent)
        except FileNotFoundError:
            raise errors.DiskFailed(path=str(path.parent), reason=os.strerror(errno.ENOENT)) from None
