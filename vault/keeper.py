"""The service: the only holder of the vault's keys, databases and log, one method a request.

Every request that shows or changes anything goes through the door (``vault.door``). Requests take and give plain values
only, so that they can as well come through a socket.
"""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

from crypto.keys import CaseKey, ObjectKey
from vault import (
    cases,
    checking,
    epochs,
    errors,
    items,
    persons,
    references,
    schema,
    search,
    snapshot,
    statements,
    ways,
)
from vault.compartment import Clock, Compartment
from vault.door import Act
from vault.drafting import Drafting
from vault.folder import Folder
from vault.header import Header
from vault.objects import ObjectReader, Staged, place, remove_object
from vault.registry import CaseRow, Registry, case_grant, seal_title
from vault.requests import (
    AddGrant,
    BackupBegun,
    BackupSnapshot,
    CaseDetails,
    CaseSummary,
    CheckReport,
    Description,
    Disposal,
    Hit,
    ItemDetails,
    ItemSummary,
    KeyLabel,
    KnownObject,
    LogEntry,
    Note,
    ObjectGrant,
    PersonDetails,
    PersonFields,
    Stored,
    VaultInfo,
)
from vault.tables import Row, blob, text
from vault.unlock import SecretUnlocker, Unlocker


class Keeper(Drafting):
    """An open vault, as those who ask see it."""

    def __init__(self, folder: Folder, found: Header, registry: Registry, *, actor: str, clock: Clock) -> None:
        super().__init__(folder, found, registry, actor=actor, clock=clock)
        self._backups: dict[int, snapshot.Running] = {}

    # The vault

    def record_creation(self) -> None:
        """The first entry of the log."""
        receipt = self.log.intend("vault-create")
        self.log.conclude(receipt.number, "done")

    def record_older_copy(self) -> None:
        """An older or other copy than this machine remembers is used on purpose: that is said in its log."""
        receipt = self.log.intend("older-copy-accepted")
        self.log.conclude(receipt.number, "done")
        self.warn("older-than-last-time")

    def record_session(self, act: str, reason: str | None = None) -> None:
        """A session begins (unlock) or ends (lock)."""
        receipt = self.log.intend(act)
        self.log.conclude(receipt.number, "done", reason=reason)

    def info(self) -> VaultInfo:
        """What the vault says of itself; nothing of a case."""
        registry = self.registry
        last_check = registry.optional_setting("last_check")
        last_backup = registry.optional_setting(snapshot.LAST_SETTING)
        return VaultInfo(
            vault_id=registry.setting("vault_id").hex(),
            created=registry.setting("created").decode(),
            epoch=self.header.epoch,
            cases=len(registry.cases()),
            log_entries=registry.frontier.size,
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
    ) -> None:
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
            grants=[case_grant(each) for each in self.registry.cases()],
        )
        act = Act(receipt, case)
        with self._concluding(act):
            epochs.renew(self, plan, receipt, progress=progress)
        receipt.void()

    def check(self, *, read_data: bool = False, progress: Callable[[int], None] | None = None) -> CheckReport:
        """Read the structure of everything, or every byte, and say what is damaged. Only the log is written."""
        with self._act("check", grants=checking.grants(self.registry)) as act:
            report = checking.check(self, act.receipt, read_data=read_data, progress=progress)
            if read_data and not report.findings:
                act.also.append(lambda: self.registry.set("last_check", self.now.encode()))
        return report

    def log_entries(self, code: str | None = None) -> tuple[LogEntry, ...]:
        """The readable entries of the log, oldest first."""
        with self._act("log", code, grants=("log",)) as act:
            return tuple(self.log.entries(act.receipt, act.case))

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
        """The codes of cases that are easily taken for ``code``. Raises ``BadCode``."""
        wanted = references.parse_case(code)
        with self._act("case-codes"):
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
        plan = epochs.plan_delete(self, current, case)
        self._renew("case-delete", plan, case=case)

    # Items

    def item_begin_add(self, code: str) -> AddGrant:
        """What is needed to stage an object for a case. Nothing is revealed, so nothing is logged."""
        case = self.registry.case(references.parse_case(code))
        return AddGrant(case_id=case.case_id, folder_id=self.header.folder_id)

    def item_finish_add(
        self,
        code: str,
        staging: str,
        staged: Staged,
        description: Description,
        *,
        file_name: str | None = None,
        words: str | None = None,
        revises: int | None = None,
        draft: bytes | None = None,
    ) -> Stored:
        """Take a staged object into a case: at its place and durable before the case knows of it.

        The ``draft`` that became this item is forgotten in the same step. Raises ``NoSuchDraft``.
        """
        name = "item-add" if revises is None else "item-revise"
        item = None if revises is None else str(revises)
        with self._act(name, code, item=item, grants=("object",)) as act:
            if draft is not None:
                self._forget_draft(act, draft)
                act.objects.append(draft)
            with self._changing(act) as compartment:
                number, again = items.add(
                    compartment,
                    staged,
                    description,
                    code=act.code,
                    file_name=file_name,
                    words=words,
                    revises=revises,
                    now=self.now,
                )
                lost = None
                if again and not self._is_whole(act, compartment, number):
                    lost = items.replace_object(compartment, act.code, number, staged)
                    act.objects.append(lost)
                if not again or lost:
                    compartment.keep_object_key(staged.object_id, ObjectKey(staged.key))
                    act.objects.append(staged.object_id)
                    act.before_commit.append(partial(place, staged, Path(staging), self.folder.objects))
            if lost:
                remove_object(self.folder.objects, lost)
            act.outcome |= {"item": str(number), "size": staged.size_bytes, "digest": staged.sha256}
            stored = Stored(items.details(compartment, act.code, number), again)
        if draft is not None:
            self.remove_draft(draft)
        return stored

    def _is_whole(self, act: Act, compartment: Compartment, number: int) -> bool:
        """Whether every byte of an item is still what came in; if not, its owner brings the only way to heal it."""
        row = items.stored_row(compartment, act.code, number)
        try:
            key = compartment.unwrap_object_key(act.receipt, blob(row, "object_id"))
            ObjectReader(self.folder.objects, self._grant(act, row, key)).verify()
        except errors.Damage:
            return False
        return True

    def _grant(self, act: Act, row: Row, key: ObjectKey) -> ObjectGrant:
        return items.grant(
            row,
            intent=act.receipt.number,
            code=act.code,
            case_id=act.needed_case.case_id,
            folder_id=self.header.folder_id,
            key=key,
        )

    def item_list(self, code: str) -> tuple[ItemSummary, ...]:
        """The items of a case, by number."""
        with self._act("item-list", code) as act:
            return items.summaries(self._compartment(act), act.code)

    def item_show(self, code: str, number: int, *, purpose: str | None = None) -> ItemDetails:
        """Everything about an item besides its bytes. Raises ``NoSuchItem``."""
        with self._act("item-show", code, item=str(number), purpose=purpose) as act:
            return items.details(self._compartment(act), act.code, number)

    def item_open(self, code: str, number: int, *, act_name: str, purpose: str | None = None) -> ObjectGrant:
        """The key of an item's object, for one logged intent; ``item_close`` must follow."""
        act = self._begin(f"item-{act_name}", code, item=str(number), purpose=purpose, grants=("object",))
        with self._concluding(act):
            compartment = self._compartment(act)
            row = items.stored_row(compartment, act.code, number)
            object_id = blob(row, "object_id")
            key = compartment.unwrap_object_key(act.receipt, object_id)
        act.receipt.void()
        self._reads[act.receipt.number] = act
        return self._grant(act, row, key)

    def verify_serving(self) -> None:
        """See that this vault is still open, while something long is prepared for it. Raises ``VaultClosed``."""
        if not self.is_usable:
            raise errors.VaultClosed

    def is_reading(self, intent: int) -> bool:
        """Whether an ``item_open`` has no outcome yet."""
        return intent in self._reads

    def item_close(
        self, intent: int, phase: str, *, size: int | None = None, digest: str | None = None, reason: str | None = None
    ) -> None:
        """Record what came of ``item_open``: done or failed, and how much was given out."""
        self._written.pop(intent, None)
        if self._reads.pop(intent, None) is None:
            raise errors.ReceiptRefused
        try:
            self.log.conclude(intent, phase, size=size, digest=digest, reason=reason)
        except errors.LogUnavailable as error:
            raise errors.OutcomeUnrecorded from error

    def item_edit(self, code: str, number: int, values: dict[str, str | None]) -> ItemDetails:
        """Change what is said of an item; the old values stay in its history."""
        with self._act("item-edit", code, item=str(number)) as act:
            with self._changing(act) as compartment:
                items.edit(compartment, act.code, number, values)
            return items.details(compartment, act.code, number)

    def item_note(self, code: str, number: int, remark: str) -> Note:
        """A further remark on an item."""
        with self._act("item-note", code, item=str(number)) as act, self._changing(act) as compartment:
            items.stored_row(compartment, act.code, number)
            return cases.add_note(compartment, number, remark, now=self.now)

    def item_tag(self, code: str, number: int, add: tuple[str, ...], remove: tuple[str, ...]) -> tuple[str, ...]:
        """Add and remove tags of an item."""
        with self._act("item-tag", code, item=str(number)) as act, self._changing(act) as compartment:
            items.stored_row(compartment, act.code, number)
            return cases.change_tags(compartment, number, add, remove)

    def item_statement(self, code: str, number: int, values: dict[str, str | None]) -> ItemDetails:
        """Say in which circumstances a statement was given; the old values stay in its history."""
        with self._act("item-statement", code, item=str(number)) as act:
            with self._changing(act) as compartment:
                items.stored_row(compartment, act.code, number)
                statements.change(compartment, act.code, number, values)
            return items.details(compartment, act.code, number)

    def item_delete(self, code: str, number: int, reason: str | None = None) -> Disposal:
        """Delete an item: its row and key first, then its bytes. A record of it stays."""
        with self._act("item-delete", code, item=str(number)) as act:
            now = self.now
            with self._changing(act) as compartment:
                object_id = items.delete(compartment, act.code, number, reason, now=now)
                act.objects.append(object_id)
            compartment.store.overwrite_deleted()
            remove_object(self.folder.objects, object_id)
            return Disposal(references.item_reference(act.code, number), now, reason)

    # Persons

    def person_add(self, code: str, person: PersonFields) -> PersonDetails:
        """A further person of a case."""
        with self._act("person-add", code) as act:
            with self._changing(act) as compartment:
                number = persons.add(compartment, person, now=self.now)
            act.outcome |= {"item": f"p{number}"}
            return persons.details(compartment, act.code, number)

    def person_list(self, code: str) -> tuple[PersonDetails, ...]:
        """The persons of a case, by number."""
        with self._act("person-list", code) as act:
            return persons.everyone(self._compartment(act), act.code)

    def person_show(self, code: str, number: int, *, purpose: str | None = None) -> PersonDetails:
        """Everything about a person. Raises ``NoSuchPerson``."""
        with self._act("person-show", code, item=f"p{number}", purpose=purpose) as act:
            return persons.details(self._compartment(act), act.code, number)

    def person_edit(self, code: str, number: int, values: dict[str, object]) -> PersonDetails:
        """Change what is known of a person; the old values stay in the history."""
        with self._act("person-edit", code, item=f"p{number}") as act:
            with self._changing(act) as compartment:
                persons.edit(compartment, act.code, number, values)
            return persons.details(compartment, act.code, number)

    def person_remove(self, code: str, number: int, reason: str | None = None) -> Disposal:
        """Delete a person and everything known of them, old values too."""
        with self._act("person-remove", code, item=f"p{number}") as act:
            now = self.now
            with self._changing(act) as compartment:
                persons.remove(compartment, act.code, number, reason, now=now)
            compartment.store.overwrite_deleted()
            return Disposal(references.person_reference(act.code, number), now, reason)

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
        try:
            self.log.conclude(intent, phase, size=size, digest=digest, reason=reason, also=also)
        except errors.LogUnavailable as error:
            raise errors.OutcomeUnrecorded from error

    def _backup(self, intent: int) -> snapshot.Running:
        if intent not in self._backups:
            raise errors.ReceiptRefused
        return self._backups[intent]

    def end_readings(self) -> None:
        """Give every open reading and every backup that has not ended its outcome."""
        for intent in list(self._backups):
            with contextlib.suppress(errors.VaultError):
                self.backup_end(intent, "failed", reason="closed")
        for number in list(self._reads):
            with contextlib.suppress(errors.VaultError):
                self.item_close(number, "failed", reason="closed")
