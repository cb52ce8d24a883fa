"""Requests about files that others sealed: their key, the judgement of their sender, and how they are stored.

What is large is read, verified and staged by the command's process (``vault.unsealing``). Here the file key is unwrapped
for one logged intent; before anything is stored it is said who sent the file and whether it was here before; and all of it is
stored in one transaction of one case, or nothing.
"""

from __future__ import annotations

import json
import re
import secrets
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

from crypto.keys import CaseKey, ObjectKey
from vault import cases, errors, items, persons, references, schema, senders, statements, witnessing
from vault.arrivals import SHARE, Arrival, Arrived, Claim, OpenGrant, Origin, Sender, ShownHead, Verdict
from vault.compartment import Compartment, all_objects_grant
from vault.door import Act
from vault.objects import Staged, place, remove_object, verify_new
from vault.registry import CaseRow, case_grant, seal_title
from vault.requests import Description, PersonFields
from vault.sealed import SealedPerson
from vault.sharing import Sharing
from vault.tables import Row, blob, integer, text

_MEDIA_TYPE = re.compile(r"[a-z0-9][a-z0-9.+-]{0,62}/[a-z0-9][a-z0-9.+-]{0,62}")
_LONGEST_PURPOSE = 1000
_WHAT = {"share": "sealed file", "drop": "dropped file", "age": "age file"}


@dataclass
class _Opening:
    """A file that is being read, between its intent and its outcome."""

    act: Act
    stores: bool
    is_new: bool
    claim: Claim | None = None
    verdict: Verdict | None = None
    arrivals: list[tuple[Staged, Arrival]] = field(default_factory=list)


