"""What a reader of the format must refuse: the list in docs/format.md names these tests, one for each rule."""

import hashlib
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from crypto import kdf
from crypto.keys import CaseKey, ObjectKey
from crypto.objects import StreamEncryptor, object_context
from vault import KeyFileUnlocker, PassphraseUnlocker, PersonFields, RecoveryUnlocker, Vault, errors, header, registry
from vault.compartment import database_key
from vault.folder import Folder
from vault.objects import segment_path
from vault.store import Store

SECRET = KeyFileUnlocker(b"k" * 32)


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A vault with two cases; FIRST has two items and a person."""
    path = tmp_path_factory.mktemp("template") / "vault"
    with Vault.create(path, SECRET) as vault:
        for code in ("FIRST", "SECOND"):
            vault.cases.new(code.title(), code=code)
            vault.cases.get(code).items.add_text(f"words of {code}")
        vault.cases.get("FIRST").items.add_text("further words")
        vault.cases.get("FIRST").persons.add(PersonFields("Anna", phones=("+1 234",)))
    return path


@pytest.fixture
def folder(template: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(template, tmp_path / "vault"))


def opened(path: Path, *, state_dir: Path | None = None) -> Vault:
    return Vault.open(path, SECRET, state_dir=state_dir)


def vault_key(path: Path) -> registry.VaultKey:
    return SECRET.unlock(Folder(path).read_headers()[0]).vault_key


@contextmanager
def vault_database(path: Path) -> Iterator[Store]:
    """vault.db in the hands of somebody who has its key."""
    epoch = Folder(path).read_headers()[0].epoch
    store = Store(path / f"vault-{epoch}.db", registry.database_key(vault_key(path)), what="the vault")
    yield store
    store.close()


@contextmanager
def case_database(path: Path, code: str) -> Iterator[Store]:
    """A case's database in the hands of somebody who has its key."""
    with vault_database(path) as index:
        ((case_id, key, epoch),) = index.execute("SELECT case_id, key, epoch FROM cases WHERE code = ?", (code,))
    store = Store(path / "cases" / f"{case_id.hex()}-{epoch}.db", database_key(CaseKey(key)), what=code)
    yield store
    store.close()


def case_file(path: Path, code: str) -> Path:
    with vault_database(path) as index:
        ((case_id, epoch),) = index.execute("SELECT case_id, epoch FROM cases WHERE code = ?", (code,))
    return path / "cases" / f"{case_id.hex()}-{epoch}.db"


def write_headers(path: Path, data: bytes) -> None:
    for name in header.FILE_NAMES:
        (path / name).write_bytes(data)


def with_digest(body: bytes) -> bytes:
    return body + hashlib.sha256(body).digest()


# The header


def test_a_header_with_another_magic_is_foreign(folder: Path) -> None:
    data = (folder / "header.a").read_bytes()
    with pytest.raises(header.Unreadable, match="foreign"):
        header.parse(b"x" + data)
    with pytest.raises(header.Unreadable, match="absent"):
        header.parse(b"")


@pytest.mark.parametrize("size", [16, 19, 84, 9_428, 9_491])
def test_a_header_of_another_size_is_damaged(folder: Path, size: int) -> None:
    data = (folder / "header.a").read_bytes()
    for altered in (data[:size], data + bytes(1)):
        with pytest.raises(header.Unreadable, match="damaged"):
            header.parse(altered)


def test_a_header_with_any_byte_altered_is_damaged(folder: Path) -> None:
    data = (folder / "header.a").read_bytes()
    for place in (*range(100), *range(100, len(data), 97), *range(len(data) - 64, len(data))):
        altered = data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :]
        with pytest.raises(header.Unreadable, match="damaged"):
            header.parse(altered)


def test_a_header_of_another_format_is_named_whatever_its_size(folder: Path) -> None:
    data = (folder / "header.a").read_bytes()
    for altered in (with_digest(data[:16] + b"\0\0\0\2" + data[20:-32]), data[:16] + b"\0\0\0\2" + bytes(50)):
        write_headers(folder, altered)
        with pytest.raises(errors.UnknownFormat, match="format 2"):
            opened(folder)


