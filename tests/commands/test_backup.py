"""`backup`, `restore`, and `check` on a backup, as a person runs them."""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from stick import mounted_stick, or_left_out

PASSPHRASE = "seven quiet herons over the harbour at dawn"  # that of the fixture `locked`


@pytest.fixture
def stored(harbour: Any) -> Any:
    """A vault with an item, and a stick to back it up to."""
    harbour("add", "HARBOUR", harbour.file("film.mp4", b"f" * 200_000))
    (harbour.folder / "stick").mkdir()
    return harbour


def at(cv: Any, vault: Path, *arguments: str | Path, status: int = 0) -> Any:
    """A command on another vault than the program's own."""
    return cv.bare("--vault", vault, "--key-file", cv.key_file, *arguments, status=status)


def test_a_vault_comes_back_from_a_stick(stored: Any) -> None:
    place = stored.folder / "stick" / "b"
    assert "Written and read back" in stored("backup", place).stdout
    shutil.rmtree(stored.vault)
    done = at(stored, stored.folder / "new", "restore", place)
    assert "As it was at" in done.stdout
    assert "later state" in done.stderr or done.stderr.count("warning") == 0
    assert at(stored, stored.folder / "new", "cat", "HARBOUR/1", "--force").stdout == "f" * 200_000
    acts = [line[2:4] for line in at(stored, stored.folder / "new", "log").lines]
    assert ["restore", "intent"] in acts


def test_the_second_backup_writes_little(stored: Any) -> None:
    place = stored.folder / "stick" / "b"
    first = stored("backup", place, "--json").json
    second = stored("backup", place, "--json").json
    assert first["objects_written"] == 1
    assert (second["objects_written"], second["objects"]) == (0, 1)
    assert second["bytes_written"] < first["bytes_written"]


def test_check_reads_a_backup_where_it_lies_and_every_other_command_is_refused(stored: Any) -> None:
    place = stored.folder / "stick" / "b"
    stored("backup", place)
    before = {path: path.read_bytes() for path in place.rglob("*") if path.is_file()}
    done = at(stored, place, "check", "--read-data", "--json")
    assert (done.json["findings"], done.json["objects_not_read"]) == ([], 0)
    for arguments in (("items", "HARBOUR"), ("status",), ("log",), ("backup", stored.folder / "stick" / "c")):
        refused = at(stored, place, *arguments, status=28)
        assert "restore" in refused.stderr, arguments
        assert refused.stdout == ""
    assert {path: path.read_bytes() for path in place.rglob("*") if path.is_file()} == before


def test_a_damaged_backup_is_named_and_restored_only_when_that_is_wanted(stored: Any) -> None:
    place = stored.folder / "stick" / "b"
    stored("backup", place)
    (damaged,) = (path for path in (place / "objects").rglob("*") if path.is_file())
    content = bytearray(damaged.read_bytes())
    content[5000] ^= 1
    damaged.write_bytes(content)
    done = at(stored, place, "check", "--read-data", status=20)
    assert done.lines[0][:2] == ["damaged", "HARBOUR/1"]
    assert "Do not rely on this backup" in done.stderr
    refused = at(stored, stored.folder / "new", "restore", place, status=20)
    assert "--despite-damage" in refused.stderr
    assert not (stored.folder / "new").exists()
    done = at(stored, stored.folder / "new", "restore", place, "--despite-damage", status=20)
    assert "HARBOUR/1" in done.stdout


def test_a_stick_that_is_not_there_is_said_before_the_passphrase_is_asked(stored: Any) -> None:
    missing = stored.bare("--vault", stored.vault, "backup", stored.folder / "other" / "b", status=14)
    assert "plugged in" in missing.stderr
    place = stored.folder / "stick" / "b"
    stored("backup", place)
    place.rename(place.with_name("elsewhere"))
    gone = stored("backup", place, status=15)
    assert "plugged in" in gone.stderr
    assert "--yes" in gone.stderr
    stored("backup", place, "--yes")


