"""The service: the only holder of the vault's keys, databases and log, one method a request.

Every request that shows or changes anything goes through the door (``vault.door``). Requests take and give plain values
only, so that they can as well come through a socket.
"""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Callable, Collection
from dataclasses import replace
from functools import partial
from pathlib import Path

from crypto.keys import CaseKey
from vault import (
    cases,
    checking,
    epochs,
    errors,
    identity,
    items,
    log_reading,
    log_verifying,
    persons,
    references,
    schema,
    search,
    snapshot,
    ways,
)
from vault.compartment import Clock, Compartment
from vault.confirming import Confirming
from vault.door import Act
from vault.folder import Folder
from vault.header import Header
from vault.log_requests import LogEntry
from vault.receipts import Receipt
from vault.registry import CaseRow, Registry, case_grant, draft_grant, seal_title
from vault.requests import (
    BackupBegun,
    BackupSnapshot,
    CaseDetails,
    CaseSummary,
    CheckBegun,
    CheckReport,
    Finding,
    Hit,
    KeyLabel,
    KnownObject,
    Note,
    ObjectGrant,
    VaultInfo,
)
from vault.tables import blob, text
from vault.unlock import SecretUnlocker, Unlocker

_BEING_WRITTEN = "a text is being written; end that first, in the window where it is written"


