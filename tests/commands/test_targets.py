"""Where something cannot be written is said before anything is asked, read or warned of."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from somebody import Somebody
from stick import or_left_out, small_disk

from vault import KeyFileUnlocker, Vault

BEAR = Somebody(1)
FILM = b"a film" * 50_000


@pytest.fixture(params=["a disk that can only be read", "a full disk"])
def disk(request: pytest.FixtureRequest) -> Iterator[Path]:
    read_only = request.param == "a disk that can only be read"
    with or_left_out(request.param, small_disk(size_kib=64, read_only=read_only)) as root:
        if not read_only:
            with contextlib.suppress(OSError), (root / "something").open("wb", buffering=0) as file:
                while file.write(bytes(1000)):  # until there is no room, however large the pages of this machine are
                    pass
        yield root


@pytest.fixture
def filled(harbour: Any) -> Any:
    with Vault.open(harbour.vault, KeyFileUnlocker(harbour.key_file.read_bytes())) as vault:
        vault.cases.get("HARBOUR").items.add_file(harbour.file("film.mp4", FILM))
        vault.partners.add("Bear", card=BEAR.card())
    return harbour


def test_a_sealed_file_that_has_no_place_is_refused_before_the_questions(
    filled: Any, terminal: Any, disk: Path
) -> None:
    before = sorted(disk.iterdir())
    for target in (disk, disk / "f.age"):
        status, shown = terminal(*filled.options, "seal", "HARBOUR", "--all", "--to", "Bear", "-o", target).finish()
        assert status == 28, shown
        assert "What is it for?" not in shown
    assert sorted(disk.iterdir()) == before


def test_an_export_and_a_drop_that_have_no_place_write_nothing(filled: Any, disk: Path) -> None:
    before = sorted(disk.iterdir())
    done = filled("export", "HARBOUR/1", "--to", disk, status=28)
    assert done.stdout == ""
    filled.file("bear.card", BEAR.card())
    filled.bare("drop", "film.mp4", "--to", "bear.card", "-o", disk / "f.age", status=28)
    assert sorted(disk.iterdir()) == before


def test_what_can_only_be_read_takes_no_backup_and_no_receipt_and_nobody_is_asked(
    filled: Any, terminal: Any, locked: Path
) -> None:
    with or_left_out("a disk that can only be read", small_disk(read_only=True)) as disk:
        for target in (disk, disk / "backup"):
            status, shown = terminal("--vault", locked, "backup", target).finish()
            assert (status, "Passphrase" in shown) == (28, False)
        status, shown = terminal("--vault", locked, "export", "HARBOUR/1", "--to", disk).finish()
        assert (status, "Passphrase" in shown, "warning" in shown) == (28, False, False)
        filled.file("came.age", BEAR.card())
        done = filled("open", "came.age", "--receipt", disk, status=28)
        assert "not an age file" not in done.stderr
