"""The tools that let disks fail are tested themselves: a fault that never happens proves nothing."""

from __future__ import annotations

import errno
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from endings import ENDS, every_end
from faults import (
    KINDS,
    Crash,
    Failure,
    FatDisk,
    FaultyDisk,
    Kind,
    NothingToFail,
    coarse_mtime_ns,
    every_failure,
    replaced,
)
from sqlite_faults import MODES, Mode, fault_environment, shim

from vault import files
from vault.platform import owner_only

OLD, NEW = b"old" * 100, b"new" * 100


def test_a_crash_lets_no_clean_up_work_after_it(tmp_path: Path) -> None:
    disk = FaultyDisk().fail_nth(2, Crash("now"))
    with replaced(disk), pytest.raises(Crash):
        files.write_file(tmp_path / "file", NEW)
    (left,) = files.leftovers(tmp_path)
    assert left.read_bytes() == b""
    with pytest.raises(Crash):
        disk.make_folder(tmp_path / "folder")


def test_a_torn_write_leaves_its_first_half(tmp_path: Path) -> None:
    with replaced(FaultyDisk().fail_nth(2, Crash(), torn=True)), pytest.raises(Crash):
        files.write_file(tmp_path / "file", NEW)
    (left,) = files.leftovers(tmp_path)
    assert left.read_bytes() == NEW[:150]


def test_a_single_fault_passes_and_a_lasting_one_stays(tmp_path: Path) -> None:
    for forever in (False, True):
        disk = FaultyDisk().fail_nth(2, OSError(errno.EIO, "broken"), forever=forever)
        disk.make_folder(tmp_path / f"{forever}1")
        with pytest.raises(OSError, match="broken"):
            disk.make_folder(tmp_path / f"{forever}2")
        if forever:
            with pytest.raises(OSError, match="broken"):
                disk.make_folder(tmp_path / f"{forever}3")
        else:
            disk.make_folder(tmp_path / f"{forever}3")
        assert disk.fired
    assert sorted(path.name for path in tmp_path.iterdir()) == ["False1", "False3", "True1"]


def test_every_operation_of_a_scenario_fails_once_in_every_kind(tmp_path: Path) -> None:
    seen: list[Failure] = []
    count = every_failure(lambda: files.write_file(tmp_path / "file", NEW), seen.append)
    steps = ["open_new", "write", "fsync", "rename", "fsync_folder"]
    assert count == len(steps) * len(KINDS)
    for kind in KINDS:
        end = ["after the end"] if kind == "power cut" else []
        assert [failure.operation for failure in seen if failure.kind == kind] == steps + end


@pytest.mark.parametrize("forgotten", ["fsync", "fsync_folder"])
def test_a_power_cut_catches_a_writer_that_forgets_to_sync(tmp_path: Path, forgotten: str) -> None:
    path = tmp_path / "file"

    class Forgetful(FaultyDisk):
        """Says that it synced."""

    setattr(Forgetful, forgotten, lambda *_: None)

    def check(failure: Failure) -> None:
        assert path.read_bytes() == NEW if failure.raised is None else path.read_bytes() in (OLD, NEW)

    def prepare() -> None:
        path.write_bytes(OLD)

    kinds: tuple[Kind, ...] = ("power cut",)
    every_failure(lambda: files.write_file(path, NEW), check, prepare=prepare, kinds=kinds)
    with pytest.raises(AssertionError):
        every_failure(lambda: files.write_file(path, NEW), check, prepare=prepare, kinds=kinds, disk=Forgetful)


def test_a_power_cut_undoes_every_kind_of_change_that_was_not_synced(tmp_path: Path) -> None:
    for name in ("replaced", "removed"):
        (tmp_path / name).write_bytes(OLD)
    (tmp_path / "old").mkdir()
    disk = FaultyDisk()
    disk.make_folder(tmp_path / "new")
    disk.remove_folder(tmp_path / "old")
    disk.remove(tmp_path / "removed")
    descriptor = disk.open_new(tmp_path / "created")
    disk.write(descriptor, NEW)
    disk.close(descriptor)
    disk.rename(tmp_path / "created", tmp_path / "replaced")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["new", "replaced"]
    disk.lose_unsynced()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["old", "removed", "replaced"]
    assert (tmp_path / "replaced").read_bytes() == OLD