def test_an_unfinished_backup_says_so(stored: Any) -> None:
    place = stored.folder / "stick" / "b"
    stored("backup", place)
    from vault import backup_marker

    begun = backup_marker.Marker(0, backup_marker.parse((place / "backup.a").read_bytes()).header, b"x" * 40)
    for name in backup_marker.FILE_NAMES:
        (place / name).write_bytes(begun.to_bytes())
    for arguments in (("check",), ("restore", place, "--vault", stored.folder / "new")):
        assert "never finished" in at(stored, place, *arguments, status=20).stderr


def test_a_damaged_vault_is_backed_up_as_far_as_it_goes_and_that_is_said(stored: Any) -> None:
    place = stored.folder / "stick" / "b"
    stored("backup", place)
    (lost,) = (path for path in (stored.vault / "objects").rglob("*") if path.is_file())
    lost.unlink()
    done = stored("backup", place, "--json", status=20)
    assert (done.json["lost"], done.json["objects"]) == (1, 1)
    assert "still in this backup" in done.stderr


def test_status_and_the_deletion_of_a_case_name_the_backups(stored: Any) -> None:
    place = stored.folder / "stick" / "b"
    assert "Last backup: never" in stored("status").stdout
    stored("backup", place)
    assert str(place) in stored("status").stdout
    assert stored("status", "--json").json["vault"]["last_backup"] is not None
    done = stored("case", "delete", "HARBOUR", "--confirm", "HARBOUR")
    assert str(place) in done.stderr
    stored("backup", place)
    assert not [path for path in (place / "objects").rglob("*") if path.is_file()]


def test_nothing_is_restored_over_anything(stored: Any) -> None:
    place = stored.folder / "stick" / "b"
    stored("backup", place)
    done = stored.bare("--vault", stored.vault, "restore", place, status=15)
    assert "already exists" in done.stderr, "before any secret is asked for"


def test_the_passphrase_is_asked_for_and_asked_again(locked: Path, terminal: Any, folder: Path) -> None:
    (folder / "stick").mkdir()
    screen = terminal("--vault", locked, "backup", folder / "stick" / "b")
    screen.answer("Passphrase:", PASSPHRASE)
    assert screen.finish()[0] == 0
    screen = terminal("--vault", folder / "new", "restore", folder / "stick" / "b")
    screen.answer("Passphrase:", "wrong one")
    screen.answer("Passphrase:", PASSPHRASE)
    status, shown = screen.finish()
    assert status == 0
    assert "restored" in shown


@pytest.fixture
def stick() -> Iterator[Path]:
    """A small stick with exFAT."""
    with or_left_out("a backup on a stick with exFAT", mounted_stick("exfat", size_mib=16)) as root:
        yield root


@pytest.mark.slow
def test_a_backup_on_a_real_stick_that_fills_up_and_is_killed(stored: Any, stick: Path) -> None:
    place = stick / "b"
    stored("backup", place)
    stored("add", "HARBOUR", stored.file("large.mp4", os.urandom(20_000_000)))
    full = stored("backup", place, status=28)
    assert "no space left" in full.stderr
    report = at(stored, place, "check", "--read-data", "--json").json
    assert (report["findings"], report["items"]) == ([], 1)
    stored("delete", "HARBOUR/2", "--yes")
    stored("add", "HARBOUR", stored.file("smaller.mp4", os.urandom(6_000_000)))
    running = subprocess.Popen(
        [sys.executable, "-m", "commands", *map(str, stored.options), "backup", str(place)],
        cwd=stored.folder,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    end = time.monotonic() + 60
    while running.poll() is None and not any(len(path.name) == 32 for path in (place / "objects").rglob("*")):
        assert time.monotonic() < end
    running.kill()
    running.wait()
    assert at(stored, place, "check", "--read-data", "--json").json["findings"] == []
    stored("backup", place)
    report = at(stored, place, "check", "--read-data", "--json").json
    assert (report["findings"], report["items"], report["objects_not_read"]) == ([], 2, 0)
    at(stored, stored.folder / "new", "restore", place)
