"""The ways into a vault: each is tried when it is added, and one that was removed opens nothing that came later."""

from __future__ import annotations

import contextlib
import hashlib
from pathlib import Path

import pytest
from vaults import (
    Clock,
    all_files,
    case_key,
    copied,
    decrypted_pages,
    key_file,
    open_registry,
    open_vault,
    vault_key,
    write_rows,
)

from crypto import kdf
from vault import KeyFileUnlocker, PassphraseUnlocker, RecoveryUnlocker, Vault, compartment, header, registry, schema
from vault.errors import BadValue, NoSuchKey, OlderCopy, Refused, TooManyKeys, VaultError, WrongPassphrase
from vault.folder import Folder
from vault.header import Header
from vault.tables import blob, integer
from vault.unlock import Place, Unlocked


@pytest.fixture
def cheap(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        kdf, "argon2id", lambda secret, *, salt, cost: hashlib.sha256(secret + salt + repr(cost).encode()).digest()
    )


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "v"
    with Vault.create(path, key_file(), label="Anna", cost=kdf.FLOOR, clock=Clock()) as vault:
        for code in ("HARBOUR", "BRIDGE"):
            vault.cases.new(f"CANARY {code}", code=code)
            vault.cases.get(code).items.add_text(f"CANARY text of {code}")
    return path


def labels(vault: Vault) -> list[tuple[int, str, str]]:
    return [(key.slot, key.kind, key.label) for key in vault.info().keys]


# Adding


def test_every_kind_of_secret_may_be_added_and_all_of_them_open_the_vault(path: Path, cheap: None) -> None:
    added = [
        (KeyFileUnlocker(b"a key file on a stick"), "stick"),
        (PassphraseUnlocker("boris"), "Boris"),
        (PassphraseUnlocker("boris", b"with a file"), "Boris at home"),
        (RecoveryUnlocker.generate()[0], "sheet 2026-11"),
        (RecoveryUnlocker.generate("russian")[0], "лист 2026-11"),
    ]
    with open_vault(path) as vault:
        cases = {each.file_name for each in vault.keeper.registry.cases()}
        for slot, (way, label) in enumerate(added, 1):
            made = vault.add_key(key_file(), way, label=label)
            assert (made.slot, made.kind, made.label) == (slot, way.kind, label)
        assert {each.file_name for each in vault.keeper.registry.cases()} == cases  # nothing below was renewed
        done = vault.log()[-2]
        assert (done.act, done.item, done.phase) == ("key-add", "лист 2026-11", "done")
    for way in (key_file(), *(way for way, _ in added)):
        with open_vault(path, way) as vault:
            assert vault.warnings == ()
            assert len(vault.info().keys) == 6
            assert vault.check(read_data=True).findings == ()


def test_the_log_names_the_added_way_when_it_is_used(path: Path) -> None:
    with open_vault(path) as vault:
        vault.add_key(key_file(), key_file(1), label="  stick\n")
    with open_vault(path, key_file(1)) as vault:
        assert vault.log()[-1].actor == "stick"
        assert vault.key_of(key_file(1)) == vault.info().keys[1]
        assert vault.key_of(key_file()) == vault.info().keys[0]


def test_a_ninth_way_in_is_refused_and_a_slot_that_came_free_is_used_again(path: Path) -> None:
    with open_vault(path) as vault:
        for number in range(1, 8):
            vault.add_key(key_file(), key_file(number), label=f"key {number}")
        epoch = vault.info().epoch
        with pytest.raises(TooManyKeys):
            vault.add_key(key_file(), key_file(9), label="key 9")
        assert vault.info().epoch == epoch
        vault.remove_key(key_file(), 3)
        assert vault.add_key(key_file(), key_file(9), label="key 9").slot == 3
    for number in (0, 1, 2, 4, 5, 6, 7, 9):
        open_vault(path, key_file(number)).close()
    with pytest.raises(WrongPassphrase):
        open_vault(path, key_file(3))


