"""Requests about files that others sealed: their key, the judgement of their sender, how they are stored.

What is large is read, verified and staged by the command's process (``vault.unsealing``). Here the file key is unwrapped
for one logged intent; before anything is stored it is said who sent the file and whether it was here before; and all of it is
stored in one transaction of one case, or nothing.
"""

from __future__ import annotations

import json
import secrets
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

from vault import errors, identity, references, schema, senders, witnessing
from vault.arrivals import SHARE, Arrival, Arrived, Claim, OpenGrant, Sender, ShownHead, Verdict
from vault.compartment import all_objects_grant
from vault.door import Act
from vault.objects import Staged
from vault.registry import CaseRow, case_grant
from vault.sealed import SealedPerson
from vault.sharing import Sharing
from vault.storing import Storing
from vault.tables import Row, blob, integer, text

_LONGEST_PURPOSE = 1000


@dataclass
class Opening:
    """A file that is being read, between its intent and its outcome."""

    act: Act
    stores: bool
    is_new: bool
    claim: Claim | None = None
    verdict: Verdict | None = None
    arrivals: list[tuple[Staged, Arrival]] = field(default_factory=list)

    @property
    def told(self) -> dict[str, Any]:
        """What the log keeps of the file: digest, sender and purpose."""
        if self.claim is None:
            return {}
        sender = self.verdict.sender if self.verdict is not None else None
        name = (sender.own_name or sender.fingerprint) if sender is not None else None
        purpose = (self.claim.purpose or "").strip()[:_LONGEST_PURPOSE] or None
        return {"digest": self.claim.digest, "counterparty": name, "purpose": purpose}


