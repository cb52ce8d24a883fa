from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from vaults import (
    all_files,
    case_path,
    case_row,
    clear_content,
    dumped,
    flip,
    make_vault,
    object_files,
    open_registry,
    open_vault,
    write_rows,
)

from vault import PersonFields, Vault, schema
from vault.compartment import database_key
from vault.errors import VaultError
from vault.objects import segment_path
from vault.store import Store
from vault.tables import blob


@pytest.fixture
def path(tmp_path: Path) -> Path:
    with make_vault(tmp_path / "v") as vault:
        for code in ("HARBOUR", "BRIDGE"):
            vault.cases.new(code.title(), code=code)
            case = vault.cases.get(code)
            case.items.add_text(f"first of {code}")
            case.items.add_text(f"second of {code} " + "x" * 100_000)
            case.persons.add(PersonFields(name="Zaynab"))
    return tmp_path / "v"


def object_of(vault: Vault, code: str, number: int) -> Path:
    compartment = vault.keeper._open[case_row(vault, code).case_id]
    row = compartment.row(schema.ITEMS, number)
    assert row is not None
    return segment_path(vault.keeper.folder.objects, blob(row, "object_id"), 0)


def findings(path: Path, *, read_data: bool = False) -> set[tuple[str, str]]:
    with open_vault(path) as vault:
        return {(each.kind, each.subject) for each in vault.check(read_data=read_data).findings}


def test_a_sound_vault_has_no_findings_and_everything_is_counted(path: Path) -> None:
    with open_vault(path) as vault:
        quick, full = vault.check(), vault.check(read_data=True)
    assert quick.findings == full.findings == ()
    assert (quick.cases, quick.items, quick.objects, quick.objects_read, quick.objects_not_read) == (2, 4, 4, 0, 4)
    assert (full.objects_read, full.objects_not_read) == (4, 0)
    assert full.bytes_read == 2 * (65_536 + 100_352)
    assert quick.log_entries < full.log_entries


def test_an_empty_vault_has_no_findings(tmp_path: Path) -> None:
    with make_vault(tmp_path / "v") as vault:
        assert vault.check(read_data=True).findings == ()


def test_a_check_changes_nothing_but_the_log(path: Path) -> None:
    with open_vault(path) as vault:
        vault.cases.get("HARBOUR").show()
        vault.cases.get("BRIDGE").show()

        def content() -> object:
            tables = {name: rows for name, rows in dumped(vault.keeper.registry.store).items() if "log" not in name}
            for name in ("head", "cases", "settings"):
                tables.pop(name)
            return tables, {id_: dumped(case.store) for id_, case in vault.keeper._open.items()}, vault.cases.list()

        before, files = content(), all_files(path)
        vault.check()
        vault.check(read_data=True)
        assert content() == before
        after = all_files(path)
        changed = {name for name in files.keys() | after.keys() if files.get(name) != after.get(name)}
        assert {name for name in changed if not name.endswith((".db", ".db-wal"))} == {"logkey"}


def test_the_time_of_the_last_full_and_clean_check_is_remembered(path: Path) -> None:
    with open_vault(path) as vault:
        vault.check()
        assert vault.info().last_check is None
        vault.check(read_data=True)
        found = vault.info().last_check
        assert found is not None
        flip(object_files(path)[0], 5000)
        vault.check(read_data=True)
        assert vault.info().last_check == found


def test_a_damaged_object_is_named_only_when_it_is_read_and_the_others_still_open(path: Path) -> None:
    with open_vault(path) as vault:
        vault.cases.get("HARBOUR").items.list()
        damaged = object_of(vault, "HARBOUR", 2)
    flip(damaged, 60_000)
    assert findings(path) == set()
    assert findings(path, read_data=True) == {("damaged", "HARBOUR/2")}
    with open_vault(path) as vault, vault.cases.get("HARBOUR").items.get(1).open() as reading:
        assert b"".join(bytes(piece) for piece in reading) == b"first of HARBOUR"


def test_damage_in_the_padding_alone_is_found(path: Path) -> None:
    with open_vault(path) as vault:
        vault.cases.get("HARBOUR").items.list()
        damaged = object_of(vault, "HARBOUR", 1)
    flip(damaged, 50_000)
    assert findings(path, read_data=True) == {("damaged", "HARBOUR/1")}


def test_a_shortened_or_missing_object_is_named_without_reading_it(path: Path) -> None:
    with open_vault(path) as vault:
        vault.cases.get("HARBOUR").items.list()
        vault.cases.get("BRIDGE").items.list()
        one, other = object_of(vault, "HARBOUR", 1), object_of(vault, "BRIDGE", 2)
    os.truncate(one, 1000)
    other.unlink()
    assert findings(path) == {("damaged", "HARBOUR/1"), ("missing", "BRIDGE/2")}


