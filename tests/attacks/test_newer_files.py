"""Files of a newer epoch beside an older copy of the vault may be the only newer work."""

from __future__ import annotations

import errno
import shutil
from pathlib import Path

import pytest
from faults import FaultyDisk, replaced
from vaults import all_files, copied, key_file, make_vault, open_vault

from vault.errors import Refused, VaultError


def test_no_renewal_overwrites_newer_files_that_an_older_copy_lies_among(tmp_path: Path) -> None:
    path = tmp_path / "vault"
    with make_vault(path) as vault:
        vault.cases.new("Title", code="HARBOUR")
    older = copied(path, tmp_path / "older")
    with open_vault(path) as vault:
        vault.change_passphrase(key_file(), key_file(1))
        vault.cases.get("HARBOUR").note("only here")
    newer = {name: data for name, data in all_files(path).items() if "-2.db" in name}
    shutil.copytree(older, path, dirs_exist_ok=True)
    with open_vault(path) as vault:
        assert vault.warnings == ("newer-files",)
        with pytest.raises(Refused):
            vault.change_passphrase(key_file(), key_file(2))
        with pytest.raises(Refused):
            vault.cases.get("HARBOUR").delete(key_file())
    left = all_files(path)
    assert len(newer) == 2
    assert {name: left.get(name) for name in newer} == newer


@pytest.mark.parametrize("removing", ["passphrase", "case"])
def test_what_a_failed_renewal_could_not_remove_is_removed_at_the_next_start(tmp_path: Path, removing: str) -> None:
    path = tmp_path / "vault"
    with make_vault(path) as vault:
        vault.cases.new("Title", code="HARBOUR")
        broken = FaultyDisk().fail_nth(8, OSError(errno.EIO, "broken"), forever=True)
        renew = {
            "passphrase": lambda: vault.change_passphrase(key_file(), key_file(1)),
            "case": lambda: vault.cases.get("HARBOUR").delete(key_file()),
        }[removing]
        with replaced(broken), pytest.raises(VaultError):
            renew()
    assert [name for name in all_files(path) if "-2.db" in name]
    with open_vault(path) as vault:
        assert vault.warnings == ("recovered",)
        assert vault.check(read_data=True).findings == ()
        assert not [name for name in all_files(path) if "-2.db" in name]
        vault.change_passphrase(key_file(), key_file(1))
