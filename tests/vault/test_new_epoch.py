"""A new secret that does not open what was just written is not kept."""

from pathlib import Path

import pytest

from vault import KeyFileUnlocker, Vault, errors
from vault.header import Header
from vault.unlock import Unlocked


class Misread(KeyFileUnlocker):
    """A key file that is read differently the second time."""

    def unlock(self, found: Header) -> Unlocked:
        raise errors.WrongPassphrase


def test_a_new_secret_that_cannot_be_tried_leaves_the_old_one_in_force(tmp_path: Path) -> None:
    old, path = KeyFileUnlocker(b"o" * 32), tmp_path / "vault"
    with Vault.create(path, old) as vault:
        vault.cases.new("First", code="FIRST")
        with pytest.raises(errors.WrongPassphrase):
            vault.change_passphrase(old, Misread(b"n" * 32))
        vault.cases.get("FIRST").items.add_text("written after the change that was not made")
    with pytest.raises(errors.WrongPassphrase):
        Vault.open(path, KeyFileUnlocker(b"n" * 32))
    with Vault.open(path, old) as vault:
        assert len(vault.cases.get("FIRST").items.list()) == 1
        assert vault.check(read_data=True).findings == ()
