"""Writing the access log: leaves that can be shown to anybody, bodies sealed under the case they speak of.

A leaf is canonical JSON with a salted commitment to the body's fields, and a leaf of the RFC 6962 tree. An intent is
durable before anything is unwrapped; what came of it follows as an outcome. An intent without an outcome is settled
at the next start. ``log_reading`` reads entries back.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace

from crypto import labels
from crypto.keys import MacKey, derive
from vault import errors, log_checking, log_rows, platform, schema
from vault._version import __version__
from vault.log_bodies import FIELDS, Body, seal_body, unseal_body
from vault.moments import Moment
from vault.receipts import Receipt
from vault.registry import CaseRow, Registry, case_grant
from vault.steps import Entry
from vault.tables import Row

OUTCOMES = frozenset({"done", "failed", "recovered"})
LAST_UNLOCK, LAST_MOMENT = "last_unlock", "last_moment"
CLOCK_SET_BACK = "clock-set-back"
FAILED_UNLOCKS = "failed-unlocks"
SOFTWARE = f"casevault/{__version__}"
_BOOT_BYTES = 16


@dataclass(frozen=True, slots=True)
class Announced:
    """An entry that was just written, of which single fields may be shown to others."""

    number: int
    _body: Body

    def disclosed(self, *names: str) -> list[dict[str, object]]:
        """See ``crypto.commitments.disclosed``."""
        return self._body.disclosed(names)


@dataclass(frozen=True, slots=True)
class Unanswered:
    """An intent without an outcome."""

    number: int
    act: str
    case_id: bytes | None
    item: str | None
    objects: tuple[bytes, ...]
    state_after: bytes | None


class Log:
    """Appends to the log of an open registry; ``wall_time`` gives RFC 3339 text, ``actor`` the key's label.

    The first intent takes down when the vault was opened, unless that was ``said``.
    """

    def __init__(self, registry: Registry, *, wall_time: Callable[[], str], actor: str, said: bool = False) -> None:
        self._registry = registry
        self._said = said
        self._last: Moment | None = None
        self._set_back = False  # the clock was, and no entry has said so yet
        self._wall_time = wall_time
        self._machines = platform.boot_id()  # of this start of the machine, which a process does not outlive
        self._kept: str | None = None
        self.actor = actor

    # Writing

    @contextmanager
    def _durable(self) -> Iterator[None]:
        """A step of the log. Raises ``LogUnavailable`` if it did not become durable."""
        before = self._last, self._set_back
        try:
            with self._registry.step():
                yield
                if self._last is not None:
                    self._registry.set(LAST_MOMENT, self._last.to_bytes())
        except BaseException as error:
            self._last, self._set_back = before  # what is not there has told nobody of the clock
            if isinstance(error, (errors.NoSpace, errors.ReadOnly, errors.DiskFailed)):
                raise errors.LogUnavailable from error
            raise

    def intend(
        self,
        act: str,
        *,
        case: CaseRow | None = None,
        item: str | None = None,
        purpose: str | None = None,
        vault_level: bool = False,
        grants: Iterable[str] = (),
        **fields: object,
    ) -> Receipt:
        """Record durably what is about to happen and return the receipt for it. Raises ``LogUnavailable``.

        ``vault_level``: the body speaks of a case but is sealed under the vault's key, because the case has no key yet
        or soon none any more.
        """
        with self._durable():
            number = self._append(
                None if vault_level else case,
                act=act,
                phase="intent",
                case=case.code if case else None,
                item=item,
                purpose=purpose,
                **fields,
            )
            case_id = case.case_id if case else None
            self._put_unanswered(Unanswered(number, act, case_id, item, (), None))
            self._say()
        self._said = True
        return Receipt(number, act=act, case_id=case_id, item=item, grants=grants)

    def begin(self, act: str, change: Callable[[], None]) -> Receipt:
        """The intent of a vault's first act, in one step with the rows that everything else needs."""
        with self._durable():
            change()
            number = self._append(None, act=act, phase="intent")
            self._put_unanswered(Unanswered(number, act, None, None, (), None))
            self._say()
        self._said = True
        return Receipt(number, act=act, case_id=None, item=None, grants=())

    def refine(
        self,
        receipt: Receipt,
        *,
        before: bytes,
        after: bytes,
        objects: tuple[bytes, ...],
        also: Iterable[Callable[[], None]] = (),
    ) -> None:
        """Record durably which states a change leads from and to, before it is made. ``also`` runs in the same step.

        Raises ``LogUnavailable``.
        """
        with self._durable():
            self._append_more(receipt, objects, item=receipt.item, state_before=before.hex(), state_after=after.hex())
            self._put_unanswered(Unanswered(receipt.number, receipt.act, receipt.case_id, receipt.item, objects, after))
            for change in also:
                change()

    def announce(
        self,
        receipt: Receipt,
        objects: tuple[bytes, ...],
        change: Callable[[], None],
        *,
        vault_level: bool = False,
        **fields: object,
    ) -> Announced:
        """Record durably, in one step with a change of the index, what an intent is about. Raises ``LogUnavailable``."""
        with self._durable():
            announced = self._append_more(receipt, objects, vault_level=vault_level, **fields)
            change()
        return announced

    def digest_of_entries(self, case: CaseRow) -> str:
        """See ``log_checking.digest_of_entries``; of all entries that the case has."""
        found = self._registry.store.execute(
            "SELECT number FROM log_entries WHERE case_id = ? ORDER BY number", (case.case_id,)
        )
        return log_checking.digest_of_entries(case.case_id, (number for (number,) in found))

    def _append_more(
        self, receipt: Receipt, objects: tuple[bytes, ...], *, vault_level: bool = False, **fields: object
    ) -> Announced:
        """A further part of an intent."""
        case = self._case(receipt.case_id)
        return self._append_entry(
            None if vault_level else case,
            act=receipt.act,
            phase="intent",
            case=case.code if case else None,
            answers=receipt.number,
            objects=[object_id.hex() for object_id in objects] or None,
            **fields,
        )

    def expect_removal(self, receipt: Receipt, objects: tuple[bytes, ...]) -> None:
        """Inside a step: keep in mind which files of a deleted case have still to go."""
        self._put_unanswered(Unanswered(receipt.number, receipt.act, receipt.case_id, receipt.item, objects, None))

    def conclude(
        self,
        number: int,
        phase: str,
        *,
        vault_level: bool = False,
        also: Iterable[Callable[[], None]] = (),
        noted: Iterable[tuple[CaseRow, Mapping[str, object]]] = (),
        **fields: object,
    ) -> None:
        """Record what came of an intent: phase done, failed or recovered. ``also`` runs in the same step. Cases that
        it touched besides are ``noted``, each under its own key.

        Raises ``LogUnavailable``, and ``ReceiptRefused`` for another phase, which only a client that is not ours would name;
        the intent then stays without an outcome until the next start.
        """
        row = self._registry.row(schema.UNANSWERED, number)
        if row is None or phase not in OUTCOMES:
            raise errors.ReceiptRefused
        intent = _unanswered(row)
        case = None if intent.case_id is None else self._registry.case_by_id(intent.case_id)
        fields = {"case": case.code if case else None, "item": intent.item, **fields}
        with self._durable():
            self._append(None if vault_level else case, act=intent.act, phase=phase, answers=number, **fields)
            for touched, said in noted:
                self._append(touched, act=intent.act, phase=phase, case=touched.code, answers=number, **said)
            self._registry.erase(schema.UNANSWERED, number)
            for change in also:
                change()

    def note_hits(self, receipt: Receipt, cases: Iterable[CaseRow], query: str) -> None:
        """Record what a search looked for in each case that has it, under that case's key only, before it is shown.

        All of it is one durable step. Raises ``LogUnavailable``.
        """
        with self._durable():
            for case in cases:
                self._append(case, act=receipt.act, phase="done", case=case.code, answers=receipt.number, query=query)

    def _append(self, sealed_under: CaseRow | None, **given: object) -> int:
        return self._append_entry(sealed_under, **given).number

    def _append_entry(self, sealed_under: CaseRow | None, **given: object) -> Announced:
        case = sealed_under and self._case(sealed_under.case_id)
        number = self._registry.signing.next_number
        fields: dict[str, object] = dict.fromkeys(FIELDS)
        fields |= {
            "actor": self.actor,
            "boot_id": self._boot_id(),
            "monotonic_ms": platform.monotonic_ns_including_suspend() // 1_000_000,
            "software": SOFTWARE,
            "wall_time": self._wall_time(),
            "entry": case.entries + 1 if case else None,
        }
        fields |= given
        self._tell_of_the_clock(fields)
        body, case_id = Body.new(fields), case.case_id if case else None
        sealed = seal_body(self._registry, number, body, case_id)
        self._registry.signing.append(Entry(body.commitment, sealed, case_id, case.epoch if case else None))
        if case:
            self._registry.update_case(case.case_id, entries=case.entries + 1)
        return Announced(number, body)

    def _boot_id(self) -> str | None:
        """What the log keeps of the machine's start: under a key of the vault, or entries that are shown would name it."""
        if self._machines is not None and self._kept is None:
            key = derive(self._registry.log_key(None), labels.BOOT_ID, MacKey, context=self._machines.encode())
            self._kept = key.raw[:_BOOT_BYTES].hex()
        return self._kept

    def _tell_of_the_clock(self, fields: dict[str, object]) -> None:
        """Let an entry say that the clock stands before the last one, or went slower since than one that nobody can set, by more
        than a minute; where it says something else, the next one does.
        """
        if self._last is None:
            self._last = self._last_moment()
        now = Moment.of(fields)
        self._set_back |= self._last is not None and now.is_set_back_from(self._last)
        self._last = now.or_later(self._last)
        if self._set_back and fields["reason"] is None:
            fields["reason"], self._set_back = CLOCK_SET_BACK, False

    def _last_moment(self) -> Moment | None:
        """The moment that the last step kept; in a log of before, that of the last entry under the vault's own key."""
        kept = Moment.from_bytes(self._registry.optional_setting(LAST_MOMENT) or b"")
        if kept is not None:
            return kept
        found = self._registry.store.execute(
            f"SELECT {log_rows.ENTRY_COLUMNS} FROM log_entries WHERE case_id IS NULL ORDER BY number DESC LIMIT 1"  # noqa: S608 (a constant)
        )
        with contextlib.suppress(errors.Damage):
            for record in found:
                moment = Moment.of(unseal_body(self._registry, log_rows.entry_row(record)).fields)
                # Older entries have the machine's own.
                is_raw = moment.boot_id is not None and moment.boot_id == self._machines
                return replace(moment, boot_id=self._boot_id()) if is_raw else moment
        return None

    def _say(self) -> None:
        if not self._said:
            self._registry.set(LAST_UNLOCK, f"{self._wall_time()[:19]}Z".encode())

    def _put_unanswered(self, intent: Unanswered) -> None:
        self._registry.put(
            schema.UNANSWERED,
            {
                "number": intent.number,
                "act": intent.act,
                "case_id": intent.case_id,
                "item": intent.item,
                "objects": json.dumps([object_id.hex() for object_id in intent.objects]),
                "state_after": intent.state_after,
            },
        )

    def _case(self, case_id: bytes | None) -> CaseRow | None:
        return None if case_id is None else self._registry.case_by_id(case_id)

    # Intents without an outcome

    def unanswered(self) -> list[Unanswered]:
        """The intents without an outcome, oldest first."""
        return sorted((_unanswered(row) for row in self._registry.rows(schema.UNANSWERED)), key=lambda i: i.number)

    def reissue(self, intent: Unanswered) -> Receipt:
        """The receipt of an intent that a crash interrupted, to open its case once and settle it."""
        grants = () if intent.case_id is None else (case_grant(intent.case_id),)
        return Receipt(intent.number, act=intent.act, case_id=intent.case_id, item=intent.item, grants=grants)


def _unanswered(row: Row) -> Unanswered:
    objects = tuple(bytes.fromhex(name) for name in json.loads(str(row["objects"])))
    return Unanswered(row["number"], row["act"], row["case_id"], row["item"], objects, row["state_after"])  # type: ignore[arg-type]  # the columns have these types
