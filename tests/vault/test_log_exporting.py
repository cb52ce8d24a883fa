"""What of the log is written for others: the log says that it was done when it is durable, and which entries it was."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest
from faults import Failure, FaultyDisk, every_failure, replaced
from vaults import FailingLog, make_vault, open_vault

from vault import Vault, errors, log_exporting
from vault.log_requests import LogEntry

WRITE: dict[str, Callable[[Vault, Path], None]] = {
    "log-export": lambda vault, path: vault.export_log(path),
    "log-disclose": lambda vault, path: vault.disclose_log(path, entries=(1, 3, 4), purpose="a hearing"),
}


@pytest.fixture
def vault(tmp_path: Path) -> Iterator[Vault]:
    with make_vault(tmp_path / "v") as found:
        found.cases.new("Harbour Street", code="HARBOUR")
        found.cases.get("HARBOUR").note("remark")
        yield found


def told(vault: Vault, act: str) -> list[LogEntry]:
    return [entry for entry in vault.log() if entry.act == act]


@pytest.mark.parametrize("act", WRITE)
def test_a_file_that_is_there_is_left_alone_and_nothing_is_logged(vault: Vault, tmp_path: Path, act: str) -> None:
    for name in ("log.jsonl", "log.jsonl.partial"):
        taken = tmp_path / name
        taken.write_bytes(b"another's")
        with pytest.raises(errors.AlreadyThere):
            WRITE[act](vault, tmp_path / "log.jsonl")
        assert taken.read_bytes() == b"another's"
        taken.unlink()
    with pytest.raises(errors.NoSuchFolder):
        WRITE[act](vault, tmp_path / "no such folder" / "log.jsonl")
    assert told(vault, act) == []


@pytest.mark.parametrize("act", WRITE)
def test_the_log_never_says_that_something_was_written_which_is_not_there(
    vault: Vault, tmp_path: Path, act: str
) -> None:
    path = tmp_path / "log.jsonl"
    before: list[int] = []
    seen: set[str] = set()

    def prepare() -> None:
        path.unlink(missing_ok=True)
        before[:] = [len(told(vault, act))]

    def check(failure: Failure) -> None:
        added = told(vault, act)[before[0] :]
        seen.update(entry.phase for entry in added)
        if failure.raised is None or isinstance(failure.raised, errors.OutcomeUnrecorded):
            assert path.read_bytes().endswith(b"}\n")
        else:
            assert "done" not in [entry.phase for entry in added]
            assert [each.name for each in tmp_path.iterdir()] == ["v"]

    assert every_failure(partial(WRITE[act], vault, path), check, prepare=prepare, kinds=("full",)) > 5
    assert "failed" in seen
    intent, outcome = told(vault, act)[-2:]
    assert (intent.phase, outcome.phase) == ("intent", "done")
    assert (outcome.size_bytes, outcome.digest) == (path.stat().st_size, hashlib.sha256(path.read_bytes()).hexdigest())


@pytest.mark.parametrize("act", WRITE)
def test_what_is_written_is_durable_before_the_log_says_so(vault: Vault, tmp_path: Path, act: str) -> None:
    path, disk = tmp_path / "log.jsonl", FaultyDisk()
    with replaced(disk), FailingLog(vault, 2) as log, pytest.raises(errors.OutcomeUnrecorded):
        WRITE[act](vault, path)
    assert log.fired
    content = path.read_bytes()
    disk.lose_unsynced()
    assert path.read_bytes() == content
    assert content.count(b"\n") > 3


def test_the_log_keeps_which_entries_were_disclosed_and_what_for(vault: Vault, tmp_path: Path) -> None:
    vault.disclose_log(tmp_path / "some", entries=(4, 1, 3, 4), purpose="a hearing")
    vault.disclose_log(tmp_path / "case", case="HARBOUR")
    some = told(vault, "log-disclose")[:2]
    assert [(entry.phase, entry.item, entry.case) for entry in some] == [
        ("intent", "1,3-4", None),
        ("done", "1,3-4", None),
    ]
    assert some[0].purpose == "a hearing"
    with open_vault_of(vault) as again:
        assert [(entry.item, entry.case) for entry in told(again, "log-disclose")[2:]] == [(None, "HARBOUR")] * 2


@pytest.mark.parametrize("phase", ["intent", "", "it was never disclosed"])
def test_an_outcome_is_one_of_those_that_there_are_whoever_asks(vault: Vault, phase: str) -> None:
    begun = vault.keeper.log_export_begin()
    with pytest.raises(errors.ReceiptRefused):
        vault.keeper.log_export_end(begun.intent, phase)
    with open_vault_of(vault) as again:
        assert [entry.phase for entry in told(again, "log-export")] == ["intent", "recovered"]
        assert again.check().findings == ()


def open_vault_of(vault: Vault) -> Vault:
    vault.close()
    return open_vault(vault.path)


@pytest.mark.parametrize("number", [-1, 1_000_000, 2**53, 2**63 - 1, 2**63, 10**40])
def test_an_entry_that_no_log_has_is_not_found(vault: Vault, tmp_path: Path, number: int) -> None:
    with pytest.raises(errors.NoSuchEntry):
        vault.disclose_log(tmp_path / "log.jsonl", entries=(1, number))
    assert not (tmp_path / "log.jsonl").exists()


def test_a_disclosure_of_more_pages_than_one_is_whole(
    vault: Vault, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    entries = tuple(range(7))
    vault.disclose_log(tmp_path / "one", entries=entries)
    monkeypatch.setattr(log_exporting, "PAGE_ENTRIES", 2)
    vault.disclose_log(tmp_path / "paged", entries=entries)
    one, paged = ((tmp_path / name).read_text(encoding="utf-8").splitlines() for name in ("one", "paged"))
    assert len(one) == len(paged) == 8
    assert '"entries":7' in paged[0]


def test_an_export_that_nobody_ends_is_failed(vault: Vault) -> None:
    for begin in (vault.keeper.log_export_begin, partial(vault.keeper.log_disclose_begin, "HARBOUR")):
        begun = begin()
        vault.keeper.abandon(begun.intent, "connection ended")
        with pytest.raises(errors.ReceiptRefused):
            vault.keeper.log_export_lines(begun.intent, 0)
    assert [entry.phase for entry in told(vault, "log-disclose")] == ["intent", "failed"]
