"""Whose log is said to have two histories: never that of somebody whose name was merely claimed."""

from __future__ import annotations

from pathlib import Path

import bags
import pytest
from sealing import Sender, To, sealed
from their_logs import TheirLog
from vaults import make_vault

from vault import Vault
from vault.errors import SealedFileRefused

ANNA = Sender(7)


def file(vault: Vault, by: Sender, log: TheirLog) -> Path:
    to = To(vault)
    manifest = by.share(to.fingerprint, purpose=log.history)
    members = by.members(manifest, replaced=log.share(manifest.to_bytes(), manifest.to))
    path = vault.path.parent / f"{len(list(vault.path.parent.iterdir()))}.age"
    path.write_bytes(sealed(bags.packed(members), to.hybrid))
    return path


@pytest.mark.parametrize("is_partner", [True, False])
def test_a_stranger_with_two_histories_accuses_nobody_whose_name_they_take(tmp_path: Path, is_partner: bool) -> None:
    mallory = Sender(9, name="Mallory")
    log = TheirLog(mallory)
    other = log.copy("other")
    with make_vault(tmp_path / "v") as vault:
        if is_partner:
            vault.partners.add("Anna", card=ANNA.card())
        vault.open_file(file(vault, mallory, log), accept=lambda _: True)
        mallory.card_bytes = Sender(9, name="Anna").card_bytes
        with pytest.raises(SealedFileRefused, match="two histories"):
            vault.open_file(file(vault, mallory, other), accept=lambda _: True)
        (fork,) = vault.log_status().forks
        assert (fork.sender, fork.partner) == (mallory.fingerprint.hex(), None)
        assert "Anna" not in {entry.counterparty for entry in vault.log() if entry.act == "open"}


def test_a_partner_with_two_histories_is_called_as_we_call_them(tmp_path: Path) -> None:
    log = TheirLog(ANNA)
    other = log.copy("other")
    with make_vault(tmp_path / "v") as vault:
        vault.partners.add("Anya", card=ANNA.card())
        vault.open_file(file(vault, ANNA, log), accept=lambda _: True)
        with pytest.raises(SealedFileRefused):
            vault.inspect_file(file(vault, ANNA, other))
        (fork,) = vault.log_status().forks
        assert fork.partner == "Anya"
