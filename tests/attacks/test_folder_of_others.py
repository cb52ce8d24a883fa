"""A vault's folder that somebody else had in hand: opening it touches nothing outside, and stray files do not lock it."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from vaults import make_vault, open_vault

from vault import inspect_folder
from vault.errors import Damage
from vault.folder import SUBFOLDERS

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="left out: symbolic links need rights on Windows")


@pytest.fixture
def closed(tmp_path: Path) -> Path:
    """A closed vault with one item."""
    path = tmp_path / "vault"
    with make_vault(path) as vault:
        vault.cases.new("Title", code="HARBOUR")
        vault.cases.get("HARBOUR").items.add_text("words")
    return path


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    """Somebody's own folder."""
    path = tmp_path / "outside"
    (path / "letters").mkdir(parents=True)
    (path / "letters" / "letter").write_text("dear")
    return path


@pytest.mark.parametrize("name", SUBFOLDERS)
def test_a_subfolder_that_leads_elsewhere_is_refused_and_nothing_there_is_touched(
    closed: Path, outside: Path, name: str
) -> None:
    (closed / name).rename(closed / "was")
    (closed / name).symlink_to(outside)
    with pytest.raises(Damage):
        open_vault(closed)
    assert [str(path.relative_to(outside)) for path in sorted(outside.rglob("*"))] == ["letters", "letters/letter"]


def test_a_link_in_staging_is_not_followed(closed: Path, outside: Path) -> None:
    (closed / "staging" / ("ab" * 16)).symlink_to(outside / "letters")
    open_vault(closed).close()
    assert [path.name for path in (outside / "letters").iterdir()] == ["letter"]


@pytest.mark.parametrize("name", [".DS_Store", "desktop.ini", "ab" * 16])
def test_a_file_that_another_program_left_in_staging_does_not_lock_the_vault(closed: Path, name: str) -> None:
    (closed / "staging" / name).write_bytes(b"strange")
    with open_vault(closed) as vault:
        assert vault.cases.get("HARBOUR").items.add_text("more").item.summary.size_bytes == 4


def test_empty_folders_that_a_copy_left_out_are_made_again(tmp_path: Path) -> None:
    path = tmp_path / "vault"
    make_vault(path).close()
    for name in SUBFOLDERS:
        (path / name).rmdir()
    assert inspect_folder(path).compartments == 0
    with open_vault(path) as vault:
        vault.cases.new("Title", code="HARBOUR")
        vault.cases.get("HARBOUR").items.add_text("words")
        assert vault.check(read_data=True).findings == ()