@pytest.mark.parametrize("cost", [(262_143, 3), (262_144, 2), (4_194_305, 3), (262_144, 17), (2**32 - 1, 2**32 - 1)])
def test_a_cost_outside_the_limits_is_refused_before_any_work(
    folder: Path, cost: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    data = (folder / "header.a").read_bytes()
    numbers = b"".join(value.to_bytes(4, "big") for value in cost)
    write_headers(folder, with_digest(data[:60] + numbers + data[68:-32]))
    monkeypatch.setattr(kdf, "crypto_pwhash_alg", None)  # calling it would be a TypeError
    with pytest.raises(errors.CostRefused):
        Vault.open(folder, PassphraseUnlocker("any words"))


@pytest.mark.parametrize("place", [60, 84 + 1168, 84 + 7 * 1168, 9_428])
def test_a_header_whose_mac_does_not_hold_is_damaged(folder: Path, place: int) -> None:
    data = (folder / "header.a").read_bytes()
    altered = data[:place] + bytes([data[place] ^ 1]) + data[place + 1 : -32]
    write_headers(folder, with_digest(altered))
    with pytest.raises(errors.HeaderDamaged):
        opened(folder)


@pytest.mark.parametrize("place", [20, 59, 84])
def test_a_slot_opens_only_in_its_folder_epoch_and_place(folder: Path, place: int) -> None:
    data = (folder / "header.a").read_bytes()
    altered = data[:place] + bytes([data[place] ^ 1]) + data[place + 1 : -32]
    write_headers(folder, with_digest(altered))
    with pytest.raises(errors.WrongPassphrase):
        opened(folder)


def test_a_header_that_the_database_does_not_know_is_an_older_copy(folder: Path) -> None:
    found, key = Folder(folder).read_headers()[0], vault_key(folder)
    planted = SECRET.unlock(found).public_key
    other = header.seal(
        key,
        folder_id=found.folder_id,
        epoch=found.epoch,
        cost=found.cost,
        salt=found.salt,
        public_keys=[planted] * header.SLOTS,
    )
    write_headers(folder, other.to_bytes())
    with pytest.raises(errors.OlderCopy, match="the vault"):
        opened(folder)


def test_one_readable_copy_of_the_header_is_enough_and_the_other_is_repaired(folder: Path) -> None:
    whole = (folder / "header.a").read_bytes()
    for name in header.FILE_NAMES:
        (folder / name).write_bytes(b"\0" * 100)
        with opened(folder) as vault:
            assert vault.warnings == ("header-repaired",)
        assert (folder / name).read_bytes() == whole


# vault.db


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE cases SET code = 'THIRD' WHERE code = 'FIRST'",
        "UPDATE cases SET state = zeroblob(32) WHERE code = 'FIRST'",
        "DELETE FROM cases WHERE code = 'FIRST'",
        "UPDATE slots SET label = 'other'",
        "UPDATE settings SET value = zeroblob(32) WHERE name = 'vault_id'",
        "INSERT INTO deleted_cases VALUES (zeroblob(16), 'THIRD', '', 0)",
        "UPDATE head SET step = step - 1",
        "UPDATE head SET index_digest = zeroblob(32)",
        "UPDATE head SET frontier = zeroblob(8)",
    ],
)
def test_rows_of_the_index_that_do_not_have_its_digest_are_an_older_copy(folder: Path, statement: str) -> None:
    with vault_database(folder) as index:
        index.execute(statement)
    with pytest.raises(errors.OlderCopy, match="the vault"):
        opened(folder)


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM log_entries WHERE number = (SELECT max(number) FROM log_entries)",
        "INSERT INTO log_entries (number, leaf, body) SELECT max(number) + 1, leaf, body FROM log_entries",
        "DELETE FROM log_steps WHERE step = (SELECT max(step) FROM log_steps)",
        "UPDATE log_steps SET root = zeroblob(32) WHERE step = (SELECT max(step) FROM log_steps)",
    ],
)
def test_a_log_that_ends_elsewhere_than_its_head_is_an_older_copy(folder: Path, statement: str) -> None:
    with vault_database(folder) as index:
        index.execute(statement)
    with pytest.raises(errors.OlderCopy, match="the vault"):
        opened(folder)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE log_entries SET leaf = CAST(replace(leaf, '\"n\":4', '\"n\":5') AS BLOB) WHERE number = 4",
        "UPDATE log_entries SET leaf = CAST(replace(leaf, ',', ', ') AS BLOB) WHERE number = 4",
        "UPDATE log_entries SET body = zeroblob(length(body)) WHERE number = 4",
        "UPDATE log_entries SET body = (SELECT body FROM log_entries WHERE number = 5) WHERE number = 4",
        "UPDATE log_steps SET root = zeroblob(32) WHERE step = 2",
        "UPDATE log_steps SET size = size - 1 WHERE step = 2",
        "DELETE FROM log_entries WHERE number = 4",
        "DELETE FROM log_steps WHERE step = 2",
    ],
)
def test_an_altered_entry_or_step_of_the_log_is_found_by_check(folder: Path, statement: str) -> None:
    with vault_database(folder) as index:
        index.execute(statement)
    with opened(folder) as vault:
        found = vault.check().findings
    assert any(each.subject == "vault" and each.detail.startswith("log ") for each in found)


