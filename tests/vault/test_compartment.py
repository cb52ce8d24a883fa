from __future__ import annotations

import secrets
import shutil
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from vaults import PAGE_BYTES, Clock, changed_pages, dumped, put_page

from crypto import chain
from crypto.keys import CaseKey, ObjectKey
from vault import cases, schema
from vault.compartment import Compartment, database_key
from vault.errors import BadValue, DatabaseDamaged, OlderCopy, UnknownFormat, VaultError
from vault.store import Store
from vault.tables import Row, Table

CASE_ID = b"\x01" * 16
KEY = CaseKey(b"\x02" * 32)


def created(path: Path) -> Compartment:
    return Compartment.create(path, KEY, code="HARBOUR", case_id=CASE_ID, clock=Clock())


def opened(path: Path) -> Compartment:
    return Compartment.open(path, KEY, code="HARBOUR", case_id=CASE_ID, clock=Clock())


def consent(number: int, event: str) -> Row:
    row: Row = dict.fromkeys(schema.CONSENTS.columns)
    return row | {"number": number, "person": 1, "event": event, "happened": "2026-11-22", "wording": "x" * 300}


def note(number: int, text: str, item: int = 0) -> Row:
    return {"item": item, "number": number, "text": text, "written": "2026-11-22"}


def everything(compartment: Compartment) -> dict[str, list[Row]]:
    """All that a reader of the case is ever given, by every way of asking."""
    found = {}
    for table in (*schema.CASE_TABLES, schema.COUNTERS):
        rows = compartment.rows(table)
        found[table.name] = rows
        for row in rows:
            key = [row[name] for name in table.key]
            assert compartment.row(table, *key) == row
            found[f"{table.name} {key}"] = [form for _, form in compartment.history(table, *key)]
    for item in (cases.OF_THE_CASE, 1, 2, 3):
        found[f"notes of {item}"] = [{"text": each.text} for each in cases.notes(compartment, item)]
        found[f"tags of {item}"] = [{"tag": tag} for tag in cases.tags(compartment, item)]
    return found


# The chain


ROWS = st.tuples(st.sampled_from(["notes", "tags", "consents"]), st.integers(1, 4), st.text(max_size=5))
STEPS = st.lists(st.tuples(st.sampled_from(["put", "erase", "roll back", "reopen"]), ROWS), max_size=25)


def row_of(place: str, number: int, text: str) -> Row:
    if place == "notes":
        return note(number, text)
    if place == "tags":
        return {"item": number, "tag": text}
    return consent(number, text)


def put_in_vain(compartment: Compartment, table: Table, row: Row) -> None:
    with compartment.changing():
        compartment.put(table, row)
        raise BadValue(field="a", reason="b")


@settings(max_examples=40)
@given(STEPS)
def test_whatever_is_put_and_erased_the_rows_are_the_last_changes_and_the_chain_holds(
    steps: list[tuple[str, tuple[str, int, str]]],
) -> None:
    tables = {table.name: table for table in schema.CASE_TABLES}
    expected: dict[tuple[str, str], Row] = {}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "case.db")
        compartment = created(path)
        for act, (place, number, text) in steps:
            table, row = tables[place], row_of(place, number, text)
            key = place, table.key_of(row)
            before = compartment.state
            if act == "put":
                with compartment.changing():
                    compartment.put(table, row)
                assert (compartment.state == before) is (expected.get(key) == row)
                expected[key] = row
            elif act == "erase" and key in expected:
                with compartment.changing():
                    compartment.erase(table, *(row[name] for name in table.key))
                assert compartment.state != before
                del expected[key]
            elif act == "roll back":
                with pytest.raises(BadValue):
                    put_in_vain(compartment, table, row)
                assert compartment.state == before
            elif act == "reopen":
                compartment.close()
                compartment = opened(path)
                assert compartment.state == before
        for table in schema.CASE_TABLES:
            wanted = [row for (place, _), row in expected.items() if place == table.name]
            found = compartment.rows(table)
            assert sorted(map(repr, found)) == sorted(map(repr, wanted))
            assert compartment.count(table) == len(wanted)
        assert compartment.problems() == []
        compartment.close()


