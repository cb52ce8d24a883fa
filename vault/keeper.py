"""The service: the only holder of the vault's keys, databases and log, one method a request.

Every request that shows or changes anything follows one order: the intent is durable in the log, then its receipt
unwraps a key, then the work is done, then the outcome is recorded, then the answer is given. A change tells the log
which states it leads from and to before it is made, so that a crash at any moment can be settled.

Requests take and give plain values only, so that they can as well come through a socket.
"""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from crypto.keys import CaseKey, ObjectKey
from vault import cases, checking, epochs, errors, items, persons, references, schema, search
from vault.compartment import Compartment
from vault.folder import Folder
from vault.header import Header
from vault.log import Log, Unanswered
from vault.objects import Staged, is_stored, place, remove_object
from vault.receipts import Receipt
from vault.registry import CaseRow, Registry, case_grant, seal_title
from vault.requests import (
    AddGrant,
    CaseDetails,
    CaseSummary,
    CheckReport,
    Description,
    Disposal,
    Hit,
    ItemDetails,
    ItemSummary,
    KeyLabel,
    LogEntry,
    Note,
    ObjectGrant,
    PersonDetails,
    PersonFields,
    Stored,
    VaultInfo,
)
from vault.store import remove_database, was_closed
from vault.tables import blob, integer, text
from vault.unlock import SecretUnlocker, Unlocker

Clock = Callable[[], str]

# The acts whose entries are sealed under the vault's key, because the case has no key yet or soon none any more.
VAULT_LEVEL = frozenset({"case-new", "case-delete"})


@dataclass
class Act:
    """A request between its intent and its outcome."""

    receipt: Receipt
    case: CaseRow | None
    outcome: dict[str, object] = field(default_factory=dict)
    also: list[Callable[[], None]] = field(default_factory=list)
    objects: list[bytes] = field(default_factory=list)
    before_commit: list[Callable[[], None]] = field(default_factory=list)
    compartment: Compartment | None = None
    refined: bool = False

    @property
    def code(self) -> str:
        """The code of the act's case."""
        return self.needed_case.code

    @property
    def needed_case(self) -> CaseRow:
        """The act's case."""
        if self.case is None:
            raise errors.ReceiptRefused
        return self.case