def test_a_database_of_another_schema_is_an_unknown_format(folder: Path) -> None:
    with case_database(folder, "FIRST") as case:
        case.execute("PRAGMA user_version = 2")
    with opened(folder) as vault, pytest.raises(errors.UnknownFormat):
        vault.cases.get("FIRST").show()
    with vault_database(folder) as index:
        index.execute("PRAGMA user_version = 2")
    with pytest.raises(errors.UnknownFormat):
        opened(folder)


def test_a_database_with_an_altered_page_is_damaged(folder: Path) -> None:
    path = case_file(folder, "FIRST")
    data = bytearray(path.read_bytes())
    for page in range(4096, len(data), 4096):
        data[page + 100] ^= 1
    path.write_bytes(data)
    with opened(folder) as vault:
        with pytest.raises(errors.DatabaseDamaged, match="FIRST"):
            vault.cases.get("FIRST").items.list()
        assert len(vault.cases.get("SECOND").items.list()) == 1


# A case's database


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE items SET title = 'other' WHERE number = 1",
        "UPDATE items SET change_number = change_number + 1 WHERE number = 1",
        "DELETE FROM items WHERE number = 1",
        "UPDATE items SET number = 7 WHERE number = 1",
        "INSERT INTO tags VALUES (1, 'planted', 1)",
    ],
)
def test_a_row_that_is_not_its_last_change_is_an_older_copy(folder: Path, statement: str) -> None:
    with case_database(folder, "FIRST") as case:
        case.execute(statement)
    with opened(folder) as vault, pytest.raises(errors.OlderCopy, match="FIRST"):
        vault.cases.get("FIRST").items.list()


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE changes SET digest = zeroblob(32) WHERE number = 2",
        "UPDATE changes SET state = zeroblob(32) WHERE number = 2",
        "DELETE FROM changes WHERE number = 2",
        "DELETE FROM changes WHERE number = (SELECT max(number) FROM changes)",
    ],
)
def test_a_broken_or_shortened_chain_of_changes_is_an_older_copy(folder: Path, statement: str) -> None:
    with case_database(folder, "FIRST") as case:
        case.execute(statement)
    with opened(folder) as vault:
        with pytest.raises(errors.OlderCopy, match="FIRST"):
            vault.cases.get("FIRST").show()
        assert vault.cases.get("SECOND").show().summary.items == 1


def test_a_case_at_another_state_than_the_log_knows_is_an_older_copy(folder: Path, tmp_path: Path) -> None:
    older = tmp_path / "older.db"
    shutil.copy(case_file(folder, "FIRST"), older)
    with opened(folder) as vault:
        vault.cases.get("FIRST").persons.get(1).edit(role="withdrawn")
    shutil.copy(older, case_file(folder, "FIRST"))
    with opened(folder) as vault:
        with pytest.raises(errors.OlderCopy, match="FIRST"):
            vault.cases.get("FIRST").persons.list()
        assert ("older copy", "FIRST") in {(each.kind, each.subject) for each in vault.check().findings}


