"""Disks that fail: stand-ins for `vault.files.disk`, and a loop that lets every single operation of a scenario fail.

For kinds that end the process `endings.every_end` looks at the same in less time.

every_failure(lambda: write_file(path, new), lambda failure: check(path.read_bytes()))
"""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from unittest import mock

from crypto.keys import DatabaseKey
from vault import files
from vault.disk import Buffer, Disk
from vault.errors import VaultError
from vault.store import Record, Store, Value

Kind = Literal["full", "full for good", "broken", "torn", "crash", "torn crash", "power cut"]
KINDS: tuple[Kind, ...] = ("full", "full for good", "broken", "torn", "crash", "torn crash", "power cut")

FAT_STEP_NS = 2_000_000_000
FAT_EPOCH_NS = 315_532_800_000_000_000  # 1980


class NothingToFail(AssertionError):
    """The scenario never touched the disk, so nothing was tested."""


class Crash(BaseException):
    """The process is dead. Not an Exception, so that no clean-up which catches errors survives it."""


class Unsynced:
    """What a power cut takes back: content without fsync, names in folders without fsync."""

    def __init__(self) -> None:
        self._undo: list[tuple[Path, Callable[[Unsynced], object]]] = []
        self._durable_bytes: dict[Path, int] = {}

    def file_created(self, path: Path) -> None:
        self._durable_bytes[path] = 0
        self._undo.append((path.parent, lambda _: path.unlink(missing_ok=True)))

    def file_synced(self, path: Path) -> None:
        self._durable_bytes.pop(path, None)

    def folder_created(self, path: Path) -> None:
        self._undo.append((path.parent, lambda _: shutil.rmtree(path, ignore_errors=True)))

    def folder_synced(self, folder: Path) -> None:
        self._undo = [(changed, undo) for changed, undo in self._undo if changed != folder]

    def before_file_removed(self, path: Path) -> None:
        if path.is_symlink() or not path.is_file():
            return
        durable = path.read_bytes()[: self._durable_bytes.pop(path, None)]
        self._undo.append((path.parent, lambda _: path.write_bytes(durable)))

    def before_folder_removed(self, path: Path) -> None:
        self._undo.append((path.parent, lambda _: path.mkdir()))

    def before_renamed(self, source: Path, target: Path) -> None:
        if target.is_file():
            self.before_file_removed(target)
        self._undo.append((target.parent, lambda lost: lost._rename(target, source, then=target.replace)))
        self._rename(source, target)

    def lose(self) -> None:
        for _, undo in reversed(self._undo):
            # What was in a folder that is durably gone cannot come back.
            with contextlib.suppress(FileNotFoundError):
                undo(self)
        for path, size in self._durable_bytes.items():
            if path.is_file():
                os.truncate(path, size)
        self._undo.clear()
        self._durable_bytes.clear()

    def copy(self) -> Unsynced:
        other = Unsynced()
        other._undo, other._durable_bytes = list(self._undo), dict(self._durable_bytes)
        return other

    def _rename(self, source: Path, target: Path, then: Callable[[Path], object] | None = None) -> None:
        if source in self._durable_bytes:
            self._durable_bytes[target] = self._durable_bytes.pop(source)
        if then is not None:
            then(target)


