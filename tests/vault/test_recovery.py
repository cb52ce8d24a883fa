"""Opening after something went wrong: what is removed, what is left alone, and what does not keep the vault shut."""

import errno
import os
import shutil
from pathlib import Path

import pytest
from faults import FaultyDisk, replaced
from scenarios import NEW, OLD, RECOVERY, build, clock, contents

from vault import KeyFileUnlocker, Vault, errors, header
from vault.files import Disk
from vault.unlock import Unlocked


@pytest.fixture
def path(tmp_path: Path) -> Path:
    build(tmp_path / "vault", cases=2)
    return tmp_path / "vault"


def test_a_newer_vault_under_an_older_copy_is_not_swept_away(path: Path, tmp_path: Path) -> None:
    older = tmp_path / "older"
    shutil.copytree(path, older)
    with Vault.open(path, OLD, clock=clock) as vault:
        vault.change_passphrase(OLD, NEW)
        vault.cases.get("HARBOUR").note("written after the change")
        newest = contents(vault)
    newer = tmp_path / "newer"
    shutil.copytree(path, newer)
    shutil.copytree(older, path, dirs_exist_ok=True)

    with Vault.open(path, RECOVERY, clock=clock) as vault:
        assert "newer-files" in vault.warnings
        assert {(found.kind, found.subject) for found in vault.check().findings} >= {("stray", "vault-2.db")}
        with pytest.raises(errors.Refused):
            vault.change_passphrase(OLD, NEW)
        with pytest.raises(errors.Refused):
            vault.cases.get("MEADOW").delete(OLD)

    for name in header.FILE_NAMES:  # the one small thing that the older copy replaced
        shutil.copy(newer / name, path / name)
    with pytest.raises(errors.LogKeyLost):  # it was brought back too, and its log had gone on
        Vault.open(path, NEW, clock=clock)
    with Vault.open(path, NEW, clock=clock, accept_older=True) as vault:
        assert contents(vault) == newest
        found = vault.check(read_data=True).findings
        assert {(each.kind, each.subject.partition("/")[0]) for each in found} == {("stray", "drafts")}, (
            "the older ones"
        )
    with Vault.open(path, NEW, clock=clock) as vault:
        assert contents(vault) == newest
        assert vault.check(read_data=True).findings == ()


def test_a_folder_whose_empty_subfolders_were_not_copied_opens(path: Path) -> None:
    with Vault.open(path, OLD, clock=clock) as vault:
        case = vault.cases.get("HARBOUR")
        for draft in case.drafts.list():
            case.drafts.discard(draft.draft_id)
    for name in ("drafts", "staging"):
        (path / name).rmdir()
    with Vault.open(path, OLD, clock=clock) as vault:
        vault.cases.get("HARBOUR").items.add_text("a further page")
        assert vault.check(read_data=True).findings == ()


def test_what_a_file_manager_leaves_in_staging_does_not_keep_the_vault_shut(path: Path) -> None:
    (path / "staging" / ".DS_Store").write_bytes(b"Bud1")
    with Vault.open(path, OLD, clock=clock) as vault:
        assert vault.warnings == ()
    assert (path / "staging" / ".DS_Store").read_bytes() == b"Bud1"


class NothingGoes(Disk):
    """A disk that removes nothing."""

    def remove(self, path: Path) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))


def test_a_leftover_that_cannot_be_removed_does_not_keep_the_vault_shut(path: Path) -> None:
    leftover = path / ("0" * 32)
    leftover.write_bytes(b"half a header")
    with replaced(NothingGoes()), Vault.open(path, OLD, clock=clock) as vault:
        assert vault.warnings == ("unsettled",)
        assert len(vault.cases.list()) == 2
    assert leftover.exists()
    with Vault.open(path, OLD, clock=clock) as vault:
        assert vault.warnings == ()
    assert not leftover.exists()


class Forgetful(KeyFileUnlocker):
    """A secret that makes a slot and then does not open it."""

    def unlock(self, found: header.Header) -> Unlocked:
        raise errors.WrongPassphrase


def test_a_new_secret_that_does_not_open_leads_back_and_the_session_goes_on(path: Path) -> None:
    with Vault.open(path, OLD, clock=clock) as vault:
        with pytest.raises(errors.WrongPassphrase):
            vault.change_passphrase(OLD, Forgetful(b"never to be seen again"))
        vault.cases.get("HARBOUR").note("written afterwards")
        expected = contents(vault)
    with Vault.open(path, OLD, clock=clock) as vault:
        assert contents(vault) == expected
        assert vault.info().epoch == 1
        assert vault.check(read_data=True).findings == ()


def test_after_a_change_that_could_not_be_led_back_the_session_ends(path: Path) -> None:
    broken = OSError(errno.EIO, os.strerror(errno.EIO))
    vault = Vault.open(path, OLD, clock=clock)
    before = contents(vault)
    disk = FaultyDisk()
    with replaced(disk):
        disk.fail_nth(1_000_000)
        vault.change_passphrase(OLD, NEW)
    vault.close()
    headers = [number for number, (_, name) in enumerate(disk.operations, 1) if name in header.FILE_NAMES]

    vault = Vault.open(path, NEW, clock=clock)
    with replaced(FaultyDisk().fail_nth(headers[0] + 1, broken, forever=True)), pytest.raises(errors.VaultError):
        vault.change_passphrase(NEW, OLD)
    with pytest.raises(errors.LogUnavailable):  # nothing more may be written beside two different headers
        vault.cases.get("HARBOUR").note("lost")
    vault.close()
    with Vault.open(path, OLD, clock=clock) as vault:
        assert contents(vault) == before
        assert vault.check(read_data=True).findings == ()


def test_what_a_crash_leaves_of_an_export_says_that_it_is_not_whole(path: Path, tmp_path: Path) -> None:
    with Vault.open(path, OLD, clock=clock) as vault:
        item = vault.cases.get("HARBOUR").items.get(1)
        with item.open(act="export") as reading:
            from vault.exporting import NewExport

            unfinished = NewExport(tmp_path, reading.grant)
            unfinished.__enter__()
            reading.write_to(unfinished.write)
            assert [name.name for name in tmp_path.glob("001*")] == ["001-letter.txt.partial"]
            unfinished.__exit__(None, None, None)
        assert (tmp_path / "001-letter.txt").is_file()
        assert not (tmp_path / "001-letter.txt.partial").exists()
