"""A whole vault that is older than this machine remembers is refused, and opens only when that is wanted."""

import shutil

import pytest

from vault import KeyFileUnlocker, Vault, errors

KEY = KeyFileUnlocker(b"k" * 32)


@pytest.fixture
def two_copies(tmp_path):
    """The original, and a copy of it that was used later on the same machine."""
    with Vault.create(tmp_path / "original", KEY, state_dir=tmp_path / "state") as vault:
        vault.cases.new("Harbour", code="HARBOUR")
    shutil.copytree(tmp_path / "original", tmp_path / "copy")
    with Vault.open(tmp_path / "copy", KEY, state_dir=tmp_path / "state") as vault:
        vault.cases.get("HARBOUR").edit(title="Harbour, withdrawn")
    return tmp_path


def test_an_older_copy_of_the_whole_vault_is_refused(two_copies):
    with pytest.raises(errors.OlderThanRemembered):
        Vault.open(two_copies / "original", KEY, state_dir=two_copies / "state")


def test_an_older_copy_opens_when_that_is_wanted_and_its_log_says_so(two_copies):
    with Vault.open(two_copies / "original", KEY, state_dir=two_copies / "state", accept_older=True) as vault:
        assert "older-than-last-time" in vault.warnings
        assert "older-copy-accepted" in {entry.act for entry in vault.log()}
    with Vault.open(two_copies / "original", KEY, state_dir=two_copies / "state") as vault:
        assert vault.warnings == ()
    with pytest.raises(errors.OlderThanRemembered):
        Vault.open(two_copies / "copy", KEY, state_dir=two_copies / "state")


def test_accepting_records_nothing_where_nothing_is_older(two_copies):
    with Vault.open(two_copies / "copy", KEY, state_dir=two_copies / "state", accept_older=True) as vault:
        assert "older-copy-accepted" not in {entry.act for entry in vault.log()}
