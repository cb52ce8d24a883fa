from __future__ import annotations

import errno
import os
import stat
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from faults import Crash, Failure, FatDisk, FaultyDisk, every_failure, replaced
from stick import Kind, mounted_stick, or_left_out

from vault import files, platform
from vault.disk import Disk
from vault.errors import DiskFailed, FileTooLarge, NoSpace, ReadOnly
from vault.files import NewFile

OLD, NEW = b"old" * 1000, b"new" * 2000

posix_only = pytest.mark.skipif(sys.platform == "win32", reason="left out: modes and links of POSIX")


@pytest.fixture
def watched() -> Iterator[FaultyDisk]:
    disk = FaultyDisk()
    with replaced(disk):
        yield disk


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


# write_file


def test_a_file_is_replaced_whole_whatever_fails(tmp_path: Path) -> None:
    path = tmp_path / "file"

    def prepare() -> None:
        files.remove(*files.leftovers(tmp_path))
        path.write_bytes(OLD)

    def check(failure: Failure) -> None:
        content = path.read_bytes()
        assert content in (OLD, NEW), failure
        if failure.raised is None:
            assert content == NEW, failure
        if failure.kind in ("full", "torn"):
            assert names(tmp_path) == ["file"], failure

    every_failure(lambda: files.write_file(path, NEW), check, prepare=prepare)


def test_on_fat_a_crash_may_lose_a_replaced_file_but_never_mixes_two(tmp_path: Path) -> None:
    path = tmp_path / "file"
    lost = []

    def check(failure: Failure) -> None:
        if path.exists():
            assert path.read_bytes() in (OLD, NEW), failure
        else:
            lost.append(failure.operation)
            assert [left.read_bytes() for left in files.leftovers(tmp_path)][-1] == NEW

    def prepare() -> None:
        files.remove(*files.leftovers(tmp_path))
        path.write_bytes(OLD)

    every_failure(lambda: files.write_file(path, NEW), check, prepare=prepare, kinds=("crash",), disk=FatDisk)
    assert lost == ["rename"]


def test_content_is_durable_before_the_name_and_the_name_before_success(tmp_path: Path, watched: FaultyDisk) -> None:
    files.write_file(tmp_path / "file", NEW)
    assert [operation for operation, _ in watched.operations] == [
        "open_new",
        "write",
        "fsync",
        "rename",
        "fsync_folder",
    ]
    assert watched.operations[-1] == ("fsync_folder", tmp_path.name)


def test_the_name_of_a_temporary_file_says_nothing_and_leftovers_finds_it(tmp_path: Path) -> None:
    (tmp_path / "header.a").write_bytes(OLD)
    (tmp_path / ("ab" * 15)).write_bytes(OLD)
    (tmp_path / ("ab" * 16 + "-1.db")).write_bytes(OLD)
    (tmp_path / ("cd" * 16)).mkdir()
    with replaced(FaultyDisk().fail_nth(4, Crash())), pytest.raises(Crash):
        files.write_file(tmp_path / "header.a", NEW)
    (left,) = files.leftovers(tmp_path)
    assert left.read_bytes() == NEW
    assert "header" not in left.name


# Errors


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        (errno.ENOSPC, NoSpace),
        (errno.EDQUOT, NoSpace),
        (errno.EFBIG, FileTooLarge),
        (errno.EROFS, ReadOnly),
        (errno.EACCES, ReadOnly),
        (errno.EPERM, ReadOnly),
        (errno.EIO, DiskFailed),
        (errno.ENOENT, FileNotFoundError),
    ],
)
@pytest.mark.parametrize("nth", [1, 2, 3, 4, 5])
def test_every_step_of_writing_names_what_the_disk_refused(
    tmp_path: Path, code: int, expected: type[Exception], nth: int
) -> None:
    path = tmp_path / "file"
    disk = FaultyDisk().fail_nth(nth, OSError(code, os.strerror(code)))
    with replaced(disk), pytest.raises(expected) as caught:
        files.write_file(path, NEW)
    assert type(caught.value) is expected
    if expected in (NoSpace, ReadOnly):
        assert str(tmp_path) in str(caught.value)


