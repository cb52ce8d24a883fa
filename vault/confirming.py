"""Requests about receipts: ours, for a file that came, and those of partners for what we sent.

A receipt is small, so all of it is made and read here, where the private keys are. What a partner's receipt says is
believed only when both keys of a card that is known here have signed it, and when it is about a file that was sealed
for that card.
"""

from __future__ import annotations

import hashlib
import io
from dataclasses import replace
from functools import partial
from typing import Any

from crypto import age
from crypto.errors import AgeFailure, HeaderFailure
from crypto.signing import Checkpoint
from vault import confirmations, errors, identity, own_heads, partners, schema, senders, shares, witnessing
from vault.arrivals import CHANGED, SHARE
from vault.cards import Card
from vault.confirmations import Confirmation, Parts
from vault.door import Act
from vault.receipt_requests import ReceiptMade, ReceiptRequest, ReceiptTaken
from vault.receiving import Receiving
from vault.registry import case_grant
from vault.sharing_requests import CARD
from vault.tables import Row, blob, integer, optional_text, text

_LIMITS = age.HeaderLimits(size_bytes=8 << 10, stanzas=1)


class Confirming(Receiving):
    """The part of the keeper that writes receipts and takes them in."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._receipts: dict[int, dict[str, Any]] = {}

    # Ours

    def receipt_make(self, request: ReceiptRequest) -> ReceiptMade:
        """A receipt for a file that came: an age file for its sender alone, signed by us; ``receipt_end`` must follow.

        1. Somebody is proven to have sent it, for our card, and can verify us: a partner by card.
        2. The intent, with the partner and the fingerprint.
        3. The file is stored, or is said to have come in part.
        4. What the receipt says is signed with both keys, and sealed for the sender's card.
        5. The second intent, with size and digest of the receipt; only then it is given out.

        Raises ``NoReceipt`` where nothing proves who sent it, or they could not verify it; ``PartnerChanged``.
        """
        sender = self._confirmable(request)
        name, card = text(sender, "name"), Card.from_bytes(blob(sender, "card"))
        logged: dict[str, Any] = {"counterparty": name, "recipients": [card.fingerprint.hex()]}
        self._need_identity()
        act = self._begin("receipt-make", None, item=None, purpose=None, grants=(identity.GRANT,), **logged)
        with self._concluding(act):
            own = self._identity(act)
            arrived = self._arrived(request, own.fingerprint.hex())
            named = witnessing.to_name(
                self.registry,
                card.fingerprint.hex(),
                own.fingerprint.hex(),
                card.vault_id,
                digest=bytes.fromhex(request.digest),
            )
            checkpoint, evidence = named or (None, None)
            said = Confirmation(
                by=own.fingerprint.hex(),
                to=card.fingerprint.hex(),
                share_id=request.share_id or "",
                digest=request.digest,
                manifest_sha256=request.manifest_sha256 or "",
                items=request.items if request.came is None else request.came,
                complete=request.came is None,
                arrived=arrived,
                made=self.now,
                checkpoint=checkpoint,
            )
            signed = said.to_bytes()
            signatures = own.sign(confirmations.KIND, signed)
            shown = None if evidence is None else own_heads.shown(evidence)
            parts = Parts(signed, signatures.sshsig, signatures.mldsa65, own.card_bytes(date=self.now[:10]), shown)
            file = _sealed(parts, card)
            whole = logged | {"size": len(file), "digest": hashlib.sha256(file).hexdigest()}
            self.log.announce(act.receipt, (), lambda: None, **whole)
        act.receipt.void()
        self._receipts[act.receipt.number] = whole
        return ReceiptMade(act.receipt.number, file)

    def receipt_end(self, intent: int, phase: str, *, reason: str | None = None) -> None:
        """Record what came of a receipt: done, as soon as it is durable, or failed."""
        if intent not in self._receipts:
            raise errors.ReceiptRefused
        logged = self._receipts.pop(intent)
        if phase != "done":
            del logged["size"], logged["digest"]
        self._conclude(intent, phase, reason=reason, **logged)

    def _confirmable(self, request: ReceiptRequest) -> Row:
        """The partner to whom a receipt for this file goes. Raises ``NoReceipt``, ``PartnerChanged``."""
        if request.kind != SHARE or request.sender is None:
            raise errors.NoReceipt(reason="nobody signed this file, so nobody is known to have sent it")
        if request.to_kind == "passphrase":
            raise errors.NoReceipt(reason="this file was for whoever has its passphrase, not for you by your card")
        if request.to_kind != CARD:
            raise errors.NoReceipt(
                reason="its sender knows you by an age recipient alone, and could not verify your signature"
            )
        found = partners.by_fingerprint(self.registry, bytes.fromhex(request.sender))
        if found is None:
            raise errors.NoReceipt(reason="its sender's card is not among your partners")
        if found["pending"] is not None:
            raise errors.PartnerChanged(name=text(found, "name"))
        return found

    def _arrived(self, request: ReceiptRequest, ours: str) -> str:
        """When the file came. Raises ``NoReceipt`` unless it is as the request says."""
        row = self.registry.row(schema.RECEIVED, bytes.fromhex(request.digest), request.sender)
        stored = row is not None and row["stored"] == 1
        if request.came is not None:
            if stored or not 0 <= request.came <= request.items:
                raise errors.NoReceipt(reason="all of this file came")
            return self.now
        if row is None or not stored or row["recipient"] != ours or row["share_id"] != request.share_id:
            raise errors.NoReceipt(reason="this file was not stored")
        return text(row, "happened")

    # Those of partners

    def receipt_take(self, file: bytes) -> ReceiptTaken:
        """Take in a partner's receipt for a file that we sent, or refuse it: then nothing changes but the log, and what
        proves another history of it is kept.

        1. It has one stanza of the hybrid kind, opens with our key, and is read to its end.
        2. The card in it is that of a partner, or one for which a file was sealed, and both keys of this card signed it.
        3. It has the one form.
        4. It was made for us, by the one whose card it is.
        5. The state that it names is one of our log. If our log never had it, and our own identity signed it, it is kept as
           the proof; without that it is the partner's word, and the log alone says that it was given.
        6. It is about a file that we sealed for this card, with the digests that this file had, and as many items.
        7. Whoever has said before that all of it came says nothing new; else the row of the file is marked.

        Raises ``NotForUs``, ``BadReceipt``, ``PartnerChanged``, ``OtherHistory``, ``UnprovenHistory``.
        """
        cases = map(case_grant, self.registry.cases())
        with self._act("receipt-take", grants=(identity.GRANT, *cases)) as act:
            act.outcome["digest"] = hashlib.sha256(file).hexdigest()
            parts = self._opened_receipt(act, file)  # 1
            card = self._card_of(parts)  # 2
            said = parts.verified(card)  # 2 and 3
            if said.to != self._own_fingerprint():  # 4
                raise errors.NotForUs(reason="whoever signed it made it for another vault")
            if said.by != card.fingerprint.hex():
                raise errors.BadReceipt(reason="it names another vault than the one that signed it")
            seen = self._see_own_head(act, said, parts)  # 5
            row = self._sent_as_seen(said, seen)  # 6
            self._compare_items(act, row, said)
            before = shares.confirmation(row)
            again = before is not None and (before.complete or not said.complete)  # 7
            if not again:
                row = {
                    **row,
                    "state": shares.SENT,
                    "confirmed": self.now,
                    "receipt": replace(parts, shown=None).signed_bytes(),
                }
                act.also.append(partial(self.registry.put, schema.SHARES, row))
            taken = self._taken(row, said if before is None or not again else before, again=again, log=seen)
            act.outcome |= {
                "counterparty": taken.partner,
                "recipients": [said.by],
                "condition": "complete" if said.complete else "incomplete",
            }
            self._note_receipt(act, row, taken)
        return taken

    def _see_own_head(self, act: Act, said: Confirmation, parts: Parts) -> str | None:
        """What becomes of the state of our log that a receipt names. Raises ``BadReceipt`` for one of another log."""
        if said.checkpoint is None:
            if parts.shown is not None:
                raise errors.BadReceipt(reason="what it carries as signed by this vault is not")
            return None
        named = Checkpoint.from_bytes(said.checkpoint.encode("ascii"))
        found = own_heads.judge(self.registry, named, parts.shown)
        generation = own_heads.generation_of(self.registry, named)
        heads = [{"generation": generation, "root": named.root, "size": named.size}]
        act.outcome["heads"] = heads
        if found == own_heads.CONFIRMED:
            act.also.append(partial(own_heads.confirm, self.registry, said.by, named, now=self.now))
        elif found in (own_heads.PROVEN, own_heads.ELSEWHERE, own_heads.CLAIMED):
            name, keep = self._called(said.by), partial(_nothing)
            if found == own_heads.PROVEN:
                keep = partial(
                    own_heads.keep, self.registry, named, parts.signed_bytes(), by=said.by, name=name, now=self.now
                )
            self.log.announce(
                act.receipt, (), keep, reason=found, recipients=[said.by], counterparty=name or None, heads=heads
            )
            for code in witnessing.warning(self.registry):
                self.warn(code)
        return found

    def _called(self, fingerprint: str) -> str:
        """The name of the partner who has a card, or had it when a file was sealed for it."""
        return witnessing.names(self.registry).get(fingerprint, "")

    def _own_fingerprint(self) -> str:
        found = identity.own_fingerprint(self.registry)
        return "" if found is None else found.hex()

    def _opened_receipt(self, act: Act, file: bytes) -> Parts:
        if len(file) > confirmations.LARGEST_FILE_BYTES:
            raise errors.BadReceipt(reason="it is larger than any receipt")
        try:
            header = age.read_header(io.BytesIO(file), limits=_LIMITS)
            if [stanza.kind for stanza in header.stanzas] != [age.HYBRID]:
                raise errors.BadReceipt(reason="it is not sealed as casevault seals receipts")
            key = age.FileKey(senders.file_key(self.registry, act.receipt, header.text))
            payload, _ = age.open_reader(io.BytesIO(file), [age.FileKeyIdentity(key)], limits=_LIMITS)
            content = io.BytesIO()
            while (chunk := payload.next_chunk()) is not None:
                content.write(chunk)
        except HeaderFailure:
            raise errors.BadReceipt(reason="its header is not as age writes it") from None
        except errors.SealedFileRefused as error:
            raise errors.BadReceipt(reason=error.fields["reason"]) from None
        except AgeFailure:
            raise errors.BadReceipt(reason="it was cut off or changed on its way") from None
        content.seek(0)
        return Parts.unpack(content)

    def _card_of(self, parts: Parts) -> Card:
        """The card, as we know it, of whoever seems to have signed a receipt. Raises ``BadReceipt``, ``PartnerChanged``."""
        try:
            fingerprint = Card.from_bytes(parts.card).fingerprint
        except errors.BadCard:
            raise errors.BadReceipt(reason="the card in it does not hold") from None
        for row in partners.everyone(self.registry):
            if row["kind"] == CARD and row["fingerprint"] == fingerprint:
                return Card.from_bytes(blob(row, "card"))
        # A card that they had before. What was sealed for it names its fingerprint, and that names all of its keys.
        if any(
            (row["recipient_kind"], row["recipient"]) == (CARD, fingerprint.hex())
            for row in self.registry.rows(schema.SHARES)
        ):
            return Card.from_bytes(parts.card)
        judged = senders.judge(self.registry, parts.card)
        if judged.trust == CHANGED:
            raise errors.PartnerChanged(name=judged.name)
        raise errors.BadReceipt(reason="no partner here has the card of whoever signed it")

    def _sent(self, said: Confirmation) -> Row:
        """The file that a receipt is about. Raises ``BadReceipt``."""
        row = self.registry.row(schema.SHARES, bytes.fromhex(said.share_id))
        if row is None:
            raise errors.BadReceipt(reason="it is about a file that this vault does not know as sealed by it")
        if row["recipient_kind"] != CARD or row["recipient"] != said.by:
            raise errors.BadReceipt(reason="it is about a file that was sealed for somebody else")
        if (blob(row, "digest").hex(), blob(row, "manifest").hex()) != (said.digest, said.manifest_sha256):
            raise errors.BadReceipt(reason="the file that it is about is not the one that was sealed")
        return row

    def _sent_as_seen(self, said: Confirmation, seen: str | None) -> Row:
        """As ``_sent``; where our log explains why the file is not known here, or the partner says so, that is the reason."""
        try:
            return self._sent(said)
        except errors.BadReceipt:
            if seen == own_heads.PROVEN:
                raise errors.OtherHistory(name=self._called(said.by)) from None
            if seen == own_heads.CLAIMED:
                raise errors.UnprovenHistory(name=self._called(said.by)) from None
            if seen == own_heads.ELSEWHERE:
                raise errors.BadReceipt(
                    reason="another copy of this vault has sealed the file that it is about, as a generation of its log that this one "
                    "does not have; if nobody restored or went on from a copy, somebody else has one, and its keys"
                ) from None
            if seen != own_heads.LOST:
                raise
        raise errors.BadReceipt(
            reason="it is about a file that is not known here, and names a state of the log after that from which this vault was restored"
        )

    def _compare_items(self, act: Act, row: Row, said: Confirmation) -> None:
        """See that no more items came than went. Of a deleted case nobody knows it any more. Raises ``BadReceipt``."""
        case = self.registry.case_by_id(blob(row, "case_id"))
        if case is None:
            return
        key = self.registry.unwrap_case_key(act.receipt, case.case_id)
        told = shares.open_told(shares.told_key(key), row)
        if told is None:
            return
        if said.items > len(told.items) or (said.complete and said.items < len(told.items)):
            raise errors.BadReceipt(reason="it counts other items than the file has")

    def _taken(self, row: Row, said: Confirmation, *, again: bool, log: str | None) -> ReceiptTaken:
        partner = self.registry.row(schema.PARTNERS, row["partner"])
        return ReceiptTaken(
            partner=text(partner, "name") if partner else "",
            former_card=partner is not None and blob(partner, "fingerprint").hex() != said.by,
            share_id=said.share_id,
            code=text(row, "code"),
            sequence=integer(row, "sequence"),
            arrived=said.arrived,
            complete=said.complete,
            items=said.items,
            confirmed=optional_text(row, "confirmed") or "",
            again=again,
            log=log,
        )

    def _note_receipt(self, act: Act, row: Row, taken: ReceiptTaken) -> None:
        """Under the key of the case that the file was from, its log says so too, in the step of the outcome."""
        case = self.registry.case_by_id(blob(row, "case_id"))
        if case is not None:
            act.noted.append((case, {"counterparty": taken.partner, "digest": blob(row, "digest").hex()}))


def _nothing() -> None:
    """Of a partner's word alone nothing is kept."""


def _sealed(parts: Parts, card: Card) -> bytes:
    sink = io.BytesIO()
    writer = age.open_writer(sink, [age.parse_recipient(card.age_recipient)])
    parts.pack(writer)
    writer.finish()
    return sink.getvalue()
