"""A dropped file is whole or not there, whatever the disk does; what goes into it does not change on the way."""

from __future__ import annotations

import io
import os
import re
import shutil
from collections import namedtuple
from collections.abc import Callable
from pathlib import Path

import pytest
from faults import Failure, bury, every_failure
from sealing import leftover, opened
from somebody import Somebody

from vault import bag, cards, dropping, errors, verifying

US = Somebody(3)
CARD = US.card(name="Lena")
CONTENT = b"what I saw\n" * 9000


def clock() -> str:
    return "2026-11-22T08:15:00.000Z"


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "notes.txt"
    path.write_bytes(CONTENT)
    return path


def read(path: Path) -> dict[str, bytes]:
    """What the card's owner finds in a file, by the names of its members."""
    reader = bag.BagReader(io.BytesIO(opened(path.read_bytes(), US.hybrid)))
    tags = reader.read_tags()
    found = verifying.verify_tags(
        tags, parse_card=cards.Card.from_bytes, stanza="mlkem768x25519", ours={US.fingerprint}
    )
    items = found.manifest.items
    contents = {items[place].file_name or "": member.read(1 << 30) for place, member in reader.items(tags, items)}
    reader.finish(tags, items)
    return contents


def test_what_was_dropped_is_what_the_owner_of_the_card_finds(source: Path, tmp_path: Path) -> None:
    empty, odd = tmp_path / "empty", tmp_path / "ПРИВЕТ .TXT"
    empty.write_bytes(b"")
    odd.write_bytes(b"x")
    done = dropping.drop([source, empty, odd, source], CARD, tmp_path / "f.age", clock=clock)
    assert (done.files, done.claimed, done.fingerprint) == (4, "Lena", US.fingerprint.hex())
    assert done.size_bytes == (tmp_path / "f.age").stat().st_size
    assert read(tmp_path / "f.age") == {"notes.txt": CONTENT, "empty": b"", "ПРИВЕТ .TXT": b"x"}


def test_the_name_of_a_dropped_file_is_like_that_of_any_sealed_one(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "out").mkdir()
    monkeypatch.chdir(tmp_path / "out")
    for target in (None, tmp_path / "out", Path()):
        done = dropping.drop([source], CARD, target, clock=clock)
        assert re.fullmatch(r"sealed-[0-9a-f]{32}\.age", done.path.name)
        assert read(done.path) == {"notes.txt": CONTENT}
    assert len(list((tmp_path / "out").iterdir())) == 3


def test_sizes_tell_little(tmp_path: Path) -> None:
    sizes = set()
    for length in range(0, 40_000, 1000):
        (tmp_path / "x").write_bytes(bytes(length))
        sizes.add(dropping.drop([tmp_path / "x"], CARD, tmp_path / f"{length}.age", clock=clock).size_bytes)
    assert len(sizes) == 1


@pytest.mark.parametrize(
    "change",
    [
        lambda path: path.write_bytes(CONTENT + b"more"),
        lambda path: path.write_bytes(CONTENT[:-1]),
        lambda path: path.write_bytes(b"W" + CONTENT[1:]),
        lambda path: path.unlink(),
    ],
    ids=["longer", "shorter", "other", "gone"],
)
def test_a_file_that_changes_while_it_is_read_is_not_dropped(
    source: Path, tmp_path: Path, change: Callable[[Path], object]
) -> None:
    told: list[int] = []
    last = tmp_path / "last.txt"
    last.write_bytes(b"the last one")

    def progress(further: int) -> None:
        told.append(further)
        if sum(told) == len(CONTENT) + last.stat().st_size:  # all were read once, for their digests
            change(source)

    with pytest.raises((errors.SourceChanged, errors.SourceMissing)):
        dropping.drop([source, last], CARD, tmp_path / "f.age", clock=clock, progress=progress)
    assert {path.name for path in tmp_path.iterdir()} <= {"notes.txt", "last.txt"}


def test_after_any_failure_of_the_disk_there_is_a_whole_file_or_none(source: Path, tmp_path: Path) -> None:
    folder = tmp_path / "out"
    target = folder / "f.age"

    def prepare() -> None:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()

    def check(failure: Failure) -> None:
        bury()
        if failure.raised is None and failure.kind not in ("crash", "torn crash", "power cut"):
            assert target.exists()
        if target.exists():
            assert read(target) == {"notes.txt": CONTENT}
        if failure.kind in ("full", "torn"):
            assert {path.name for path in folder.iterdir()} == ({"f.age"} if failure.raised is None else set())

    def run() -> None:
        dropping.drop([source], CARD, target, clock=clock)

    assert every_failure(run, check, prepare=prepare) > 20


def test_without_room_nothing_is_begun(source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: usage(1, 1, 70_000))
    with pytest.raises(errors.NoSpace):
        dropping.drop([source], CARD, tmp_path / "f.age", clock=clock)
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


def test_what_a_crash_left_is_removed_by_the_next_one_there_and_nobodys_own_file(source: Path, tmp_path: Path) -> None:
    gone = leftover(tmp_path, f"sealed-{'0' * 32}.partial")
    own = leftover(tmp_path, "f.age.partial"), leftover(tmp_path, f"sealed-{'2' * 32}.partial", b"somebody's own")
    dropping.drop([source], CARD, tmp_path / "f.age", clock=clock)
    assert not gone.exists()
    assert all(path.exists() for path in own)


def test_no_file_is_read_for_a_folder_that_is_not_there(source: Path, tmp_path: Path) -> None:
    read: list[int] = []
    with pytest.raises(errors.NoSuchFolder):
        dropping.drop([source], CARD, tmp_path / "gone" / "f.age", clock=clock, progress=read.append)
    assert read == []


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="left out: named pipes")
def test_what_is_no_file_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(errors.NotAFile):
        dropping.drop([tmp_path / "pipe"], CARD, tmp_path / "f.age", clock=clock)
