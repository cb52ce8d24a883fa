"""Two vaults that know each other: what one seals for the other, that one opens and confirms."""

from __future__ import annotations

import contextlib
from pathlib import Path

from vaults import make_vault, open_vault

from vault import errors
from vault.receipt_files import Written
from vault.sealing import Sealed
from vault.unsealing import Found

SPOKEN = "seven quiet herons"


class Pair:
    """Ours seals its case HARBOUR, as yet empty; theirs opens. Each has the other's card, as Bear's and as Anna's."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.path, self.out = folder, folder / "ours", folder / "out"
        self.ours, self.theirs = make_vault(self.path), make_vault(folder / "theirs")
        self.ours.partners.add("Bear", card=self.theirs.identity.card())
        self.theirs.partners.add("Anna", card=self.ours.identity.card())
        self.ours.cases.new("Harbour Street", code="HARBOUR")
        self.case = self.ours.cases.get("HARBOUR")
        self.out.mkdir()

    def seal(self, to: str | None = "Bear", *, classical: bool = False) -> Sealed:
        """All of the case, into the folder; `to` nobody under a passphrase."""
        with self.ours.cases.get("HARBOUR").seal(
            to=to, items="all", purpose="hearing", terms="read only", classical=classical
        ) as sealing:
            return sealing.write(self.folder, passphrase=None if to else SPOKEN)

    def open(self, path: Path, *, accept: bool = True) -> Found:
        found, _ = self.theirs.open_file(path, spoken=lambda: SPOKEN, accept=lambda _found: accept)
        return found

    def confirm(self, path: Path) -> Written:
        return self.theirs.write_receipt(self.open(path), self.out)

    def begin_again(self) -> None:
        """Theirs, closed and opened: a vault whose log failed serves nobody any more."""
        with contextlib.suppress(errors.VaultError):
            self.theirs.close()
        self.theirs = open_vault(self.folder / "theirs")

    def close(self) -> None:
        self.ours.close()
        self.theirs.close()
