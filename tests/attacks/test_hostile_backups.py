"""A stick that lies, other people's files in the place of a backup, and a vault that was damaged before it is copied."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from vaults import Clock, all_files, copied, key_file, make_vault, object_files

from vault import Vault, check_backup, errors

posix = pytest.mark.skipif(sys.platform == "win32", reason="left out: links and pipes")


@pytest.fixture
def vault(tmp_path: Path) -> Iterator[Vault]:
    with make_vault(tmp_path / "v") as found:
        for code in ("HARBOUR", "MEADOW"):
            found.cases.new(f"Title {code}", code=code)
            found.cases.get(code).items.add_text(f"Statement {code}")
        yield found


@pytest.fixture
def place(tmp_path: Path) -> Path:
    (tmp_path / "stick").mkdir()
    return tmp_path / "stick" / "backup"


def findings(place: Path) -> tuple[str, ...]:
    report = check_backup(place, key_file(), read_data=True, clock=Clock())
    return tuple(each.kind for each in report.findings)


# Other people's files


def test_files_that_are_named_by_their_digests_are_not_taken_for_our_own_and_removed(vault: Vault, place: Path) -> None:
    place.mkdir()
    for name in ("0123456789abcdef0123456789abcdef", "d41d8cd98f00b204e9800998ecf8427e"):
        (place / name).write_bytes(b"the only photograph")
    before = all_files(place)
    with pytest.raises(errors.NotABackup):
        vault.backup(place)
    assert all_files(place) == before


def test_a_backup_of_another_vault_whose_markers_were_emptied_is_left_alone(
    vault: Vault, place: Path, tmp_path: Path
) -> None:
    with make_vault(tmp_path / "other") as other:
        other.cases.new("Other", code="OTHER")
        other.cases.get("OTHER").items.add_text("Statement")
        other.backup(place)
    for name in ("backup.a", "backup.b"):
        (place / name).write_bytes(b"")
    before = all_files(place)
    with pytest.raises(errors.BackupDamaged):
        vault.backup(place, anew=True)
    assert all_files(place) == before


@posix
@pytest.mark.parametrize("there", [True, False])
def test_a_lock_that_is_a_link_makes_and_empties_no_file_elsewhere(
    vault: Vault, place: Path, tmp_path: Path, there: bool
) -> None:
    vault.backup(place)
    elsewhere = tmp_path / "elsewhere"
    if there:
        elsewhere.write_bytes(b"somebody else's")
    (place / "lock").unlink()
    (place / "lock").symlink_to(elsewhere)
    with pytest.raises(errors.VaultError):
        vault.backup(place)
    assert elsewhere.exists() == there
    assert not there or elsewhere.read_bytes() == b"somebody else's"


# What is said to be fine


def test_a_file_that_the_vault_lost_before_its_first_backup_is_named(vault: Vault, place: Path) -> None:
    object_files(vault.path)[0].unlink()
    for _ in range(2):
        done = vault.backup(place)
        assert not done.is_sound
    assert findings(place) == ("missing",)


def test_a_file_that_was_cut_in_the_vault_before_its_first_backup_is_named(vault: Vault, place: Path) -> None:
    path = object_files(vault.path)[0]
    path.write_bytes(path.read_bytes()[:-1])
    assert not vault.backup(place).is_sound


def test_a_file_that_grew_in_the_vault_does_not_replace_the_whole_one(vault: Vault, place: Path) -> None:
    vault.backup(place)
    path = object_files(vault.path)[0]
    path.write_bytes(os.urandom(path.stat().st_size + 512))
    assert not vault.backup(place).is_sound
    assert findings(place) == ()


def test_a_file_that_grew_on_the_stick_is_replaced_by_the_whole_one(vault: Vault, place: Path) -> None:
    vault.backup(place)
    path = object_files(place)[0]
    path.write_bytes(path.read_bytes() + b"\0")
    assert vault.backup(place).is_sound
    assert findings(place) == ()


@posix
@pytest.mark.parametrize("what", ["folder", "link"])
def test_what_only_bears_the_name_of_a_file_is_not_taken_for_a_copy(vault: Vault, place: Path, what: str) -> None:
    vault.backup(place)
    path = object_files(place)[0]
    path.unlink()
    if what == "folder":
        path.mkdir()
    else:
        path.symlink_to("elsewhere")
    try:
        done = vault.backup(place)
    except errors.VaultError:
        return
    assert findings(place) == () or not done.is_sound


# Pipes, which are never read to an end


@posix
@pytest.mark.parametrize("what", ["vault", "cases", "drafts", "objects", "marker", "journal"])
def test_a_pipe_in_a_backup_is_not_waited_for(vault: Vault, place: Path, tmp_path: Path, what: str) -> None:
    vault.backup(place)
    chosen = {
        "vault": lambda: next(place.glob("vault-*.db")),
        "cases": lambda: next((place / "cases").iterdir()),
        "drafts": lambda: place / "drafts" / ("a" * 30 + "-1"),
        "objects": lambda: object_files(place)[0],
        "marker": lambda: place / "backup.a",
        "journal": lambda: Path(str(next(place.glob("vault-*.db"))) + "-journal"),
    }[what]()
    chosen.unlink(missing_ok=True)
    os.mkfifo(chosen)
    if what in ("drafts", "marker", "journal"):
        findings(place)
    else:
        with pytest.raises(errors.VaultError):
            Vault.restore(place, tmp_path / "new", key_file(), clock=Clock())
    vault.backup(place)
    shutil.rmtree(place)


# Links, which may lead to anything that the user can read


def links_to(path: Path, secret: Path) -> None:
    """Everything that a vault's folder or a backup may have one more of, as a link."""
    names = ("cases/" + "a" * 32 + "-9.db", "drafts/" + "b" * 30, "drafts/" + "b" * 30 + "-1", "vault-9.db-wal")
    for link in (object_files(path)[0].with_suffix(".1"), *(path / name for name in names)):
        link.symlink_to(secret)


