from __future__ import annotations

import os
import stat
import sys
from pathlib import Path

import pytest
from sqlcipher3 import dbapi2
from vaults import decrypted_pages

from crypto.keys import DatabaseKey
from vault import errors, store
from vault.errors import BadValue, DatabaseDamaged, NoSpace, ReadOnly, UnsafeLibrary, VaultError
from vault.store import Store

KEY, OTHER = DatabaseKey(b"k" * 32), DatabaseKey(b"o" * 32)
SCHEMA = (
    "CREATE TABLE people (number INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE)",
    "CREATE TABLE calls (person INTEGER REFERENCES people (number), text TEXT)",
    'CREATE VIRTUAL TABLE words USING fts5 (content, tokenize = "unicode61")',
)


@pytest.fixture
def opened(tmp_path: Path) -> Store:
    return Store.create(tmp_path / "a.db", KEY, what="HARBOUR", schema=SCHEMA, version=7)


def filled(found: Store) -> Store:
    with found.atomic():
        for number in range(1, 200):
            found.execute("INSERT INTO people VALUES (?, ?)", (number, f"CANARY {number}"))
            found.execute("INSERT INTO words (content) VALUES (?)", (f"CANARY {number}",))
    return found


def test_a_database_is_nothing_but_noise_without_its_key(tmp_path: Path, opened: Store) -> None:
    filled(opened).close()
    data = (tmp_path / "a.db").read_bytes()
    assert b"CANARY" not in data
    assert not data.startswith(b"SQLite format")
    assert b"CANARY 17" in b"".join(decrypted_pages(tmp_path / "a.db", KEY))


def test_the_write_ahead_log_is_encrypted_too(tmp_path: Path, opened: Store) -> None:
    filled(opened)
    log = (tmp_path / "a.db-wal").read_bytes()
    assert len(log) > 4096
    assert b"CANARY" not in log
    assert b"people" not in log


def test_a_wrong_key_is_a_damaged_database_and_prints_nothing(
    tmp_path: Path, opened: Store, capfd: pytest.CaptureFixture[str]
) -> None:
    filled(opened).close()
    before = (tmp_path / "a.db").read_bytes()
    with pytest.raises(DatabaseDamaged, match="HARBOUR"):
        Store(tmp_path / "a.db", OTHER, what="HARBOUR")
    assert capfd.readouterr() == ("", "")
    assert (tmp_path / "a.db").read_bytes() == before


def test_it_is_held_exclusively_in_write_ahead_mode_with_full_synchronisation(opened: Store) -> None:
    values = {
        name: opened.execute(f"PRAGMA {name}")[0][0]
        for name in ("journal_mode", "locking_mode", "synchronous", "foreign_keys", "secure_delete", "temp_store")
    }
    assert values == {
        "journal_mode": "wal",
        "locking_mode": "exclusive",
        "synchronous": 2,
        "foreign_keys": 1,
        "secure_delete": 1,
        "temp_store": 2,
    }


@pytest.mark.skipif(sys.platform == "win32", reason="left out: modes of POSIX")
def test_only_the_owner_may_read_it_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        filled(Store.create(tmp_path / "a.db", KEY, what="x", schema=SCHEMA, version=1))
    finally:
        os.umask(before)
    for path in tmp_path.iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o600, path.name


