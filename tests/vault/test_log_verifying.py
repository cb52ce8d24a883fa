"""Verifying the log: from where it was verified before or from the beginning, and what each rule finds.

What forgers do is in tests/attacks/test_log_proofs.py.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from vaults import key_file, make_vault, open_registry, open_vault, write_rows

from crypto.signing import Checkpoint, VerifierKey, verify_note
from vault import Vault, errors, log_verifying, platform, schema
from vault.leaves import Leaf
from vault.tables import Row, blob


@pytest.fixture
def path(tmp_path: Path) -> Path:
    with make_vault(tmp_path / "v") as vault:
        vault.cases.new("Harbour Street", code="HARBOUR")
        for number in range(4):
            vault.cases.get("HARBOUR").note(f"remark {number}")
    return tmp_path / "v"


@pytest.fixture
def vault(path: Path) -> Iterator[Vault]:
    with open_vault(path) as found:
        yield found


def test_the_second_time_it_begins_where_the_first_ended(vault: Vault) -> None:
    first = vault.verify_log()
    assert (first.since, first.steps, first.unsigned) == (0, first.head.step, 0)
    vault.cases.list()
    second = vault.verify_log()
    # The outcome of the first, two steps of the list, the intent of the second.
    assert (second.since, second.steps, second.entries) == (first.head.step, 4, 4)
    whole = vault.verify_log(full=True)
    assert (whole.since, whole.steps) == (0, whole.head.step)
    assert vault.log_status().verified_step == whole.head.step


def test_it_tells_how_many_steps_it_has_verified(vault: Vault, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_verifying, "_BATCH", 4)
    for full in (True, False, True):
        counted: list[int] = []
        found = vault.verify_log(full=full, progress=counted.append)
        assert sum(counted) == found.steps
        assert len(counted) >= found.steps // 4


def altered(path: Path, statement: str) -> None:
    index = open_registry(path)
    index.store.execute(statement)
    index.close()


def test_what_was_altered_before_the_last_verification_is_found_by_a_full_one(path: Path) -> None:
    with open_vault(path) as vault:
        vault.verify_log()
    altered(path, "UPDATE log_steps SET signature = zeroblob(64) WHERE step = 5")
    with open_vault(path) as vault:
        assert vault.verify_log().since > 5
        with pytest.raises(errors.LogProofFailed) as failed:
            vault.verify_log(full=True)
        assert failed.value.fields == {"step": 5, "reason": "signature"}
        assert [entry.reason for entry in vault.log() if entry.act == "log-verify"][-1] == "LogProofFailed"


def test_a_place_to_go_on_from_that_is_not_in_the_log_is_refused(path: Path) -> None:
    with open_vault(path) as vault:
        vault.verify_log()
        found = log_verifying.last_verified(vault.keeper.registry)
    assert found is not None
    other = log_verifying.Verified(found.step - 1, found.frontier, found.next_key, found.when)
    put_verified(path, other.to_bytes())
    with open_vault(path) as vault:
        with pytest.raises(errors.LogProofFailed):
            vault.verify_log()
        vault.verify_log(full=True)
    for nonsense in (b"", b"{}", b'{"frontier":"00","next_key":null,"step":1,"when":""}'):
        put_verified(path, nonsense)
        with open_vault(path) as vault:
            if b"frontier" not in nonsense:
                assert vault.verify_log().since == 0
                continue
            with pytest.raises(errors.LogProofFailed, match="verified"):
                vault.verify_log()


def put_verified(path: Path, value: bytes) -> None:
    index = open_registry(path)
    write_rows(index, lambda: index.set(log_verifying.LAST_SETTING, value))
    index.close()


@pytest.mark.parametrize("cores", [1, 2, 5])
def test_the_first_step_that_does_not_hold_is_named_on_any_number_of_cores(
    path: Path, cores: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(platform, "usable_cores", lambda: cores)
    monkeypatch.setattr(log_verifying, "_BATCH", 3)
    for step, statement in {
        11: "UPDATE log_steps SET signature = zeroblob(64) WHERE step = 11",
        6: "UPDATE log_steps SET signature = zeroblob(64) WHERE step = 6",
    }.items():
        altered(path, statement)
        with open_vault(path) as vault, pytest.raises(errors.LogProofFailed) as failed:
            vault.verify_log(full=True)
        assert failed.value.fields["step"] == step
    altered(path, "UPDATE log_entries SET leaf = zeroblob(9) WHERE number = 13")  # later, and found without a signature
    with open_vault(path) as vault, pytest.raises(errors.LogProofFailed) as failed:
        vault.verify_log(full=True)
    assert failed.value.fields["step"] == 6


def test_a_generation_is_certified_by_the_identity_and_an_altered_certificate_is_found(path: Path) -> None:
    with open_vault(path) as vault:
        assert not vault.log_status().generations[0].certified
        vault.identity.show()
        (generation,) = vault.verify_log(full=True).generations
        assert generation.certified
    index = open_registry(path)
    (row,) = index.rows(schema.GENERATIONS)
    index.close()
    for column in ("sshsig", "mldsa65"):
        flipped = bytearray(blob(row, column))
        flipped[len(flipped) // 2] ^= 1
        put_generation(path, {**row, column: bytes(flipped)})
        with open_vault(path) as vault, pytest.raises(errors.LogProofFailed) as failed:
            vault.verify_log(full=True)
        assert failed.value.fields["reason"] == "certificate"
    put_generation(path, row)
    with open_vault(path) as vault:
        vault.verify_log(full=True)


def put_generation(path: Path, row: Row) -> None:
    index = open_registry(path)
    write_rows(index, lambda: index.put(schema.GENERATIONS, row))
    index.close()


def test_a_vault_with_an_identity_certifies_a_generation_that_began_without_it(path: Path) -> None:
    with open_vault(path) as vault:
        vault.identity.show()
    (path / "logkey").unlink()
    with Vault.open(path, key_file(), accept_older=True) as vault:
        assert [each.certified for each in vault.verify_log(full=True).generations] == [True, True]


def test_the_head_is_a_signed_note_of_the_checkpoint_by_the_key_that_the_step_before_named(vault: Vault) -> None:
    vault.cases.list()
    head = vault.log_head()
    registry = vault.keeper.registry
    ((before,),) = registry.store.execute("SELECT leaf FROM log_entries WHERE number = ?", (head.size - 2,))
    key = Leaf.from_bytes(before).next_key
    assert key is not None
    text = verify_note(head.note.encode(), [str(VerifierKey.of(head.origin, key))])
    assert Checkpoint.from_bytes(text) == Checkpoint(head.origin, head.size, bytes.fromhex(head.root))
    assert registry.root_at(head.step) == bytes.fromhex(head.root)
    assert len(head.words) == 12
