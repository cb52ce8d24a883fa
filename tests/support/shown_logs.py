"""What a vault makes of the logs that one sender shows it, who can show anything."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import bags
from sealing import Sender, To, sealed
from their_logs import TheirLog

from vault import Vault
from vault.arrivals import Verdict


class Shown:
    """Each file that is opened is the next one of this sender."""

    def __init__(self, folder: Path, vault: Vault) -> None:
        self.folder, self.vault, self.anna, self.to, self.number = folder, vault, Sender(7), To(vault), 0
        vault.partners.add("Anna", card=self.anna.card())

    def open(self, log: TheirLog, address: bytes | None = None) -> Verdict:
        """``address`` is the fingerprint of an age recipient of ours, by which alone the sender says to know us."""
        self.number += 1
        manifest = self.anna.share(
            address or self.to.fingerprint,
            sequence=self.number,
            purpose=str(self.number),
            previous="00" * 32 if self.number > 1 else None,
            to_kind="age" if address else "card",
        )
        files = self.anna.members(manifest, replaced=log.share(manifest.to_bytes(), manifest.to))
        path = self.folder / f"{self.number}.age"
        path.write_bytes(sealed(bags.packed(files), self.to.hybrid))
        return self.vault.open_file(path, accept=lambda _: True)[0].verdict


def next_generation(log: TheirLog, history: str) -> TheirLog:
    """The log as a copy goes on that was declared."""
    other = log.copy(history)
    other.announced = {}
    other.begin_generation()
    return other


def recertified(**values: object) -> Callable[[TheirLog], TheirLog]:
    """The last generation is certified otherwise from now on."""

    def change(log: TheirLog) -> TheirLog:
        now = log.certificates[-1]
        given = {name: getattr(now, name) for name in ("generation", "first_step", "size", "root", "first_key")}
        log.certificates[-1] = log.certified(**(given | values))
        log.sent.clear()
        return log

    return change
