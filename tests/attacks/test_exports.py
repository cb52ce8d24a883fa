"""An export writes nothing over anything, nothing into the vault, and leaves no part of itself behind."""

import sys
from pathlib import Path

import pytest
from program import Program
from vaults import make_vault

from vault import errors, files


@pytest.mark.parametrize("place", ["vault", "vault/objects", "vault/new/deep", "vault/../vault"])
@pytest.mark.parametrize("what", ["HARBOUR", "HARBOUR/1"])
def test_nothing_is_written_in_the_clear_into_the_vault(casevault: Program, place: str, what: str) -> None:
    casevault.add(b"canary")
    before = sorted(casevault.vault.rglob("*"))
    assert casevault("export", what, "--to", place).status == 15
    assert sorted(casevault.vault.rglob("*")) == before


@pytest.mark.skipif(sys.platform == "win32", reason="left out: links")
def test_nothing_is_written_in_the_clear_through_a_link_into_the_vault(casevault: Program, tmp_path: Path) -> None:
    casevault.add(b"canary")
    (tmp_path / "link").symlink_to(casevault.vault / "objects")
    assert casevault("export", "HARBOUR/1", "--to", "link").status == 15


def test_digests_are_not_written_over_what_appeared_meanwhile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    foreign = tmp_path / "out" / "001-a.txt.sha512"
    foreign.parent.mkdir()
    sync = files.NewFile.sync

    def sync_late(self: files.NewFile) -> None:
        if self.path.name == "001-a.txt.partial":
            foreign.write_text("somebody else's")
        sync(self)

    source = tmp_path / "a.txt"
    source.write_text("canary")
    with make_vault(tmp_path / "vault") as vault:
        items = vault.cases.get(vault.cases.new("Road").code).items
        items.add_file(source)
        monkeypatch.setattr(files.NewFile, "sync", sync_late)
        with pytest.raises(errors.AlreadyThere):
            items.get(1).export(foreign.parent)
    assert [path.name for path in foreign.parent.iterdir()] == [foreign.name]
    assert foreign.read_text() == "somebody else's"
