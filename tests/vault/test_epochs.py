from __future__ import annotations

import contextlib
import hashlib
from pathlib import Path

import pytest
from faults import Crash, FaultyDisk, replaced
from vaults import (
    Clock,
    all_files,
    case_key,
    case_path,
    case_row,
    clear_content,
    copied,
    decrypted_pages,
    dumped,
    key_file,
    make_vault,
    object_files,
    open_registry,
    open_vault,
    vault_key,
)

from crypto import kdf
from vault import (
    KeyFileUnlocker,
    PassphraseUnlocker,
    PersonFields,
    RecoveryUnlocker,
    Vault,
    compartment,
    errors,
    header,
    registry,
    schema,
)
from vault.errors import Damage, NoSuchCase, Refused, VaultError, WrongPassphrase
from vault.folder import Folder
from vault.tables import blob
from vault.unlock import Place

WORDS = RecoveryUnlocker.generate()[1]


def recovery() -> RecoveryUnlocker:
    return RecoveryUnlocker(" ".join(WORDS))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "v"
    with Vault.create(path, key_file(), label="Anna", recovery=recovery()) as vault:
        for code in ("HARBOUR", "BRIDGE"):
            vault.cases.new(f"CANARY {code}", code=code)
            vault.cases.get(code).items.add_text(f"CANARY text of {code}")
            vault.cases.get(code).persons.add(PersonFields(name="CANARY Zaynab"))
    return path


def text_of(vault: Vault, code: str, number: int = 1) -> bytes:
    with vault.cases.get(code).items.get(number).open() as reading:
        return b"".join(bytes(piece) for piece in reading)


# A changed secret


def test_after_a_change_the_new_secret_opens_the_old_does_not_and_the_recovery_words_still_do(path: Path) -> None:
    with open_vault(path) as vault:
        assert vault.change_passphrase(key_file(), key_file(1)) == ()
        assert vault.info().epoch == 2
        assert [(key.slot, key.kind, key.label) for key in vault.info().keys] == [
            (0, "keyfile", "Anna"),
            (1, "recovery", "recovery"),
        ]
        assert text_of(vault, "HARBOUR") == b"CANARY text of HARBOUR"  # the open vault goes on
    with pytest.raises(WrongPassphrase):
        open_vault(path)
    for way in (key_file(1), recovery()):
        with open_vault(path, way) as vault:
            assert vault.warnings == ()
            assert text_of(vault, "BRIDGE") == b"CANARY text of BRIDGE"
            assert vault.cases.get("HARBOUR").persons.get(1).show().name == "CANARY Zaynab"
            assert vault.check(read_data=True).findings == ()


def test_every_key_below_is_another_one_and_no_object_is_touched(path: Path) -> None:
    objects = {file: (file.read_bytes(), file.stat().st_ino) for file in object_files(path)}
    before, old_index = vault_key(path), open_registry(path)
    old = {case.code: (case.file_name, case_key(old_index, case)) for case in old_index.cases()}
    old_index.close()
    with open_vault(path) as vault:
        vault.change_passphrase(key_file(), key_file(1))
    assert vault_key(path, key_file(1)) != before
    index = open_registry(path, key_file(1))
    for case in index.cases():
        assert case.file_name != old[case.code][0]
        assert case_key(index, case) != old[case.code][1]
    index.close()
    assert {file: (file.read_bytes(), file.stat().st_ino) for file in object_files(path)} == objects
    names = set(all_files(path))
    assert names & {"vault-1.db", *(f"cases/{name}" for name, _ in old.values())} == set()


