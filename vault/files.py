"""What the vault changes on disk, databases apart: new files, renames, removals, and their durability.

Every change goes through `disk`, which tests replace to let the disk fail at the worst moment. A full disk is reported
as `NoSpace`, a place that may not be written to as `ReadOnly`; any other OSError passes unchanged.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
import stat
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType

from vault import platform
from vault.disk import Buffer, Disk
from vault.errors import AlreadyThere, DiskFailed, FileTooLarge, NoSpace, NoSuchFolder, ReadOnly, VaultError

# Measured with 1 GiB: the last fsync of a segment falls from 0.43 s to 0.03 s.
FLUSH_BEHIND_BYTES = 32 << 20

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
_NOT_WRITABLE = frozenset({errno.EROFS, errno.EACCES, errno.EPERM})
_TEMPORARY_NAME = re.compile(r"[0-9a-f]{32}")


disk = Disk()


@contextlib.contextmanager
def translated(path: Path) -> Iterator[None]:
    """Turn an OSError of a full disk into `NoSpace(path)` (`FileTooLarge` where it is the file that is too large for it), of
    one that may not be written into `ReadOnly(path)`.

    That a file is there already, or is not there, passes unchanged; every other OSError becomes `DiskFailed`.
    """
    try:
        yield
    except OSError as error:
        if error.errno == errno.EFBIG:
            raise FileTooLarge(path=str(path)) from error
        if error.errno in _FULL:
            raise NoSpace(path=str(path)) from error
        if error.errno in _NOT_WRITABLE:
            raise ReadOnly(path=str(path)) from error
        if isinstance(error, (FileExistsError, FileNotFoundError)):
            raise
        raise DiskFailed(path=str(path), reason=os.strerror(error.errno or 0)) from error


class NewFile:
    """A new file being written, in a `with` block; at its end content is durable, or there is no file.

    The file's *name* is not durable yet: `move` it to its place, or `sync_folder` its folder. With `timeless` its times
    are set to zero, with `held` others can see that it is written to (`platform.is_held`). Entering raises
    FileExistsError if something is at `path`; every method NoSpace, ReadOnly, OSError. A failed write or sync is final:
    leave the block, which removes the file.
    """

    def __init__(self, path: Path, *, timeless: bool = False, held: bool = False) -> None:
        self.path = path
        self.size_bytes = 0
        self._timeless, self._held = timeless, held
        self._descriptor = -1
        self._synced = False
        self._unflushed_bytes = 0
        self._flusher: threading.Thread | None = None
        self._flush_error: BaseException | None = None

    def __enter__(self) -> NewFile:
        with translated(self.path):
            self._descriptor = disk.open_new(self.path)
        if self._held:
            platform.hold(self._descriptor)
        return self

    def write(self, data: Buffer) -> None:
        """Append `data`, which may be reused at return. Long files are sent to the device while they grow."""
        self._synced = False
        with translated(self.path):
            self._raise_flush_error()
            disk.write(self._descriptor, data)
        length = data.nbytes if isinstance(data, memoryview) else len(data)
        self.size_bytes += length
        self._unflushed_bytes += length
        if self._unflushed_bytes >= FLUSH_BEHIND_BYTES and not self._is_flushing():
            self._unflushed_bytes = 0
            self._flusher = threading.Thread(target=self._flush, args=(disk,), daemon=True)
            self._flusher.start()

    def sync(self) -> None:
        """Return when everything written so far is on the medium."""
        self._join_flusher()
        with translated(self.path):
            # The system reports a failed write-back to one call only: whoever syncs again after it is told of success.
            self._raise_flush_error()
            if self._timeless:
                self._forget_times()
            disk.fsync(self._descriptor)
        self._synced = True

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None:
            self._discard()
            return
        try:
            if not self._synced:
                self.sync()
            self._close()
        except BaseException:
            self._discard()
            raise

    def _close(self) -> None:
        # A descriptor closed under a running flush may by then belong to another file.
        self._join_flusher()
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            with translated(self.path):
                disk.close(descriptor)

    def _discard(self) -> None:
        with contextlib.suppress(OSError, VaultError):
            self._close()
        with contextlib.suppress(OSError):
            disk.remove(self.path)

    def _forget_times(self) -> None:
        try:
            disk.set_times_to_zero(self.path)
        except OSError as error:
            if error.errno not in platform.NOT_SUPPORTED | {errno.EPERM}:
                raise

    def _flush(self, behind: Disk) -> None:
        try:
            behind.flush(self._descriptor)
        except BaseException as error:  # noqa: BLE001 -- raised again by the thread that writes
            self._flush_error = error

    def _is_flushing(self) -> bool:
        return self._flusher is not None and self._flusher.is_alive()

    def _join_flusher(self) -> None:
        if self._flusher is not None:
            self._flusher.join()
            self._flusher = None

    def _raise_flush_error(self) -> None:
        if self._flush_error is not None:
            raise self._flush_error


def open_at_once(path: str, flags: int) -> int:
    """An opener for `open`: a pipe in place of the file is not waited for. Raises OSError."""
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))


def open_own(path: str, flags: int) -> int:
    """An opener for files of a vault or a backup: as `open_at_once`, and no link is followed, where the system has that.

    A link that somebody put there would have another file of the user's read, and copied. Raises OSError.
    """
    return open_at_once(path, flags | getattr(os, "O_NOFOLLOW", 0))


def write_file(path: Path, data: Buffer, *, timeless: bool = False) -> None:
    """Put a file in place, whole and durable: after a crash at any moment `path` holds the old content or the new.

    On FAT, where a rename is not atomic, a crash can leave neither; keep two copies there. A crash may also leave a file
    that `leftovers` finds. Raises NoSpace, ReadOnly, OSError; the old content then stands, unless the error came
    from the last step, making the new name durable.
    """
    temporary = path.with_name(os.urandom(16).hex())
    with NewFile(temporary, timeless=timeless) as file:
        file.write(data)
    with translated(path):
        try:
            disk.rename(temporary, path)
        except OSError:
            with contextlib.suppress(OSError):
                disk.remove(temporary)
            raise
        disk.fsync_folder(path.parent)


def replace_and_erase(path: Path, data: Buffer, *, timeless: bool = False) -> None:
    """`write_file`, and then overwrite what stood there before, which a rename alone leaves on the medium.

    As far as the medium really writes in place; not on Windows, which renames over no open file, and not what has another
    name as well, which is somebody's backup by hard links. That it could not be overwritten is no error. Raises as
    `write_file` does.
    """
    old = -1
    if sys.platform != "win32":
        with contextlib.suppress(OSError):
            if path.lstat().st_nlink == 1:
                old = disk.open_old(path)
    try:
        write_file(path, data, timeless=timeless)
        if old >= 0:
            with contextlib.suppress(OSError):
                disk.erase(old)
    finally:
        if old >= 0:
            disk.close(old)


def is_temporary_name(name: str) -> bool:
    """Whether an interrupted `write_file` may have left a file of this name."""
    return _TEMPORARY_NAME.fullmatch(name) is not None


def leftovers(folder: Path) -> list[Path]:
    """Return the files that an interrupted `write_file` left in a folder. Raises OSError."""
    with os.scandir(folder) as entries:
        return sorted(
            Path(entry.path)
            for entry in entries
            if _TEMPORARY_NAME.fullmatch(entry.name) and entry.is_file(follow_symlinks=False)
        )


def move(source: Path, target: Path) -> None:
    """Give a file or folder its final name, durably, and never over another.

    Safe against others only under the vault's lock: no portable call renames and refuses in one step. Raises
    FileExistsError if something is at `target`, NoSpace, ReadOnly, OSError.
    """
    with translated(target):
        if os.path.lexists(target):
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(target))
        disk.rename(source, target)
        # The new name first: between the two a crash may leave two names, never none.
        disk.fsync_folder(target.parent)
        if source.parent != target.parent:
            disk.fsync_folder(source.parent)


class Unfinished:
    """A new file under a name that says so, `partial`, until it is whole. Who writes it calls `finish` or `discard`."""

    def __init__(self, path: Path, partial: Path) -> None:
        self.path = path
        self.partial = partial
        self._made = partial
        self._device = _device(partial.parent)

    @contextlib.contextmanager
    def writing(self, *, held: bool = False) -> Iterator[NewFile]:
        """The file, to be written in a `with` block: at its end whole, durable and under its name; after an error nothing
        of it is left.

        Raises `AlreadyThere`, `NoSuchFolder`, NoSpace, ReadOnly, OSError.
        """
        try:
            with NewFile(self.partial, held=held) as file:
                yield file
        except FileExistsError:
            raise AlreadyThere(path=str(self.partial)) from None
        except FileNotFoundError:
            raise NoSuchFolder(path=str(self.path.parent)) from None
        try:
            self.finish()
        except BaseException:
            self.discard()
            raise

    def finish(self) -> None:
        """Give the file its name, durably. Raises `AlreadyThere`, NoSpace, ReadOnly, OSError; `discard` must follow then."""
        try:
            move(self.partial, self.path)
        except FileExistsError:
            raise AlreadyThere(path=str(self.path)) from None
        except BaseException:
            if not os.path.lexists(self.partial):  # it has its name already, which may not be durable
                self._made = self.path
            raise

    def discard(self) -> bool:
        """Remove the file, and nothing that others put there meanwhile. Says whether nothing of it is left for certain: of a
        stick that was pulled out, or that does not answer, nobody knows.
        """
        with contextlib.suppress(VaultError, OSError):
            remove(self._made)
            sync_folder(self._made.parent)
            # Where a stick was there is perhaps an empty folder now.
            return self._device == _device(self._made.parent) is not None and not _is_there(self._made)
        return False


def remove(*paths: Path) -> None:
    """Remove files, durably; a missing one is fine. Raises ReadOnly, OSError at the first that cannot be removed."""
    folders: dict[Path, None] = {}
    for path in paths:
        with translated(path):
            if _remove_if_there(path):
                folders[path.parent] = None
    for folder in folders:
        sync_folder(folder)


def remove_tree(folder: Path) -> None:
    """Remove a folder and all in it, durably; a missing one is fine. Links are removed, never followed.

    Raises ReadOnly, OSError; what was removed until then stays removed.
    """
    with translated(folder):
        if not os.path.lexists(folder):
            return
        if not _is_folder(folder.lstat()):
            disk.remove(folder)
        else:
            _empty_and_remove(folder)
        disk.fsync_folder(folder.parent)


def is_folder(path: Path) -> bool:
    """Whether there is a real folder at `path`: a link that leads to one is none. Raises OSError."""
    try:
        return _is_folder(path.lstat())
    except FileNotFoundError:
        return False


def is_file(path: Path) -> bool:
    """Whether there is a real file at `path`: a link that leads to one is none. Raises OSError."""
    try:
        return stat.S_ISREG(path.lstat().st_mode)
    except FileNotFoundError:
        return False


def lies_in(path: Path, folder: Path) -> bool:
    """Whether a path leads into a folder, or to it."""
    # Not Path.resolve: it raises for links that lead in a circle.
    return Path(os.path.realpath(path)).is_relative_to(os.path.realpath(folder))


def make_folders(path: Path) -> None:
    """Create a folder and those around it that are not there, durably, as open as the user's others.

    Raises NoSpace, ReadOnly, OSError.
    """
    with translated(path):
        missing = [each for each in (path, *path.parents) if not os.path.lexists(each)]
        path.mkdir(parents=True, exist_ok=True)
        for each in missing:
            disk.fsync_folder(each.parent)


def make_folder(path: Path) -> None:
    """Create one folder, durably, for the owner alone. Raises FileExistsError, NoSpace, ReadOnly, OSError."""
    with translated(path):
        disk.make_folder(path)
        disk.fsync_folder(path.parent)


def verify_writable(folder: Path, size_bytes: int = 0) -> None:
    """See that a folder takes a new file of so many bytes, before anybody is asked or waits for anything; nothing is written.

    The system may still refuse what it seems to allow. Raises NoSpace, ReadOnly, OSError.
    """
    import shutil  # the start of a command does not need it

    if not os.access(folder, os.W_OK | os.X_OK):
        raise ReadOnly(path=str(folder))
    with translated(folder):
        free = shutil.disk_usage(folder).free
    if free <= size_bytes:
        raise NoSpace(path=str(folder))


def sync_file(path: Path) -> None:
    """Make durable what another library wrote. Raises NoSpace, ReadOnly, OSError.

    Not for a database that this process has open: closing any descriptor of it drops SQLite's locks.
    """
    with translated(path):
        disk.sync_file(path)


def sync_folder(path: Path) -> None:
    """Make durable which names a folder holds. Raises NoSpace, ReadOnly, OSError."""
    with translated(path):
        disk.fsync_folder(path)


def _empty_and_remove(folder: Path) -> None:
    # A stack, because whoever can write here could nest folders deeper than Python recurses.
    pending = [folder]
    while pending:
        inner = []
        with os.scandir(pending[-1]) as entries:
            for entry in entries:
                if _is_folder(entry.stat(follow_symlinks=False)):
                    inner.append(Path(entry.path))
                else:
                    _remove_if_there(Path(entry.path))
        if inner:
            pending.extend(inner)
        else:
            disk.remove_folder(pending.pop())


def _remove_if_there(path: Path) -> bool:
    try:
        disk.remove(path)
    except FileNotFoundError:
        return False
    return True


def _device(folder: Path) -> int | None:
    try:
        return folder.stat().st_dev
    except OSError:
        return None


def _is_there(path: Path) -> bool:
    """Whether anything has this name. Raises OSError where that cannot be told, as ``os.path.lexists`` does not."""
    try:
        path.lstat()
    except FileNotFoundError:
        return False
    return True


def _is_folder(info: os.stat_result) -> bool:
    # A Windows junction calls itself a folder and leads elsewhere.
    if sys.platform == "win32" and info.st_reparse_tag == stat.IO_REPARSE_TAG_MOUNT_POINT:
        return False
    return stat.S_ISDIR(info.st_mode)