def test_the_state_is_the_hash_over_the_salted_changes(tmp_path: Path) -> None:
    compartment = created(tmp_path / "case.db")
    with compartment.changing():
        compartment.put(schema.NOTES, note(1, "first"))
        compartment.put(schema.NOTES, note(1, "second"))
    state = chain.first_state(CASE_ID)
    for salt, change in compartment.store.execute("SELECT salt, change FROM changes ORDER BY number"):
        state = chain.next_state(state, chain.change_digest(salt, change))
    assert state == compartment.state
    (change,) = compartment.store.execute("SELECT change FROM changes WHERE number = 1")[0]
    assert change == (
        b'{"key":"[0,1]","row":{"item":0,"number":1,"text":"first","written":"2026-11-22"},"table":"notes"}'
    )


def test_two_equal_changes_have_different_digests_so_that_nobody_can_guess_an_erased_one(tmp_path: Path) -> None:
    compartment = created(tmp_path / "case.db")
    with compartment.changing():
        compartment.put(schema.NOTES, note(1, "same"))
        compartment.erase(schema.NOTES, 0, 1)
        compartment.put(schema.NOTES, note(1, "same"))
    digests = [digest for (digest,) in compartment.store.execute("SELECT digest FROM changes")]
    assert len(set(digests)) == 3


def test_a_row_that_stays_the_same_is_no_change(tmp_path: Path) -> None:
    compartment = created(tmp_path / "case.db")
    with compartment.changing():
        compartment.put(schema.NOTES, note(1, "first"))
    before = compartment.state, compartment.changes
    with compartment.changing():
        compartment.put(schema.NOTES, note(1, "first"))
    assert (compartment.state, compartment.changes) == before


def test_history_keeps_every_form_of_a_row_in_order(tmp_path: Path) -> None:
    compartment = created(tmp_path / "case.db")
    for text in ("one", "two", "three"):
        with compartment.changing():
            compartment.put(schema.NOTES, note(1, text))
    forms = compartment.history(schema.NOTES, 0, 1)
    assert [form["text"] for _, form in forms] == ["one", "two", "three"]
    assert sorted(when for when, _ in forms) == [when for when, _ in forms]


def test_erasing_leaves_of_a_row_only_the_digests_of_its_changes(tmp_path: Path) -> None:
    compartment = created(tmp_path / "case.db")
    with compartment.changing():
        compartment.put(schema.NOTES, note(1, "ZAYNAB"))
        compartment.put(schema.NOTES, note(1, "ZAYNAB again"))
        compartment.put(schema.NOTES, note(2, "another"))
    with compartment.changing():
        compartment.erase(schema.NOTES, 0, 1)
    rows = compartment.store.execute("SELECT key, kept, salt, change FROM changes ORDER BY number")
    assert [row == ("", 1, None, None) for row in rows] == [True, True, False, False]
    assert rows[3] == ("[1,2]", 0, None, None)  # which changes it erased
    assert "ZAYNAB" not in repr(dumped(compartment.store))
    assert compartment.history(schema.NOTES, 0, 1) == []
    assert compartment.problems() == []


def test_numbers_are_never_given_twice_even_when_what_they_named_is_gone(tmp_path: Path) -> None:
    compartment = created(tmp_path / "case.db")
    with compartment.changing():
        numbers = [compartment.next_number("items") for _ in range(3)]
    compartment.close()
    compartment = opened(tmp_path / "case.db")
    with compartment.changing():
        assert [*numbers, compartment.next_number("items"), compartment.next_number("notes")] == [1, 2, 3, 4, 1]


def test_text_that_no_file_can_hold_is_refused_and_leaves_the_case_usable(tmp_path: Path) -> None:
    compartment = created(tmp_path / "case.db")
    before = compartment.state
    with pytest.raises(VaultError), compartment.changing():
        compartment.put(schema.NOTES, note(1, "lone \udc80 surrogate"))
    assert compartment.state == before
    with compartment.changing():
        compartment.put(schema.NOTES, note(1, "fine"))
    assert compartment.problems() == []


