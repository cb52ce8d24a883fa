"""Storing what came in a file that others sealed: items, persons and notes of one case, with where they came from.

All of it is written inside one transaction of the case, which ``vault.receiving`` opens, announces and concludes.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from crypto.keys import CaseKey, ObjectKey
from vault import cases, items, persons, received_rows, references, schema, staged_text, statements, witnessing
from vault.arrivals import DROP, PLAIN, SHARE, Arrival, Arrived, Claim, Origin, Verdict
from vault.compartment import Compartment
from vault.objects import Staged, place, remove_object, verify_new
from vault.registry import CaseRow, seal_title
from vault.requests import Description, PersonFields
from vault.sealed import SealedPerson
from vault.tables import Row, blob

if TYPE_CHECKING:
    from vault.receiving import Opening, Receiving

_MEDIA_TYPE = re.compile(r"[a-z0-9][a-z0-9.+-]{0,62}/[a-z0-9][a-z0-9.+-]{0,62}")
_WHAT = {SHARE: "sealed file", DROP: "dropped file", PLAIN: "age file"}

# Whether every byte of an item is still what came in, by one of these keys.
IsWhole = Callable[[Compartment, int, Mapping[bytes, ObjectKey]], bool]


class Storing:
    """One file on its way into its case: ``make_case`` where that is new, ``store``, and after the commit ``arrived``."""

    def __init__(
        self,
        keeper: Receiving,
        opening: Opening,
        claim: Claim,
        verdict: Verdict,
        staging: Path,
        came: tuple[SealedPerson, ...],
        *,
        is_whole: IsWhole,
    ) -> None:
        self.keeper, self.opening, self.act = keeper, opening, opening.act
        self.claim, self.verdict = claim, verdict
        self.staging, self.came, self.is_whole = staging, came, is_whole
        self.numbers: dict[int, int] = {}  # of items: theirs, and ours
        self.people: dict[int, int] = {}
        self.stored: list[int] = []
        self.again: list[int] = []
        self.lost: list[bytes] = []
        self.proofs: int | None = None
        self.keys: dict[bytes, ObjectKey] | None = None
        self.fresh: set[bytes] = set()

    def make_case(self) -> None:
        """The compartment of a new case, which enters the index with the outcome."""
        keeper, case, key = self.keeper, self.act.needed_case, CaseKey.random()
        compartment = Compartment.create(
            keeper.folder.cases / case.file_name, key, code=case.code, case_id=case.case_id, clock=keeper.clock
        )
        self.act.compartment = compartment
        keeper.keep_open(case.case_id, compartment)
        # An index of before, put back later, tells by it whether this case has lived on.
        compartment.store.keep_in_log(True)
        row = {name: getattr(case, name) for name in CaseRow.__dataclass_fields__}
        row |= {"key": key.raw, "title": seal_title(key, case.case_id, self._title()), "state": compartment.state}
        self.act.also.append(partial(keeper.registry.put, schema.CASES, row))

    def store(self, compartment: Compartment) -> None:
        """Inside the case's transaction: persons, items and their keys; the row of the file is announced."""
        keeper, act = self.keeper, self.act
        if self.opening.is_new:
            cases.begin(compartment, code=act.code, title=self._title(), now=keeper.now)
        for each in self.came:
            fields = PersonFields(**{name: getattr(each, name) for name in PersonFields.__dataclass_fields__})
            self.people[each.number] = persons.add(compartment, fields, now=keeper.now)
        if self.people and not self.opening.is_new:
            # A person has no origin, and one beside them may have the same name and another telephone.
            ends = (references.person_reference(act.code, end(self.people.values())) for end in (min, max))
            remark = f"{self._title()}: {' – '.join(dict.fromkeys(ends))}"
            cases.add_note(compartment, cases.OF_THE_CASE, remark, now=keeper.now)
        for staged, arrival in self.opening.arrivals:
            self._item(compartment, staged, arrival)
        act.announced.append(partial(received_rows.announce, keeper.registry, self._row(stored=0)))
        self._remember_head()

    def arrived(self, compartment: Compartment) -> Arrived:
        """What came, once it is committed; what the outcome says and takes along."""
        keeper, act = self.keeper, self.act
        act.also.append(partial(keeper.registry.put, schema.RECEIVED, self._row(stored=1)))
        for object_id in self.lost:
            remove_object(keeper.folder.objects, object_id)
        size = sum(staged.size_bytes for staged, _ in self.opening.arrivals)
        act.outcome |= {"case": act.code, "size": size, **self.opening.told}
        summaries = {each.reference: each for each in items.summaries(compartment, act.code)}
        refer = partial(references.item_reference, act.code)
        return Arrived(
            code=act.code,
            new_case=self.opening.is_new,
            items=tuple(summaries[refer(number)] for number in self.stored),
            again=tuple(refer(number) for number in self.again),
            persons=tuple(references.person_reference(act.code, number) for number in self.people.values()),
            proofs=None if self.proofs is None else refer(self.proofs),
            size_bytes=size,
            verdict=self.verdict,
        )

    def _title(self) -> str:
        claim, sender = self.claim, self.verdict.sender
        what = _WHAT[claim.kind]
        named = f"{what} {claim.case}-{claim.sequence}" if claim.kind == SHARE else what
        return f"{named[:1].upper()}{named[1:]} from {sender.name or 'somebody unproven'}"

    def _item(self, compartment: Compartment, staged: Staged, arrival: Arrival) -> None:
        act, code, now, keeper = self.act, self.act.code, self.keeper.now, self.keeper
        verify_new(staged, keeper.folder.objects)
        words = staged_text.text_of(
            staged,
            self.staging,
            arrival.file_name or arrival.path,
            folder_id=keeper.header.folder_id,
            case_id=act.needed_case.case_id,
        )
        number, again = items.add(
            compartment,
            staged,
            self._description(arrival),
            code=code,
            file_name=arrival.file_name,
            words=words,
            revises=self._revised(arrival),
            now=now,
            origin=self._origin(arrival),
            media=arrival.media_type if _MEDIA_TYPE.fullmatch(arrival.media_type or "") else None,
        )
        if arrival.number is not None:
            self.numbers[arrival.number] = number
        elif self.claim.kind == SHARE:
            self.proofs = number
        self._describe(compartment, number, arrival, known=again and number not in self.stored)
        lost = None
        if again and not self._is_whole(compartment, number):
            lost = items.replace_object(compartment, code, number, staged)
            self.lost.append(lost)
            act.objects.append(lost)
        if not again or lost:
            self.fresh.add(staged.object_id)
            compartment.keep_object_key(staged.object_id, ObjectKey(staged.key))
            act.objects.append(staged.object_id)
            act.before_commit.append(partial(place, staged, self.staging, keeper.folder.objects))
        if again:
            self.again.append(number)
        else:
            self.stored.append(number)

    def _is_whole(self, compartment: Compartment, number: int) -> bool:
        """Whether an item that has these bytes already has all of them; one that came with this file has."""
        if blob(items.stored_row(compartment, self.act.code, number), "object_id") in self.fresh:
            return True
        if self.keys is None:
            self.keys = compartment.unwrap_all_object_keys(self.act.receipt)
        return self.is_whole(compartment, number, self.keys)

    def _circumstances(self, arrival: Arrival) -> dict[str, str | None]:
        """What the sender says of a statement; its person under our number, or not at all."""
        told: dict[str, str | None] = dict(arrival.circumstances)
        if theirs := told.pop("person", None):
            ours = self.people.get(references.parse_person(theirs)[1])
            told["person"] = None if ours is None else references.person_reference(self.act.code, ours)
        return told

    def _description(self, arrival: Arrival) -> Description:
        sender = self.verdict.sender
        return Description(
            kind=arrival.kind,
            title=self._title_of(arrival),
            source=sender.name,
            via=_WHAT[self.claim.kind],
            recorded=arrival.recorded,
        )

    def _title_of(self, arrival: Arrival) -> str | None:
        """What an item is called; one without a name by its number there."""
        claim = self.claim
        untitled = None if arrival.number is None else f"Item {arrival.number} of {claim.case}-{claim.sequence}"
        return next((name for name in (arrival.title, arrival.file_name) if name and name.strip()), untitled)

    def _revised(self, arrival: Arrival) -> int | None:
        """The item of which this is a later version, if it came new with this file: of what was here before nobody else
        makes another version. What the sender says stands in the origin.
        """
        number = None if arrival.revises is None else self.numbers.get(arrival.revises)
        return number if number in self.stored else None

    def _describe(self, compartment: Compartment, number: int, arrival: Arrival, *, known: bool) -> None:
        """What the sender says of an item. Where it is ``known``, described here before this file came, that may be our own
        account of how it came about, which no stranger changes: then only notes are taken, and say whose they are.
        """
        for remark in arrival.notes:
            cases.add_note(compartment, number, self._attributed(remark) if known else remark, now=self.keeper.now)
        if known:
            return
        if arrival.tags:
            cases.change_tags(compartment, number, arrival.tags, ())
        if arrival.circumstances:
            statements.change(compartment, self.act.code, number, self._circumstances(arrival))

    def _attributed(self, remark: str) -> str:
        return f"{_WHAT[self.claim.kind]} from {self.verdict.sender.name or 'somebody unproven'}: {remark}"

    def _origin(self, arrival: Arrival) -> Origin:
        claim, sender = self.claim, self.verdict.sender

        def there(number: int | None) -> str | None:
            return None if number is None else f"{claim.case}/{number}" if claim.case else str(number)

        return Origin(
            kind=claim.kind,
            sender=sender.fingerprint,
            sender_name=sender.name or sender.claimed,
            grade=sender.grade or sender.trust,
            file_digest=claim.digest,
            share_id=claim.share_id,
            sequence=claim.sequence,
            path=arrival.path,
            reference=there(arrival.number),
            added=arrival.added,
            recorded=arrival.recorded,
            received=arrival.received,
            revises=there(arrival.revises),
            purpose=claim.purpose,
            terms=claim.terms,
        )

    def _remember_head(self) -> None:
        """Before the file is stored: a crash after that must not take away what was shown, and the sender showed it anyhow."""
        claim, by = self.claim, self.verdict.sender.fingerprint
        if claim.head is None or by is None:
            return
        registry, digest, now = self.keeper.registry, bytes.fromhex(claim.digest), self.keeper.now
        self.act.announced.append(
            partial(witnessing.remember, registry, by, claim.recipient or "", claim.head, digest=digest, now=now)
        )

    def _row(self, *, stored: int) -> Row:
        claim = self.claim
        return {
            "digest": bytes.fromhex(claim.digest),
            "sender": self.verdict.sender.fingerprint or "",
            "kind": claim.kind,
            "share_id": claim.share_id,
            "recipient": claim.recipient if claim.kind == SHARE else None,
            "sequence": claim.sequence,
            "case_id": self.act.needed_case.case_id,
            "items": json.dumps(sorted({*self.stored, *self.again})),
            "happened": self.keeper.now,
            "intent": self.act.receipt.number,
            "stored": stored,
        }