class Receiving(Sharing):
    """The part of the keeper that takes in what others sealed."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._openings: dict[int, Opening] = {}

    def open_begin(
        self, header: bytes | None, *, stores: bool = True, into: str | None = None, code: str | None = None
    ) -> OpenGrant:
        """The intent to read a file, and its key; ``open_end`` or ``open_finish`` must follow.

        ``header`` is that of the age file, None for one with a passphrase, whose key the caller has. With ``stores`` it
        will belong to the case ``into``, or else to a new one, called ``code`` if given; without, it is only looked at.
        Raises ``NotForUs``, ``SealedFileRefused``, ``NoSuchCase``, ``CodeTaken``, ``BadCode``.
        """
        self.settle_failed()  # the same file, if it was stored and that could not be recorded, is known from now on
        is_new = stores and into is None
        new = self._new_case(code) if is_new else None
        case = self.registry.case(references.parse_case(into)) if into is not None else new
        known = {blob(row, "case_id") for row in self.registry.rows(schema.RECEIVED)}
        grants = {case_grant(case_id) for case_id in known if self.registry.case_by_id(case_id)}
        grants |= {identity.GRANT} if header is not None else set()
        if case is not None and not is_new:
            case = self.settled_case(case.code)
            grants |= {case_grant(case), all_objects_grant(case.case_id)}
        receipt = self.log.intend(
            "open" if stores else "inspect", case=case, vault_level=is_new or case is None, grants=grants
        )
        act = Act(receipt, case, makes_case=is_new)
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
        self._openings[receipt.number] = Opening(act, stores, is_new)
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
        verdict = self._judged(opening, claim)
        same = self.registry.row(schema.RECEIVED, bytes.fromhex(claim.digest), verdict.sender.fingerprint or "")
        if same is not None and same["stored"] and same["kind"] == claim.kind:
            opening.verdict = verdict = replace(verdict, again=self._still_there(opening.act, same))
        return verdict

    def _judged(self, opening: Opening, claim: Claim) -> Verdict:
        """What the vault makes of a file by what it knows now, but whether it came before. Raises ``SealedFileRefused``."""
        sender = senders.judge(self.registry, claim.card)
        proven = sender.fingerprint or ""
        verdict, digest = Verdict(sender=sender), bytes.fromhex(claim.digest)
        numbers: dict[bytes, int] = {}
        if claim.kind == SHARE and claim.recipient is not None and claim.sequence is not None:
            before = [row for row in self.registry.rows(schema.RECEIVED) if row["sender"] == proven and row["stored"]]
            others = [row for row in before if row["recipient"] == claim.recipient and row["digest"] != digest]
            numbers = {blob(row, "digest"): integer(row, "sequence") for row in others}
            verdict = replace(
                verdict,
                gap=claim.previous is not None and claim.previous not in {each.hex() for each in numbers},
                late=any(number > claim.sequence for number in numbers.values()),
                rival=claim.sequence in numbers.values(),
                last_sequence=max(numbers.values(), default=None),
            )
        opening.claim, opening.verdict = claim, verdict
        if claim.head is not None and sender.fingerprint is not None:
            unconnected = self._see_head(opening, sender, claim.head, others=numbers)
            new, beside = witnessing.told(
                self.registry, sender.fingerprint, claim.recipient or "", claim.head, digest=digest
            )
            opening.verdict = verdict = replace(verdict, new_generation=new, beside=beside, unconnected=unconnected)
        return verdict

    def _see_head(self, opening: Opening, sender: Sender, head: ShownHead, *, others: dict[bytes, int]) -> int | None:
        """See that the sender's log goes on from what was seen of it. Raises ``SealedFileRefused``, with the proof kept.

        Where the two lie too far from each other for a proof: how many entries that had which was seen.
        """
        claim, by = opening.claim, sender.fingerprint or ""
        audience, sequence = (claim.recipient or "", claim.sequence or 0) if claim else ("", 0)
        found = witnessing.judge(self.registry, by, audience, head, sequence=sequence, others=others)
        if found is None:
            return None
        if found.kind == witnessing.UNPROVED:
            return integer(found.before, "size")
        keep = partial(
            witnessing.keep_fork,
            self.registry,
            found,
            head,
            sender=by,
            name=witnessing.names(self.registry).get(by),
            now=self.now,
        )
        self.log.announce(opening.act.receipt, (), keep, reason=found.kind, **opening.told)
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
        senders.verify(verdict, accepted=accepted)

    def open_stage(self, intent: int, staged: Staged, arrival: Arrival) -> None:
        """One object that lies in the staging folder, in the order of the file; the last may be the proofs."""
        self._opening(intent).arrivals.append((staged, arrival))

    def open_finish(
        self, intent: int, staging: str, came: tuple[SealedPerson, ...] = (), *, accepted: bool = False
    ) -> Arrived:
        """Store everything that was staged, in one transaction of the case: all of it or nothing.

        1. The file is judged anew: while it was read, others of its sender may have come. The sender must be known and their log
           go on from what was seen of it, or that is ``accepted`` as not proven; a changed key never is.
        2. A new case gets its compartment, which nobody sees before the outcome.
        3. Rows and keys are written inside the transaction.
        4. The second intent: states, object ids, the row of the file, and the state of the sender's log.
        5. The objects are put in their places, and the transaction commits.
        6. The outcome; a new case enters the index with it.

        Raises ``SenderUnproven``, ``LogNotConnected``, ``PartnerChanged``, ``SealedFileRefused``, ``NoSpace``, ``ReadOnly``.
        """
        opening = self._opening(intent)
        del self._openings[intent]
        act = opening.act
        with self._concluding(act):
            claim, heard = opening.claim, opening.verdict
            if claim is None or heard is None or not opening.stores:
                raise errors.ReceiptRefused
            verdict = self._judged(opening, claim)
            if verdict.unconnected is not None and heard.unconnected is None:
                raise errors.LogNotConnected  # nobody was asked about that
            senders.verify(verdict, accepted=accepted)
            self._see_case(opening)
            try:
                storing = Storing(
                    self, opening, claim, verdict, Path(staging), came, is_whole=partial(self._is_whole, act)
                )
                if opening.is_new:
                    storing.make_case()
                with self._changing(act) as compartment:
                    storing.store(compartment)
                arrived = storing.arrived(compartment)
                self._end(act)
                self.warn_no_more({"partner-log-forked"} - {*witnessing.warning(self.registry)})
            except errors.BadValue:
                # What no case can hold, our own program would not have sealed.
                raise errors.SealedFileRefused(reason="what it says of its content cannot be stored") from None
            if opening.is_new:
                compartment.store.keep_in_log(False)
            return arrived

    def _see_case(self, opening: Opening) -> None:
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
        found, noted = opening.told, []
        if again and opening.verdict is not None and opening.verdict.again:
            code, _, item = opening.verdict.again[0].partition("/")
            there = next((case for case in self.registry.cases() if case.code == code), None)
            into = opening.act.case
            if there is not None and into is not None and not opening.is_new and there.case_id != into.case_id:
                # Of where else the file is the log of this case says nothing: each goes where its case goes.
                noted.append((there, {"item": item, "reason": reason, **found}))
            else:
                found |= {"case": code, "item": item}
        self._conclude(intent, phase, size=size, reason=reason, noted=noted, **found)

    def _opening(self, intent: int) -> Opening:
        if intent not in self._openings:
            raise errors.ReceiptRefused
        return self._openings[intent]