def test_a_newer_case_beside_an_older_index_is_an_older_copy(folder: Path, tmp_path: Path) -> None:
    shutil.copy(folder / "vault-1.db", tmp_path / "older.db")
    shutil.copy(folder / "logkey", tmp_path / "older.key")
    with opened(folder) as vault:
        vault.cases.get("FIRST").note("newer")
    shutil.copy(tmp_path / "older.db", folder / "vault-1.db")
    with pytest.raises(errors.LogKeyLost):
        opened(folder)
    shutil.copy(tmp_path / "older.key", folder / "logkey")
    with opened(folder) as vault, pytest.raises(errors.OlderCopy, match="FIRST"):
        vault.cases.get("FIRST").show()


# Objects


def objects_of(path: Path) -> list[Path]:
    return sorted((path / "objects").glob("*/*"))


@pytest.mark.parametrize("change", ["cut", "extended", "altered"])
def test_an_object_of_another_size_or_content_is_damaged(folder: Path, change: str) -> None:
    (path, *_others) = objects_of(folder)
    data = bytearray(path.read_bytes())
    data[100] ^= change == "altered"
    path.write_bytes({"cut": data[:-1], "extended": data + b"\0", "altered": data}[change])
    with opened(folder) as vault:
        found = vault.check(read_data=True).findings
        assert [each.kind for each in found] == ["damaged"]
        code, _, number = found[0].subject.partition("/")
        with pytest.raises(errors.ObjectDamaged, match=found[0].subject):
            b"".join(bytes(piece) for piece in vault.cases.get(code).items.get(int(number)).open())


def test_objects_that_were_exchanged_are_damaged(folder: Path, tmp_path: Path) -> None:
    first, second, _third = objects_of(folder)
    first.rename(tmp_path / "first")
    second.rename(first)
    (tmp_path / "first").rename(second)
    with opened(folder) as vault:
        found = vault.check(read_data=True).findings
    assert [each.kind for each in found] == ["damaged", "damaged"]


def test_an_object_that_is_not_there_is_named(folder: Path) -> None:
    objects_of(folder)[0].unlink()
    with opened(folder) as vault:
        assert [each.kind for each in vault.check().findings] == ["missing"]


def test_padding_that_is_not_zero_is_found_by_check_with_all_data(folder: Path) -> None:
    with case_database(folder, "SECOND") as case:
        ((object_id, key, size, padded),) = case.execute(
            "SELECT k.object_id, k.key, i.size_bytes, i.padded_bytes FROM object_keys k JOIN items i USING (object_id)"
        )
        case_id = bytes.fromhex(case.path.name[:32])
    folder_id = Folder(folder).read_headers()[0].folder_id
    context = object_context(folder_id=folder_id, case_id=case_id, object_id=object_id, segment=0)
    encryptor, buffer = StreamEncryptor(ObjectKey(key), context), bytearray(StreamEncryptor.output_size(padded))
    written = encryptor.update_into(b"words of SECOND".ljust(size, b"\0") + b"\1" * (padded - size), buffer)
    segment_path(folder / "objects", object_id, 0).write_bytes(bytes(buffer[:written]) + encryptor.finalize())
    with opened(folder) as vault:
        assert vault.check().findings == ()
        assert [each.kind for each in vault.check(read_data=True).findings] == ["damaged"]


# Older copies of everything at once


def test_an_older_copy_of_the_whole_folder_is_found_by_the_machine_that_saw_the_newer_one(
    folder: Path, tmp_path: Path
) -> None:
    state_dir = tmp_path / "state"
    shutil.copytree(folder, tmp_path / "older")
    with opened(folder, state_dir=state_dir) as vault:
        vault.cases.get("FIRST").note("newer")
    shutil.rmtree(folder)
    (tmp_path / "older").rename(folder)
    with pytest.raises(errors.OlderThanRemembered):
        opened(folder, state_dir=state_dir)


def test_an_older_copy_of_the_whole_folder_is_not_found_by_another_machine(folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder, tmp_path / "older")
    with opened(folder) as vault:
        vault.cases.get("FIRST").note("newer")
    with opened(tmp_path / "older", state_dir=tmp_path / "elsewhere") as vault:
        assert vault.warnings == ()
        assert vault.check(read_data=True).findings == ()


def test_lost_entries_about_mere_looking_are_found_by_the_log_s_key(folder: Path, tmp_path: Path) -> None:
    shutil.copy(folder / "vault-1.db", tmp_path / "older.db")
    with opened(folder) as vault:
        vault.cases.get("FIRST").persons.list()
    shutil.copy(tmp_path / "older.db", folder / "vault-1.db")
    with pytest.raises(errors.LogKeyLost):
        opened(folder)