def test_every_other_change_names_what_the_disk_refused(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(OLD)
    changes: list[Callable[[], None]] = [
        lambda: files.move(path, tmp_path / "other"),
        lambda: files.remove(path),
        lambda: files.remove_tree(tmp_path),
        lambda: files.make_folder(tmp_path / "folder"),
        lambda: files.sync_file(path),
        lambda: files.sync_folder(tmp_path),
    ]
    for change in changes:
        with replaced(FaultyDisk().fail_nth(1, OSError(errno.EROFS, "read-only"))), pytest.raises(ReadOnly):
            change()
    assert names(tmp_path) == ["file"]


# NewFile


@posix_only
def test_new_files_and_folders_are_for_the_owner_alone_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        files.write_file(tmp_path / "file", NEW)
        files.make_folder(tmp_path / "folder")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "file").stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "folder").stat().st_mode) == 0o700


def test_an_existing_file_is_neither_overwritten_nor_removed(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(OLD)
    with pytest.raises(FileExistsError), NewFile(path) as file:
        file.write(NEW)
    assert path.read_bytes() == OLD


@posix_only
def test_a_planted_link_is_not_written_through(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(FileExistsError), NewFile(tmp_path / "link") as file:
        file.write(NEW)
    assert names(tmp_path) == ["link"]


def test_an_error_in_the_block_leaves_no_file(tmp_path: Path) -> None:
    def write() -> None:
        with NewFile(tmp_path / "file") as file:
            file.write(NEW)
            file.sync()
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        write()
    assert names(tmp_path) == []


def test_a_file_that_could_not_be_made_durable_is_removed(tmp_path: Path) -> None:
    def write() -> None:
        with NewFile(tmp_path / "file") as file:
            file.write(NEW)
            file.write(NEW)

    def check(failure: Failure) -> None:
        assert failure.raised is not None
        assert names(tmp_path) == []

    every_failure(write, check, prepare=lambda: files.remove(tmp_path / "file"), kinds=("full", "torn"))


def test_leaving_the_block_syncs_what_was_written_after_the_last_sync(tmp_path: Path, watched: FaultyDisk) -> None:
    with NewFile(tmp_path / "file") as file:
        file.write(OLD)
        file.sync()
        file.write(NEW)
    assert [operation for operation, _ in watched.operations] == ["open_new", "write", "fsync", "write", "fsync"]
    assert (tmp_path / "file").read_bytes() == OLD + NEW


def test_every_kind_of_buffer_is_written_exactly_and_may_be_reused(tmp_path: Path) -> None:
    reused = bytearray(b"first")
    numbers = memoryview(bytes(range(16))).cast("I")
    with NewFile(tmp_path / "file") as file:
        file.write(reused)
        reused[:] = b"a longer second"
        file.write(reused)
        file.write(memoryview(reused)[2:8])
        file.write(numbers)
        file.write(b"")
    content = (tmp_path / "file").read_bytes()
    assert content == b"firsta longer second" + b"longer" + bytes(range(16))
    assert file.size_bytes == len(content)


def test_a_system_that_writes_in_pieces_loses_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = os.write
    monkeypatch.setattr(os, "write", lambda descriptor, data: whole(descriptor, data[:7]))
    files.write_file(tmp_path / "file", bytes(range(256)))
    assert (tmp_path / "file").read_bytes() == bytes(range(256))


def test_a_failure_behind_the_writer_is_not_forgotten_by_a_later_sync(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class FailsBehind(Disk):
        def flush(self, descriptor: int) -> None:
            raise OSError(errno.ENOSPC, "full")

    def write() -> None:
        with NewFile(tmp_path / "file") as file:
            file.write(NEW)
            with pytest.raises(NoSpace):
                file.sync()
            with pytest.raises(NoSpace):
                file.write(NEW)

    monkeypatch.setattr(files, "FLUSH_BEHIND_BYTES", 4)
    with replaced(FailsBehind()), pytest.raises(NoSpace):
        write()
    assert names(tmp_path) == []


@pytest.mark.parametrize("fails", [False, True])
def test_the_descriptor_is_not_closed_under_a_running_flush(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fails: bool
) -> None:
    events = []
    begun = threading.Event()

    class SlowDisk(Disk):
        def flush(self, descriptor: int) -> None:
            begun.set()
            threading.Event().wait(0.1)
            super().flush(descriptor)
            events.append("flushed")

        def close(self, descriptor: int) -> None:
            events.append("closed")
            super().close(descriptor)

    def write() -> None:
        with NewFile(tmp_path / "file") as file:
            file.write(NEW)
            assert begun.wait(60)
            if fails:
                raise ZeroDivisionError

    monkeypatch.setattr(files, "FLUSH_BEHIND_BYTES", 4)
    with replaced(SlowDisk()):
        if fails:
            with pytest.raises(ZeroDivisionError):
                write()
        else:
            write()
    assert events == ["flushed", "closed"]


def test_a_timeless_file_shows_no_time(tmp_path: Path) -> None:
    with NewFile(tmp_path / "file", timeless=True) as file:
        file.write(NEW)
    files.make_folder(tmp_path / "place")
    files.move(tmp_path / "file", tmp_path / "place" / "file")
    info = (tmp_path / "place" / "file").stat()
    assert (info.st_mtime_ns, info.st_atime_ns) == (0, 0)


@pytest.mark.parametrize("code", [errno.ENOSYS, errno.EPERM])
def test_a_file_system_that_keeps_no_times_still_takes_a_timeless_file(tmp_path: Path, code: int) -> None:
    with (
        replaced(FaultyDisk().fail_nth(3, OSError(code, "no times"))),
        NewFile(tmp_path / "file", timeless=True) as file,
    ):
        file.write(NEW)
    assert (tmp_path / "file").read_bytes() == NEW


# move


def test_moving_never_overwrites(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.write_bytes(NEW)
    (tmp_path / "file").write_bytes(OLD)
    (tmp_path / "folder").mkdir()
    targets = [tmp_path / "file", tmp_path / "folder"]
    if sys.platform != "win32":
        (tmp_path / "link").symlink_to("nowhere")
        targets.append(tmp_path / "link")
    for target in targets:
        with pytest.raises(FileExistsError):
            files.move(source, target)
    assert source.read_bytes() == NEW
    assert (tmp_path / "file").read_bytes() == OLD
    assert not (tmp_path / "nowhere").exists()


def test_a_moved_file_is_always_under_exactly_one_name(tmp_path: Path) -> None:
    source, target = tmp_path / "staging" / "a", tmp_path / "objects" / "b"
    source.parent.mkdir()
    target.parent.mkdir()

    def prepare() -> None:
        target.unlink(missing_ok=True)
        source.write_bytes(NEW)

    def check(failure: Failure) -> None:
        assert source.exists() != target.exists(), failure
        if failure.raised is None:
            assert target.exists(), failure

    every_failure(lambda: files.move(source, target), check, prepare=prepare)


def test_the_new_name_is_durable_before_the_old_one_is_gone(tmp_path: Path, watched: FaultyDisk) -> None:
    (tmp_path / "staging").mkdir()
    (tmp_path / "objects").mkdir()
    (tmp_path / "staging" / "a").write_bytes(NEW)
    files.move(tmp_path / "staging" / "a", tmp_path / "objects" / "b")
    assert watched.operations == [("rename", "b"), ("fsync_folder", "objects"), ("fsync_folder", "staging")]


# remove, remove_tree, make_folder


def test_removing_is_durable_once_per_folder_and_a_missing_file_is_fine(tmp_path: Path, watched: FaultyDisk) -> None:
    for name in ("a", "b"):
        (tmp_path / name).write_bytes(OLD)
    files.remove(tmp_path / "a", tmp_path / "missing", tmp_path / "b")
    assert names(tmp_path) == []
    assert [operation for operation, _ in watched.operations] == ["remove", "remove", "remove", "fsync_folder"]


@posix_only
def test_removing_a_tree_follows_no_link(tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    kept.mkdir()
    (kept / "original").write_bytes(OLD)
    tree = tmp_path / "tree"
    (tree / "inner").mkdir(parents=True)
    (tree / "inner" / "link").symlink_to(kept)
    (tree / "loop").symlink_to(tree)
    (tree / "file").write_bytes(OLD)
    files.remove_tree(tree)
    (tmp_path / "tree").symlink_to(kept)
    files.remove_tree(tree)
    files.remove_tree(tree)
    assert names(tmp_path) == ["kept"]
    assert names(kept) == ["original"]


@posix_only
def test_a_tree_deeper_than_python_recurses_is_removed(tmp_path: Path) -> None:
    deepest = str(tmp_path / "t")
    os.mkdir(deepest)  # noqa: PTH102 -- a Path this deep is slow
    for _ in range(sys.getrecursionlimit() + 100):
        deepest += "/d"
        os.mkdir(deepest)  # noqa: PTH102 -- as above
    files.remove_tree(tmp_path / "t")
    assert names(tmp_path) == []


def test_an_interrupted_removal_of_a_tree_can_be_finished(tmp_path: Path) -> None:
    tree = tmp_path / "tree"

    def prepare() -> None:
        (tree / "a" / "b").mkdir(parents=True, exist_ok=True)
        for path in (tree / "1", tree / "a" / "2", tree / "a" / "b" / "3"):
            path.write_bytes(OLD)

    def check(failure: Failure) -> None:
        assert failure.raised is not None or not tree.exists(), failure
        files.remove_tree(tree)
        assert names(tmp_path) == []

    every_failure(lambda: files.remove_tree(tree), check, prepare=prepare, kinds=("broken", "crash", "power cut"))


def test_a_new_folder_is_durable_in_its_parent_and_never_an_existing_one(tmp_path: Path, watched: FaultyDisk) -> None:
    files.make_folder(tmp_path / "folder")
    assert watched.operations == [("make_folder", "folder"), ("fsync_folder", tmp_path.name)]
    with pytest.raises(FileExistsError):
        files.make_folder(tmp_path / "folder")


@posix_only
def test_a_file_system_that_cannot_sync_folders_is_accepted_and_a_failing_one_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(code: int) -> None:
        def full_sync(descriptor: int) -> None:
            raise OSError(code, os.strerror(code))

        monkeypatch.setattr(platform, "full_sync", full_sync)

    refuse(errno.EINVAL)
    files.sync_folder(tmp_path)
    refuse(errno.EIO)
    with pytest.raises(DiskFailed, match="Input/output"):
        files.sync_folder(tmp_path)


def test_what_another_library_wrote_is_synced_by_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_bytes(OLD)
    synced = []
    monkeypatch.setattr(platform, "full_sync", lambda descriptor: synced.append(os.fstat(descriptor).st_ino))
    files.sync_file(tmp_path / "file")
    assert synced == [(tmp_path / "file").stat().st_ino]
    with pytest.raises(FileNotFoundError):
        files.sync_file(tmp_path / "missing")


# Real sticks


@pytest.fixture(params=["exfat", "fat"])
def stick(request: pytest.FixtureRequest, record_property: Callable[[str, object], None]) -> Iterator[Path]:
    kind: Kind = request.param
    with or_left_out(f"a real {kind} stick", mounted_stick(kind)) as root:
        record_property("stick", kind)
        yield root


def test_a_real_stick_takes_every_change_and_is_known_not_to_keep_modes(stick: Path) -> None:
    files.make_folder(stick / "staging")
    files.make_folder(stick / "objects")
    files.write_file(stick / "header.a", OLD)
    files.write_file(stick / "header.a", NEW)
    with NewFile(stick / "staging" / "a", timeless=True) as file:
        file.write(NEW)
    files.move(stick / "staging" / "a", stick / "objects" / "b")
    with pytest.raises(FileExistsError):
        files.move(stick / "header.a", stick / "objects" / "b")
    files.sync_file(stick / "objects" / "b")
    assert (stick / "header.a").read_bytes() == NEW
    assert (stick / "objects" / "b").read_bytes() == NEW
    assert not platform.owner_only(stick / "header.a")
    files.remove_tree(stick / "staging")
    files.remove(stick / "header.a")
    assert names(stick) == ["objects"]


def test_a_real_full_stick_is_named_and_keeps_nothing_half_written(stick: Path) -> None:
    path = stick / "file"
    files.write_file(path, OLD)
    # fusefat answers "not permitted" where every other driver answers "no space".
    with pytest.raises((NoSpace, ReadOnly)):
        files.write_file(path, bytes(80 << 20))
    assert path.read_bytes() == OLD
    assert names(stick) == ["file"]


def test_what_is_replaced_and_erased_is_gone_from_the_old_file_too(tmp_path: Path) -> None:
    path = tmp_path / "header"
    path.write_bytes(b"old secret" * 100)
    with path.open("rb") as old:
        files.replace_and_erase(path, b"new")
        assert path.read_bytes() == b"new"
        left = old.read()
    assert len(left) == 1000
    assert b"old secret" not in left


def test_what_is_replaced_is_not_erased_where_a_backup_by_hard_links_holds_it(tmp_path: Path) -> None:
    path, backup = tmp_path / "header", tmp_path / "backup"
    path.write_bytes(b"old")
    backup.hardlink_to(path)
    files.replace_and_erase(path, b"new")
    assert (path.read_bytes(), backup.read_bytes()) == (b"new", b"old")


def test_a_link_is_replaced_and_what_it_leads_to_is_not_erased(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.write_bytes(b"somebody else's")
    (tmp_path / "header").symlink_to(elsewhere)
    files.replace_and_erase(tmp_path / "header", b"new")
    assert elsewhere.read_bytes() == b"somebody else's"
    assert not (tmp_path / "header").is_symlink()