def test_the_same_secret_twice_the_same_label_twice_and_no_label_are_refused(path: Path, cheap: None) -> None:
    with open_vault(path) as vault:
        vault.add_key(key_file(), PassphraseUnlocker("caf\u00e9"), label="Boris")
        before, entries = vault.info().epoch, vault.info().log_entries
        for way, label in ((key_file(), "again"), (PassphraseUnlocker("cafe\u0301"), "again"), (key_file(1), "Boris")):
            with pytest.raises(Refused):
                vault.add_key(key_file(), way, label=label)
        for label in ("", "  ", "\udcff"):
            with pytest.raises(BadValue):
                vault.add_key(key_file(), key_file(1), label=label)
        with pytest.raises(WrongPassphrase):
            vault.add_key(key_file(5), key_file(1), label="stick")
        assert (vault.info().epoch, vault.info().log_entries) == (before, entries)


def test_a_passphrase_is_not_changed_into_one_that_is_another_way_in(path: Path, cheap: None) -> None:
    with open_vault(path) as vault:
        vault.add_key(key_file(), PassphraseUnlocker("boris"), label="Boris")
        vault.add_key(key_file(), PassphraseUnlocker("clara"), label="Clara")
        with pytest.raises(Refused):
            vault.change_passphrase(PassphraseUnlocker("boris"), PassphraseUnlocker("clara"))
        vault.change_passphrase(PassphraseUnlocker("boris"), PassphraseUnlocker("boris 2"))
        assert labels(vault) == [(0, "keyfile", "Anna"), (1, "passphrase", "Boris"), (2, "passphrase", "Clara")]
    for opens in (key_file(), PassphraseUnlocker("boris 2"), PassphraseUnlocker("clara")):
        open_vault(path, opens).close()
    with pytest.raises(WrongPassphrase):
        open_vault(path, PassphraseUnlocker("boris"))


class Misread(KeyFileUnlocker):
    """A secret that does not open what was sealed to it, as with a bad memory chip."""

    def unlock(self, found: Header) -> Unlocked:
        raise WrongPassphrase


def test_a_new_way_in_that_does_not_open_what_was_written_is_no_success_and_changes_nothing(path: Path) -> None:
    headers = {name: data for name, data in all_files(path).items() if name.startswith("header")}
    with open_vault(path) as vault:
        with pytest.raises(WrongPassphrase):
            vault.add_key(key_file(), Misread(b"m" * 32), label="broken")
        assert labels(vault) == [(0, "keyfile", "Anna")]
        vault.add_key(key_file(), key_file(1), label="whole")
        vault.remove_key(key_file(), 1)
    assert {name for name in all_files(path) if name.startswith("header")} == set(headers)
    open_vault(path).close()


# Removing


def test_what_was_removed_opens_nothing_any_more_and_every_key_below_it_is_another_one(
    path: Path, tmp_path: Path
) -> None:
    with open_vault(path) as vault:
        vault.add_key(key_file(), key_file(1), label="stolen")
    copy = copied(path, tmp_path / "yesterday")
    index = open_registry(path)
    old_keys = [registry.database_key(vault_key(path))]
    old_keys += [compartment.database_key(case_key(index, case)) for case in index.cases()]
    index.close()
    with open_vault(path) as vault:
        steps: list[int] = []
        removed = vault.remove_key(key_file(), 1, progress=steps.append)
        assert removed.label == "stolen"
        assert steps == [1, 1]
        vault.cases.get("HARBOUR").items.add_text("CANARY said after the removal")
    with pytest.raises(WrongPassphrase):
        open_vault(path, key_file(1))
    for database in path.rglob("*.db"):
        for key in old_keys:
            assert b"CANARY" not in b"".join(decrypted_pages(database, key))
    for names in (["header.a", "header.b"], ["header.a"], list(all_files(copy))):
        mixed = copied(path, tmp_path / f"mixed {len(names)}")
        for name in names:
            (mixed / name).parent.mkdir(exist_ok=True)
            (mixed / name).write_bytes((copy / name).read_bytes())
        with contextlib.suppress(VaultError), open_vault(mixed, key_file(1)) as vault:
            assert len(vault.cases.get("HARBOUR").items.list()) == 1
    with open_vault(path) as vault:
        assert vault.check(read_data=True).findings == ()
        assert [entry.item for entry in vault.log() if entry.act == "key-remove"] == ["stolen", "stolen"]