class Receiving(Sharing):
    """The part of the keeper that takes in what others sealed."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._openings: dict[int, _Opening] = {}

    def open_begin(
        self, header: bytes | None, *, stores: bool = True, into: str | None = None, code: str | None = None
    ) -> OpenGrant:
        """The intent to read a file, and its key; ``open_end`` or ``open_finish`` must follow.

        ``header`` is that of the age file, None for one with a passphrase, whose key the caller has. With ``stores`` it
        will belong to the case ``into``, or else to a new one, called ``code`` if given; without, it is only looked at.
        Raises ``NotForUs``, ``SealedFileRefused``, ``NoSuchCase``, ``CodeTaken``, ``BadCode``.
        """
        is_new = stores and into is None
        new = self._new_case(code) if is_new else None
        case = self.registry.case(references.parse_case(into)) if into is not None else new
        known = {blob(row, "case_id") for row in self.registry.rows(schema.RECEIVED)}
        grants = {case_grant(case_id) for case_id in known if self.registry.case_by_id(case_id)}
        grants |= {"identity"} if header is not None else set()
        if case is not None and not is_new:
            case = self.settled_case(case.code)
            grants |= {case_grant(case), all_objects_grant(case.case_id)}
        receipt = self.log.intend(
            "open" if stores else "inspect", case=case, vault_level=is_new or case is None, grants=grants
        )
        act = Act(receipt, case)
        with self._concluding(act):
            key = None if header is None else senders.file_key(self.registry, receipt, header)
            grant = OpenGrant(
                intent=receipt.number,
                file_key=key,
                recipients=senders.recipients(self.registry),
                code=case.code if case else None,
                case_id=case.case_id if case else None,
                folder_id=self.header.folder_id,
            )
        self._openings[receipt.number] = _Opening(act, stores, is_new)
        return grant

    def _new_case(self, code: str | None) -> CaseRow:
        taken = {case.code for case in self.registry.cases()}
        chosen = references.parse_case(code) if code else references.generate_code(taken)
        if chosen in taken:
            raise errors.CodeTaken(code=chosen)
        return CaseRow(secrets.token_bytes(16), chosen, 1, self.now, self.now, b"", 0, 0, 0)

    def open_judge(self, intent: int, claim: Claim) -> Verdict:
        """Who sent the file, and whether it, or another in its place, was here before. Nothing of it is stored.

        Raises ``SealedFileRefused`` where the sender's log does not go on from what it showed before; both are kept then.
        """
        opening = self._opening(intent)
        sender = senders.judge(self.registry, claim.card)
        proven = sender.fingerprint or ""
        before = [row for row in self.registry.rows(schema.RECEIVED) if row["sender"] == proven and row["stored"]]
        digest = bytes.fromhex(claim.digest)
        same = next((row for row in before if (row["digest"], row["kind"]) == (digest, claim.kind)), None)
        verdict = Verdict(sender=sender, again=() if same is None else self._still_there(opening.act, same))
        if claim.kind == SHARE and claim.recipient is not None and claim.sequence is not None:
            others = [row for row in before if row["recipient"] == claim.recipient and row["digest"] != digest]
            numbers = {integer(row, "sequence") for row in others}
            verdict = replace(
                verdict,
                gap=claim.sequence > 1 and claim.previous not in {blob(row, "digest").hex() for row in others},
                late=any(number > claim.sequence for number in numbers),
                rival=claim.sequence in numbers,
                last_sequence=max(numbers, default=None),
            )
        opening.claim, opening.verdict = claim, verdict
        if claim.head is not None and sender.fingerprint is not None:
            self._see_head(opening, claim.head, sender)
            gap = witnessing.gap_before(
                self.registry, sender.fingerprint, claim.recipient or "", claim.head, digest=digest
            )
            opening.verdict = verdict = replace(verdict, new_generation=gap)
        return verdict

    def _see_head(self, opening: _Opening, head: ShownHead, sender: Sender) -> None:
        """See that the sender's log goes on from what was seen of it. Raises ``SealedFileRefused``, with the proof kept."""
        claim, by = opening.claim, sender.fingerprint or ""
        found = witnessing.judge(self.registry, by, claim.recipient or "" if claim else "", head)
        if found is None:
            return
        keep = partial(
            witnessing.keep_fork,
            self.registry,
            found,
            head,
            sender=by,
            name=sender.name or sender.claimed,
            now=self.now,
        )
        self.log.announce(opening.act.receipt, (), keep, reason=found.kind, **_told(opening))
        for code in witnessing.warning(self.registry):
            self.warn(code)
        raise errors.SealedFileRefused(reason=found.reason)

    def _still_there(self, act: Act, row: Row) -> tuple[str, ...]:
        """The items that came with a file before, if every one of them is still in its case."""
        case = self.registry.case_by_id(blob(row, "case_id"))
        if case is None:
            return ()
        compartment = self.opened(case, self.registry.unwrap_case_key(act.receipt, case.case_id))
        numbers: list[int] = json.loads(text(row, "items"))
        if not numbers or any(compartment.row(schema.ITEMS, number) is None for number in numbers):
            return ()
        return tuple(references.item_reference(case.code, number) for number in numbers)

    def open_may_store(self, intent: int, *, accepted: bool = False) -> None:
        """See that a file of this sender may be stored, before it is staged. Raises as ``open_finish`` does."""
        verdict = self._opening(intent).verdict
        if verdict is None:
            raise errors.ReceiptRefused
        senders.verify(verdict.sender, accepted=accepted)

    def open_stage(self, intent: int, staged: Staged, arrival: Arrival) -> None:
        """One object that lies in the staging folder, in the order of the file; the last may be the proofs."""
        self._opening(intent).arrivals.append((staged, arrival))

    def open_finish(
        self, intent: int, staging: str, came: tuple[SealedPerson, ...] = (), *, accepted: bool = False
    ) -> Arrived:
        """Store everything that was staged, in one transaction of the case: all of it or nothing.

        1. The sender must be known, or ``accepted`` as not proven; a changed key never is.
        2. A new case gets its compartment, which nobody sees before the outcome.
        3. Rows and keys are written inside the transaction.
            4. The second intent: states, object ids, the row of the file, and the state of the sender's log.
        5. The objects are put in their places, and the transaction commits.
        6. The outcome; a new case enters the index with it.

        Raises ``SenderUnproven``, ``PartnerChanged``, ``SealedFileRefused``, ``NoSpace``, ``ReadOnly``.
        """
        opening = self._opening(intent)
        del self._openings[intent]
        act = opening.act
        with self._concluding(act):
            claim, verdict = opening.claim, opening.verdict
            if claim is None or verdict is None or not opening.stores:
                raise errors.ReceiptRefused
            senders.verify(verdict.sender, accepted=accepted)
            self._see_case(opening)
            try:
                stored = _Storing(self, opening, claim, verdict, Path(staging), came).store()
                self.warn_no_more({"partner-log-forked"} - {*witnessing.warning(self.registry)})
                return stored
            except errors.BadValue:
                # What no case can hold, our own program would not have sealed.
                raise errors.SealedFileRefused(reason="what it says of its content cannot be stored") from None

    def _see_case(self, opening: _Opening) -> None:
        """The case as it is now: while the file was read, others may have changed it, closed it, or renewed its key."""
        act, before = opening.act, opening.act.needed_case
        if opening.is_new:
            if any(case.code == before.code for case in self.registry.cases()):
                raise errors.CodeTaken(code=before.code)
            return
        now = self.registry.case_by_id(before.case_id)
        if now is None:
            raise errors.NoSuchCase(code=before.code)
        act.case = self.settled_case(now.code)
        (intent,) = (each for each in self.log.unanswered() if each.number == act.receipt.number)
        act.compartment = self.opened(now, self.registry.unwrap_case_key(self.log.reissue(intent), now.case_id))

    def open_end(
        self, intent: int, phase: str, *, size: int | None = None, reason: str | None = None, again: bool = False
    ) -> None:
        """Record what came of a file of which nothing was stored: it was looked at, known already, or refused and why."""
        opening = self._opening(intent)
        del self._openings[intent]
        opening.act.receipt.void()
        found = _told(opening)
        if again and opening.verdict is not None and opening.verdict.again:
            found["case"], _, found["item"] = opening.verdict.again[0].partition("/")
        try:
            self.log.conclude(intent, phase, size=size, reason=reason, **found)
        except errors.LogUnavailable as error:
            raise errors.OutcomeUnrecorded from error

    def _opening(self, intent: int) -> _Opening:
        if intent not in self._openings:
            raise errors.ReceiptRefused
        return self._openings[intent]