def holds(path: Path, secret: Path) -> bool:
    return any(secret.read_bytes() in content for content in all_files(path).values())


@posix
@pytest.mark.parametrize("of", ["backup", "folder"])
def test_what_links_lead_to_is_not_restored_into_the_vault(vault: Vault, place: Path, tmp_path: Path, of: str) -> None:
    (tmp_path / "secret").write_bytes(b"a key of the user's")
    vault.backup(place)
    path = vault.path
    vault.close()
    source = place if of == "backup" else copied(path, tmp_path / "copy")
    links_to(source, tmp_path / "secret")
    Vault.restore(source, tmp_path / "new", key_file(), clock=Clock())
    assert not holds(tmp_path / "new", tmp_path / "secret")
    assert not [each for each in (tmp_path / "new").rglob("*") if each.is_symlink()]


@posix
def test_what_links_in_the_vault_lead_to_is_not_copied_to_the_stick(vault: Vault, place: Path, tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(b"a key of the user's")
    links_to(vault.path, tmp_path / "secret")
    done = vault.backup(place)
    assert (done.objects, done.unreadable) == (2, 1), "a link in the place of an object is told of"
    assert not holds(place, tmp_path / "secret")
    assert not [each for each in place.rglob("*") if each.is_symlink()]
    assert findings(place) == ()


def test_a_further_part_of_a_stored_object_is_neither_kept_nor_called_lost(vault: Vault, place: Path) -> None:
    vault.backup(place)
    path = object_files(place)[0]
    planted = path.with_suffix(".1")
    planted.write_bytes(b"planted")
    assert vault.backup(place).is_sound
    assert not planted.exists()


@pytest.mark.parametrize("where", ["new", "objects/new"])
def test_nothing_is_restored_into_the_backup_itself(vault: Vault, place: Path, where: str) -> None:
    vault.backup(place)
    before = all_files(place)
    with pytest.raises(errors.Refused):
        Vault.restore(place, place / where, key_file(), clock=Clock())
    assert all_files(place) == before