def test_the_last_way_in_stays_and_one_that_is_not_there_is_named(path: Path) -> None:
    with open_vault(path) as vault:
        with pytest.raises(Refused, match="last"):
            vault.remove_key(key_file(), 0)
        for slot in (1, 7, 8, -1):
            with pytest.raises(NoSuchKey):
                vault.remove_key(key_file(), slot)
        vault.add_key(key_file(), key_file(1), label="stick")
        with pytest.raises(WrongPassphrase):
            vault.remove_key(key_file(5), 1)
        assert vault.info().epoch == 2
    open_vault(path, key_file(1)).close()


def test_the_way_in_that_is_given_may_be_removed_if_another_is_left(path: Path) -> None:
    with open_vault(path) as vault:
        vault.add_key(key_file(), key_file(1), label="stick")
        vault.remove_key(key_file(), 0)
        vault.cases.get("HARBOUR").note("the open vault goes on")
    with pytest.raises(WrongPassphrase):
        open_vault(path)
    with open_vault(path, key_file(1)) as vault:
        assert labels(vault) == [(1, "keyfile", "stick")]
        assert vault.check(read_data=True).findings == ()


def test_a_removed_way_in_may_come_back_and_is_a_new_one(path: Path) -> None:
    with open_vault(path) as vault:
        vault.add_key(key_file(), key_file(1), label="stick")
        vault.remove_key(key_file(), 1)
        assert vault.add_key(key_file(), key_file(1), label="stick").slot == 1
    open_vault(path, key_file(1)).close()


# What somebody planted


def plant(path: Path, stranger: KeyFileUnlocker) -> None:
    """Whoever held the vault's key seals a slot to himself, and writes the header's digest into vault.db."""
    found = Folder(path).read_headers()[0]
    place = Place(found.folder_id, found.salt, found.cost)
    with open_vault(path) as vault:
        index = vault.keeper.registry
        keys: list[bytes | None] = [None] * header.SLOTS
        for row in index.rows(schema.SLOTS):
            keys[integer(row, "slot")] = blob(row, "public_key")
        keys[5] = stranger.slot_key(place).public_bytes()
        planted = header.seal(
            key_file().unlock(found).vault_key,
            folder_id=found.folder_id,
            epoch=found.epoch,
            cost=found.cost,
            salt=found.salt,
            public_keys=keys,
        )
        write_rows(index, lambda: index.set("header", planted.digest()))
        vault.keeper.folder.write_headers(planted)


def test_a_planted_slot_is_named_where_it_is_used_and_does_not_outlive_the_next_change_of_keys(
    path: Path, tmp_path: Path
) -> None:
    stranger = key_file(66)
    plant(path, stranger)
    with open_vault(path, stranger) as vault:
        assert vault.warnings == ("unknown-slot",)
        assert vault.info().unknown_slot == 5
        assert vault.key_of(stranger) is None
    with open_vault(path) as vault:
        assert vault.info().unknown_slot is None
    for name in ("add", "remove", "change"):
        copy = copied(path, tmp_path / name)
        with open_vault(copy) as vault:
            if name == "change":
                vault.change_passphrase(key_file(), key_file(2))
            else:
                vault.add_key(key_file(), key_file(1), label="stick")
            if name == "remove":
                vault.remove_key(key_file(), 1)
        with pytest.raises(WrongPassphrase):
            open_vault(copy, stranger)


def test_a_header_of_another_time_beside_a_newer_index_opens_for_nobody(path: Path, tmp_path: Path) -> None:
    """The header's digest in vault.db: a planted slot beside known ones is seen by whichever way in opens."""
    with open_vault(path) as vault:
        vault.add_key(key_file(), key_file(1), label="stick")
    before = copied(path, tmp_path / "before")
    plant(path, key_file(66))
    for name in header.FILE_NAMES:
        (before / name).write_bytes((path / name).read_bytes())
    for way in (key_file(), key_file(1), key_file(66)):
        with pytest.raises(OlderCopy):
            open_vault(before, way)
