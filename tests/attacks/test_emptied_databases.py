"""A database that lost its content, or its write-ahead log, is damage of that database and of nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest
from vaults import case_path, copied_before_outcome, make_vault, open_vault

from vault import Vault
from vault.errors import Damage, DatabaseDamaged


def interrupted(path: Path, copy: Path) -> str:
    """A copy taken while a change of HARBOUR had no outcome yet, beside a sound case; the name of HARBOUR's file."""
    with make_vault(path) as vault:
        vault.cases.new("Other", code="OTHER")
        vault.cases.new("Title", code="HARBOUR")
        with copied_before_outcome("case-note", path, copy):
            vault.cases.get("HARBOUR").note("remark")
        return case_path(vault, "HARBOUR").name


def other_case_opens(vault: Vault) -> None:
    """The damaged case is named, the sound one opens."""
    assert vault.cases.get("OTHER").show().summary.title == "Other"
    with pytest.raises(Damage):
        vault.cases.get("HARBOUR").show()


@pytest.mark.parametrize("lost", ["content", "write-ahead log"])
def test_a_case_that_was_emptied_during_a_change_does_not_shut_out_the_others(tmp_path: Path, lost: str) -> None:
    copy = tmp_path / "copy"
    name = interrupted(tmp_path / "vault", copy)
    (copy / "cases" / f"{name}-wal").unlink()
    if lost == "content":
        (copy / "cases" / name).write_bytes(b"")
    with open_vault(copy) as vault:
        assert "unsettled" in vault.warnings
        other_case_opens(vault)


def test_an_emptied_case_keeps_its_write_ahead_log(tmp_path: Path) -> None:
    """SQLite removes the log of an empty database; in it may be all there is."""
    copy = tmp_path / "copy"
    name = interrupted(tmp_path / "vault", copy)
    log = copy / "cases" / f"{name}-wal"
    before = log.read_bytes()
    (copy / "cases" / name).write_bytes(b"")
    with open_vault(copy) as vault:
        other_case_opens(vault)
    assert log.read_bytes() == before


def test_an_emptied_index_is_damage_and_not_another_format(tmp_path: Path) -> None:
    path = tmp_path / "vault"
    make_vault(path).close()
    (path / "vault-1.db").write_bytes(b"")
    with pytest.raises(DatabaseDamaged):
        open_vault(path)
