"""Requests about files that are sealed for partners: what is to go, the announcement, the signatures, the outcome.

The file itself is written by the command's process (``vault.sealing``), with one object's key at a time for one logged
intent. What is signed here was announced to the log before, with its digest, and the private keys stay here.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from crypto import age
from crypto.keys import RecordKey
from crypto.labels import SignedKind
from vault import (
    bag,
    cases,
    errors,
    identity,
    items,
    log_showing,
    partners,
    persons,
    planning,
    references,
    schema,
    shares,
)
from vault.compartment import Compartment, all_objects_grant
from vault.door import Act
from vault.identity import OwnIdentity
from vault.introductions import Introductions
from vault.partners import Addressee
from vault.registry import case_grant
from vault.requests import ObjectGrant
from vault.sealed import SealedManifest
from vault.sealing_requests import (
    SharePlan,
    ShareRequest,
    ShareSigned,
    ShareSummary,
    TagFile,
)
from vault.shares import Told
from vault.sharing_requests import CARD
from vault.tables import Row, blob, integer

PIECE_BYTES = 8 << 20


@dataclass
class _Running:
    """A share between its intent and its outcome."""

    act: Act
    plan: SharePlan
    to: Addressee | None
    identity: OwnIdentity
    told_key: RecordKey
    manifest: SealedManifest
    grants: dict[int, ObjectGrant]
    logged: dict[str, Any] = field(default_factory=dict)
    tags: dict[str, bytes] = field(default_factory=dict)
    share_id: bytes | None = None


class Sharing(Introductions):
    """The part of the keeper that knows of files for partners."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._shares: dict[int, _Running] = {}

    def share_begin(self, request: ShareRequest) -> SharePlan:
        """The intent to seal a file, and all that is to be known before it is agreed to; ``share_end`` must follow.

        Nothing of the case is signed. Raises ``NoSuchPartner``, ``PartnerChanged``, ``NoSuchItem``, ``NoSuchPerson``,
        ``BadValue``, and ``Refused`` where there is nothing to seal, or the partner has no recipient of that kind.
        """
        request = planning.checked(request)
        to = None
        if request.to is not None:
            to = partners.addressee(self.registry, request.to, classical=request.classical)
        case = self.settled_case(request.code)
        self._need_identity()
        act = self._begin(
            "share",
            case.code,
            item=None if request.items is None else references.listed(request.items, request.persons),
            purpose=request.purpose,
            grants=(all_objects_grant(case.case_id), identity.GRANT),
            **_logged(to),
        )
        with self._concluding(act):
            self._shares[act.receipt.number] = running = self._planned(act, request, to)
        act.receipt.void()
        return running.plan

    def _planned(self, act: Act, request: ShareRequest, to: Addressee | None) -> _Running:
        case_id = act.needed_case.case_id
        key = self.registry.unwrap_case_key(act.receipt, case_id)
        compartment = self.opened(act.needed_case, key)
        numbers = items.numbers(compartment) if request.items is None else request.items
        if not numbers:
            raise errors.Refused(reason="there is nothing to seal")
        if len(numbers) > bag.MAX_ITEMS:
            raise errors.Refused(reason="no sealed file holds so many items")
        chosen = planning.Chosen(
            items={number: items.details(compartment, act.code, number) for number in numbers},
            persons={number: persons.details(compartment, act.code, number) for number in request.persons},
        )
        own = self._identity(act)
        manifest = planning.manifest(
            request, to, chosen, code=act.code, vault_id=self.registry.setting("vault_id"), made=self.now
        )
        manifest = self._placed(manifest, case_id)
        layout = planning.layout(self.registry, manifest, own.card_bytes(date=manifest.made[:10]))
        plan = planning.plan(
            manifest,
            to,
            chosen,
            intent=act.receipt.number,
            title=cases.title(compartment),
            sender=own.card(date="").name,
            archive_bytes=layout.size_bytes,
            unconfirmed=log_showing.unconfirmed(self.registry, manifest.to) if manifest.to_kind == CARD else 0,
        )
        grants = self._grants(act, compartment, numbers)
        return _Running(act, plan, to, own, shares.told_key(key), manifest, grants)

    def _grants(self, act: Act, compartment: Compartment, numbers: Iterable[int]) -> dict[int, ObjectGrant]:
        rows = {number: items.stored_row(compartment, act.code, number) for number in numbers}
        keys = compartment.unwrap_object_keys(act.receipt, {blob(row, "object_id") for row in rows.values()})
        return {number: self._grant(act, row, keys[blob(row, "object_id")]) for number, row in rows.items()}

    def _placed(self, manifest: SealedManifest, case_id: bytes) -> SealedManifest:
        """At its place in the chain of files to this recipient."""
        sequence, previous = shares.following(self.registry, manifest.to_kind, manifest.to, case_id)
        return replace(manifest, sequence=sequence, previous=previous.hex() if previous else None, made=self.now)

    def share_object(self, intent: int, number: int) -> ObjectGrant:
        """The key of one item's object, once, for the intent of the share."""
        grant = self._share(intent).grants.pop(number, None)
        if grant is None:
            raise errors.ReceiptRefused
        return grant

    def share_sign(self, intent: int, sha512s: tuple[tuple[int, str], ...] = ()) -> ShareSigned:
        """Announce the file to the log, once: with the digest of its sealed.json, its recipient, and its row; then sign it,
        and with it the proof that it is logged.

        ``sha512s`` are the digests that the vault does not have. Raises ``PartnerChanged``, ``NoSuchPartner``,
        ``LogUnavailable``, after which nothing is signed.
        """
        running = self._share(intent)
        act = running.act
        case = self.registry.case_by_id(act.needed_case.case_id)
        # Deleted, or under another key: what would be written could not be read again.
        if running.share_id is not None or case is None or case.epoch != act.needed_case.epoch:
            raise errors.ReceiptRefused
        if running.to is not None:
            classical = running.to.stanza == age.X25519
            now = partners.addressee(self.registry, running.to.name, classical=classical)
            if (now.fingerprint, now.recipient) != (running.to.fingerprint, running.to.recipient):
                raise errors.PartnerChanged(name=running.to.name)
        manifest = planning.with_digests(self._placed(running.manifest, case.case_id), dict(sha512s))
        tags = planning.tags(manifest, running.identity.card_bytes(date=manifest.made[:10]))
        digest = hashlib.sha256(tags[bag.SEALED]).digest()
        row = self._row(running, manifest, digest)
        running.logged = {
            "item": references.listed((i.number for i in manifest.items), (p.number for p in manifest.persons)),
            "purpose": manifest.purpose,
            **_logged(running.to),
        }
        change = partial(self._put_share, row)
        announced = self.log.announce(act.receipt, (), change, digest=digest.hex(), **running.logged)
        running.share_id = blob(row, "share_id")
        tags[bag.LOG_CHECKPOINT] = log_showing.note(self.registry, self.registry.steps)
        tags[bag.LOG_PROOFS] = log_showing.proofs(self.registry, announced, running.share_id, manifest.to)
        tags[bag.TAGMANIFEST] = bag.tagmanifest(tags)
        signatures = running.identity.sign(SignedKind.SEALED_FILE, tags[bag.TAGMANIFEST])
        tags |= {bag.SIGNATURE: signatures.sshsig, bag.MLDSA_SIGNATURE: signatures.mldsa65}
        layout = bag.layout(manifest.top, tags, manifest.items)
        running.tags = tags
        return ShareSigned(
            share_id=manifest.share_id,
            top=manifest.top,
            sequence=manifest.sequence,
            tag_files=tuple(TagFile(name, len(tags[name])) for name in bag.ORDER),
            padding_bytes=layout.padding_bytes,
            size_bytes=layout.size_bytes,
        )

    def share_tag(self, intent: int, name: str, offset: int) -> bytes:
        """What is in a tag file from an offset on, as much as one answer of a session holds. Raises ``ReceiptRefused``."""
        content = self._share(intent).tags.get(name)
        if content is None or offset < 0:
            raise errors.ReceiptRefused
        return content[offset : offset + PIECE_BYTES]

    def _put_share(self, row: Row) -> None:
        self.registry.put(schema.SHARES, row)
        sent: Row = {"share_id": row["share_id"], "step": self.registry.steps}
        self.registry.put(schema.SENT_HEADS, sent)

    def _row(self, running: _Running, manifest: SealedManifest, digest: bytes) -> Row:
        share_id = bytes.fromhex(manifest.share_id)
        told = Told(
            items=tuple(item.number for item in manifest.items),
            persons=tuple(person.number for person in manifest.persons),
            includes=manifest.includes,
            purpose=manifest.purpose,
            terms=manifest.terms,
        )
        return {
            "share_id": share_id,
            "case_id": running.act.needed_case.case_id,
            "code": manifest.case,
            "partner": running.to.number if running.to else None,
            "recipient": manifest.to,
            "recipient_kind": manifest.to_kind,
            "protection": manifest.sealed_for,
            "grade": running.plan.grade,
            "sequence": manifest.sequence,
            "made": manifest.made,
            "told": shares.seal_told(running.told_key, share_id, told),
            "digest": digest,
            "manifest": bytes.fromhex(manifest.manifest_sha256),
            "state": shares.SIGNED,
            "size_bytes": None,
            "sha256": None,
            "confirmed": None,
            "receipt": None,
        }

    def share_end(
        self,
        intent: int,
        phase: str,
        *,
        size: int | None = None,
        digest: str | None = None,
        reason: str | None = None,
        nothing_left: bool = True,
    ) -> None:
        """Record what came of a share, done or failed: size and SHA-256 of the file.

        ``nothing_left`` says of a failed one that no file of it is anywhere.
        """
        running = self._share(intent)
        if phase == "done" and running.share_id is None:
            raise errors.ReceiptRefused
        del self._shares[intent]
        also = []
        row = None if running.share_id is None else self.registry.row(schema.SHARES, running.share_id)
        if row is not None and (phase == "done" or nothing_left):
            state = shares.SENT if phase == "done" else shares.FAILED
            ended: Row = {**row, "state": state, "size_bytes": size, "sha256": digest}
            also.append(partial(self.registry.put, schema.SHARES, ended))
        self._conclude(intent, phase, size=size, digest=digest, reason=reason, also=also, **running.logged)

    def share_list(self, code: str | None = None, partner: str | None = None) -> tuple[ShareSummary, ...]:
        """Who has what: the files that were sealed from a case (None: all) for a partner (None: all), oldest first.

        Of a name that another partner had, who was removed, it is told of the one who has it now. Where no case is named,
        each one that is told of has an entry of its own in the log.
        """
        known = {integer(row, "number"): row for row in self.registry.rows(schema.PARTNERS)}
        called = [number for number, row in known.items() if row["name"] == partner]
        called = [number for number in called if known[number]["removed"] is None] or called
        grants = tuple(case_grant(case) for case in self.registry.cases()) if code is None else ()
        with self._act("grants", code, grants=grants, counterparty=partner) as act:
            present = {case.case_id: case for case in self.registry.cases()}
            keys: dict[bytes, RecordKey] = {}
            found = []
            for row in sorted(
                self.registry.rows(schema.SHARES), key=lambda row: (row["made"], row["code"], row["sequence"])
            ):
                case_id = blob(row, "case_id")
                of = None if row["partner"] is None else known.get(integer(row, "partner"))
                if act.case is not None and case_id != act.case.case_id:
                    continue
                if partner is not None and row["partner"] not in called:
                    continue
                if case_id in present and case_id not in keys:
                    keys[case_id] = shares.told_key(self.registry.unwrap_case_key(act.receipt, case_id))
                    act.noted += [(present[case_id], {"counterparty": partner})] if act.case is None else []
                told = shares.open_told(keys[case_id], row) if case_id in keys else None
                found.append(shares.summary(row, told, of))
            return tuple(found)

    def _share(self, intent: int) -> _Running:
        if intent not in self._shares:
            raise errors.ReceiptRefused
        return self._shares[intent]


def _logged(to: Addressee | None) -> dict[str, Any]:
    """Whom a file is for, as the log has it: the name that we gave, the fingerprint, and how it was compared."""
    if to is None:
        return {"counterparty": None}
    return {"counterparty": to.name, "recipients": [to.fingerprint.hex()], "condition": to.grade}