# Older copies


def withdrawn(folder: Path) -> tuple[Path, Path, bytes]:
    """A closed case whose consent was withdrawn, its file from before, and its last state."""
    new, old = folder / "case.db", folder / "old.db"
    compartment = created(new)
    with compartment.changing():
        for number in range(1, 30):
            compartment.put(schema.CONSENTS, consent(number, "given"))
            compartment.put(schema.NOTES, note(number, f"remark {number} " + "y" * 200, item=number % 3 + 1))
            compartment.put(schema.TAGS, {"item": number % 3 + 1, "tag": f"tag {number}"})
        compartment.keep_object_key(b"o" * 16, ObjectKey(b"k" * 32))
    compartment.close()
    shutil.copy(new, old)
    compartment = opened(new)
    with compartment.changing():
        compartment.put(schema.CONSENTS, consent(7, "withdrawn"))
        compartment.put(schema.NOTES, note(30, "do not call this number any more", item=2))
        compartment.put(schema.TAGS, {"item": 2, "tag": "endangered"})
        compartment.erase(schema.NOTES, 2, 4)
        compartment.erase(schema.TAGS, 2, "tag 4")
    state = compartment.state
    compartment.close()
    return new, old, state


def test_an_older_copy_ends_in_an_older_state(tmp_path: Path) -> None:
    _, old, state = withdrawn(tmp_path)
    compartment = opened(old)
    assert compartment.state != state
    row = compartment.row(schema.CONSENTS, 7)
    assert row is not None
    assert row["event"] == "given"


def test_one_old_page_in_a_newer_file_is_never_an_older_row(tmp_path: Path) -> None:
    new, old, state = withdrawn(tmp_path)
    compartment = opened(new)
    truth = everything(compartment)
    compartment.close()
    pages = changed_pages(old, new)
    assert len(pages) > 5
    refused = 0
    for number in pages:
        mixed = tmp_path / f"mixed-{number}.db"
        shutil.copy(new, mixed)
        put_page(old, mixed, number)
        try:
            compartment = opened(mixed)
        except (OlderCopy, DatabaseDamaged):
            refused += 1
            continue
        try:
            if compartment.state != state:
                refused += 1  # by whoever knows the state from the log
                continue
            for name, asked in _questions(compartment):
                refused += _each_answer_is_true_or_refused(truth, name, asked, number)
            assert compartment.problems() or everything(compartment) == truth, number
        finally:
            compartment.close()
    assert refused >= 3


def _questions(compartment: Compartment) -> list[tuple[str, Callable[[], list[Row]]]]:
    asked: list[tuple[str, Callable[[], list[Row]]]] = [
        (table.name, partial(compartment.rows, table)) for table in (*schema.CASE_TABLES, schema.COUNTERS)
    ]
    for item in (cases.OF_THE_CASE, 1, 2, 3):
        asked.append(
            (f"notes of {item}", lambda item=item: [{"text": each.text} for each in cases.notes(compartment, item)])
        )
        asked.append((f"tags of {item}", lambda item=item: [{"tag": tag} for tag in cases.tags(compartment, item)]))
    for number in range(1, 31):
        asked.append(
            (
                f"consents [{number}]",
                lambda number=number: [form for _, form in compartment.history(schema.CONSENTS, number)],
            )
        )
        asked.append(
            (
                f"notes [{number % 3 + 1}, {number}]",
                lambda number=number: [form for _, form in compartment.history(schema.NOTES, number % 3 + 1, number)],
            )
        )
    return asked


def _each_answer_is_true_or_refused(
    truth: dict[str, list[Row]], name: str, ask: Callable[[], list[Row]], page: int
) -> bool:
    try:
        found = ask()
    except (OlderCopy, DatabaseDamaged):
        return True
    assert found == truth.get(name, []), (name, page)
    return False