def test_a_writer_that_empties_the_file_first_is_caught(tmp_path: Path) -> None:
    path = tmp_path / "file"

    def overwrite() -> None:
        files.remove(path)
        with files.NewFile(path) as file:
            file.write(NEW)

    def check(failure: Failure) -> None:
        assert path.exists()
        assert path.read_bytes() in (OLD, NEW)

    for kind in KINDS:
        with pytest.raises(AssertionError):
            every_failure(overwrite, check, prepare=lambda: path.write_bytes(OLD), kinds=(kind,))


def test_a_scenario_that_never_touches_the_disk_is_refused() -> None:
    with pytest.raises(NothingToFail):
        every_failure(lambda: None, print)


def test_a_scenario_that_fails_without_a_fault_is_not_taken_for_a_tested_one(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        every_failure(lambda: files.sync_folder(tmp_path / "missing"), print)


@pytest.mark.parametrize("disk", [FaultyDisk, FatDisk])
def test_endings_of_one_run_leave_what_endings_of_many_runs_leave(tmp_path: Path, disk: type[FaultyDisk]) -> None:
    place = tmp_path / "place"

    def prepare() -> None:
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir()
        for name in ("file", "gone"):
            (place / name).write_bytes(OLD)

    def run() -> None:
        files.write_file(place / "file", NEW)
        files.disk.overwrite(place / "file", 10, b"overwritten!")
        files.disk.make_folder(place / "folder")
        files.disk.remove(place / "gone")

    def left(seen: list[object]) -> Callable[[Failure], None]:
        def look(failure: Failure) -> None:
            # What is not yet in its place has a name that is drawn.
            found = sorted((path.name[:6], path.is_file() and path.read_bytes()) for path in place.iterdir())
            named = [each for each in found if each[0] in ("file", "gone", "folder")]
            others = sorted(each[1] for each in found if each not in named)
            seen.append((failure.kind, failure.nth, failure.operation, failure.raised is None, named, others))

        return look

    of_many: list[object] = []
    of_one: list[object] = []
    many = every_failure(run, left(of_many), prepare=prepare, kinds=ENDS, disk=disk)
    prepare()
    one = every_end(run, left(of_one), places=(place,), kinds=ENDS, disk=disk, way=lambda failure: failure)
    assert one == many > 20
    assert of_one == of_many


def test_what_is_the_same_is_looked_at_once_in_each_way(tmp_path: Path) -> None:
    def counted(way: Callable[[Failure], object]) -> int:
        looked_at: list[Failure] = []
        (tmp_path / "file").write_bytes(OLD)
        endings = every_end(
            lambda: files.write_file(tmp_path / "file", NEW),
            looked_at.append,
            places=(tmp_path,),
            kinds=("crash", "power cut"),
            way=way,
        )
        assert endings == 2 * len(["open_new", "write", "fsync", "rename", "fsync_folder"])
        return len(looked_at)

    # Nothing new, an empty file, a full one, which is in its place; and after the end it is there for good.
    assert counted(lambda _: None) == 5
    # Only before the first operation is there nothing for a power cut to take back.
    assert counted(lambda failure: failure.nth) == 11 - 1


def test_an_ending_is_not_taken_for_looked_at_where_something_else_is_changed(tmp_path: Path) -> None:
    (tmp_path / "place").mkdir()
    with pytest.raises(AssertionError, match="in none of the places"):
        every_end(
            lambda: files.write_file(tmp_path / "file", NEW), print, places=(tmp_path / "place",), kinds=("crash",)
        )
    with pytest.raises(NothingToFail):
        every_end(lambda: None, print, places=(tmp_path,), kinds=("crash",))


def test_a_fat_disk_keeps_no_modes_and_coarse_times(tmp_path: Path) -> None:
    disk = FatDisk()
    disk.make_folder(tmp_path / "folder")
    disk.close(disk.open_new(tmp_path / "file"))
    disk.set_times_to_zero(tmp_path / "file")
    assert (tmp_path / "file").stat().st_mode & 0o777 == (tmp_path / "folder").stat().st_mode & 0o777 == 0o777
    assert (tmp_path / "file").stat().st_mtime_ns == coarse_mtime_ns(0)
    assert owner_only(tmp_path / "file")
    second = 10**9
    now = 2_000_000_001 * second + 5
    assert coarse_mtime_ns(now) == 2_000_000_000 * second == coarse_mtime_ns(now + second - 6)
    assert coarse_mtime_ns(now + second) == 2_000_000_002 * second


# Writes of SQLCipher

CHILD = """
import sys
from sqlcipher3 import dbapi2

base = dbapi2.connect(sys.argv[1], isolation_level=None)
base.execute("PRAGMA key = \\"x'" + "11" * 32 + "'\\"")
base.execute("PRAGMA locking_mode = EXCLUSIVE")
base.execute("PRAGMA journal_mode = " + sys.argv[2])
base.execute("PRAGMA synchronous = FULL")
if sys.argv[3] == "write":
    base.execute("CREATE TABLE IF NOT EXISTS t (n INTEGER PRIMARY KEY, text BLOB)")
    for n in range(6):
        base.execute("INSERT INTO t VALUES (?, randomblob(3000))", (n,))
        print(n + 1, flush=True)
else:
    assert base.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    # cipher_integrity_check reads the file past the WAL: without a checkpoint it reports pages that the WAL heals.
    base.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    assert base.execute("PRAGMA cipher_integrity_check").fetchall() == []
    there = base.execute("SELECT count(*) FROM sqlite_schema WHERE name = 't'").fetchone()[0]
    print(base.execute("SELECT count(*) FROM t").fetchone()[0] if there else 0)
base.close()
"""


@pytest.fixture(scope="session")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("sqlcipher3", reason="left out: SQLCipher's own writes: there is no SQLCipher")
    found = shim(tmp_path_factory.mktemp("preload"))
    if found is None:
        pytest.skip("left out: SQLCipher's own writes: needs Linux and a C compiler")
    return found


def child(environment: dict[str, str] | None, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-S", "-c", f"import sys; sys.path[:] = {sys.path!r}\n{CHILD}", *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("journal", ["WAL", "DELETE"])
def test_a_database_whose_writes_fail_keeps_every_commit_that_it_reported(
    library: Path, tmp_path: Path, mode: Mode, journal: str
) -> None:
    count = tmp_path / "count"
    assert (
        child(fault_environment(library, path=".db", count=count), str(tmp_path / "0.db"), journal, "write").returncode
        == 0
    )
    total = int(count.read_text())
    assert total > 12
    for at in (1, 2, total // 4, total // 2, total - 3, total):
        path = str(tmp_path / f"{at}.db")
        done = child(fault_environment(library, path=".db", at=at, mode=mode), path, journal, "write")
        reported = int(done.stdout.split()[-1]) if done.stdout else 0
        if mode in ("kill", "torn"):
            assert done.returncode == -9, at
        elif at <= total // 2:
            assert done.returncode == 1, at
            assert "OperationalError" in done.stderr, done.stderr
        found = child(None, path, journal, "read")
        assert found.returncode == 0, found.stderr
        assert int(found.stdout) in (reported, reported + 1), at


def test_files_of_another_name_are_left_alone(library: Path, tmp_path: Path) -> None:
    count = tmp_path / "count"
    environment = fault_environment(library, path=".other", at=1, mode="kill", count=count)
    assert child(environment, str(tmp_path / "0.db"), "WAL", "write").returncode == 0
    assert int(count.read_text()) == 0


def test_a_torn_write_of_another_process_leaves_its_first_half(library: Path, tmp_path: Path) -> None:
    code = "import os, sys; os.write(os.open(sys.argv[1], os.O_CREAT | os.O_WRONLY), b'x' * 1000)"
    environment = fault_environment(library, path="file", at=1, mode="torn")
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path / "file")], env=environment, timeout=120)
    assert done.returncode == -9
    assert (tmp_path / "file").stat().st_size == 500
