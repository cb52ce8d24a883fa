"""An index copied at the moment when a case was made, put back later: the case has lived on."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from vaults import all_files, copied, copied_before_outcome, make_vault, open_vault

from vault.keeper import Keeper


def test_recovery_does_not_remove_a_case_that_lived_on(tmp_path: Path) -> None:
    path, older = tmp_path / "vault", tmp_path / "older"
    with make_vault(path) as vault, copied_before_outcome("case-new", path, older):
        vault.cases.new("Title", code="HARBOUR")
        vault.cases.get("HARBOUR").items.add_text("what came later")
    right = copied(path, tmp_path / "right")
    for file in (*older.glob("vault-1.db*"), older / "logkey"):
        shutil.copy(file, path)
    with open_vault(path) as vault:
        assert {finding.kind for finding in vault.check().findings} == {"stray"}
    for file in (*right.glob("vault-1.db*"), right / "logkey"):
        shutil.copy(file, path)
    with open_vault(path) as vault:
        assert vault.check(read_data=True).findings == ()
        assert [case.items for case in vault.cases.list()] == [1]


def test_recovery_removes_a_case_that_was_never_finished(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, crashed = tmp_path / "vault", tmp_path / "crashed"
    with make_vault(path) as vault, monkeypatch.context() as patched:
        patched.setattr(Keeper, "_end", lambda *_: copied(path, crashed))
        vault.cases.new("Title", code="HARBOUR")
    with open_vault(crashed) as vault:
        assert vault.check().findings == ()
    assert not [name for name in all_files(crashed) if name.startswith("cases/")]