def live_copies(folder: Path) -> tuple[Path, bytes, list[bytes]]:
    """A file and its write-ahead log after each of four commits, as a copy of the running folder has them."""
    path = folder / "case.db"
    compartment = created(path)
    states, logs = [], []
    for event in ("given", "asked again", "given again", "withdrawn"):
        with compartment.changing():
            compartment.put(schema.CONSENTS, consent(1, event))
        states.append(compartment.state)
        logs.append(path.with_name("case.db-wal").read_bytes())
    database = path.read_bytes()
    for number, log in enumerate(logs):
        (folder / f"{number}.db").write_bytes(database)
        (folder / f"{number}.db-wal").write_bytes(log)
    compartment.close()
    return folder / "3.db", states[-1], logs


def event_of(path: Path) -> tuple[bytes, object]:
    compartment = opened(path)
    try:
        row = compartment.row(schema.CONSENTS, 1)
        return compartment.state, None if row is None else row["event"]
    finally:
        compartment.close()


def test_an_old_write_ahead_log_ends_in_an_older_state(tmp_path: Path) -> None:
    path, state, logs = live_copies(tmp_path)
    path.with_name("3.db-wal").write_bytes(logs[2])
    found, event = event_of(path)
    assert event == "given again"
    assert found != state


def test_a_missing_write_ahead_log_never_passes_for_the_newest_state(tmp_path: Path) -> None:
    path, state, _ = live_copies(tmp_path)
    path.with_name("3.db-wal").unlink()
    try:
        found, event = event_of(path)
    except VaultError as error:
        assert isinstance(error, (DatabaseDamaged, UnknownFormat))  # noqa: PT017 (no error is right as well)
    else:
        assert event != "withdrawn"
        assert found != state


def test_a_write_ahead_log_cut_at_a_commit_ends_in_an_older_state(tmp_path: Path) -> None:
    path, state, logs = live_copies(tmp_path)
    wal = path.with_name("3.db-wal")
    wal.write_bytes(logs[3][: len(logs[1])])
    found, event = event_of(path)
    assert event == "asked again"
    assert found != state


def test_a_write_ahead_log_cut_anywhere_gives_an_earlier_state_or_the_newest_one(tmp_path: Path) -> None:
    path, state, logs = live_copies(tmp_path)
    database, log = path.read_bytes(), logs[3]
    for cut in range(0, len(log), 997):
        (tmp_path / "cut.db").write_bytes(database)
        (tmp_path / "cut.db-wal").write_bytes(log[:cut])
        try:
            found, event = event_of(tmp_path / "cut.db")
        except (DatabaseDamaged, UnknownFormat):
            continue
        assert (found == state) is (event == "withdrawn"), cut


