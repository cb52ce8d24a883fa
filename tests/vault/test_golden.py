"""Vaults of every released format, opened by every later version.

They must never be made anew after the first release: whoever holds an old vault holds one like these. If a test here
fails, the program is wrong, not the vault.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from loading import golden_maker
from made_up_logs import verified

from vault import KeyFileUnlocker, RecoveryUnlocker, Vault, errors


@pytest.fixture(scope="session")
def maker(source: Path) -> ModuleType:
    return golden_maker(source)


@pytest.fixture
def golden(source: Path) -> Path:
    return source / "tests" / "vaults" / "v1"


@pytest.fixture
def path(golden: Path, tmp_path: Path) -> Path:
    shutil.copytree(golden / "vault", tmp_path / "v")
    return tmp_path / "v"


@pytest.fixture
def vault(path: Path, maker: ModuleType) -> Iterator[Vault]:
    with Vault.open(path, KeyFileUnlocker(maker.KEY)) as found:
        yield found


def test_every_byte_and_every_description_of_a_v1_vault_is_as_it_was(
    vault: Vault, golden: Path, maker: ModuleType
) -> None:
    expected = json.loads((golden / "expected.json").read_text(encoding="utf-8"))
    assert _told_then(maker.described(vault), expected) == expected
    assert vault.warnings == ()


def _told_then(now: Any, then: Any) -> Any:
    """What is told now without the fields that a later version tells too, all of which are empty in an old vault."""
    if isinstance(now, dict) and isinstance(then, dict):
        assert not any(now[name] for name in now.keys() - then.keys())
        return {name: _told_then(value, then[name]) for name, value in now.items() if name in then}
    if isinstance(now, list) and isinstance(then, list) and len(now) == len(then):
        return [_told_then(*both) for both in zip(now, then, strict=True)]
    return now


def test_a_v1_vault_checks_clean_and_its_log_is_readable(vault: Vault) -> None:
    report = vault.check(read_data=True)
    assert report.findings == ()
    assert (report.cases, report.items) == (2, 4)
    entries = vault.log()
    assert [entry.number for entry in entries][:10] == list(range(10))
    assert {entry.when for entry in entries[:50]} == {"2026-11-22T08:15:00.000Z"}
    acts = {entry.act for entry in entries}
    assert {
        "vault-create",
        "case-new",
        "item-add",
        "item-delete",
        "person-remove",
        "passphrase-change",
        "case-delete",
    } <= acts
    assert any(entry.act == "item-delete" and entry.case == "HARBOUR" for entry in vault.log("HARBOUR"))


def test_entries_of_a_v1_vault_are_exported_and_verified_and_not_said_to_be_signed(
    vault: Vault, tmp_path: Path
) -> None:
    vault.identity.show()
    vault.disclose_log(tmp_path / "disclosed", case="HARBOUR")
    vault.export_log(tmp_path / "log")
    status, out, err = verified(tmp_path / "log", tmp_path / "disclosed")
    assert (status, err) == (0, "")
    assert "are older than the first signature: nothing shows" in out
    assert out.count("certified by this identity") == 1
    shown = [json.loads(line) for line in out.splitlines() if line.startswith("{")]
    assert [each["entry"] for each in shown] == list(range(1, len(shown) + 1))
    assert all(each["hidden"] == ["boot_id", "monotonic_ms", "objects"] for each in shown), "which leave no vault"


def test_the_recovery_words_of_a_v1_vault_open_it_and_its_first_key_does_not(path: Path, maker: ModuleType) -> None:
    Vault.open(path, RecoveryUnlocker(maker.WORDS)).close()
    with pytest.raises(errors.WrongPassphrase):
        Vault.open(path, KeyFileUnlocker(maker.FIRST_KEY))


def test_a_v1_vault_can_be_worked_with(path: Path, vault: Vault, maker: ModuleType) -> None:
    stored = vault.cases.get("HARBOUR").items.add_text("written by a later version")
    assert stored.item.summary.reference == "HARBOUR/6"
    vault.change_passphrase(KeyFileUnlocker(maker.KEY), KeyFileUnlocker(b"a later key file"))
    vault.close()
    with Vault.open(path, KeyFileUnlocker(b"a later key file")) as again:
        assert again.check(read_data=True).findings == ()


def test_nobody_changed_the_golden_vault(golden: Path) -> None:
    digests = "".join(
        f"{hashlib.sha256(file.read_bytes()).hexdigest()}  {file.relative_to(golden).as_posix()}\n"
        for file in sorted(golden.rglob("*"))
        if file.is_file() and file.name != "SHA256SUMS"
    )
    assert (golden / "SHA256SUMS").read_text(encoding="ascii") == digests
    assert sum(file.stat().st_size for file in golden.rglob("*") if file.is_file()) < 750 * 1024