def test_an_old_header_old_files_and_the_old_secret_open_nothing_new(path: Path, tmp_path: Path) -> None:
    copy = copied(path, tmp_path / "yesterday")
    with open_vault(path) as vault:
        vault.change_passphrase(key_file(), key_file(1))
        vault.cases.get("HARBOUR").items.add_text("CANARY said after the change")
        vault.cases.new("CANARY new case", code="NEWCASE")
    # Everything that was seized yesterday, put over today's folder, file by file and all at once.
    for names in (["header.a", "header.b"], ["header.a"], list(all_files(copy))):
        mixed = copied(path, tmp_path / f"mixed {len(names)}")
        for name in names:
            (mixed / name).parent.mkdir(exist_ok=True)
            (mixed / name).write_bytes((copy / name).read_bytes())
        with contextlib.suppress(VaultError), open_vault(mixed) as vault:
            assert "NEWCASE" not in {case.code for case in vault.cases.list()}
            assert len(vault.cases.get("HARBOUR").items.list()) == 1
            assert vault.search("change") == ()
    # And the old keys by themselves decrypt no page of today's databases.
    old_keys = [registry.database_key(vault_key(copy))]
    old_index = open_registry(copy)
    old_keys += [compartment.database_key(case_key(old_index, case)) for case in old_index.cases()]
    old_index.close()
    for database in path.rglob("*.db"):
        for key in old_keys:
            assert b"CANARY" not in b"".join(decrypted_pages(database, key))


def test_every_way_in_opens_after_any_number_of_changes(path: Path) -> None:
    for number in range(4):
        with open_vault(path, key_file(number) if number % 2 else recovery()) as vault:
            vault.change_passphrase(key_file(number), key_file(number + 1))
        open_vault(path, recovery()).close()
    with open_vault(path, key_file(4)) as vault:
        assert vault.info().epoch == 5
        assert vault.check(read_data=True).findings == ()


def test_a_secret_of_another_kind_may_take_the_place(path: Path) -> None:
    with open_vault(path) as vault:
        vault.change_passphrase(key_file(), KeyFileUnlocker(b"another kind of key file"))
    open_vault(path, KeyFileUnlocker(b"another kind of key file")).close()


def test_a_wrong_current_secret_changes_nothing(path: Path) -> None:
    before = all_files(path)
    with open_vault(path) as vault, pytest.raises(WrongPassphrase):
        vault.change_passphrase(key_file(7), key_file(1))
    assert {name: data for name, data in all_files(path).items() if name.startswith("header")} == {
        name: data for name, data in before.items() if name.startswith("header")
    }
    open_vault(path).close()


def test_recovery_words_replace_the_passphrase_where_there_is_exactly_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cheap(monkeypatch)
    path = tmp_path / "p"
    Vault.create(path, PassphraseUnlocker("forgotten"), recovery=recovery(), cost=kdf.FLOOR).close()
    with open_vault(path, recovery()) as vault:
        vault.change_passphrase(recovery(), PassphraseUnlocker("remembered"))
    open_vault(path, PassphraseUnlocker("remembered")).close()
    open_vault(path, recovery()).close()
    with pytest.raises(WrongPassphrase):
        open_vault(path, PassphraseUnlocker("forgotten"))


def test_recovery_words_replace_nothing_where_there_is_no_passphrase(path: Path) -> None:
    with open_vault(path) as vault, pytest.raises(Refused):
        vault.change_passphrase(recovery(), key_file(1))
    open_vault(path).close()


def cheap(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        kdf,
        "argon2id",
        lambda secret, *, salt, cost: hashlib.sha256(secret + salt + repr(cost).encode()).digest(),
    )


def test_recalibrating_drops_the_passphrases_that_were_not_given_and_names_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:

    from vault import opening

    cheap(monkeypatch)
    path = tmp_path / "p"
    ways = [
        (PassphraseUnlocker("anna"), "Anna"),
        (PassphraseUnlocker("boris"), "Boris"),
        (key_file(), "stick"),
        (recovery(), "sheet"),
    ]
    opening.create(path, ways, cost=kdf.FLOOR, clock=Clock())
    monkeypatch.setattr(kdf, "calibrate", lambda: kdf.Cost(300_000, 4))
    before = Folder(path).read_headers()[0]
    with open_vault(path, PassphraseUnlocker("anna")) as vault:
        dropped = vault.change_passphrase(PassphraseUnlocker("anna"), PassphraseUnlocker("anna 2"), recalibrate=True)
        assert [(key.slot, key.label) for key in dropped] == [(1, "Boris")]
        assert (vault.info().memory_kib, vault.info().passes) == (300_000, 4)
        assert [key.label for key in vault.info().keys] == ["Anna", "stick", "sheet"]
    after = Folder(path).read_headers()[0]
    assert after.salt != before.salt
    for way in (PassphraseUnlocker("anna 2"), key_file(), recovery()):
        open_vault(path, way).close()
    for secret in ("anna", "boris"):
        with pytest.raises(WrongPassphrase):
            open_vault(path, PassphraseUnlocker(secret))