def test_a_flipped_byte_anywhere_in_the_file_is_damage(tmp_path: Path) -> None:
    new, _, _ = withdrawn(tmp_path)
    compartment = opened(new)
    truth = everything(compartment)
    compartment.close()
    data = new.read_bytes()
    chosen = [*range(0, PAGE_BYTES, 211), *(page * PAGE_BYTES + 100 for page in range(len(data) // PAGE_BYTES))]
    for offset in chosen:
        damaged = tmp_path / "damaged.db"
        damaged.write_bytes(data[:offset] + bytes([data[offset] ^ 1]) + data[offset + 1 :])
        try:
            compartment = opened(damaged)
            try:
                assert compartment.problems(), offset
                assert everything(compartment) == truth, offset
            finally:
                compartment.close()
        except (DatabaseDamaged, OlderCopy):
            continue


def test_a_truncated_file_is_damage(tmp_path: Path) -> None:
    new, _, _ = withdrawn(tmp_path)
    data = new.read_bytes()
    for size in (0, 1, 16, PAGE_BYTES - 1, PAGE_BYTES, 3 * PAGE_BYTES, len(data) - PAGE_BYTES, len(data) - 1):
        new.write_bytes(data[:size])
        with pytest.raises((DatabaseDamaged, OlderCopy, UnknownFormat)):
            everything(opened(new))


def test_a_case_under_another_id_does_not_open(tmp_path: Path) -> None:
    new, _, _ = withdrawn(tmp_path)
    with pytest.raises(OlderCopy):
        Compartment.open(new, KEY, code="HARBOUR", case_id=b"\x09" * 16, clock=Clock())


def test_another_key_does_not_open_a_case(tmp_path: Path) -> None:
    new, _, _ = withdrawn(tmp_path)
    with pytest.raises(DatabaseDamaged):
        Compartment.open(new, CaseKey(secrets.token_bytes(32)), code="HARBOUR", case_id=CASE_ID, clock=Clock())


def test_a_missing_case_is_damage_and_is_not_made_anew(tmp_path: Path) -> None:
    with pytest.raises(DatabaseDamaged):
        opened(tmp_path / "absent.db")
    assert list(tmp_path.iterdir()) == []


def test_a_case_of_a_newer_schema_is_named_as_such(tmp_path: Path) -> None:
    created(tmp_path / "case.db").close()
    store = Store(tmp_path / "case.db", database_key(KEY), what="HARBOUR")
    store.execute("PRAGMA user_version = 99")
    store.close()
    with pytest.raises(UnknownFormat, match="99"):
        opened(tmp_path / "case.db")


TAMPERED = {
    "a row changed": "UPDATE consents SET event = 'given' WHERE number = 7",
    "a row removed": "DELETE FROM consents WHERE number = 7",
    "a row added": "INSERT INTO notes SELECT item, 99, text, written, change_number FROM notes WHERE number = 1",
    "a change removed": "DELETE FROM changes WHERE number = 7",
    "the last change removed": "DELETE FROM changes WHERE number = (SELECT max(number) FROM changes)",
    "a change altered": "UPDATE changes SET change = replace(change, 'withdrawn', 'given') WHERE key = '[7]'",
    "a digest altered": "UPDATE changes SET digest = zeroblob(32) WHERE number = 3",
    "a state altered": "UPDATE changes SET state = zeroblob(32) WHERE number = 3",
    "a digest cut": "UPDATE changes SET digest = zeroblob(31) WHERE number = 3",
    "a digest that is text": "UPDATE changes SET digest = '0123456789abcdef0123456789abcdef' WHERE number = 3",
    "a row pointed at its older change": "UPDATE consents SET event = 'given', change_number ="
    " (SELECT min(number) FROM changes WHERE place = 'consents' AND key = '[7]') WHERE number = 7",
    "a change erased under its row": "UPDATE changes SET salt = NULL, change = NULL WHERE place = 'consents'",
}


def test_the_chain_of_thousands_of_changes_is_followed_without_a_gap(tmp_path: Path) -> None:
    path = tmp_path / "case.db"
    compartment = created(path)
    with compartment.changing():
        for number in range(1, 1201):  # twice as many changes: each note is changed once
            compartment.put(schema.NOTES, note(number, "first"))
            compartment.put(schema.NOTES, note(number, "second"))
    state = compartment.state
    compartment.close()
    compartment = opened(path)
    assert (compartment.state, compartment.changes) == (state, 2400)
    assert compartment.count(schema.NOTES) == 1200
    assert [form["text"] for _, form in compartment.history(schema.NOTES, 0, 600)] == ["first", "second"]
    compartment.close()
    original = path.read_bytes()
    for number in (999, 1000, 1001, 1999, 2000, 2001, 2400):
        for altered in ("state = zeroblob(32)", "digest = zeroblob(32)", "number = 9999"):
            path.write_bytes(original)
            store = Store(path, database_key(KEY), what="HARBOUR")
            store.execute(f"UPDATE changes SET {altered} WHERE number = {number}")  # noqa: S608 (from the lists above)
            store.close()
            with pytest.raises(OlderCopy):
                opened(path)


@pytest.mark.parametrize("statement", TAMPERED.values(), ids=TAMPERED.keys())
def test_whoever_has_the_key_and_alters_rows_behind_the_chain_is_noticed(tmp_path: Path, statement: str) -> None:
    new, _, state = withdrawn(tmp_path)
    store = Store(new, database_key(KEY), what="HARBOUR")
    store.execute(statement)
    store.close()
    try:
        compartment = opened(new)
    except OlderCopy:
        return
    if compartment.state == state:
        assert compartment.problems()
        with pytest.raises(OlderCopy):
            everything(compartment)
