"""What lies in the vault's folder and is not ours: it is left alone, stops nothing and is not waited for."""

import os
import sys
import threading
from pathlib import Path

import pytest
from program import Program
from vaults import make_vault, open_vault

from vault import inspect_folder

posix = pytest.mark.skipif(sys.platform == "win32", reason="left out: links and pipes")


@pytest.mark.parametrize("place", [".", "staging", "objects", "cases", "drafts"])
def test_what_a_file_manager_leaves_in_a_folder_does_not_keep_the_vault_shut(tmp_path: Path, place: str) -> None:
    make_vault(tmp_path / "vault").close()
    stray = tmp_path / "vault" / place / ".DS_Store"
    stray.write_text("x")
    with open_vault(tmp_path / "vault") as vault:
        assert not vault.check().findings
    assert stray.read_text() == "x"


@posix
def test_nothing_is_made_or_removed_behind_a_link_in_the_staging_folder(tmp_path: Path) -> None:
    make_vault(tmp_path / "vault").close()
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "theirs").write_text("x")
    (tmp_path / "vault" / "staging" / ("a" * 32)).symlink_to(outside)
    open_vault(tmp_path / "vault").close()
    assert [path.name for path in outside.iterdir()] == ["theirs"]


@posix
def test_a_pipe_in_place_of_a_header_is_not_waited_for(casevault: Program) -> None:
    (casevault.vault / "header.a").unlink()
    os.mkfifo(casevault.vault / "header.a")
    assert casevault("status", seconds=20).status == 0


def test_a_vault_can_be_looked_at_while_its_files_come_and_go(tmp_path: Path) -> None:
    make_vault(tmp_path / "vault").close()
    ended = threading.Event()

    def come_and_go() -> None:
        number = 0
        while not ended.is_set():
            number += 1
            folder = tmp_path / "vault" / "staging" / f"{number:032x}"
            folder.mkdir()
            (folder / "x").write_text("x")
            (folder / "x").unlink()
            folder.rmdir()

    thread = threading.Thread(target=come_and_go)
    thread.start()
    try:
        for _ in range(2000):
            inspect_folder(tmp_path / "vault")
    finally:
        ended.set()
        thread.join()
