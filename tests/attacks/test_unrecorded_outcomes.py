"""Outcomes that the log could not record, or recorded otherwise than it was."""

from __future__ import annotations

import io
import os
import shutil
from pathlib import Path

import pytest
from vaults import FailingLog, case_path, copied, make_vault, open_vault

from vault import Vault
from vault.errors import DiskFailed, OlderCopy, OutcomeUnrecorded, VaultError
from vault.store import Store


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the vault lies."""
    return tmp_path / "vault"


@pytest.fixture
def vault(path: Path) -> Vault:
    """An open vault with one case and one large item."""
    vault = make_vault(path)
    vault.cases.new("Title", code="HARBOUR")
    vault.cases.get("HARBOUR").items.add_stream(io.BytesIO(os.urandom(3_000_000)))
    return vault


def test_a_state_whose_outcome_was_not_recorded_is_not_acceptable_once_the_case_went_on(
    path: Path, vault: Vault, tmp_path: Path
) -> None:
    case = vault.cases.get("HARBOUR")
    with FailingLog(vault, 3), pytest.raises(OutcomeUnrecorded):
        case.note("consent given")
    older = copied(path, tmp_path / "older")
    case.note("consent withdrawn")
    database = case_path(vault, "HARBOUR")
    vault.close()
    for left in database.parent.iterdir():
        left.unlink()
    for file in (older / "cases").iterdir():
        shutil.copy(file, database.parent)
    with open_vault(path) as again, pytest.raises(OlderCopy):
        again.cases.get("HARBOUR").show()


def test_an_unrecorded_outcome_is_recorded_before_the_next_act_on_the_case(vault: Vault) -> None:
    case = vault.cases.get("HARBOUR")
    with FailingLog(vault, 3), pytest.raises(OutcomeUnrecorded):
        case.note("first")
    case.show()
    assert [entry.phase for entry in vault.log("HARBOUR") if entry.act == "case-note"] == [
        "intent",
        "intent",
        "recovered",
    ]
    vault.close()


def test_a_new_title_stands_in_the_list_although_its_outcome_was_not_recorded(path: Path, vault: Vault) -> None:
    with FailingLog(vault, 3), pytest.raises(OutcomeUnrecorded):
        vault.cases.get("HARBOUR").edit(title="New title")
    vault.close()
    with open_vault(path) as again:
        assert [case.title for case in again.cases.list()] == ["New title"]
        assert again.cases.get("HARBOUR").show().summary.title == "New title"


def test_what_was_done_is_not_logged_as_failed_because_something_failed_after_it(
    vault: Vault, monkeypatch: pytest.MonkeyPatch
) -> None:
    item = vault.cases.get("HARBOUR").items.get(1)

    def fail(_store: Store) -> None:
        raise DiskFailed(path="case", reason="I/O")

    with monkeypatch.context() as patched:
        patched.setattr(Store, "overwrite_deleted", fail)
        with pytest.raises(DiskFailed):
            item.delete()
    assert vault.cases.get("HARBOUR").items.list() == ()
    last = [entry for entry in vault.log("HARBOUR") if entry.act == "item-delete"][-1]
    assert (last.phase, last.reason) == ("done", "DiskFailed")
    vault.close()


def test_the_log_says_how_much_was_given_out_before_a_reading_failed(vault: Vault) -> None:
    given = 0

    def take(piece: memoryview) -> None:
        nonlocal given
        given += len(piece)
        if given > 2_000_000:
            raise BrokenPipeError

    with pytest.raises(BrokenPipeError), vault.cases.get("HARBOUR").items.get(1).open() as reading:
        reading.write_to(take)
    last = [entry for entry in vault.log("HARBOUR") if entry.act == "item-cat"][-1]
    assert last.phase == "failed"
    assert last.size_bytes is not None
    assert last.size_bytes >= given
    vault.close()


def test_nothing_is_given_out_after_a_reading_has_its_outcome(vault: Vault) -> None:
    item = vault.cases.get("HARBOUR").items.get(1)
    with item.open() as reading:
        pieces = iter(reading)
        next(pieces)
    for attempt in (lambda: next(pieces), lambda: list(reading), lambda: reading.write_to(lambda _: None)):
        with pytest.raises(VaultError):
            attempt()
    left_open = item.open()
    vault.close()
    with pytest.raises(VaultError):
        list(left_open)
