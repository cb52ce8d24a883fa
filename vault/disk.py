"""The operations that change the disk, databases apart; `vault.files` makes of them what survives a crash."""

from __future__ import annotations

import contextlib
import os
import sys
from pathlib import Path

from vault import platform

Buffer = bytes | bytearray | memoryview


class Disk:
    """The operations that change the disk, each as small as the system's own. All raise OSError."""

    def open_new(self, path: Path) -> int:
        """Create a file that must not exist yet, readable by the owner alone; return its descriptor for writing."""
        # O_EXCL also refuses a symbolic link, and descriptors that Python opens are not inherited.
        return os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | getattr(os, "O_BINARY", 0), 0o600)

    def open_old(self, path: Path) -> int:
        """Open a file that is there to overwrite it in place; return its descriptor."""
        return os.open(path, os.O_WRONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0))

    def erase(self, descriptor: int) -> None:
        """Overwrite a file's content with random bytes in place, durably."""
        size = os.fstat(descriptor).st_size
        with memoryview(os.urandom(size)) as rest:
            written = 0
            while written < size:
                written += os.write(descriptor, rest[written:])
        platform.full_sync(descriptor)

    def write(self, descriptor: int, data: Buffer) -> None:
        """Append all of `data`; the system may take it in pieces."""
        with memoryview(data) as view, view.cast("B") as rest:
            written = 0
            while written < len(rest):
                written += os.write(descriptor, rest[written:])

    def fsync(self, descriptor: int) -> None:
        """Return when content and size of the file are on the medium."""
        platform.full_sync(descriptor)

    def flush(self, descriptor: int) -> None:
        """Send to the device what was written so far; a promise of nothing, it only shortens the fsync that follows."""
        if sys.platform == "linux":
            os.fdatasync(descriptor)
            # Its pages serve again for what comes next: cheaper than fresh ones, and nothing useful is pushed out.
            with contextlib.suppress(OSError):
                os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
        else:
            os.fsync(descriptor)

    def close(self, descriptor: int) -> None:
        """Give the descriptor back; some file systems report a failed write only here."""
        os.close(descriptor)

    def sync_file(self, path: Path) -> None:
        """Fsync a file by its name."""
        # Windows flushes only what is open for writing.
        descriptor = os.open(path, os.O_RDWR if sys.platform == "win32" else os.O_RDONLY)
        try:
            platform.full_sync(descriptor)
        finally:
            os.close(descriptor)

    def fsync_folder(self, path: Path) -> None:
        """Make durable which names a folder holds, where the system can."""
        if sys.platform == "win32":
            return
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
        try:
            platform.full_sync(descriptor)
        except OSError as error:
            if error.errno not in platform.NOT_SUPPORTED:
                raise
        finally:
            os.close(descriptor)

    def rename(self, source: Path, target: Path) -> None:
        """Rename within one file system, over an existing file if there is one."""
        source.replace(target)

    def remove(self, path: Path) -> None:
        """Remove a file, or a symbolic link itself."""
        path.unlink()

    def make_folder(self, path: Path) -> None:
        """Create one folder for the owner alone."""
        path.mkdir(0o700)

    def remove_folder(self, path: Path) -> None:
        """Remove an empty folder."""
        path.rmdir()

    def set_times_to_zero(self, path: Path) -> None:
        """Set the times of access and modification to 1970, or the earliest that the file system knows."""
        os.utime(path, ns=(0, 0))