def test_lost_entries_about_mere_looking_with_the_log_s_key_of_then_are_found_by_the_mark_alone(
    folder: Path, tmp_path: Path
) -> None:
    shutil.copy(folder / "vault-1.db", tmp_path / "older.db")
    shutil.copy(folder / "logkey", tmp_path / "older.key")
    with opened(folder, state_dir=tmp_path / "state") as vault:
        vault.cases.get("FIRST").persons.list()
        entries = vault.info().log_entries
    shutil.copy(tmp_path / "older.db", folder / "vault-1.db")
    shutil.copy(tmp_path / "older.key", folder / "logkey")
    with opened(folder) as vault:
        assert vault.info().log_entries < entries
        assert vault.check(read_data=True).findings == ()
    with pytest.raises(errors.OlderThanRemembered):
        opened(folder, state_dir=tmp_path / "state")


def test_an_older_copy_goes_unnoticed_if_the_newer_one_was_never_closed(folder: Path, tmp_path: Path) -> None:
    state_dir = tmp_path / "state"
    shutil.copytree(folder, tmp_path / "older")
    vault = opened(folder, state_dir=state_dir)
    vault.cases.get("FIRST").note("newer")
    vault.keeper.close()  # as a killed process leaves it: the mark is written by Vault.close
    with opened(tmp_path / "older", state_dir=state_dir) as older:
        assert older.warnings == ()


def test_a_history_that_went_another_way_is_found_by_the_machine_that_saw_the_first(
    folder: Path, tmp_path: Path
) -> None:
    shutil.copytree(folder, tmp_path / "other")
    with opened(folder, state_dir=tmp_path / "state") as vault:
        vault.cases.get("FIRST").note("what happened")
    with opened(tmp_path / "other") as vault:
        for _ in range(3):
            vault.cases.get("FIRST").note("what is told instead")
    with pytest.raises(errors.OlderThanRemembered):
        opened(tmp_path / "other", state_dir=tmp_path / "state")


def test_files_of_a_newer_epoch_survive_the_opening_of_an_older_copy(folder: Path, tmp_path: Path) -> None:
    recovery, _words = RecoveryUnlocker.generate()
    path = tmp_path / "with-words"
    with Vault.create(path, SECRET, recovery=recovery) as vault:
        vault.cases.new("First", code="FIRST")
    shutil.copytree(path, tmp_path / "older")
    new = KeyFileUnlocker(os.urandom(32))
    with opened(path) as vault:
        vault.change_passphrase(SECRET, new)
        vault.cases.get("FIRST").items.add_text("written after the change")
    newer = {name: (path / name).read_bytes() for name in header.FILE_NAMES}
    shutil.copytree(tmp_path / "older", path, dirs_exist_ok=True)  # as a folder synchronised by others brings it back
    with Vault.open(path, recovery) as vault:
        assert vault.warnings == ("newer-files",)
    for name, data in newer.items():
        (path / name).write_bytes(data)
    with Vault.open(path, new, accept_older=True) as vault:  # the log's key of then was brought back too
        assert len(vault.cases.get("FIRST").items.list()) == 1


@pytest.mark.parametrize(("with_database", "error"), [(True, errors.OlderCopy), (False, errors.DatabaseDamaged)])
def test_an_older_copy_of_one_header_does_not_lead_the_old_secret_back(
    folder: Path, tmp_path: Path, *, with_database: bool, error: type[errors.VaultError]
) -> None:
    shutil.copytree(folder, tmp_path / "older")
    new = KeyFileUnlocker(os.urandom(32))
    with opened(folder) as vault:
        vault.change_passphrase(SECRET, new)
        vault.cases.get("FIRST").items.add_text("written after the change")
    for name in ("header.b", "vault-1.db") if with_database else ("header.b",):
        shutil.copy(tmp_path / "older" / name, folder / name)
    with pytest.raises(error):
        opened(folder)
    with Vault.open(folder, new) as vault:
        assert vault.warnings == ("header-repaired",)
        assert len(vault.cases.get("FIRST").items.list()) == 3
        assert vault.check(read_data=True).findings == ()
