"""Bytes that come in once more because what was stored of them is lost."""

from __future__ import annotations

import secrets
from pathlib import Path

import pytest
from faults import Failure, bury, every_failure
from vaults import copied, make_vault, object_files, open_vault

from vault import Vault
from vault.files import remove_tree

TEXT = "a statement " * 20


def lose(path: Path, how: str) -> None:
    """Let the only object of a vault be missing, shorter than it was, or rotten in one bit."""
    (file,) = object_files(path)
    data = bytearray(file.read_bytes())
    if how == "missing":
        file.unlink()
    elif how == "cut":
        file.write_bytes(data[:1000])
    else:
        data[-1000] ^= 1  # in the padding: not a byte of the text
        file.write_bytes(data)


@pytest.mark.parametrize("how", ["missing", "cut", "rotten"])
def test_bytes_that_are_added_again_after_their_object_was_lost_are_stored(tmp_path: Path, how: str) -> None:
    path = tmp_path / "vault"
    with make_vault(path) as vault:
        vault.cases.new("Title", code="HARBOUR")
        case = vault.cases.get("HARBOUR")
        case.items.add_text(TEXT)
        lose(path, how)
        stored = case.items.add_text(TEXT)
        assert (stored.again, stored.item.summary.reference) == (True, "HARBOUR/1")
        with case.items.get(1).open() as reading:
            assert b"".join(bytes(piece) for piece in reading) == TEXT.encode()
    with open_vault(path) as vault:
        assert vault.check(read_data=True).findings == ()
        assert len(object_files(path)) == 1


def test_a_failure_while_lost_bytes_are_stored_again_leaves_nothing_else_behind(tmp_path: Path) -> None:
    sound = tmp_path / "sound"
    with make_vault(sound) as vault:
        vault.cases.new("Title", code="HARBOUR")
        vault.cases.get("HARBOUR").items.add_text(TEXT)
    lose(sound, "cut")
    path = tmp_path / secrets.token_hex(4)

    def prepare() -> None:
        remove_tree(path)
        copied(sound, path)

    def run() -> None:
        with open_vault(path) as vault:
            vault.cases.get("HARBOUR").items.add_text(TEXT)

    def check(failure: Failure) -> None:
        bury()
        with open_vault(path) as vault:
            kinds = [finding.kind for finding in vault.check(read_data=True).findings]
            assert kinds in ([], ["damaged"]), failure
            assert kinds == [] or failure.raised is not None, failure
            _add_and_read(vault)

    assert every_failure(run, check, prepare=prepare, kinds=("full", "crash"))


def _add_and_read(vault: Vault) -> None:
    vault.cases.get("HARBOUR").items.add_text(TEXT)
    assert vault.check(read_data=True).findings == ()