class Keeper(Confirming):
    """An open vault, as those who ask see it."""

    def __init__(self, folder: Folder, found: Header, registry: Registry, *, actor: str, clock: Clock) -> None:
        super().__init__(folder, found, registry, actor=actor, clock=clock)
        self._backups: dict[int, snapshot.Running] = {}
        self._checks: dict[int, checking.Check] = {}

    # The vault

    def record_older_copy(self, *heads: dict[str, object]) -> None:
        """An older or other copy is used on purpose: that is said in its log, with the heads that are known."""
        receipt = self.log.intend("older-copy-accepted", heads=heads)
        self.log.conclude(receipt.number, "done")

    def record_session(self, act: str, reason: str | None = None) -> Receipt:
        """A session begins (unlock) or ends (lock). The receipt of its beginning is good for each case, once."""
        cases = self.registry.cases() if act == "unlock" else []
        receipt = self.log.intend(act, grants=map(case_grant, cases))
        self.log.conclude(receipt.number, "done", reason=reason)
        return receipt

    def info(self) -> VaultInfo:
        """What the vault says of itself; nothing of a case."""
        registry = self.registry
        last_check = registry.optional_setting("last_check")
        last_backup = registry.optional_setting(snapshot.LAST_SETTING)
        verified = log_verifying.last_verified(registry)
        return VaultInfo(
            vault_id=registry.setting("vault_id").hex(),
            created=registry.setting("created").decode(),
            epoch=self.header.epoch,
            cases=len(registry.cases()),
            log_entries=registry.frontier.size,
            log_steps=registry.steps,
            log_verified_step=verified.step if verified else 0,
            keys=self.keys(),
            memory_kib=self.header.cost.memory_kib,
            passes=self.header.cost.passes,
            last_check=last_check.decode() if last_check else None,
            last_backup=last_backup.decode() if last_backup else None,
            backups=snapshot.known_backups(registry),
            last_unlock=self.last_unlock,
            failed_unlocks=self.failed_unlocks,
            warnings=tuple(self.warnings),
            unknown_slot=self.unknown_slot,
            has_identity=identity.own_fingerprint(registry) is not None,
            drafts=len(self.known_drafts()),
        )

    def keys(self) -> tuple[KeyLabel, ...]:
        """The ways into the vault."""
        return ways.listed(self)

    def key_of(self, current: Unlocker) -> KeyLabel | None:
        """Which way in a secret is; None for one that the vault does not know. Raises ``WrongPassphrase``."""
        return ways.known(self, current.unlock(self.header))

    def add_key(self, current: Unlocker, new: SecretUnlocker, label: str) -> KeyLabel:
        """A further way in, tried from a fresh read of the files before it is reported.

        Raises ``WrongPassphrase``, ``TooManyKeys``, ``Refused``, ``BadValue``; after an error the vault opens as before.
        """
        plan, before = ways.plan_add(self, current, new, label), set(self.keys())
        self._renew("key-add", plan, item=text(plan.slots[-1], "label"))
        (added,) = set(self.keys()) - before
        return added

    def remove_key(self, current: Unlocker, slot: int, *, progress: Callable[[int], None] | None = None) -> KeyLabel:
        """One way in less, and every key below it renewed; returns what is gone.

        Raises ``WrongPassphrase``, ``NoSuchKey``, ``Refused``; after an error the vault opens as before.
        """
        plan = ways.plan_remove(self, current, slot)
        (removed,) = plan.dropped
        self._renew("key-remove", plan, item=removed.label, progress=progress)
        return removed

    def verify_secret(self, current: Unlocker) -> None:
        """See that a secret opens this vault, before more is asked for. Raises ``WrongPassphrase``."""
        current.unlock(self.header)

    def change_passphrase(
        self,
        current: Unlocker,
        new: SecretUnlocker,
        *,
        recalibrate: bool = False,
        progress: Callable[[int], None] | None = None,
    ) -> tuple[KeyLabel, ...]:
        """Replace a way in and renew every key below it; returns the ways in that were dropped.

        Raises ``WrongPassphrase`` and ``Refused``; after an error the vault opens as before.
        """
        plan = ways.plan_change(self, current, new, recalibrate=recalibrate)
        self._renew("passphrase-change", plan, progress=progress)
        return plan.dropped

    def _renew(
        self,
        name: str,
        plan: epochs.Plan,
        *,
        case: CaseRow | None = None,
        item: str | None = None,
        progress: Callable[[int], None] | None = None,
        digest: str | None = None,
    ) -> None:
        if plan.renew_cases and self.is_writing:
            # What is typed there goes on under a key of before, which the old secret may lead to.
            raise errors.Refused(reason=_BEING_WRITTEN)
        epochs.sweep(self)
        if not epochs.is_swept(self):
            raise errors.Refused(
                reason="files of a newer state of this vault lie in its folder and would be overwritten"
            )
        receipt = self.log.intend(
            name,
            case=case,
            item=item,
            vault_level=True,
            grants=[
                *(case_grant(each) for each in self.registry.cases()),
                *(draft_grant(each) for each in self.known_drafts()),
            ],
            digest=digest,
        )
        act = Act(receipt, case)
        with self._concluding(act):
            epochs.renew(self, plan, receipt, progress=progress)
        receipt.void()

    def check(self) -> CheckReport:
        """Read the structure of everything and say what is damaged. Only the log is written."""
        with self._act("check", grants=checking.grants(self.registry)) as act:
            return checking.Check(self, act.receipt).report

    def check_begin(self) -> CheckBegun:
        """``check``, and which items are there to be read to the end; ``check_end`` must follow."""
        act = self._begin("check", None, item=None, purpose=None, grants=checking.grants(self.registry))
        with self._concluding(act):
            found = checking.Check(self, act.receipt)
        act.receipt.void()
        self._checks[act.receipt.number] = found
        return CheckBegun(act.receipt.number, found.report, found.unread)

    def check_object(self, intent: int, reference: str) -> ObjectGrant:
        """The key of one item's object, once, for the intent of the check."""
        return self._check(intent).take(reference)

    def check_end(
        self,
        intent: int,
        phase: str,
        findings: tuple[Finding, ...] = (),
        *,
        size: int | None = None,
        reason: str | None = None,
    ) -> tuple[Finding, ...]:
        """Record what came of a check, done or failed; returns what of the findings still stands."""
        found = self._check(intent)
        del self._checks[intent]
        confirmed = found.confirmed(self, findings)
        is_clean = phase == "done" and not (confirmed or found.report.findings or found.unread)
        also = [lambda: self.registry.set("last_check", self.now.encode())] if is_clean else []
        self._conclude(intent, phase, size=size, reason=reason, also=also)
        return confirmed

    def _check(self, intent: int) -> checking.Check:
        if intent not in self._checks:
            raise errors.ReceiptRefused
        return self._checks[intent]

    def log_entries(self, code: str | None = None) -> tuple[LogEntry, ...]:
        """The readable entries of the log, oldest first."""
        with self._act("log", code, grants=("log",)) as act:
            return tuple(log_reading.entries(self.registry, act.receipt, act.case))

    def search(self, words: str, code: str | None = None) -> tuple[Hit, ...]:
        """What any case, or one, has for some words. The log names each case with hits; the words stay out of it."""
        wanted = search.query(words)
        chosen = self.registry.cases() if code is None else [self.registry.case(references.parse_case(code))]
        hits: list[Hit] = []
        having: list[CaseRow] = []
        with self._act("search", grants=tuple(case_grant(case) for case in chosen)) as act:
            for case in chosen:
                was_open = self.is_open(case.case_id)
                compartment = self.opened(case, self.registry.unwrap_case_key(act.receipt, case.case_id))
                found = search.find(compartment, wanted, case.code)
                if found:
                    having.append(case)
                    hits += [replace(hit, title=self._title(compartment, case.code, hit)) for hit in found]
                if not was_open and self.is_crowded:
                    self.drop(case.case_id)
            if having:
                self.log.note_hits(act.receipt, having, words)
        return tuple(hits)

    def _title(self, compartment: Compartment, code: str, hit: Hit) -> str:
        local = hit.reference.partition("/")[2]
        if not local:
            return cases.title(compartment)
        if local.startswith("p"):
            return persons.name(compartment, code, int(local[1:]))
        return items.title(compartment, code, int(local))

    # Cases

    def case_new(self, title: str, code: str | None = None) -> CaseSummary:
        """Make a compartment with a key of its own. Raises ``BadCode``, ``CodeTaken``, ``BadValue``."""
        title = cases.checked_text("title", title)
        taken = {case.code for case in self.registry.cases()}
        chosen = references.parse_case(code) if code else references.generate_code(taken)
        if chosen in taken:
            raise errors.CodeTaken(code=chosen)
        now, key, case_id = self.now, CaseKey.random(), secrets.token_bytes(16)
        case = CaseRow(case_id, chosen, 1, now, now, b"", 0, 0, 0)
        receipt = self.log.intend("case-new", case=case, vault_level=True)
        act = Act(receipt, case)
        with self._concluding(act):
            path = self.folder.cases / case.file_name
            compartment = Compartment.create(path, key, code=chosen, case_id=case_id, clock=self.clock)
            self.keep_open(case_id, compartment)
            with compartment.changing():
                cases.begin(compartment, code=chosen, title=title, now=now)
            row = {name: getattr(case, name) for name in CaseRow.__dataclass_fields__}
            row |= {"key": key.raw, "title": seal_title(key, case_id, title), "state": compartment.state}
            act.also.append(lambda: self.registry.put(schema.CASES, row))
            act.outcome |= {"case": chosen, "state_after": compartment.state.hex()}
            self._end(act)
        return CaseSummary(chosen, title, now, now, 0, 0)

    def codes_like(self, code: str) -> tuple[str, ...]:
        """The codes of cases that are easily taken for ``code``. Raises ``BadCode``, and ``CodeTaken`` where a case has it."""
        wanted = references.parse_case(code)
        with self._act("case-codes"):
            if any(case.code == wanted for case in self.registry.cases()):
                raise errors.CodeTaken(code=wanted)
            return tuple(case.code for case in self.registry.cases() if references.look_alike(wanted, case.code))

    def case_list(self) -> tuple[CaseSummary, ...]:
        """All cases with their titles, by code."""
        with self._act("case-list", grants=("titles",)) as act:
            titles = self.registry.unseal_titles(act.receipt)
            return tuple(
                CaseSummary(case.code, titles[case.case_id], case.created, case.changed, case.items, case.persons)
                for case in self.registry.cases()
            )

    def case_show(self, code: str, *, purpose: str | None = None) -> CaseDetails:
        """Everything about a case besides its items and persons. Raises ``NoSuchCase``."""
        with self._act("case-show", code, purpose=purpose) as act:
            return cases.details(self._compartment(act), act.needed_case)

    def case_edit(self, code: str, *, title: str | None = None, description: str | None = None) -> CaseDetails:
        """Change a case's title or description."""
        with self._act("case-edit", code) as act:
            with self._changing(act) as compartment:
                cases.edit(compartment, title=title, description=description)
            if title is not None:
                self._retitle(act, compartment)
            return cases.details(compartment, act.needed_case)

    def _retitle(self, act: Act, compartment: Compartment) -> None:
        case_id = act.needed_case.case_id
        sealed = self.registry.seal_title(case_id, cases.title(compartment))
        act.also.append(lambda: self.registry.update_case(case_id, title=sealed))

    def case_note(self, code: str, remark: str) -> Note:
        """A further remark on a case."""
        with self._act("case-note", code) as act, self._changing(act) as compartment:
            return cases.add_note(compartment, cases.OF_THE_CASE, remark, now=self.now)

    def case_tag(self, code: str, add: tuple[str, ...], remove: tuple[str, ...]) -> tuple[str, ...]:
        """Add and remove tags of a case."""
        with self._act("case-tag", code) as act, self._changing(act) as compartment:
            return cases.change_tags(compartment, cases.OF_THE_CASE, add, remove)

    def case_delete(self, code: str, current: Unlocker) -> None:
        """Destroy a case: its key, its files, and the vault's key above it. Raises ``WrongPassphrase``."""
        case = self.registry.case(references.parse_case(code))
        if any(self._is_written(blob(row, "draft_id")) for row in self.registry.drafts(case.case_id)):
            # Whoever writes would go on, be told that it is saved, and never find it again.
            raise errors.Refused(reason=_BEING_WRITTEN)
        plan = epochs.plan_delete(self, current, case)
        self._renew("case-delete", plan, case=case, digest=self.log.digest_of_entries(case))

    # Backups: the command's process copies, see ``vault.backing_up``

    def backup_begin(self, place: str, markers: tuple[bytes, ...], *, anew: bool = False) -> BackupBegun:
        """The intent of a backup into the folder ``place``, in which ``markers`` were found; ``backup_end`` must follow.

        Raises ``Refused`` for another vault's and for one of a later state, ``BackupDamaged``, ``UnknownFormat``; and
        ``BackupGone`` where one was made before and is not, unless ``anew``.
        """
        running, begun = snapshot.begin(self, place, markers, anew=anew)
        self._backups[running.intent] = running
        return begun

    def backup_snapshot(self, intent: int, staging: str, sound: tuple[str, ...]) -> BackupSnapshot:
        """All databases at this moment; what the backup lacks is copied into the folder ``staging``.

        ``sound`` names the databases there that were read and are as they should be.
        """
        return snapshot.take(self, self._backup(intent), Path(staging), sound)

    def backup_known(self, intent: int, object_ids: tuple[bytes, ...]) -> tuple[KnownObject, ...]:
        """Which of these objects belong to an item still."""
        return snapshot.known_objects(self, self._backup(intent), object_ids)

    def backup_end(
        self, intent: int, phase: str, *, size: int | None = None, digest: str | None = None, reason: str | None = None
    ) -> None:
        """Record what came of a backup: done or failed, how much was written, and the digest of its marker."""
        running = self._backup(intent)
        del self._backups[intent]
        also = []
        if phase == "done":
            also.append(snapshot.remembering(self.registry, running.backup_id, running.place, running.made))
        self._conclude(intent, phase, size=size, digest=digest, reason=reason, also=also)

    def _backup(self, intent: int) -> snapshot.Running:
        if intent not in self._backups:
            raise errors.ReceiptRefused
        return self._backups[intent]

    def abandon(self, intent: int, reason: str) -> None:
        """Give what was begun and nobody will end its outcome."""
        for running, end in self._begun:
            if intent in running:
                with contextlib.suppress(errors.VaultError):
                    end(intent, "failed", reason=reason)

    def end_readings(self) -> None:
        """Give everything that was begun its outcome."""
        for intent in [intent for running, _ in self._begun for intent in running]:
            self.abandon(intent, "closed")
        with contextlib.suppress(errors.LogUnavailable):
            self.settle_failed()

    @property
    def _begun(self) -> tuple[tuple[Collection[int], Callable[..., object]], ...]:
        """What is between intent and outcome, and what ends it. Readings and writings are the last."""
        return (
            (self._backups, self.backup_end),
            (self._checks, self.check_end),
            (self._exports, self.log_export_end),
            (self._receipts, self.receipt_end),
            (self._shares, partial(self.share_end, nothing_left=False)),
            (self._openings, self.open_end),
            (self._reads, self.item_close),
        )
