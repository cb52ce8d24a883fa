"""Requests about the proofs of the log."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from crypto import fingerprints
from crypto.labels import SignedKind
from crypto.signing import Checkpoint
from crypto.tree import Frontier
from vault import (
    errors,
    log_exporting,
    log_reading,
    log_rows,
    log_showing,
    log_verifying,
    references,
    schema,
    witnessing,
)
from vault.compartment import Clock
from vault.door import Door
from vault.folder import Folder
from vault.header import Header
from vault.identity import GRANT, ONLY, OwnIdentity
from vault.leaves import generation_statement, origin
from vault.log_bodies import FIELDS
from vault.log_requests import LogExportBegun, LogHead, LogStatus, LogVerified
from vault.registry import Registry
from vault.tables import Row


def _uncertified(registry: Registry) -> list[Row]:
    return [row for row in registry.rows(schema.GENERATIONS) if row["certified"] is None]


@dataclass(frozen=True, slots=True)
class _Export:
    """An export between its intent and its outcome. ``lines`` are those of a disclosure; None where all steps are given."""

    begun: LogExportBegun
    lines: tuple[str, ...] | None


class Proving(Door):
    """The part of the keeper that knows of the log's proofs."""

    def __init__(self, folder: Folder, found: Header, registry: Registry, *, actor: str, clock: Clock) -> None:
        super().__init__(folder, found, registry, actor=actor, clock=clock)
        self._exports: dict[int, _Export] = {}

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
                confirmed=witnessing.witnesses(self.registry),
                forks=witnessing.forks(self.registry),
            )

    # Exports

    def log_export_begin(self) -> LogExportBegun:
        """Begin a public export: leaves and signatures, in which nothing that entries say can be read. Where there is an
        identity, it has certified every generation. ``log_export_end`` must follow.
        """
        self.certify_generations()
        act = self._begin("log-export", None, item=None, purpose=None, grants=())
        with self._concluding(act):
            log_rows.tree(self.registry)
        begun = LogExportBegun(act.receipt.number, log_exporting.public_header(self.registry), self.registry.steps)
        self._exports[begun.intent] = _Export(begun, None)
        return begun

    def log_disclose_begin(
        self,
        code: str | None = None,
        numbers: tuple[int, ...] = (),
        hidden: tuple[str, ...] = (),
        *,
        purpose: str | None = None,
    ) -> LogExportBegun:
        """Begin to disclose one case's entries, or those with these numbers, which the log keeps, with proofs;
        ``hidden`` names fields that are not shown. ``log_export_end`` must follow.

        Raises ``NoSuchCase``, ``NoSuchEntry``, ``BadValue``, ``Refused``.
        """
        unknown = sorted(set(hidden) - set(FIELDS))
        if unknown:
            raise errors.BadValue(field="hidden", reason="the log has no such field")
        for number in numbers:
            if not 0 <= number < self.registry.frontier.size:
                raise errors.NoSuchEntry(number=number)
        item = references.listed(numbers, ()) if numbers else None
        act = self._begin("log-disclose", code, item=item, purpose=purpose, grants=("log",))
        with self._concluding(act):
            found = log_reading.unsealed(self.registry, act.receipt, act.case, numbers)
            header, lines = log_exporting.disclosure(self.registry, found, hidden=hidden)
        act.receipt.void()
        begun = LogExportBegun(act.receipt.number, header, len(lines))
        self._exports[begun.intent] = _Export(begun, lines)
        return begun

    def log_export_lines(self, intent: int, after: int) -> tuple[str, ...]:
        """The lines of an export, as many as a page holds, after so many others, or none."""
        if intent not in self._exports:
            raise errors.ReceiptRefused
        running = self._exports[intent]
        if running.lines is None:
            return tuple(log_exporting.public_steps(self.registry, after=after, last=running.begun.lines))
        return running.lines[after : after + log_exporting.PAGE_ENTRIES]

    def log_export_end(
        self, intent: int, phase: str, *, size: int | None = None, digest: str | None = None, reason: str | None = None
    ) -> None:
        """Record what came of an export, done or failed, with size and SHA-256 of the file."""
        if intent not in self._exports:
            raise errors.ReceiptRefused
        del self._exports[intent]
        self._conclude(intent, phase, size=size, digest=digest, reason=reason)

    # Certificates

    def certify_generations(self) -> None:
        """Let the identity, where there is one, certify the first key of each generation that it has not certified yet."""
        if self.registry.row(schema.IDENTITY, ONLY) is None or not _uncertified(self.registry):
            return
        with self._act("log-certify", grants=(GRANT,)) as act:
            own = OwnIdentity(self.registry, act.receipt)
            for row in _uncertified(self.registry):
                signed = own.sign(SignedKind.GENERATION, generation_statement(self.registry.setting("vault_id"), row))
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
        return LogHead(
            origin=checkpoint.origin,
            size=checkpoint.size,
            root=checkpoint.root.hex(),
            step=registry.steps,
            words=fingerprints.words(checkpoint.root),
            note=log_showing.note(registry, registry.steps).decode(),
        )