def test_a_library_that_may_write_temporary_files_in_the_clear_is_refused(
    tmp_path: Path, opened: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened.close()
    monkeypatch.setattr(store, "_MEMORY_TEMP_STORE", ("TEMP_STORE=9",))
    with pytest.raises(UnsafeLibrary):
        Store(tmp_path / "a.db", KEY, what="x")


def test_the_library_in_use_keeps_temporary_tables_in_memory(opened: Store) -> None:
    options = {option for (option,) in opened.execute("PRAGMA compile_options")}
    assert options & {"TEMP_STORE=2", "TEMP_STORE=3"}


def test_a_transaction_is_all_or_nothing_and_nested_ones_belong_to_the_outermost(opened: Store) -> None:
    def fails() -> None:
        with opened.atomic():
            opened.execute("INSERT INTO people VALUES (1, 'a')")
            with opened.atomic():
                opened.execute("INSERT INTO people VALUES (2, 'b')")
            raise BadValue(field="a", reason="b")

    with pytest.raises(BadValue):
        fails()
    assert opened.execute("SELECT * FROM people") == []
    with opened.atomic():
        opened.execute("INSERT INTO people VALUES (3, 'c')")
    assert opened.execute("SELECT number FROM people") == [(3,)]


def test_what_was_committed_is_there_after_the_process_is_gone(tmp_path: Path, opened: Store) -> None:
    filled(opened)
    for suffix in ("", "-wal"):
        (tmp_path / f"b.db{suffix}").write_bytes((tmp_path / f"a.db{suffix}").read_bytes())
    again = Store(tmp_path / "b.db", KEY, what="x")
    assert again.execute("SELECT count(*) FROM people") == [(199,)]
    assert again.version == 7


# Errors


def test_every_error_of_the_library_comes_as_one_of_ours(opened: Store) -> None:
    for statement, values in (
        ("SELECT * FROM nowhere", ()),
        ("INSERT INTO people VALUES (1, NULL)", ()),
        ("INSERT INTO calls VALUES (77, 'x')", ()),
        ("SELECT ?", ()),
        ("not SQL at all", ()),
        ("SELECT ?", ("lone \udc80 surrogate",)),
    ):
        with pytest.raises(VaultError) as caught:
            opened.execute(statement, values)
        assert "SELECT" not in str(caught.value)


def test_a_stream_ends_quietly_when_it_is_left_and_the_database_closed(opened: Store) -> None:
    rows = filled(opened).stream("SELECT * FROM people")
    assert next(rows) == (1, "CANARY 1")
    opened.close()
    rows.close()


def test_a_full_disk_is_no_space_and_nothing_is_half_written(opened: Store) -> None:
    filled(opened)
    (pages,) = opened.execute("PRAGMA page_count")[0]
    opened.execute(f"PRAGMA max_page_count = {pages}")

    def too_much() -> None:
        with opened.atomic():
            for number in range(1000, 9000):
                opened.execute("INSERT INTO people VALUES (?, ?)", (number, f"{number}" * 10))

    with pytest.raises(NoSpace):
        too_much()
    assert opened.execute("SELECT count(*) FROM people") == [(199,)]


def test_a_database_that_may_not_be_written_is_read_only(opened: Store) -> None:
    opened.execute("PRAGMA query_only = ON")
    with pytest.raises(ReadOnly):
        opened.execute("INSERT INTO people VALUES (1, 'a')")


@pytest.mark.slow  # SQLite waits five seconds for it
def test_another_process_s_lock_is_an_error_of_ours(tmp_path: Path, opened: Store) -> None:
    filled(opened)
    with pytest.raises(VaultError):
        Store(tmp_path / "a.db", KEY, what="x").execute("SELECT * FROM people")


def test_nothing_is_made_over_an_existing_file(tmp_path: Path, opened: Store) -> None:
    filled(opened).close()
    with pytest.raises(FileExistsError):
        Store.create(tmp_path / "a.db", KEY, what="x", schema=SCHEMA, version=1)
    assert Store(tmp_path / "a.db", KEY, what="x").execute("SELECT count(*) FROM people") == [(199,)]


# Copies under another key


def test_a_copy_under_another_key_has_everything_and_the_schema_s_number(tmp_path: Path, opened: Store) -> None:
    filled(opened).export_to(tmp_path / "b.db", OTHER)
    copy = Store(tmp_path / "b.db", OTHER, what="x")
    assert copy.version == 7
    assert copy.execute("SELECT * FROM people") == opened.execute("SELECT * FROM people")
    assert copy.execute("SELECT count(*) FROM words WHERE words MATCH 'canary'") == [(199,)]
    assert copy.problems() == []
    opened.close()
    copy.close()
    for path, key in ((tmp_path / "a.db", OTHER), (tmp_path / "b.db", KEY)):
        with pytest.raises(DatabaseDamaged):
            Store(path, key, what="x")


def test_a_copy_that_is_not_equal_is_refused(tmp_path: Path, opened: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    filled(opened)
    run = opened.execute

    def lossy(statement: str, values: tuple[store.Value, ...] = ()) -> list[store.Record]:
        rows = run(statement, values)
        if "sqlcipher_export" in statement:
            run("DELETE FROM fresh.people WHERE number = 17")
        return rows

    monkeypatch.setattr(opened, "execute", lossy)
    with pytest.raises(DatabaseDamaged):
        opened.export_to(tmp_path / "b.db", OTHER)
    monkeypatch.undo()
    # The failed copy is let go, and the next one works.
    opened.export_to(tmp_path / "c.db", OTHER)


def test_deleted_content_is_in_no_page_any_more(tmp_path: Path, opened: Store) -> None:
    filled(opened)
    opened.execute("INSERT INTO words (words, rank) VALUES ('secure-delete', 1)")
    opened.execute("DELETE FROM people WHERE number > 100")
    opened.execute("DELETE FROM words WHERE rowid > 100")
    opened.overwrite_deleted()
    assert (tmp_path / "a.db-wal").stat().st_size == 0
    opened.close()
    pages = b"".join(decrypted_pages(tmp_path / "a.db", KEY))
    assert b"CANARY 99" in pages
    assert b"CANARY 117" not in pages


def test_its_own_checks_find_a_flipped_byte_and_nothing_in_a_sound_file(tmp_path: Path, opened: Store) -> None:
    assert filled(opened).problems() == []
    opened.close()
    data = bytearray((tmp_path / "a.db").read_bytes())
    data[len(data) // 2] ^= 1
    (tmp_path / "a.db").write_bytes(data)
    assert Store(tmp_path / "a.db", KEY, what="x").problems()


def test_a_broken_foreign_key_is_found(opened: Store) -> None:
    opened.execute("PRAGMA foreign_keys = OFF")
    opened.execute("INSERT INTO calls VALUES (77, 'x')")
    assert opened.problems() == ["foreign key of calls"]


def test_removing_a_database_takes_everything_beside_it(tmp_path: Path, opened: Store) -> None:
    filled(opened)
    (tmp_path / "other.db").write_bytes(b"x")
    (tmp_path / "a.db-shm").write_bytes(b"x")
    (tmp_path / "a.db-journal").write_bytes(b"x")
    store.remove_database(tmp_path / "a.db")
    assert [path.name for path in tmp_path.iterdir()] == ["other.db"]
    store.remove_database(tmp_path / "a.db")


def test_the_library_s_errors_are_no_sqlite3_errors_so_they_must_be_caught_by_name() -> None:
    import sqlite3

    assert not issubclass(dbapi2.Error, sqlite3.Error)
    assert not issubclass(dbapi2.Error, errors.VaultError)