class Keeper:
    """Holds an open vault. ``now`` gives the time as text, in UTC to the second."""

    def __init__(self, folder: Folder, found: Header, registry: Registry, *, actor: str, clock: Clock) -> None:
        self.folder = folder
        self.header = found
        self.registry = registry
        self.clock = clock
        self.log = Log(registry, wall_time=clock, actor=actor)
        self._open: dict[bytes, Compartment] = {}
        self._reads: dict[int, Act] = {}
        self.warnings: list[str] = []

    @property
    def now(self) -> str:
        """The time to the second."""
        return self.clock()[:19] + "Z"

    def warn(self, code: str) -> None:
        """Keep what a person must hear after opening, once."""
        if code not in self.warnings:
            self.warnings.append(code)

    # The one door

    @contextmanager
    def _act(
        self,
        name: str,
        code: str | None = None,
        *,
        item: str | None = None,
        purpose: str | None = None,
        grants: tuple[str, ...] = (),
    ) -> Iterator[Act]:
        act = self._begin(name, code, item=item, purpose=purpose, grants=grants)
        with self._concluding(act):
            yield act
        self._end(act)

    def _begin(
        self, name: str, code: str | None, *, item: str | None, purpose: str | None, grants: tuple[str, ...]
    ) -> Act:
        case = None if code is None else self._settled_case(code)
        purpose = cases.optional_checked_text("purpose", purpose)
        allowed = (*grants, case_grant(case)) if case else grants
        receipt = self.log.intend(
            name, case=case, item=item, purpose=purpose, grants=allowed, vault_level=name in VAULT_LEVEL
        )
        return Act(receipt, case)

    def _settled_case(self, code: str) -> CaseRow:
        """A case, after every change of it whose outcome could not be recorded was given one.

        Otherwise its state would stay acceptable while the case goes on, and with it an older copy.
        """
        case = self.registry.case(references.parse_case(code))
        for intent in self.log.unanswered():
            if intent.case_id == case.case_id and intent.state_after is not None:
                self.settle(intent, phase="recovered")
        return self.registry.case(case.code)

    @contextmanager
    def _concluding(self, act: Act) -> Iterator[None]:
        try:
            yield
        except BaseException as error:
            act.receipt.void()
            with contextlib.suppress(errors.VaultError, OSError):
                self._fail(act, type(error).__name__)
            raise

    def _end(self, act: Act) -> None:
        act.receipt.void()
        try:
            self.log.conclude(
                act.receipt.number,
                "done",
                vault_level=act.receipt.act in VAULT_LEVEL,
                also=act.also,
                **act.outcome,
            )
        except errors.LogUnavailable as error:
            if act.refined:
                raise errors.OutcomeUnrecorded from error
            raise

    def _fail(self, act: Act, reason: str) -> None:
        """Record that a request failed; where a change had been announced, look what became of it."""
        if act.receipt.act in epochs.ACTS and not epochs.is_swept(self):
            return  # without an outcome it tells the next open to remove what lies there
        for intent in self.log.unanswered():
            if intent.number == act.receipt.number:
                if act.refined and act.case:
                    self.drop(act.case.case_id)
                self.settle(intent, phase="failed", reason=reason)

    def _compartment(self, act: Act) -> Compartment:
        """The act's case, opened for its receipt."""
        if act.compartment is None:
            case = act.needed_case
            act.compartment = self.opened(case, self.registry.unwrap_case_key(act.receipt, case.case_id))
        return act.compartment

    def opened(self, case: CaseRow, key: CaseKey) -> Compartment:
        """A case's compartment, at the state that the log has confirmed or was told to expect."""
        if case.case_id not in self._open:
            compartment = Compartment.open(
                self.folder.cases / case.file_name, key, code=case.code, case_id=case.case_id, clock=self.clock
            )
            intended = {i.state_after for i in self.log.unanswered() if i.case_id == case.case_id}
            if compartment.state != case.state and compartment.state not in intended:
                compartment.close()
                raise errors.OlderCopy(what=case.code)
            self._open[case.case_id] = compartment
        return self._open[case.case_id]

    def is_open(self, case_id: bytes) -> bool:
        """Whether a case's compartment is open already."""
        return case_id in self._open

    def drop(self, case_id: bytes) -> None:
        """Close a case's compartment."""
        compartment = self._open.pop(case_id, None)
        if compartment:
            compartment.close()

    @contextmanager
    def _changing(self, act: Act) -> Iterator[Compartment]:
        """A change of the act's case: announced to the log before it is made."""
        compartment = self._compartment(act)
        case, before = act.needed_case, compartment.state
        with compartment.changing():
            yield compartment
            if compartment.state == before:
                return
            act.refined = True
            self.log.refine(act.receipt, before=before, after=compartment.state, objects=tuple(act.objects))
            for step in act.before_commit:
                step()
        act.outcome |= {"state_before": before.hex(), "state_after": compartment.state.hex()}
        act.also.append(partial(self._confirm, case.case_id, compartment))

    def _confirm(self, case_id: bytes, compartment: Compartment, **values: bytes) -> None:
        self.registry.update_case(
            case_id,
            state=compartment.state,
            changed=self.now,
            items=compartment.count(schema.ITEMS),
            persons=compartment.count(schema.PERSONS),
            **values,
        )

    def settle(self, intent: Unanswered, *, phase: str, reason: str | None = None) -> None:
        """Give an unanswered intent its outcome: keep what was committed, remove what was not."""
        outcome: dict[str, object] = {"reason": reason}
        case = None if intent.case_id is None else self.registry.case_by_id(intent.case_id)
        also: list[Callable[[], None]] = []
        if intent.case_id is not None and case is None:
            # Either the case was never finished, or it is deleted and its files still wait. An unfinished one was never
            # closed; one that was has lived on, and this index is an older copy.
            paths = [
                self.folder.cases / f"{id_.hex()}-{epoch}.db"
                for id_, epoch in self.folder.case_databases()
                if id_ == intent.case_id
            ]
            doomed = [path for path in paths if not (intent.act == "case-new" and was_closed(path))]
            self.drop(intent.case_id)
            for path in doomed:
                remove_database(path)
            for object_id in intent.objects:
                remove_object(self.folder.objects, object_id)
        elif case is not None and intent.state_after is not None:
            self.drop(case.case_id)
            receipt = self.log.reissue(intent)
            compartment = self.opened(case, self.registry.unwrap_case_key(receipt, case.case_id))
            kept = compartment.object_ids()
            for object_id in intent.objects:
                if object_id not in kept:
                    remove_object(self.folder.objects, object_id)
            if phase == "failed" and compartment.state == intent.state_after:
                phase = "done"  # what failed came after it
            outcome["state_after"] = compartment.state.hex()
            title = self.registry.seal_title(case.case_id, cases.title(compartment))
            also.append(partial(self._confirm, case.case_id, compartment, title=title))
        self.log.conclude(intent.number, phase, vault_level=intent.act in VAULT_LEVEL, also=also, **outcome)

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

    def info(self) -> VaultInfo:
        """What the vault says of itself; nothing of a case."""
        registry = self.registry
        last_check = registry.optional_setting("last_check")
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
            warnings=tuple(self.warnings),
        )

    def keys(self) -> tuple[KeyLabel, ...]:
        """The ways into the vault."""
        return tuple(
            KeyLabel(integer(row, "slot"), text(row, "kind"), text(row, "label"), text(row, "added"))
            for row in sorted(self.registry.rows(schema.SLOTS), key=lambda row: integer(row, "slot"))
        )

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
        plan = epochs.plan_change(self, current, new, recalibrate=recalibrate)
        self._renew("passphrase-change", plan, progress=progress)
        return plan.dropped

    def _renew(
        self,
        name: str,
        plan: epochs.Plan,
        *,
        case: CaseRow | None = None,
        progress: Callable[[int], None] | None = None,
    ) -> None:
        epochs.sweep(self)
        if not epochs.is_swept(self):
            raise errors.OlderCopy(what="the vault")
        receipt = self.log.intend(
            name,
            case=case,
            vault_level=True,
            grants=[case_grant(each) for each in self.registry.cases()],
        )
        act = Act(receipt, case)
        with self._concluding(act):
            epochs.renew(self, plan, receipt, progress=progress)
        receipt.void()

    def adopt(self, found: Header, registry: Registry) -> None:
        """Go on in a new epoch, whose files are complete."""
        for case_id in list(self._open):
            self.drop(case_id)
        self.registry.close()
        self.header, self.registry = found, registry
        self.log = Log(registry, wall_time=self.clock, actor=self.log.actor)

    def check(self, *, read_data: bool = False, progress: Callable[[int], None] | None = None) -> CheckReport:
        """Read the structure of everything, or every byte, and say what is damaged. Only the log is written."""
        with self._act("check", grants=checking.grants(self.registry.cases())) as act:
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
        expression = search.query(words)
        chosen = self.registry.cases() if code is None else [self.registry.case(references.parse_case(code))]
        hits: list[Hit] = []
        with self._act("search", grants=tuple(case_grant(case) for case in chosen)) as act:
            for case in chosen:
                was_open = case.case_id in self._open
                compartment = self.opened(case, self.registry.unwrap_case_key(act.receipt, case.case_id))
                found = search.find(compartment, expression, case.code)
                if found:
                    self.log.note_hits(act.receipt, case, words)
                    hits += [self._titled(compartment, case.code, hit) for hit in found]
                elif not was_open:
                    self.drop(case.case_id)  # there may be more cases than this process may open files
        return tuple(hits)

    def _titled(self, compartment: Compartment, code: str, hit: Hit) -> Hit:
        local = hit.reference.partition("/")[2]
        if not local:
            title = cases.title(compartment)
        elif local.startswith("p"):
            title = persons.details(compartment, code, int(local[1:])).name
        else:
            title = items.details(compartment, code, int(local)).summary.title
        return Hit(hit.reference, title, hit.field, hit.excerpt, hit.spans)

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
            self._open[case_id] = compartment
            with compartment.changing():
                cases.begin(compartment, code=chosen, title=title, now=now)
            row = {name: getattr(case, name) for name in CaseRow.__dataclass_fields__}
            row |= {"key": key.raw, "title": seal_title(key, case_id, title), "state": compartment.state}
            act.also.append(lambda: self.registry.put(schema.CASES, row))
            act.outcome |= {"case": chosen, "state_after": compartment.state.hex()}
            self._end(act)
        return CaseSummary(chosen, title, now, now, 0, 0)

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
    ) -> Stored:
        """Take a staged object into a case: at its place and durable before the case knows of it."""
        name = "item-add" if revises is None else "item-revise"
        item = None if revises is None else str(revises)
        with self._act(name, code, item=item) as act:
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
                row = items.stored_row(compartment, act.code, number)
                lost = None
                if again and not is_stored(self.folder.objects, blob(row, "object_id"), integer(row, "padded_bytes")):
                    lost = items.replace_object(compartment, act.code, number, staged)
                    act.objects.append(lost)
                if not again or lost:
                    compartment.keep_object_key(staged.object_id, ObjectKey(staged.key))
                    act.objects.append(staged.object_id)
                    act.before_commit.append(partial(place, staged, Path(staging), self.folder.objects))
            if lost:
                remove_object(self.folder.objects, lost)
            act.outcome |= {"item": str(number), "size": staged.size_bytes, "digest": staged.sha256}
            return Stored(items.details(compartment, act.code, number), again)

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
        return items.grant(
            row,
            intent=act.receipt.number,
            code=act.code,
            case_id=act.needed_case.case_id,
            folder_id=self.header.folder_id,
            key=key,
        )

    def is_reading(self, intent: int) -> bool:
        """Whether an ``item_open`` has no outcome yet."""
        return intent in self._reads

    def item_close(
        self, intent: int, phase: str, *, size: int | None = None, digest: str | None = None, reason: str | None = None
    ) -> None:
        """Record what came of ``item_open``: done or failed, and how much was given out."""
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

    def end_readings(self) -> None:
        """Give every open reading its outcome."""
        for number in list(self._reads):
            with contextlib.suppress(errors.VaultError):
                self.item_close(number, "failed", reason="closed")

    def close(self) -> None:
        """Close the databases. A reading that is still open gets its outcome at the next start."""
        for case_id in list(self._open):
            self.drop(case_id)
        self.registry.close()