def _told(opening: _Opening) -> dict[str, Any]:
    """What the log keeps of a file: digest, sender and purpose."""
    claim, verdict = opening.claim, opening.verdict
    if claim is None:
        return {}
    sender = verdict.sender if verdict is not None else None
    name = (sender.name or sender.fingerprint) if sender is not None else None
    purpose = (claim.purpose or "").strip()[:_LONGEST_PURPOSE] or None
    return {"digest": claim.digest, "counterparty": name, "purpose": purpose}


class _Storing:
    """Steps 2 to 6 of ``open_finish``."""

    def __init__(
        self,
        keeper: Receiving,
        opening: _Opening,
        claim: Claim,
        verdict: Verdict,
        staging: Path,
        came: tuple[SealedPerson, ...],
    ) -> None:
        self.keeper, self.opening, self.act = keeper, opening, opening.act
        self.claim, self.verdict = claim, verdict
        self.staging, self.came = staging, came
        self.numbers: dict[int, int] = {}  # of items: theirs, and ours
        self.people: dict[int, int] = {}
        self.stored: list[int] = []
        self.again: list[int] = []
        self.lost: list[bytes] = []
        self.proofs: int | None = None
        self.keys: dict[bytes, ObjectKey] | None = None
        self.fresh: set[bytes] = set()

    def store(self) -> Arrived:
        keeper, act = self.keeper, self.act
        case = act.needed_case
        if self.opening.is_new:
            self._make_case(case)
        with keeper._changing(act) as compartment:
            if self.opening.is_new:
                cases.begin(compartment, code=case.code, title=self._title(), now=keeper.now)
            for each in self.came:
                fields = PersonFields(**{name: getattr(each, name) for name in PersonFields.__dataclass_fields__})
                self.people[each.number] = persons.add(compartment, fields, now=keeper.now)
            if self.people and not self.opening.is_new:
                # A person has no origin, and one beside them may have the same name and another telephone.
                ends = (references.person_reference(case.code, end(self.people.values())) for end in (min, max))
                cases.add_note(
                    compartment,
                    cases.OF_THE_CASE,
                    f"{self._title()}: {' – '.join(dict.fromkeys(ends))}",
                    now=keeper.now,
                )
            for staged, arrival in self.opening.arrivals:
                self._item(compartment, staged, arrival)
            act.announced.append(partial(keeper.registry.put, schema.RECEIVED, self._row(stored=0)))
            self._remember_head()
        act.also.append(partial(keeper.registry.put, schema.RECEIVED, self._row(stored=1)))
        for object_id in self.lost:
            remove_object(keeper.folder.objects, object_id)
        size = sum(staged.size_bytes for staged, _ in self.opening.arrivals)
        act.outcome |= {"case": case.code, "size": size, **_told(self.opening)}
        summaries = {each.reference: each for each in items.summaries(compartment, case.code)}
        refer = partial(references.item_reference, case.code)
        done = Arrived(
            code=case.code,
            new_case=self.opening.is_new,
            items=tuple(summaries[refer(number)] for number in self.stored),
            again=tuple(refer(number) for number in self.again),
            persons=tuple(references.person_reference(case.code, number) for number in self.people.values()),
            proofs=None if self.proofs is None else refer(self.proofs),
            size_bytes=size,
        )
        keeper._end(act)
        if self.opening.is_new:
            compartment.store.keep_in_log(False)
        return done

    def _make_case(self, case: CaseRow) -> None:
        keeper, key = self.keeper, CaseKey.random()
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

    def _title(self) -> str:
        claim, sender = self.claim, self.verdict.sender
        what = _WHAT[claim.kind]
        named = f"{what} {claim.case}-{claim.sequence}" if claim.kind == SHARE else what
        return f"{named[:1].upper()}{named[1:]} from {sender.name or 'somebody unproven'}"

    def _item(self, compartment: Compartment, staged: Staged, arrival: Arrival) -> None:
        act, code, now = self.act, self.act.code, self.keeper.now
        number, again = items.add(
            compartment,
            staged,
            self._description(arrival),
            code=code,
            file_name=arrival.file_name,
            words=arrival.words,
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
            verify_new(staged, self.keeper.folder.objects)
            self.fresh.add(staged.object_id)
            compartment.keep_object_key(staged.object_id, ObjectKey(staged.key))
            act.objects.append(staged.object_id)
            act.before_commit.append(partial(place, staged, self.staging, self.keeper.folder.objects))
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
        return self.keeper._is_whole(self.act, compartment, number, self.keys)

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
