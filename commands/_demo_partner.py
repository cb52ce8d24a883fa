"""The part of the demo in which others come in: a partner with a vault of their own, and whoever doubts the log."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager

from commands._errors import DAMAGE, PROOF, REFUSED
from commands._telling import Telling, environment
from commands._text import _
from vault import passphrases

_PARTNER = "The office abroad"
_PURPOSE = "for the hearing about asylum"


class Others(Telling):
    """What passes between two vaults, and what a third person can verify."""

    @contextmanager
    def at(self, computer: str, *, vault: str = "vault", unlocked_by: str | None = None) -> Iterator[None]:
        """Go on at another computer."""
        before = self.environment, self.unlocked_by
        self.environment = environment(self.folder, computer=computer, vault=vault)
        self.unlocked_by = unlocked_by or self.unlocked_by
        try:
            yield
        finally:
            self.environment, self.unlocked_by = before

    @contextmanager
    def _abroad(self) -> Iterator[None]:
        self.say(_("  (at the partner's computer)"))
        with self.at("far-away", vault="partner-vault", unlocked_by="partner.txt"):
            yield

    def meet(self) -> None:
        """Two vaults exchange cards, and their owners compare fingerprints."""
        self.step(_("A partner abroad with a vault of their own; cards are exchanged, and fingerprints read out"))
        self.write("partner.txt", passphrases.generate() + "\n")
        self.run("identity", "card", "-o", "our.card")
        self._write_down("ours.heard")
        with self._abroad():
            self.run("init", "--no-recovery")
            self.run("identity", "card", "-o", "partner.card")
            self.run("identity", "show")
            self._write_down("partner.heard")
        self.run("partner", "add", "partner.card", "--name", _PARTNER)
        self.say(_("  (what they read out on the telephone was written into a file; you would type what you hear)"))
        self.run("partner", "verify", _PARTNER, "--heard", "partner.heard")
        grades = {each["name"]: each["grade"] for each in self.quietly("partner", "list").json()}
        self.must(grades == {_PARTNER: "voice"}, _("the partner's key was compared by voice"))

    def _write_down(self, name: str) -> None:
        self.write(name, " ".join(self.quietly("identity", "show").json()["digits"]) + "\n")

    def share(self, secret: dict[str, bytes]) -> None:
        """Two items go to the partner in one file, in which none of ``secret`` can be read."""
        self.step(_("The statement and the video, sealed for this partner alone; nothing else goes"))
        items = ("--item", "1", "--item", "2")
        self.run("seal", "HARBOUR", *items, "--to", _PARTNER, "--purpose", _PURPOSE, "--terms", "-", "--yes", "-o", "sealed.age", typed="not for the press")  # fmt: skip
        sealed = (self.folder / "sealed.age").read_bytes()
        for what, needle in {**secret, _("the partner's name"): _PARTNER.encode(), _("the purpose"): _PURPOSE.encode()}.items():  # fmt: skip
            self.must(needle not in sealed, _("{what} is nowhere").format(what=what), quiet=True)
        self.must(
            sealed.startswith(b"age-encryption.org/v1\n"), _("it is an age file, and nothing in it can be read outside")
        )

    def arrive(self, digests: list[str]) -> None:
        """The partner opens the file: what is in it has these ``digests``."""
        self.step(_("The partner opens it: first nobody knows the sender, then somebody has compared the card"))
        with self._abroad():
            self.run("open", "sealed.age", expect=REFUSED)
            self.run("partner", "add", "our.card", "--name", "The lawyer")
            self.run("partner", "verify", "The lawyer", "--heard", "ours.heard")
            self._alter("sealed.age", "altered.age")
            self.say(_("  (one bit was changed in a copy of the file)"))
            self.run("open", "altered.age", expect=PROOF)
            self.must(self.quietly("case", "list").json() == [], _("nothing of it was stored"))
            self.run("inspect", "sealed.age")
            self.run("open", "sealed.age", "--code", "ARRIVED", "--receipt", "receipt.age")
            kept = [self.quietly("show", f"ARRIVED/{number}").json()["sha256"] for number in (1, 2)]
            self.must(kept == digests, _("statement and video are bit for bit what was sealed"))
            self.run("show", "ARRIVED/1")

    def _alter(self, source: str, target: str) -> None:
        data = bytearray((self.folder / source).read_bytes())
        data[len(data) // 2] ^= 1
        (self.folder / target).write_bytes(data)

    def confirm(self) -> None:
        """The partner's receipt comes back."""
        self.step(_("Their receipt comes back; who has what is known"))
        self.run("receipt", "receipt.age")
        self.run("grants", "HARBOUR")
        (grant,) = self.quietly("grants", "HARBOUR").json()
        self.must(grant["complete"] is True, _("the partner has confirmed that all of it came"))

    def prove(self) -> None:
        """The log proves itself, to its owner and to somebody who has nothing but Python."""
        self.step(_("The log proves itself, also to somebody who trusts neither us nor this program"))
        self.run("log", "verify")
        (self.folder / "proof").mkdir(mode=0o700)
        exported = self.run("log", "export", "--to", "proof")
        self.must(exported.status == 0, _("the log's public form is written, with a program that verifies it"))
        log = self.folder / "proof" / "log-public" / "log.jsonl"
        program = log.with_name("verify_log.py")
        self.must(self.run_python(program, log), _("that program, run by itself, finds that every step holds"))
        forged = log.with_name("forged.jsonl")
        lines = log.read_text(encoding="utf-8").splitlines(keepends=True)
        forged.write_text("".join(lines[:3] + lines[4:]), encoding="utf-8")
        self.must(not self.run_python(program, forged), _("and does not find it where one step was taken out"))

    def tamper(self) -> None:
        """What was logged is taken out of a copy of the vault again, by somebody who has every key."""
        self.step(_("Somebody with the passphrase makes an entry of the log disappear; the copy is caught"))
        copy = self.folder / "tampered"
        shutil.copytree(self.folder / "vault", copy)
        (database,) = copy.glob("vault-*.db")
        before = database.read_bytes()
        with self.at("their-computer"):
            self.run("--vault", "tampered", "note", "HARBOUR", "-", typed="This was never here.")
            head = self.quietly("--vault", "tampered", "log", "head").json()
        for each in copy.glob("vault-*.db*"):
            each.unlink()
        database.write_bytes(before)
        self.say(_("  (the index of before was put back into the copy, on a computer that has never seen it)"))
        with self.at("yet-another-computer"):
            self.run("--vault", "tampered", "log", "verify", expect=DAMAGE)
        self.run("log", "verify")
        verified = self.quietly("log", "verify", "--full").json()
        self.must(verified["unsigned"] == 0, _("in the vault itself every entry is signed"))
        self.say(
            _("  (whoever insists can open the copy, and export its log; somebody kept the head that it had before)")
        )
        (self.folder / "proof-of-the-copy").mkdir(mode=0o700)
        with self.at("yet-another-computer"):
            self.run("--vault", "tampered", "--accept-older-copy", "log", "export", "--to", "proof-of-the-copy")
        log = self.folder / "proof-of-the-copy" / "log-public" / "log.jsonl"
        kept = f"{head['size']}:{head['root']}"
        agrees = not self.run_python(log.with_name("verify_log.py"), log, "--head", kept)
        self.must(
            agrees, _("the program that needs nothing of ours agrees: the copy's log is not the one that had this head")
        )
