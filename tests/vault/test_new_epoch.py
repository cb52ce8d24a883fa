"""A new epoch whose new secret does not open what was just written."""

from pathlib import Path

import pytest

from vault import KeyFileUnlocker, Vault, errors
from vault.header import Header
from vault.unlock import Unlocked


class Misread(KeyFileUnlocker):
    """A key file that is read differently the second time."""

    def unlock(self, found: Header) -> Unlocked:
        raise errors.WrongPassphrase


def test_nothing_is_written_into_the_old_epoch_after_the_headers_name_the_new_one(tmp_path: Path) -> None:
    old, path = KeyFileUnlocker(b"o" * 32), tmp_path / "vault"
    with Vault.create(path, old) as vault:
        vault.cases.new("First", code="FIRST")
        with pytest.raises(errors.WrongPassphrase):
            vault.change_passphrase(old, Misread(b"n" * 32))
        with pytest.raises(errors.VaultError):
            vault.cases.get("FIRST").items.add_text("would be lost at the next start")
    with Vault.open(path, KeyFileUnlocker(b"n" * 32)) as vault:
        assert vault.cases.get("FIRST").items.list() == ()
        assert vault.check(read_data=True).findings == ()
