"""Whether the rows of the log agree with each other, and no entry is kept out of the lists where it belongs.

Who has the keys of today cannot alter what an entry says, but can say of its row that it belongs elsewhere: to the vault,
to another case, to one that was deleted. What is committed to in the bodies tells where it belongs.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from crypto import labels
from crypto.encoding import length_prefixed, uint64
from crypto.errors import CryptoError
from crypto.tree import Frontier, leaf_hash
from vault import errors, log_rows, schema
from vault.leaves import Leaf
from vault.log_bodies import unseal_body
from vault.log_rows import EntryRow, StepRow
from vault.steps import GENERATION_SETTING
from vault.tables import blob, integer, text

if TYPE_CHECKING:
    from vault.registry import CaseRow, Registry
    from vault.store import Record

DAMAGED, HIDDEN = "database", "hidden entry"
CASE_DELETE = "case-delete"
VAULT = "vault"


@dataclass(frozen=True, slots=True)
class Problem:
    """``kind`` is that of a finding; ``subject`` the code of a case, or the vault."""

    kind: str
    subject: str
    detail: str


def digest_of_entries(case_id: bytes, numbers: Iterable[int]) -> str:
    """What the log keeps of a case that is deleted: which case it was, and which entries were its own."""
    return str(_entries_hash(case_id, numbers).hexdigest())


def _entries_hash(case_id: bytes, numbers: Iterable[int]) -> Any:
    found = hashlib.sha256(length_prefixed(labels.DELETED_CASE, case_id))
    for number in numbers:
        found.update(uint64(number))
    return found


def is_in_place(fields: dict[str, object], expected: int) -> bool:
    """Whether an entry is the ``expected`` one of its case, 0 for one of the vault."""
    return fields.get("entry") == (expected or None)


def problems(registry: Registry) -> Iterator[Problem]:
    """What does not agree.

    1. Leaves have their numbers and steps, steps their roots, bodies their commitments; nothing is signed before the first
       generation.
    2. The entries of a case are numbered from 1 without a gap, and are as many as the index says; one under the vault's key
       has no such number. Each names its case.
    3. The entries of a case that is not there are those of a deleted one, as many as were counted then; and the log has
       the `case-delete`, which since there is a digest names exactly these.
    """
    return _Reading(registry).problems()


@dataclass
class _Gone:
    """The entries of a case that the index does not have."""

    entries: int
    digest: Any


@dataclass
class _Deletions:
    """What the log says of deleted cases, by code."""

    digests: set[str] = field(default_factory=set)
    without_digest: Counter[str] = field(default_factory=Counter)


class _Reading:
    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._known: dict[bytes, CaseRow] = {case.case_id: case for case in registry.cases()}
        self._entries = dict.fromkeys(self._known, 0)
        self._gone: dict[bytes, _Gone] = {}
        self._deletions = _Deletions()
        rows = registry.rows(schema.GENERATIONS)
        self._first_signed = min((integer(row, "first_step") for row in rows), default=registry.steps + 1)

    def problems(self) -> Iterator[Problem]:
        registry, frontier = self._registry, Frontier()
        yield from self._generation_problems()
        entries = registry.store.stream(f"SELECT {log_rows.ENTRY_COLUMNS} FROM log_entries ORDER BY number")  # noqa: S608 (constants)
        steps = registry.store.stream(f"{log_rows.steps_query(registry)} ORDER BY step")
        for expected, record in enumerate(steps, 1):
            step = _step(record, expected)
            if step is None or (step.signature is not None and expected < self._first_signed):
                yield Problem(DAMAGED, VAULT, f"log step {expected}")
            if step is None:
                return
            while frontier.size < step.size:
                entry = _entry(next(entries, None), frontier.size)
                if entry is None:
                    yield Problem(DAMAGED, VAULT, f"log entry {frontier.size}")
                    return
                yield from self._entry_problems(entry, expected)
                frontier.append(leaf_hash(entry.leaf))
            if frontier.root() != step.root:
                yield Problem(DAMAGED, VAULT, f"log step {expected}")
        if frontier.root() != registry.frontier.root() or next(entries, None) is not None:
            yield Problem(DAMAGED, VAULT, "log root")
            return
        yield from self._case_problems()
        yield from self._deletion_problems()

    def _generation_problems(self) -> Iterator[Problem]:
        # Vaults of before there were signatures have the setting where they were restored, and then it is 2 at least.
        if not self._registry.signing.is_signed and self._registry.optional_setting(GENERATION_SETTING) == b"1":
            yield Problem(DAMAGED, VAULT, "log generation")

    def _entry_problems(self, entry: EntryRow, step: int) -> Iterator[Problem]:
        damaged = Problem(DAMAGED, VAULT, f"log entry {entry.number}")
        leaf = _leaf(entry, step)
        if leaf is None or (leaf.next_key is not None and step < self._first_signed):
            yield damaged
        if entry.case_id is not None and entry.case_id not in self._known:
            gone = self._gone.setdefault(entry.case_id, _Gone(0, _entries_hash(entry.case_id, ())))
            gone.entries += 1
            gone.digest.update(uint64(entry.number))
            return
        case = None if entry.case_id is None else self._known[entry.case_id]
        if case is not None:
            self._entries[case.case_id] += 1
        if leaf is None:
            return
        try:
            body = unseal_body(self._registry, entry)
            body.verify(leaf.commitment)
        except (errors.Damage, CryptoError):
            yield damaged
            return
        fields = body.fields
        if case is None:
            if not is_in_place(fields, 0):
                yield Problem(HIDDEN, VAULT, f"log entry {entry.number}")
            elif fields.get("act") == CASE_DELETE:
                self._take_deletion(fields)
        elif fields.get("case") != case.code:
            yield Problem(HIDDEN, case.code, f"log entry {entry.number}")
        elif not is_in_place(fields, self._entries[case.case_id]):
            place = fields.get("entry")
            self._entries[case.case_id] = place if isinstance(place, int) else 0  # one gap is one finding
            yield Problem(HIDDEN, case.code, f"before log entry {entry.number}")

    def _take_deletion(self, fields: dict[str, object]) -> None:
        digest = fields.get("digest")
        if isinstance(digest, str) and fields.get("answers") is not None:
            self._deletions.digests.add(digest)
        elif digest is None and fields.get("phase") == "intent" and fields.get("answers") is None:
            self._deletions.without_digest[str(fields.get("case"))] += 1

    def _case_problems(self) -> Iterator[Problem]:
        for case in self._known.values():
            if self._entries[case.case_id] != case.entries:
                yield Problem(HIDDEN, case.code, "log")

    def _deletion_problems(self) -> Iterator[Problem]:
        deleted = {blob(row, "case_id"): row for row in self._registry.rows(schema.DELETED_CASES)}
        if self._gone.keys() - deleted.keys():
            yield Problem(HIDDEN, VAULT, "log")
        for case_id, row in deleted.items():
            gone, code = self._gone.get(case_id, _Gone(0, _entries_hash(case_id, ()))), text(row, "code")
            is_told = gone.digest.hexdigest() in self._deletions.digests
            if not is_told and self._deletions.without_digest[code]:
                self._deletions.without_digest[code] -= 1
                is_told = True
            if case_id in self._known or gone.entries != row["entries"] or not is_told:
                yield Problem(HIDDEN, code, "log")


def _step(record: Record, expected: int) -> StepRow | None:
    try:
        found = log_rows.step_row(record)
    except errors.DatabaseDamaged:
        return None
    return found if found.step == expected else None


def _entry(record: Record | None, expected: int) -> EntryRow | None:
    try:
        found = None if record is None else log_rows.entry_row(record)
    except errors.DatabaseDamaged:
        return None
    return found if found is not None and found.number == expected else None


def _leaf(entry: EntryRow, step: int) -> Leaf | None:
    """The leaf of an entry, if it has its number and step, else None."""
    try:
        found = Leaf.from_bytes(entry.leaf)
    except CryptoError:
        return None
    return found if (found.number, found.step) == (entry.number, step) else None
