from __future__ import annotations

import contextlib
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from faults import coarse_mtime_ns
from stick import Kind, mounted_stick, or_left_out
from vaults import make_vault

from vault import Vault, errors, intake
from vault.errors import NotAFile, SourceChanged, SourceMissing, SourceUnreadable

SIZE = 3_000_000
posix_only = pytest.mark.skipif(sys.platform == "win32", reason="left out: kinds of files of POSIX")


@pytest.fixture
def vault(tmp_path: Path) -> Iterator[Vault]:
    with make_vault(tmp_path / "v") as found:
        found.cases.new("Harbour Street", code="HARBOUR")
        yield found


def add_while(vault: Vault, path: Path, change: Callable[[], object]) -> None:
    """Add a file that is changed once while it is being read."""
    changed = threading.Event()

    def once(_: int) -> None:
        if not changed.is_set():
            changed.set()
            change()

    vault.cases.get("HARBOUR").items.add_file(path, progress=once)


def nothing_stored(vault: Vault) -> None:
    assert vault.cases.get("HARBOUR").items.list() == ()
    assert [path for path in (vault.path / "objects").rglob("*") if path.is_file()] == []
    assert list((vault.path / "staging").iterdir()) == []
    assert vault.check().findings == ()


def aged(path: Path, data: bytes, *, seconds: float = 3600) -> Path:
    path.write_bytes(data)
    then = time.time_ns() - int(seconds * 1e9)
    os.utime(path, ns=(then, then))
    return path


def grow(path: Path) -> None:
    with path.open("ab") as file:
        file.write(b"more")


def overwrite(path: Path) -> None:
    with path.open("r+b") as file:
        file.write(b"other content")


CHANGES: dict[str, Callable[[Path], object]] = {
    "grown": grow,
    "shortened": lambda path: os.truncate(path, 100),
    "overwritten": overwrite,
    "replaced": lambda path: path.with_name("new").write_bytes(b"x" * SIZE) and path.with_name("new").replace(path),
    "touched": os.utime,
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES.keys())
def test_a_source_that_changes_while_it_is_read_is_not_stored_and_left_as_it_is(
    vault: Vault, tmp_path: Path, change: Callable[[Path], object]
) -> None:
    path = aged(tmp_path / "a.mp4", os.urandom(SIZE))
    with pytest.raises(SourceChanged, match=r"a\.mp4"):
        add_while(vault, path, lambda: change(path))
    nothing_stored(vault)
    assert path.exists()


def test_a_source_that_vanishes_while_it_is_read_is_not_stored(vault: Vault, tmp_path: Path) -> None:
    path = aged(tmp_path / "a.mp4", os.urandom(SIZE))
    with pytest.raises(SourceMissing):
        add_while(vault, path, path.unlink)
    nothing_stored(vault)