def test_every_finding_is_reported_and_not_only_the_first(path: Path) -> None:
    for file in object_files(path):
        flip(file, 100)
    assert findings(path, read_data=True) == {
        ("damaged", f"{code}/{number}") for code in ("HARBOUR", "BRIDGE") for number in (1, 2)
    }


def test_files_that_belong_to_nothing_are_named(path: Path) -> None:
    strays = {
        "cases": path / "cases" / f"{'ab' * 16}-1.db",
        "objects": path / "objects" / "ab" / f"{'cd' * 15}.0",
    }
    for file in strays.values():
        file.parent.mkdir(exist_ok=True)
        file.write_bytes(b"x")
    assert findings(path) == {("stray", f"cases/{'ab' * 16}-1.db"), ("stray", f"objects/ab/{'cd' * 15}")}
    assert all(file.exists() for file in strays.values())


def test_a_segment_too_many_is_named(path: Path) -> None:
    file = object_files(path)[0]
    file.with_suffix(".1").write_bytes(b"x" * 100)
    name = file.relative_to(path).with_suffix("")
    assert findings(path) == {("stray", name.as_posix())}


def test_strays_among_objects_are_not_claimed_while_a_case_does_not_open(path: Path) -> None:
    with open_vault(path) as vault:
        case = case_path(vault, "HARBOUR")
    case.write_bytes(b"\xff" * case.stat().st_size)
    assert findings(path) == {("database", "HARBOUR")}


def test_a_missing_case_is_named_and_the_others_are_checked(path: Path) -> None:
    with open_vault(path) as vault:
        case_path(vault, "HARBOUR").unlink()
    flip(object_files(path)[0], 100)
    found = findings(path, read_data=True)
    assert ("database", "HARBOUR") in found
    assert all(subject.startswith(("HARBOUR", "BRIDGE")) for _, subject in found)


@pytest.mark.parametrize("name", ["header.a", "header.b"])
def test_a_header_that_changes_under_the_open_vault_is_named(path: Path, name: str) -> None:
    with open_vault(path) as vault:
        data = (path / name).read_bytes()
        (path / name).write_bytes(data[:-1])
        assert {(each.kind, each.subject) for each in vault.check().findings} == {("header", name)}
        (path / name).unlink()
        assert {(each.kind, each.subject) for each in vault.check().findings} == {("header", name)}


CASE_DAMAGE: dict[str, str] = {
    "an altered row": "UPDATE items SET title = 'forged' WHERE number = 1",
    "a lost row": "DELETE FROM persons",
    "a lost key": "DELETE FROM object_keys",
    "an altered change": "UPDATE changes SET change = CAST('{}' AS BLOB) WHERE number = 2",
}


@pytest.mark.parametrize("statement", CASE_DAMAGE.values(), ids=CASE_DAMAGE.keys())
def test_whatever_is_altered_inside_a_case_is_found_and_the_other_case_is_clean(path: Path, statement: str) -> None:
    index = open_registry(path)
    case = index.case("HARBOUR")
    store = Store(path / "cases" / case.file_name, database_key(index._case_key(case.case_id)), what="x")
    store.execute(statement)
    store.close()
    index.close()
    found = findings(path)
    assert {subject.partition("/")[0] for _, subject in found} >= {"HARBOUR"}
    assert not any(subject.startswith("BRIDGE") for _, subject in found)


def test_counts_in_the_index_that_disagree_are_found(path: Path) -> None:
    index = open_registry(path)
    write_rows(index, lambda: index.update_case(index.case("HARBOUR").case_id, items=7))
    index.close()
    assert findings(path) == {("database", "HARBOUR")}


def test_progress_counts_what_is_read(path: Path) -> None:
    counted: list[int] = []
    with open_vault(path) as vault:
        report = vault.check(read_data=True, progress=counted.append)
    assert sum(counted) == report.bytes_read


def test_findings_hold_nothing_that_a_case_contains(path: Path) -> None:
    for file in object_files(path):
        file.unlink()
    with open_vault(path) as vault:
        assert "Zaynab" not in repr(vault.check())
    assert b"Zaynab" in clear_content(path)


def test_a_check_of_a_vault_with_damage_raises_nothing(path: Path) -> None:
    damage: list[Callable[[], object]] = [
        lambda: [file.write_bytes(b"") for file in object_files(path)],
        lambda: [file.write_bytes(b"") for file in (path / "cases").glob("*.db")],
        lambda: [file.unlink() for file in (path / "cases").glob("*.db")],
    ]
    for spoil in damage:
        spoil()
        try:
            assert findings(path, read_data=True)
        except VaultError as error:
            pytest.fail(f"check raised {error!r}")
