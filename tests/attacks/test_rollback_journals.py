"""A rollback journal beside a database: SQLite plays it back without any key, and this program never leaves one behind."""

from __future__ import annotations

import contextlib
import os
import shutil
from pathlib import Path

import pytest
from sqlcipher3 import dbapi2
from vaults import database_keys, key_file, make_vault, open_vault

from crypto.keys import DatabaseKey
from vault.errors import VaultError


def journal_of(database: Path, key: DatabaseKey, folder: Path) -> bytes:
    """The journal of a big change that was never finished: it brings every page back to what it is now."""
    copy = folder / database.name
    shutil.copy(database, copy)
    connection = dbapi2.connect(str(copy), isolation_level=None)
    for statement in (
        f"PRAGMA key = \"x'{key.raw.hex()}'\"",
        "PRAGMA journal_mode = DELETE",
        "PRAGMA cache_size = 2",
        "BEGIN IMMEDIATE",
        "CREATE TABLE filler (content BLOB)",
        *("INSERT INTO filler VALUES (randomblob(20000))",) * 20,
        "DROP TABLE head" if database.name.startswith("vault") else "DROP TABLE changes",
    ):
        connection.execute(statement).fetchall()
    content = (folder / f"{database.name}-journal").read_bytes()
    connection.close()
    return content


def rows(database: Path, key: DatabaseKey, statement: str) -> object:
    """What stock SQLCipher makes of a database and what lies beside it."""
    connection = dbapi2.connect(str(database), isolation_level=None)
    connection.execute(f"PRAGMA key = \"x'{key.raw.hex()}'\"").fetchall()
    found = connection.execute(statement).fetchall()
    connection.close()
    return found


@pytest.mark.parametrize("which", ["vault-1.db", "case"])
def test_a_planted_rollback_journal_changes_nothing(which: str, tmp_path: Path) -> None:
    path, scratch = tmp_path / "vault", tmp_path / "scratch"
    scratch.mkdir()
    with make_vault(path) as vault:
        vault.cases.new("Harbour Street", code="HARBOUR")
        for number in range(40):
            vault.cases.get("HARBOUR").note(f"{number} " * 200)
    keys = database_keys(path)
    database = next(each for each in keys if (each.name == "vault-1.db") is (which == "vault-1.db"))
    journal = journal_of(database, keys[database], scratch)
    with open_vault(path) as vault:
        for number in range(40, 80):
            vault.cases.get("HARBOUR").note(f"{number} " * 200)
    counting = "SELECT count(*) FROM log_entries" if which == "vault-1.db" else "SELECT count(*) FROM changes"
    now = rows(database, keys[database], counting)
    # Stock SQLite obeys it: without the key the database was put back to an earlier time, or destroyed.
    victim = scratch / "victim.db"
    shutil.copy(database, victim)
    Path(f"{victim}-journal").write_bytes(journal)
    with contextlib.suppress(dbapi2.DatabaseError):
        assert rows(victim, keys[database], counting) != now
    beside = database.with_name(f"{database.name}-journal")
    beside.write_bytes(journal)
    with open_vault(path, key_file()) as vault:
        assert vault.warnings == ()
        assert len(vault.cases.get("HARBOUR").show().notes) == 80
        assert vault.check(read_data=True).findings == ()
    assert not beside.exists()


def test_a_link_in_place_of_a_journal_goes_and_what_it_leads_to_stays(tmp_path: Path) -> None:
    with make_vault(tmp_path / "vault"):
        pass
    mine = tmp_path / "mine"
    mine.write_bytes(b"mine")
    (tmp_path / "vault/vault-1.db-journal").symlink_to(mine)
    open_vault(tmp_path / "vault").close()
    assert mine.read_bytes() == b"mine"
    assert not os.path.lexists(tmp_path / "vault/vault-1.db-journal")


def test_a_journal_that_cannot_be_removed_opens_nothing(tmp_path: Path) -> None:
    with make_vault(tmp_path / "vault"):
        pass
    (tmp_path / "vault/vault-1.db-journal").mkdir()
    with pytest.raises(VaultError):
        open_vault(tmp_path / "vault")