def test_without_recalibrating_another_passphrase_still_opens(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:

    from vault import opening

    cheap(monkeypatch)
    path = tmp_path / "p"
    ways = [(PassphraseUnlocker("anna"), "Anna"), (PassphraseUnlocker("boris"), "Boris")]
    opening.create(path, ways, cost=kdf.FLOOR, clock=Clock())
    with open_vault(path, PassphraseUnlocker("anna")) as vault:
        vault.change_passphrase(PassphraseUnlocker("anna"), PassphraseUnlocker("anna 2"))
    for secret in ("anna 2", "boris"):
        open_vault(path, PassphraseUnlocker(secret)).close()


def test_public_keys_of_the_slots_are_kept_and_no_secret_is(path: Path) -> None:
    index = open_registry(path)
    found = Folder(path).read_headers()[0]
    place = Place(found.folder_id, found.salt, found.cost)
    keys = [blob(row, "public_key") for row in index.rows(schema.SLOTS)]
    assert keys == [key_file().slot_key(place).public_bytes(), recovery().slot_key(place).public_bytes()]
    stored = repr(dumped(index.store))
    index.close()
    assert repr(bytes(32))[2:-1] not in stored
    assert " ".join(WORDS) not in stored


@pytest.mark.slow
def test_a_change_that_fails_at_any_write_leaves_the_old_secret_or_the_new_one(path: Path, tmp_path: Path) -> None:
    opened = []
    for nth in range(1, 200):
        copy = copied(path, tmp_path / f"{nth}")
        disk = FaultyDisk().fail_nth(nth, Crash("now"))
        vault = open_vault(copy)
        vault.keeper._fail = lambda *_: None  # type: ignore[method-assign]  # a dead process writes no outcome
        with replaced(disk), contextlib.suppress(Crash):
            vault.change_passphrase(key_file(), key_file(1))
        crashed = copied(copy, tmp_path / f"crashed {nth}")
        vault._lock.release()
        if not disk.fired:
            break
        ways = []
        for way in (key_file(), key_file(1)):
            with contextlib.suppress(WrongPassphrase):
                with open_vault(crashed, way) as again:
                    assert text_of(again, "HARBOUR") == b"CANARY text of HARBOUR", nth
                    assert again.check(read_data=True).findings == (), nth
                ways.append(way)
        assert ways, nth
        opened.append(len(ways))
        with open_vault(crashed, recovery()) as again:
            assert again.check().findings == ()
    assert len(opened) > 10


def test_every_header_write_seals_all_slots_anew(path: Path) -> None:
    seen: set[bytes] = set()
    for number in range(3):
        seen |= set(Folder(path).read_headers()[0].sealed_slots)
        with open_vault(path, key_file(number)) as vault:
            vault.change_passphrase(key_file(number), key_file(number + 1))
    assert len(seen) == 3 * header.SLOTS


# A deleted case


def test_deleting_a_case_destroys_its_key_its_files_and_the_vault_s_key_above(path: Path, tmp_path: Path) -> None:
    copy = copied(path, tmp_path / "older")
    index = open_registry(path)
    case = index.case("HARBOUR")
    gone_key, gone_id, before = case_key(index, case), case.case_id, vault_key(path)
    index.close()
    with open_vault(path) as vault:
        vault.cases.get("HARBOUR").delete(key_file())
        with pytest.raises(NoSuchCase):
            vault.cases.get("HARBOUR").show()
        assert [each.code for each in vault.cases.list()] == ["BRIDGE"]
        assert text_of(vault, "BRIDGE") == b"CANARY text of BRIDGE"
    assert vault_key(path) != before
    assert [name for name in all_files(path) if gone_id.hex() in name] == []
    assert len(object_files(path)) == 1
    clear = clear_content(path)
    assert b"HARBOUR" in clear  # that there was such a case is recorded
    assert gone_key.raw not in clear
    assert b"CANARY text of HARBOUR" not in clear
    # The older vault key opens nothing of today's, so the key of the case cannot be had from it.
    for database in path.rglob("*.db"):
        assert b"HARBOUR" not in b"".join(decrypted_pages(database, registry.database_key(before)))
    # Said plainly: an older copy still opens.
    with open_vault(copy) as vault:
        assert text_of(vault, "HARBOUR") == b"CANARY text of HARBOUR"


def test_deleting_a_case_leaves_the_others_and_every_way_in_as_they_are(path: Path) -> None:
    with open_vault(path) as vault:
        name = case_path(vault, "BRIDGE").name
        vault.cases.get("HARBOUR").delete(key_file())
        assert case_path(vault, "BRIDGE").name == name
    for way in (key_file(), recovery()):
        with open_vault(path, way) as vault:
            assert vault.check(read_data=True).findings == ()
            assert vault.warnings == ()


def test_deleting_a_case_asks_for_the_secret_again(path: Path) -> None:
    with open_vault(path) as vault:
        with pytest.raises(WrongPassphrase):
            vault.cases.get("HARBOUR").delete(key_file(5))
        assert text_of(vault, "HARBOUR") == b"CANARY text of HARBOUR"


def test_the_code_of_a_deleted_case_may_be_used_again_by_another_case(path: Path) -> None:
    with open_vault(path) as vault:
        before = case_row(vault, "HARBOUR").case_id
        vault.cases.get("HARBOUR").delete(key_file())
        vault.cases.new("Another", code="HARBOUR")
        assert case_row(vault, "HARBOUR").case_id != before
        assert vault.cases.get("HARBOUR").items.list() == ()
        assert vault.check().findings == ()


def test_a_case_that_cannot_be_opened_can_not_be_renewed_silently(path: Path) -> None:
    """A damaged case stops the change of the passphrase: nothing is dropped on the way."""
    with open_vault(path) as vault:
        case = case_path(vault, "HARBOUR")
    data = case.read_bytes()
    case.write_bytes(b"\xff" * len(data))
    with open_vault(path) as vault, pytest.raises(Damage):
        vault.change_passphrase(key_file(), key_file(1))
    case.write_bytes(data)
    with open_vault(path) as vault:
        assert vault.check(read_data=True).findings == ()
        assert vault.info().epoch == 1


def test_progress_counts_the_cases(path: Path) -> None:
    counted: list[int] = []
    with open_vault(path) as vault:
        vault.change_passphrase(key_file(), key_file(1), progress=counted.append)
    assert counted == [1, 1]


def test_errors_name_no_secret(path: Path) -> None:
    with open_vault(path) as vault, pytest.raises(errors.VaultError) as caught:
        vault.change_passphrase(key_file(9), key_file(1))
    assert "\t" not in repr(caught.value.fields)
    assert caught.value.fields == {}


def test_a_new_vault_under_the_same_secret_has_nothing_in_common(path: Path, tmp_path: Path) -> None:
    make_vault(tmp_path / "other").close()
    one, other = Folder(path).read_headers()[0], Folder(tmp_path / "other").read_headers()[0]
    assert one.folder_id != other.folder_id
    assert one.salt != other.salt
    (path / "header.a").write_bytes(other.to_bytes())
    (path / "header.b").write_bytes(other.to_bytes())
    with pytest.raises(Damage):
        open_vault(path)