class FaultyDisk(Disk):
    """A real disk that counts its operations, and fails where told; closing is free, background flushes are not counted.

    `operations` lists what was asked for, as (name of the method, name of the file), the failed one included. `before` is
    told of each, with what is to be written and where if not at the end.
    """

    def __init__(self) -> None:
        self.operations: list[tuple[str, str]] = []
        self.fired = False
        self._paths: dict[int, Path] = {}
        self._lock = threading.Lock()
        self._nth = 0
        self._error: BaseException | None = None
        self._forever = False
        self._torn = False
        self._unsynced = Unsynced()
        self.before: Callable[[str, Path, Buffer, int | None], object] = lambda *_: None

    @property
    def unsynced(self) -> Unsynced:
        """What a power cut would take back now."""
        return self._unsynced.copy()

    def lose_unsynced(self) -> None:
        """Cut the power: undo all that no fsync made durable, the worst that a file system may do."""
        self._unsynced.lose()

    def fail_nth(
        self, nth: int, error: BaseException | None = None, *, forever: bool = False, torn: bool = False
    ) -> FaultyDisk:
        """Let the nth operation from now (1 is the next) raise `error`, by default a full disk.

        With `forever` every later one fails alike; after a `Crash` it does so always. With `torn` a write that
        is to fail first writes half of its data.
        """
        self.operations.clear()
        self.fired = False
        self._nth = nth
        self._error = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)) if error is None else error
        self._forever = forever or isinstance(error, Crash)
        self._torn = torn
        return self

    def open_new(self, path: Path) -> int:
        self._count("open_new", path)
        descriptor = super().open_new(path)
        self._paths[descriptor] = path
        self._unsynced.file_created(path)
        return descriptor

    def write(self, descriptor: int, data: Buffer) -> None:
        try:
            self._count("write", self._paths[descriptor], data)
        except BaseException:
            if self._torn and self._is_first_failure():
                with memoryview(data) as view, view.cast("B") as part:
                    super().write(descriptor, part[: len(part) // 2])
            raise
        super().write(descriptor, data)

    def fsync(self, descriptor: int) -> None:
        self._count("fsync", self._paths[descriptor])
        super().fsync(descriptor)
        self._unsynced.file_synced(self._paths[descriptor])

    def flush(self, descriptor: int) -> None:
        self.die_again()
        super().flush(descriptor)

    def close(self, descriptor: int) -> None:
        # The system closes a dead process's descriptors.
        super().close(descriptor)
        self._paths.pop(descriptor, None)
        self.die_again()

    def sync_file(self, path: Path) -> None:
        self._count("sync_file", path)
        super().sync_file(path)
        self._unsynced.file_synced(path)

    def fsync_folder(self, path: Path) -> None:
        self._count("fsync_folder", path)
        super().fsync_folder(path)
        self._unsynced.folder_synced(path)

    def overwrite(self, path: Path, offset: int, data: Buffer) -> None:
        try:
            self._count("overwrite", path, data, offset)
        except BaseException:
            if self._torn and self._is_first_failure():
                with memoryview(data) as view, view.cast("B") as part:
                    super().overwrite(path, offset, part[: len(part) // 2])
            raise
        super().overwrite(path, offset, data)

    def erase(self, descriptor: int) -> None:
        self._count("erase", Path("what was replaced"))
        super().erase(descriptor)

    def rename(self, source: Path, target: Path) -> None:
        self._count("rename", target)
        self._unsynced.before_renamed(source, target)
        super().rename(source, target)

    def remove(self, path: Path) -> None:
        self._count("remove", path)
        self._unsynced.before_file_removed(path)
        super().remove(path)

    def make_folder(self, path: Path) -> None:
        self._count("make_folder", path)
        super().make_folder(path)
        self._unsynced.folder_created(path)

    def remove_folder(self, path: Path) -> None:
        self._count("remove_folder", path)
        self._unsynced.before_folder_removed(path)
        super().remove_folder(path)

    def set_times_to_zero(self, path: Path) -> None:
        self._count("set_times_to_zero", path)
        super().set_times_to_zero(path)

    def _count(self, operation: str, path: Path, data: Buffer = b"", offset: int | None = None) -> None:
        with self._lock:
            self.operations.append((operation, path.name))
            self.before(operation, path, data, offset)
            count = len(self.operations)
            if self._error is None or count < self._nth or (count > self._nth and not self._forever):
                return
            self.fired = True
            raise self._error

    def _is_first_failure(self) -> bool:
        return len(self.operations) == self._nth

    @property
    def is_dead(self) -> bool:
        """Whether the process crashed."""
        return self.fired and isinstance(self._error, Crash)

    def die_again(self) -> None:
        """Raise the `Crash` again if there was one."""
        if self.is_dead and self._error is not None:
            raise self._error


class FatDisk(FaultyDisk):
    """A disk like a FAT stick: a rename over a file removes that first, times are coarse, everybody may do everything."""

    def open_new(self, path: Path) -> int:
        descriptor = super().open_new(path)
        path.chmod(0o777)
        return descriptor

    def make_folder(self, path: Path) -> None:
        super().make_folder(path)
        path.chmod(0o777)

    def rename(self, source: Path, target: Path) -> None:
        if target.is_file():
            self._count("rename: target removed", target)
            self._unsynced.before_file_removed(target)
            target.unlink()
        super().rename(source, target)

    def set_times_to_zero(self, path: Path) -> None:
        super().set_times_to_zero(path)
        os.utime(path, ns=(FAT_EPOCH_NS, FAT_EPOCH_NS))


def coarse_mtime_ns(time_ns: int) -> int:
    """Return the modification time that FAT keeps of `time_ns`: whole steps of two seconds, none before 1980."""
    return max(FAT_EPOCH_NS, time_ns // FAT_STEP_NS * FAT_STEP_NS)


@contextlib.contextmanager
def replaced(disk: Disk) -> Iterator[None]:
    """Let the vault work on `disk` for the length of the block. Once that is dead, databases do nothing any more either."""
    real = files.disk
    files.disk = disk
    try:
        with _mortal_databases(disk) if isinstance(disk, FaultyDisk) else contextlib.nullcontext():
            yield
    finally:
        files.disk = real


@contextlib.contextmanager
def _mortal_databases(disk: FaultyDisk) -> Iterator[None]:
    # SQLCipher does not write through the disk, and a clean-up after a simulated crash must not reach it.
    prepare, execute, stream, close = Store._prepare, Store.execute, Store.stream, Store.close

    def mortal_prepare(store: Store, key: DatabaseKey) -> None:
        disk.die_again()
        prepare(store, key)

    def mortal_execute(store: Store, statement: str, values: Sequence[Value] = ()) -> list[Record]:
        disk.die_again()
        return execute(store, statement, values)

    def mortal_stream(store: Store, statement: str, values: Sequence[Value] = ()) -> Iterator[Record]:
        disk.die_again()
        return stream(store, statement, values)

    def mortal_close(store: Store) -> None:
        if disk.is_dead:
            _never_closed.append(store)  # closing would tidy the write-ahead log up
        else:
            close(store)

    with (
        mock.patch.object(Store, "_prepare", mortal_prepare),
        mock.patch.object(Store, "execute", mortal_execute),
        mock.patch.object(Store, "stream", mortal_stream),
        mock.patch.object(Store, "close", mortal_close),
    ):
        yield


_never_closed: list[Store] = []


def bury() -> None:
    """Close the databases of processes that died in `replaced`, after what they left was looked at."""
    while _never_closed:
        _never_closed.pop().close()


@dataclass(frozen=True)
class Failure:
    """One provoked failure: which kind, at which operation on which file, and what the scenario raised, if anything."""

    kind: Kind
    nth: int
    operation: str
    name: str
    raised: BaseException | None


def every_failure(
    run: Callable[[], object],
    check: Callable[[Failure], object],
    *,
    prepare: Callable[[], object] = lambda: None,
    kinds: Sequence[Kind] = KINDS,
    disk: Callable[[], FaultyDisk] = FaultyDisk,
    expected: tuple[type[BaseException], ...] = (VaultError, OSError),
) -> int:
    """Let the 1st, 2nd, … operation of `run` fail, until it passes untouched; call `check` after each failure.

    A power cut is a crash that also takes back what was not synced; one more comes after the end, when nothing may be lost.
    `prepare` and `check` work on the sound disk. A `run` that returns although an operation failed is checked too, with
    `raised` None. Whatever `run` raises beyond `expected` and `Crash` passes. Returns how many failures there were;
    raises NothingToFail if `run` never touches the disk.
    """
    awaited: tuple[type[BaseException], ...] = (Crash, *expected)
    failures = 0
    for kind in kinds:
        nth = 0
        while True:
            nth += 1
            prepare()
            faulty = _armed(disk(), kind, nth)
            raised: BaseException | None = None
            with replaced(faulty):
                try:
                    run()
                except awaited as error:
                    if not faulty.fired:
                        raise
                    raised = error
            if not faulty.fired and kind != "power cut":
                break
            if kind == "power cut":
                faulty.lose_unsynced()
            if not faulty.fired:
                check(Failure(kind, nth, "after the end", "", None))
                break
            operation, name = faulty.operations[nth - 1]
            check(Failure(kind, nth, operation, name, raised))
            failures += 1
        if nth == 1:
            raise NothingToFail
    return failures


def _armed(disk: FaultyDisk, kind: Kind, nth: int) -> FaultyDisk:
    if kind in ("crash", "torn crash", "power cut"):
        return disk.fail_nth(nth, Crash(f"at operation {nth}"), torn=kind == "torn crash")
    code = errno.EIO if kind == "broken" else errno.ENOSPC
    return disk.fail_nth(
        nth, OSError(code, os.strerror(code)), forever=kind in ("full for good", "broken"), torn=kind == "torn"
    )
