"""What `check` says of entries that are kept out of the lists, and what it must never say of an honest log.

Who takes them out, and the verdicts, are in tests/attacks/test_log_proofs.py.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from vaults import body_of, case_row, copied, key_file, make_vault, open_registry, open_vault, put_body, written_by_hand

from vault import Vault, check_backup, epochs, errors, log_checking
from vault.log import Log
from vault.requests import Finding


@pytest.fixture
def path(tmp_path: Path) -> Path:
    with make_vault(tmp_path / "v") as vault:
        for code in ("HARBOUR", "BRIDGE"):
            vault.cases.new(code.title(), code=code)
            vault.cases.get(code).note("a remark")
            vault.cases.get(code).note("another remark")
    return tmp_path / "v"


def of_case(path: Path, code: str) -> list[int]:
    index = open_registry(path)
    try:
        found = index.store.execute(
            "SELECT number FROM log_entries WHERE case_id = ? ORDER BY number", (index.case(code).case_id,)
        )
        return [number for (number,) in found]
    finally:
        index.close()


def findings(path: Path) -> list[Finding]:
    with open_vault(path) as vault:
        return list(vault.check().findings)


def test_a_gap_in_a_case_is_named_with_the_entry_before_which_it_is(path: Path) -> None:
    _, second, third, *_ = of_case(path, "HARBOUR")
    written_by_hand(path, f"UPDATE log_entries SET case_id = zeroblob(16), epoch = 1 WHERE number = {second}")  # noqa: S608 (a number)
    written_by_hand(path, "UPDATE cases SET entries = entries - 1 WHERE code = 'HARBOUR'")
    assert findings(path) == [
        Finding("hidden entry", "HARBOUR", f"before log entry {third}"),
        Finding("hidden entry", "HARBOUR", "log"),
        Finding("hidden entry", "vault", "log"),
    ]


def sealed_again(path: Path, number: int) -> None:
    index = open_registry(path)
    put_body(index, number, body_of(index, number), None, None)
    index.close()


def test_an_entry_of_a_case_among_those_of_the_vault_is_named(path: Path) -> None:
    last = of_case(path, "HARBOUR")[-1]
    sealed_again(path, last)
    written_by_hand(path, "UPDATE cases SET entries = entries - 1 WHERE code = 'HARBOUR'")
    assert findings(path) == [Finding("hidden entry", "vault", f"log entry {last}")]


def test_a_case_with_fewer_entries_than_the_index_says_is_named(path: Path) -> None:
    written_by_hand(path, "UPDATE cases SET entries = entries + 1 WHERE code = 'BRIDGE'")
    assert findings(path) == [Finding("hidden entry", "BRIDGE", "log")]


def test_a_deleted_case_that_had_more_entries_is_named(path: Path) -> None:
    with open_vault(path) as vault:
        vault.cases.get("BRIDGE").delete(key_file())
    written_by_hand(path, "UPDATE deleted_cases SET entries = entries + 1")
    assert findings(path) == [Finding("hidden entry", "BRIDGE", "log")]


def test_the_list_of_a_case_with_a_hidden_entry_is_refused(path: Path) -> None:
    _, second, *_ = of_case(path, "HARBOUR")
    written_by_hand(path, f"UPDATE log_entries SET case_id = zeroblob(16) WHERE number = {second}")  # noqa: S608 (a number)
    written_by_hand(path, "UPDATE cases SET entries = entries - 1 WHERE code = 'HARBOUR'")
    with open_vault(path) as vault:
        for ask in (vault.log, partial(vault.log, "HARBOUR")):
            with pytest.raises(errors.OlderCopy):
                ask()
        assert vault.log("BRIDGE")


# Honest logs


def deleted(vault: Vault) -> None:
    vault.cases.get("BRIDGE").delete(key_file())


def deleted_twice(vault: Vault) -> None:
    """Two cases that bore one code, one after the other."""
    deleted(vault)
    vault.cases.new("Another bridge", code="BRIDGE")
    deleted(vault)


def deleted_before_there_was_a_digest(vault: Vault) -> None:
    with pytest.MonkeyPatch.context() as older:
        older.setattr(Log, "digest_of_entries", lambda _log, _case: None)
        deleted_twice(vault)
    vault.cases.new("Bridge", code="BRIDGE")
    deleted(vault)


def deleted_after_all_keys_were_renewed(vault: Vault) -> None:
    vault.change_passphrase(key_file(), key_file())
    vault.cases.get("HARBOUR").note("in the second epoch")
    deleted(vault)


def a_reading_that_outlives_its_case(vault: Vault) -> None:
    vault.cases.get("BRIDGE").items.add_text("words")
    begun = vault.keeper.item_open("BRIDGE", 1, act_name="cat")
    deleted(vault)
    vault.keeper.abandon(begun.intent, "closed")


@pytest.mark.parametrize(
    "do",
    [
        deleted,
        deleted_twice,
        deleted_before_there_was_a_digest,
        deleted_after_all_keys_were_renewed,
        a_reading_that_outlives_its_case,
    ],
)
def test_nothing_is_said_of_an_honest_log(path: Path, do: Callable[[Vault], None]) -> None:
    with open_vault(path) as vault:
        do(vault)
        vault.search("remark")
        assert vault.check().findings == ()
        vault.verify_log(full=True)
    assert findings(path) == []


def test_nothing_is_said_of_a_backup_and_of_what_is_restored_from_it(path: Path) -> None:
    backup, restored = path.parent / "backup", path.parent / "restored"
    with open_vault(path) as vault:
        deleted_before_there_was_a_digest(vault)
        vault.backup(backup)
    assert check_backup(backup, key_file()).findings == ()
    Vault.restore(backup, restored, key_file())
    assert findings(restored) == []
    with open_vault(restored) as vault:
        vault.cases.get("HARBOUR").delete(key_file())
        assert vault.check().findings == ()


def test_a_deletion_that_was_led_back_is_no_deletion(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_arguments: object) -> None:
        raise KeyboardInterrupt

    with open_vault(path) as vault:
        with monkeypatch.context() as failing:
            failing.setattr(epochs, "_delete", fails)
            with pytest.raises(KeyboardInterrupt):
                deleted(vault)
        assert vault.check().findings == ()
        vault.cases.get("BRIDGE").show()
        deleted(vault)
        assert vault.check().findings == ()
    written_by_hand(path, "UPDATE deleted_cases SET entries = entries - 1")
    assert findings(path) == [Finding("hidden entry", "BRIDGE", "log")]


def test_a_deletion_without_a_digest_vouches_for_one_case_only(path: Path) -> None:
    with open_vault(path) as vault, pytest.MonkeyPatch.context() as older:
        older.setattr(Log, "digest_of_entries", lambda _log, _case: None)
        deleted(vault)
    written_by_hand(path, "INSERT INTO deleted_cases SELECT zeroblob(16), code, happened, 0 FROM deleted_cases")
    assert findings(path) == [Finding("hidden entry", "BRIDGE", "log")]


def test_the_digest_of_a_deleted_case_is_of_its_id_and_of_its_entries_in_order(path: Path) -> None:
    with open_vault(path) as vault:
        case = case_row(vault, "BRIDGE")
        numbers = of_case(copied(path, path.parent / "copy"), "BRIDGE")
        deleted(vault)
        told = [(each.phase, each.digest) for each in vault.log() if each.act == "case-delete"]
    digest = log_checking.digest_of_entries(case.case_id, numbers)
    assert told == [("intent", digest), ("intent", digest), ("done", None)]
