from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest
from vaults import copied, key_file, make_vault, open_vault

from vault.errors import OlderCopy


@pytest.fixture
def path(tmp_path: Path, state: Path) -> Path:
    with make_vault(tmp_path / "v", state_dir=state) as vault:
        vault.cases.new("Harbour", code="HARBOUR")
    return tmp_path / "v"


def put_back(copy: Path, path: Path) -> None:
    shutil.rmtree(path)
    shutil.copytree(copy, path)


def test_a_whole_folder_rolled_back_is_an_older_copy_on_this_machine(path: Path, state: Path, tmp_path: Path) -> None:
    copy = copied(path, tmp_path / "copy")
    with open_vault(path, state_dir=state) as vault:
        vault.cases.get("HARBOUR").note("consent withdrawn")
    put_back(copy, path)
    with pytest.raises(OlderCopy):
        open_vault(path, state_dir=state)
    # A refusal changes nothing, and the newer folder still opens.
    with pytest.raises(OlderCopy):
        open_vault(path, state_dir=state)


def test_an_older_folder_that_went_on_elsewhere_is_an_older_copy_too(path: Path, state: Path, tmp_path: Path) -> None:
    copy = copied(path, tmp_path / "copy")
    with open_vault(path, state_dir=state) as vault:
        vault.cases.get("HARBOUR").note("one")
    with open_vault(copy) as vault:
        for _ in range(5):
            vault.cases.get("HARBOUR").note("another history")
    put_back(copy, path)
    with pytest.raises(OlderCopy):
        open_vault(path, state_dir=state)


def test_the_same_folder_and_a_newer_one_open(path: Path, state: Path) -> None:
    for _ in range(3):
        with open_vault(path, state_dir=state) as vault:
            assert vault.warnings == ()
            vault.cases.get("HARBOUR").note("more")
    with open_vault(path) as vault:  # on another machine
        vault.cases.get("HARBOUR").note("more")
    open_vault(path, state_dir=state).close()


def test_the_mark_outlives_a_change_of_passphrase(path: Path, state: Path, tmp_path: Path) -> None:
    copy = copied(path, tmp_path / "copy")
    with open_vault(path, state_dir=state) as vault:
        vault.change_passphrase(key_file(), key_file(1))
    open_vault(path, key_file(1), state_dir=state).close()
    put_back(copy, path)
    with pytest.raises(OlderCopy):
        open_vault(path, state_dir=state)


def test_without_a_state_folder_or_mark_nothing_is_claimed(path: Path, state: Path) -> None:
    open_vault(path).close()
    shutil.rmtree(state)
    open_vault(path, state_dir=state).close()
    assert len(list(state.iterdir())) == 1


def test_a_damaged_or_foreign_mark_is_no_mark(path: Path, state: Path) -> None:
    (mark,) = state.iterdir()
    for data in (b"", b"x" * 100, mark.read_bytes()[:-1]):
        mark.write_bytes(data)
        open_vault(path, state_dir=state).close()


def test_the_mark_says_nothing_without_the_vault(path: Path, state: Path) -> None:
    (mark,) = state.iterdir()
    with open_vault(path) as vault:
        vault_id = vault.info().vault_id
    assert vault_id not in mark.name
    data = mark.read_bytes()
    assert bytes.fromhex(vault_id) not in data
    assert b"root" not in data
    assert len(data) < 200


@pytest.mark.skipif(sys.platform == "win32", reason="left out: modes of POSIX")
def test_a_state_folder_that_cannot_be_used_hinders_nothing(path: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"x")
    with open_vault(path, state_dir=tmp_path / "file" / "deeper") as vault:
        assert vault.cases.list()[0].code == "HARBOUR"
