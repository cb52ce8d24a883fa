"""Requests about the proofs of the log."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from crypto import fingerprints
from crypto.labels import SignedKind
from crypto.signing import Checkpoint, checkpoint_note
from crypto.tree import Frontier
from vault import log_verifying, schema
from vault.door import Door
from vault.identity import GRANT, ONLY, OwnIdentity
from vault.leaves import Leaf, origin
from vault.registry import Registry
from vault.requests import LogHead, LogStatus, LogVerified
from vault.tables import Row, blob, integer


def _uncertified(registry: Registry) -> list[Row]:
    return [row for row in registry.rows(schema.GENERATIONS) if row["certified"] is None]


class Proving(Door):
    """The part of the keeper that knows of the log's proofs."""

    def log_verify(self, *, full: bool = False, progress: Callable[[int], None] | None = None) -> LogVerified:
        """Verify the log, from the beginning if ``full``, else from where it was verified before.

        Raises ``LogProofFailed``, which names the first step that does not hold.
        """
        with self._act("log-verify") as act:
            registry = self.registry
            before = None if full else log_verifying.last_verified(registry)
            found = log_verifying.verify(registry, since=before, when=self.now, progress=progress)
            since_size = Frontier.from_bytes(before.frontier).size if before else 0
            act.also.append(lambda: registry.set(log_verifying.LAST_SETTING, found.to_bytes()))
            return LogVerified(
                since=before.step if before else 0,
                steps=found.step - (before.step if before else 0),
                entries=registry.frontier.size - since_size,
                unsigned=self._unsigned(),
                head=self._head(),
                generations=log_verifying.generations(registry),
            )

    def log_head(self) -> LogHead:
        """The newest checkpoint, the intent to show it included."""
        with self._act("log-head"):
            return self._head()

    def log_status(self) -> LogStatus:
        """How far the log has come, and how far it was verified."""
        with self._act("log-status"):
            verified = log_verifying.last_verified(self.registry)
            return LogStatus(
                head=self._head(),
                generations=log_verifying.generations(self.registry),
                unsigned=self._unsigned(),
                verified_step=verified.step if verified else 0,
                verified_entries=Frontier.from_bytes(verified.frontier).size if verified else 0,
                verified_when=verified.when if verified else None,
            )

    def certify_generations(self) -> None:
        """Let the identity, where there is one, certify the first key of each generation that it has not certified yet."""
        if self.registry.row(schema.IDENTITY, ONLY) is None or not _uncertified(self.registry):
            return
        with self._act("log-certify", grants=(GRANT,)) as act:
            own = OwnIdentity(self.registry, act.receipt)
            for row in _uncertified(self.registry):
                signed = own.sign(
                    SignedKind.GENERATION, log_verifying.generation_statement(self.registry.setting("vault_id"), row)
                )
                certified: Row = {
                    **row,
                    "sshsig": signed.sshsig,
                    "mldsa65": signed.mldsa65,
                    "certified": self.now,
                }
                act.also.append(partial(self.registry.put, schema.GENERATIONS, certified))

    def _unsigned(self) -> int:
        return min((each.first_entry for each in log_verifying.generations(self.registry)), default=0)

    def _head(self) -> LogHead:
        registry = self.registry
        checkpoint = Checkpoint(
            origin(registry.setting("vault_id"), registry.signing.generation),
            registry.frontier.size,
            registry.frontier.root(),
        )
        ((signature,),) = registry.store.execute("SELECT signature FROM log_steps WHERE step = ?", (registry.steps,))
        return LogHead(
            origin=checkpoint.origin,
            size=checkpoint.size,
            root=checkpoint.root.hex(),
            step=registry.steps,
            words=fingerprints.words(checkpoint.root),
            note=checkpoint_note(checkpoint, signature, self._key_of(registry.steps)).decode(),
        )

    def _key_of(self, step: int) -> bytes:
        """The public key that a signed step was signed with."""
        for row in self.registry.rows(schema.GENERATIONS):
            if integer(row, "first_step") == step:
                return blob(row, "first_key")
        ((leaf,),) = self.registry.store.execute(
            "SELECT leaf FROM log_entries WHERE number = (SELECT size - 1 FROM log_steps WHERE step = ?)", (step - 1,)
        )
        return Leaf.from_bytes(leaf).next_key or b""
