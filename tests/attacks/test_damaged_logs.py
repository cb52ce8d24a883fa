"""What stands in vault.db of the log is not what can stand there: by damage, by who has the key, by who made the vault to harm.

Whoever reads it ends in an error that is documented, or has nothing to do with it.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from pathlib import Path

import pytest
from vaults import copied, make_vault, open_vault, written_by_hand

from vault import Vault, errors

LOG = {
    "an entry is missing": "DELETE FROM log_entries WHERE number = 5",
    "a leaf of other bytes": "UPDATE log_entries SET leaf = x'ff00' WHERE number = 5",
    "a leaf of text": "UPDATE log_entries SET leaf = 'abc' WHERE number = 5",
    "the last leaf of text": "UPDATE log_entries SET leaf = 'abc' WHERE number = (SELECT max(number) FROM log_entries)",
    "a body that is short": "UPDATE log_entries SET body = x'00' WHERE number = 5",
    "a body of text": "UPDATE log_entries SET body = 'abc' WHERE number = 5",
    "a body that is a number": "UPDATE log_entries SET body = 7 WHERE number = 5",
    "an epoch of later": "UPDATE log_entries SET epoch = 99 WHERE number = 5",
    "an epoch of text": "UPDATE log_entries SET epoch = 'abc' WHERE number = 5",
    "a step is missing": "DELETE FROM log_steps WHERE step = 5",
    "a signature that is short": "UPDATE log_steps SET signature = x'00' WHERE step = 5",
    "a signature of text": "UPDATE log_steps SET signature = 'abc' WHERE step = 5",
    "a size of text": "UPDATE log_steps SET size = 'abc' WHERE step = 5",
    "a size far away": "UPDATE log_steps SET size = 1000000000000 WHERE step = 5",
    "a size below zero": "UPDATE log_steps SET size = -1 WHERE step = 5",
    "a root that is short": "UPDATE log_steps SET root = x'00' WHERE step = 5",
}
GENERATIONS = {
    "no number": "UPDATE settings SET value = CAST('abc' AS BLOB) WHERE name = 'generation'",
    "a number without end": (
        "UPDATE settings SET value = CAST(replace(hex(zeroblob(3000)), '0', '9') AS BLOB) WHERE name = 'generation'"
    ),
    "a negative number": "UPDATE settings SET value = CAST('-5' AS BLOB) WHERE name = 'generation'",
    "a first step of later": "UPDATE generations SET first_step = 1000000",
    "a first step in the middle": "UPDATE generations SET first_step = 9",
    "no first step": "UPDATE generations SET first_step = 0",
    "another number": "UPDATE generations SET generation = 7",
    "a short key": "UPDATE generations SET first_key = x'00'",
    "a short root": "UPDATE generations SET root = x'00'",
    "a size of text": "UPDATE generations SET size = 'abc'",
    "certified by nothing": "UPDATE generations SET certified = 'x'",
    "a certificate that is no text": "UPDATE generations SET certified = 'x', sshsig = x'ff', mldsa65 = x'00'",
    "half a certificate": "UPDATE generations SET sshsig = x'ff'",
    "none": "DELETE FROM generations",
}


def new(vault: Vault) -> Path:
    """A place where nothing is."""
    return vault.path.parent / f"{secrets.token_hex(8)}.jsonl"


USES: dict[str, Callable[[Vault], object]] = {
    "the log": lambda vault: vault.log(),
    "the log of a case": lambda vault: vault.log("HARBOUR"),
    "verify": lambda vault: vault.verify_log(full=True),
    "verify what came since": lambda vault: vault.verify_log(),
    "head": lambda vault: vault.log_head(),
    "status": lambda vault: vault.log_status(),
    "disclose": lambda vault: vault.disclose_log(new(vault), case="HARBOUR"),
    "disclose entries": lambda vault: vault.disclose_log(new(vault), entries=(5,)),
    "export": lambda vault: vault.export_log(new(vault)),
    "check": lambda vault: vault.check(),
}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("damaged") / "v"
    with make_vault(path) as vault:
        vault.cases.new("Harbour", code="HARBOUR")
        for number in range(4):
            vault.cases.get("HARBOUR").note(f"remark {number}")
        vault.verify_log()
    return path


def used(path: Path) -> dict[str, str]:
    """What came of each use, one after the other: nothing else than a documented error may."""
    told = {}
    try:
        with open_vault(path) as vault:
            for name, use in USES.items():
                try:
                    use(vault)
                    told[name] = "fine"
                except errors.VaultError as error:
                    told[name] = type(error).__name__
    except errors.VaultError as error:
        told["open"] = type(error).__name__
    return told


@pytest.mark.parametrize("damage", LOG)
def test_whoever_reads_a_damaged_log_says_so_and_proves_nothing_by_it(made: Path, tmp_path: Path, damage: str) -> None:
    path = copied(made, tmp_path / "v")
    written_by_hand(path, LOG[damage])
    told = used(path)
    if "open" in told:
        assert (damage, told) == ("the last leaf of text", {"open": "OlderCopy"})
        return
    if "leaf" in damage or "entry" in damage:
        assert {told["disclose"], told["disclose entries"], told["export"]} <= {"DatabaseDamaged", "OlderCopy"}
    # Bodies are compared with their commitments by `check`, signatures with their steps by `log verify`.
    assert told["verify"] == ("fine" if "epoch" in damage or "body" in damage else "LogProofFailed")
    with open_vault(path) as vault:
        assert bool(vault.check().findings) is (damage != "a signature that is short")


@pytest.mark.parametrize("damage", GENERATIONS)
def test_generations_that_no_log_can_have_end_in_a_documented_error(made: Path, tmp_path: Path, damage: str) -> None:
    path = copied(made, tmp_path / "v")
    written_by_hand(path, GENERATIONS[damage])
    told = used(path)
    assert told.get("open", told.get("verify")) in ("DatabaseDamaged", "LogProofFailed", "OlderCopy")
