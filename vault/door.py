"""The one door through which every request goes: intent, receipt, key, work, outcome, in this order.

The intent is durable in the log before its receipt unwraps a key. A change tells the log which states it leads from and
to before it is made, so that a crash at any moment can be settled.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Container, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from crypto.keys import CaseKey
from crypto.objects import DRAFT_ID_SIZE
from vault import cases, drafts, epochs, errors, received_rows, references, schema
from vault.compartment import Clock, Compartment
from vault.folder import Folder
from vault.header import Header
from vault.log import LAST_UNLOCK, Log, Unanswered
from vault.objects import remove_object
from vault.receipts import Receipt
from vault.registry import CaseRow, Registry, case_grant
from vault.store import remove_database, was_closed
from vault.tables import blob

# The acts whose entries are sealed under the vault's key, because the case has no key yet or soon none any more.
_VAULT_LEVEL = frozenset({"case-new", "case-delete"})

_MOST_OPEN = 100


@dataclass
class Act:
    """A request between its intent and its outcome."""

    receipt: Receipt
    case: CaseRow | None
    outcome: dict[str, object] = field(default_factory=dict)
    also: list[Callable[[], None]] = field(default_factory=list)
    objects: list[bytes] = field(default_factory=list)
    announced: list[Callable[[], None]] = field(default_factory=list)
    noted: list[tuple[CaseRow, dict[str, object]]] = field(default_factory=list)
    before_commit: list[Callable[[], None]] = field(default_factory=list)
    compartment: Compartment | None = None
    refined: bool = False
    makes_case: bool = False  # the case is a new one, which enters the index with the outcome alone

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


class Door:
    """Holds what is open of a vault: its index, its log and the cases in use."""

    def __init__(self, folder: Folder, found: Header, registry: Registry, *, actor: str, clock: Clock) -> None:
        self.folder = folder
        self.header = found
        self.registry = registry
        self.clock = clock
        self.log = Log(registry, wall_time=clock, actor=actor)
        self.head_at_open: dict[str, object] = {
            "generation": registry.signing.generation,
            "root": registry.frontier.root(),
            "size": registry.frontier.size,
            "step": registry.steps,
        }
        self._open: dict[bytes, Compartment] = {}
        self._reads: dict[int, Act] = {}  # what was given a key and has no outcome yet
        self._written: dict[int, bytes] = {}  # the drafts that are being written, by their intents
        self._failed: dict[int, str] = {}  # what failed and has no outcome, because the log failed too, with its reason
        self._closed = False
        self.warnings: list[str] = []
        self.unknown_slot: int | None = None
        before = registry.optional_setting(LAST_UNLOCK)
        self.last_unlock = before.decode() if before else None
        self.failed_unlocks = 0

    @property
    def is_usable(self) -> bool:
        """Whether another request can be served: not once this is closed, or the index can no longer be read."""
        return not self._closed and self.registry.is_certain

    @property
    def now(self) -> str:
        """The time to the second."""
        return self.clock()[:19] + "Z"

    def warn(self, code: str) -> None:
        """Keep what a person must hear, once."""
        if code not in self.warnings:
            self.warnings.append(code)

    def warn_no_more(self, codes: Container[str]) -> None:
        """Forget what has turned out not to be so."""
        self.warnings = [each for each in self.warnings if each not in codes]

    @contextmanager
    def _act(
        self,
        name: str,
        code: str | None = None,
        *,
        item: str | None = None,
        purpose: str | None = None,
        grants: tuple[str, ...] = (),
        counterparty: str | None = None,
        **fields: object,
    ) -> Iterator[Act]:
        act = self._begin(name, code, item=item, purpose=purpose, grants=grants, counterparty=counterparty, **fields)
        with self._concluding(act):
            yield act
        self._end(act)

    def _begin(
        self,
        name: str,
        code: str | None,
        *,
        item: str | None,
        purpose: str | None,
        grants: tuple[str, ...],
        counterparty: str | None = None,
        **fields: object,
    ) -> Act:
        case = None if code is None else self.settled_case(code)
        purpose = cases.optional_checked_text("purpose", purpose)
        allowed = (*grants, case_grant(case)) if case else grants
        counterparty = cases.optional_checked_text("name", counterparty)
        receipt = self.log.intend(
            name,
            case=case,
            item=item,
            purpose=purpose,
            grants=allowed,
            vault_level=name in _VAULT_LEVEL,
            counterparty=counterparty,
            **fields,
        )
        return Act(receipt, case, outcome={"counterparty": counterparty})

    def settled_case(self, code: str) -> CaseRow:
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
            number, reason = act.receipt.number, errors.recorded(error)
            self._failed[number] = reason
            with contextlib.suppress(errors.VaultError, OSError):
                self._fail(act, reason)
                del self._failed[number]
            raise

    def _end(self, act: Act) -> None:
        act.receipt.void()
        try:
            self.log.conclude(
                act.receipt.number,
                "done",
                vault_level=act.receipt.act in _VAULT_LEVEL,
                also=act.also,
                noted=act.noted,
                **act.outcome,
            )
        except errors.LogUnavailable as error:
            if act.refined and self._has_case(act):
                raise errors.OutcomeUnrecorded from error
            raise

    def _conclude(self, intent: int, phase: str, *, also: Iterable[Callable[[], None]] = (), **outcome: Any) -> None:
        """The outcome of what was done outside, which stays as it is. Raises ``OutcomeUnrecorded``."""
        try:
            self.log.conclude(intent, phase, also=also, **outcome)
        except errors.LogUnavailable as error:
            raise errors.OutcomeUnrecorded from error

    def _has_case(self, act: Act) -> bool:
        """Whether a change of the act's case stays without an outcome. Of a new case all goes again: where it is not known
        whether it stays, nobody may throw its source away.
        """
        if not act.makes_case:
            return True
        with contextlib.suppress(errors.VaultError):
            return self.registry.case_by_id(act.needed_case.case_id) is not None
        return False

    def _fail(self, act: Act, reason: str) -> None:
        """Record that a request failed; where a change had been announced, look what became of it."""
        if act.receipt.act in epochs.ACTS and not epochs.is_swept(self):
            return  # without an outcome it tells the next open to remove what lies there
        for intent in self.log.unanswered():
            if intent.number == act.receipt.number:
                if act.refined and act.case and self.registry.case_by_id(act.case.case_id):
                    self.drop(act.case.case_id)
                self.settle(intent, phase="failed", reason=reason)

    def settle_failed(self) -> None:
        """Give what failed its outcome after all, if the log takes it now; else the next start does."""
        for intent in self.log.unanswered():
            reason = self._failed.get(intent.number)
            if reason is not None:
                with contextlib.suppress(errors.VaultError, OSError):
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
                self.folder.case_database(case.case_id, case.epoch),
                key,
                code=case.code,
                case_id=case.case_id,
                clock=self.clock,
                immutable=self.registry.store.immutable,
            )
            intended = {i.state_after for i in self.log.unanswered() if i.case_id == case.case_id}
            if compartment.state != case.state and compartment.state not in intended:
                compartment.close()
                raise errors.OlderCopy(what=case.code)
            self.keep_open(case.case_id, compartment)
        self._open[case.case_id] = self._open.pop(case.case_id)  # the one that was not asked for longest stands first
        return self._open[case.case_id]

    def open_ahead(self, receipt: Receipt, case_id: bytes) -> None:
        """Open a case that nobody asked for yet, if it is there and not open: the first to be closed for another."""
        case = self.registry.case_by_id(case_id)
        if case is not None and case_id not in self._open:
            opened = self.opened(case, self.registry.unwrap_case_key(receipt, case_id))
            del self._open[case_id]
            self._open = {case_id: opened, **self._open}

    def keep_open(self, case_id: bytes, compartment: Compartment) -> None:
        """Let a case stay open for what follows; perhaps another is closed for it."""
        while self.is_crowded:
            self.drop(next(iter(self._open)))
        self._open[case_id] = compartment

    @property
    def is_crowded(self) -> bool:
        """Whether more cases are open than should stay so. Each needs two files, and a process may have but 256."""
        return len(self._open) > _MOST_OPEN

    @property
    def has_room(self) -> bool:
        """Whether a further case can stay open without closing another."""
        return len(self._open) < _MOST_OPEN

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
            self.log.refine(
                act.receipt,
                before=before,
                after=compartment.state,
                objects=tuple(act.objects),
                also=act.announced,
            )
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

    def known_drafts(self) -> list[bytes]:
        """The ids of all drafts."""
        return [blob(row, "draft_id") for row in self.registry.rows(schema.DRAFTS)]

    @property
    def is_writing(self) -> bool:
        """Whether a save of a draft may be on its way."""
        return bool(self._written)

    def settle(self, intent: Unanswered, *, phase: str, reason: str | None = None) -> None:
        """Give an unanswered intent its outcome: keep what was committed, remove what was not."""
        outcome: dict[str, object] = {"reason": reason}
        case = None if intent.case_id is None else self.registry.case_by_id(intent.case_id)
        also: list[Callable[[], None]] = []
        stored: list[bytes] = []  # drafts that became the item
        kept_in: Compartment | None = None
        if intent.case_id is not None and case is None:
            # Either the case was never finished, or it is deleted and its files still wait. At open, an unfinished one was
            # never closed; one that was has lived on, and this index is an older copy.
            paths = [
                self.folder.cases / f"{id_.hex()}-{epoch}.db"
                for id_, epoch in self.folder.case_databases()
                if id_ == intent.case_id
            ]
            perhaps_alive = intent.act in ("case-new", "open") and phase == "recovered"
            alive = [path for path in paths if perhaps_alive and was_closed(path)]
            # Closed and not gone it would look as if it had lived on; only Windows removes no file that is open.
            if sys.platform == "win32":
                self.drop(intent.case_id)
            for path in paths:
                if path not in alive:
                    remove_database(path)
            self.drop(intent.case_id)
            for object_id in () if alive else intent.objects:
                if len(object_id) == DRAFT_ID_SIZE:
                    drafts.remove(self.folder.drafts, object_id)
                else:
                    remove_object(self.folder.objects, object_id)
        elif case is not None and intent.state_after is not None:
            self.drop(case.case_id)
            receipt = self.log.reissue(intent)
            compartment = self.opened(case, self.registry.unwrap_case_key(receipt, case.case_id))
            kept = compartment.object_ids()
            for object_id in intent.objects:
                if len(object_id) == DRAFT_ID_SIZE:
                    stored += [object_id] if compartment.state == intent.state_after else []
                elif object_id not in kept:
                    remove_object(self.folder.objects, object_id)
            also += [partial(self.registry.erase, schema.DRAFTS, draft_id) for draft_id in stored]
            if phase == "failed" and compartment.state == intent.state_after:
                phase = "done"  # what failed came after it
            outcome["state_after"] = compartment.state.hex()
            title = self.registry.seal_title(case.case_id, cases.title(compartment))
            also.append(partial(self._confirm, case.case_id, compartment, title=title))
            if compartment.state == intent.state_after:
                kept_in = compartment
        also.append(partial(received_rows.settle, self.registry, intent.number, kept_in))
        self.log.conclude(intent.number, phase, vault_level=intent.act in _VAULT_LEVEL, also=also, noted=(), **outcome)
        for draft_id in stored:
            self.remove_draft(draft_id)

    def remove_draft(self, draft_id: bytes) -> None:
        """Remove the files of a draft whose key is gone. What cannot be removed now is removed at the next open."""
        with contextlib.suppress(errors.VaultError, OSError):
            drafts.remove(self.folder.drafts, draft_id)

    def adopt(self, found: Header, registry: Registry) -> None:
        """Go on in a new epoch, whose files are complete."""
        self.let_go()
        self.header, self.registry = found, registry
        self.log = Log(registry, wall_time=self.clock, actor=self.log.actor, said=True)

    def close(self) -> None:
        """Close the databases. A reading that is still open gets its outcome at the next start."""
        self._closed = True
        with contextlib.suppress(errors.VaultError, OSError):
            # A case that never was, and whose files could not be removed when it failed.
            for intent in self.log.unanswered():
                if intent.case_id in self._open and self.registry.case_by_id(intent.case_id) is None:
                    self.settle(intent, phase="failed", reason="interrupted")
        self.let_go()

    def let_go(self) -> None:
        """Close the databases, and record nothing."""
        for case_id in list(self._open):
            self.drop(case_id)
        self.registry.close()