def test_a_change_that_a_coarse_clock_hides_is_noticed_by_reading_twice(
    vault: Vault, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on FAT: same size, same times. The file was written to a moment ago, so its times are not believed."""
    path = tmp_path / "a.mp4"
    path.write_bytes(os.urandom(SIZE))
    real = intake._identity

    def coarse(found: os.stat_result) -> tuple[int, int, int, int, int]:
        device, inode, size, mtime_ns, _ = real(found)
        return device, inode, size, coarse_mtime_ns(mtime_ns) // 4_000_000_000, 0

    monkeypatch.setattr(intake, "_identity", coarse)
    with pytest.raises(SourceChanged):
        add_while(vault, path, lambda: overwrite(path))
    nothing_stored(vault)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["fat", "exfat"])
def test_on_a_real_stick_a_change_within_one_tick_of_its_clock_is_noticed(vault: Vault, kind: Kind) -> None:
    with or_left_out(f"a real {kind} stick", mounted_stick(kind)) as root:
        _changed_within_a_tick(vault, root / "a.mp4")
    nothing_stored(vault)


def _changed_within_a_tick(vault: Vault, path: Path) -> None:
    path.write_bytes(os.urandom(SIZE))

    def overwrite_quietly() -> None:
        before = path.stat()
        overwrite(path)
        with contextlib.suppress(OSError):
            os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))

    with pytest.raises(SourceChanged):
        add_while(vault, path, overwrite_quietly)


def test_a_fresh_source_that_does_not_change_is_stored(vault: Vault, tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    data = os.urandom(SIZE)
    path.write_bytes(data)
    before = path.stat()
    stored = vault.cases.get("HARBOUR").items.add_file(path)
    assert stored.item.summary.size_bytes == SIZE
    after = path.stat()
    assert path.read_bytes() == data
    assert (before.st_mtime_ns, before.st_mode, before.st_ino) == (after.st_mtime_ns, after.st_mode, after.st_ino)


def test_an_old_source_is_read_once_and_a_fresh_or_future_one_twice(
    vault: Vault, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[str] = []
    again = intake.SourceFile._digest_again
    monkeypatch.setattr(intake.SourceFile, "_digest_again", lambda self: (seen.append(self.path.name), again(self))[1])
    for name, seconds in (("old", 60), ("fresh", 3), ("future", -3600)):
        vault.cases.get("HARBOUR").items.add_file(aged(tmp_path / name, name.encode(), seconds=seconds))
    assert seen == ["fresh", "future"]


# What is no file


def test_a_source_that_is_not_there_is_named(vault: Vault, tmp_path: Path) -> None:
    for path in (tmp_path / "absent", tmp_path / "absent" / "deeper"):
        with pytest.raises(SourceMissing, match="absent"):
            vault.cases.get("HARBOUR").items.add_file(path)
    nothing_stored(vault)


def test_a_folder_is_no_file(vault: Vault, tmp_path: Path) -> None:
    with pytest.raises(NotAFile):
        vault.cases.get("HARBOUR").items.add_file(tmp_path)
    nothing_stored(vault)


@posix_only
def test_a_pipe_is_not_waited_for_and_a_device_not_read(vault: Vault, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    for path in (tmp_path / "fifo", Path("/dev/zero")):
        with pytest.raises(NotAFile):
            vault.cases.get("HARBOUR").items.add_file(path)
    nothing_stored(vault)


@posix_only
def test_a_socket_and_a_broken_link_are_named(vault: Vault, tmp_path: Path, home: Path) -> None:
    import socket

    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(home / "s"))
        with pytest.raises(NotAFile):
            vault.cases.get("HARBOUR").items.add_file(home / "s")
    (tmp_path / "link").symlink_to(tmp_path / "absent")
    with pytest.raises(SourceMissing):
        vault.cases.get("HARBOUR").items.add_file(tmp_path / "link")
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    with pytest.raises(SourceUnreadable):
        vault.cases.get("HARBOUR").items.add_file(tmp_path / "loop")
    nothing_stored(vault)


@pytest.mark.skipif(sys.platform == "win32" or os.geteuid() == 0, reason="left out: what root may not read")
def test_a_file_that_may_not_be_read_is_unreadable(vault: Vault, tmp_path: Path) -> None:
    path = tmp_path / "secret"
    path.write_bytes(b"x")
    path.chmod(0)
    with pytest.raises(SourceUnreadable):
        vault.cases.get("HARBOUR").items.add_file(path)
    nothing_stored(vault)


@pytest.mark.skipif(sys.platform != "linux", reason="left out: /proc")
def test_a_file_whose_reading_fails_is_unreadable(vault: Vault) -> None:
    with pytest.raises(SourceUnreadable):
        vault.cases.get("HARBOUR").items.add_file(Path("/proc/self/mem"))
    nothing_stored(vault)


@pytest.mark.parametrize("name", ["a\0b", "x" * 5000])
def test_a_name_that_no_system_takes_is_an_error_of_ours(vault: Vault, tmp_path: Path, name: str) -> None:
    with pytest.raises((SourceMissing, SourceUnreadable)):
        vault.cases.get("HARBOUR").items.add_file(tmp_path / name)
    nothing_stored(vault)


# Text


@pytest.mark.parametrize(
    ("name", "data", "found"),
    [
        ("a.txt", "Заявление Зайнаб".encode(), True),
        ("a.txt", "\ufeffЗаявление Зайнаб".encode(), True),
        ("a.txt", "Заявление Зайнаб".encode("utf-16"), True),
        ("a.csv", "x;Зайнаб".encode(), True),
        ("a.txt", "Зайнаб".encode("cp1251"), False),
        ("a.bin", "Зайнаб".encode(), False),
        ("a.txt", "\0Зайнаб".encode(), False),
    ],
)
def test_text_that_can_be_read_is_found_by_its_words(
    vault: Vault, tmp_path: Path, name: str, data: bytes, found: bool
) -> None:
    (tmp_path / name).write_bytes(data)
    vault.cases.get("HARBOUR").items.add_file(tmp_path / name)
    assert bool([hit for hit in vault.search("зайнаб") if hit.field == "text"]) is found
    with vault.cases.get("HARBOUR").items.get(1).open() as reading:
        assert b"".join(bytes(piece) for piece in reading) == data


def test_text_that_is_no_unicode_is_refused_and_not_replaced(vault: Vault) -> None:
    with pytest.raises(errors.BadValue):
        vault.cases.get("HARBOUR").items.add_text("lone \udcff surrogate")
    nothing_stored(vault)


def test_a_huge_text_is_stored_whole_and_not_searched(vault: Vault, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(b"word " * 1_000_000)
    stored = vault.cases.get("HARBOUR").items.add_file(tmp_path / "a.txt")
    assert stored.item.summary.size_bytes == 5_000_000
    assert [hit.field for hit in vault.search("word")] == []
