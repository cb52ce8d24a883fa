"""What a sealed file will be, before anything of it is signed: what goes, how its archive lies, and so how large it gets."""

from __future__ import annotations

import io
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from crypto import age, ed25519, mldsa
from crypto.labels import SignedKind
from crypto.sshsig import SSHSignature
from vault import bag, cases, custody, errors, guide, log_showing, references, sealed
from vault.partners import Addressee
from vault.requests import ItemDetails, PersonDetails
from vault.sealed import SealedManifest, ToKind
from vault.sealing_requests import INCLUDES, PlannedItem, PlannedPerson, SharePlan, ShareRequest
from vault.sharing_requests import CARD

if TYPE_CHECKING:
    from vault.registry import Registry

_SHARE_ID_BYTES = 16
_NOT_INCLUDED = "it is not one of " + ", ".join(INCLUDES)
_UNKNOWN_SHA512 = "0" * 128
_TWO_DIGITS = 10  # as the work factor of every file for a passphrase has
_NO_SIGNATURES = {
    bag.SIGNATURE: SSHSignature(
        bytes(ed25519.PUBLIC_KEY_SIZE), SignedKind.SEALED_FILE.value, bytes(ed25519.SIGNATURE_SIZE)
    ).to_bytes(),
    bag.MLDSA_SIGNATURE: bytes(mldsa.SIGNATURE_SIZE),
}


def checked(request: ShareRequest) -> ShareRequest:
    """Each thing once, in order, and nothing that nobody knows. Raises ``BadValue``."""
    for name, given in (("purpose", request.purpose), ("terms", request.terms)):
        if len(given or "") > sealed.LONGEST_LINE:
            raise errors.BadValue(field=name, reason="it is too long")
    if not set(request.includes) <= set(INCLUDES):
        raise errors.BadValue(field="includes", reason=_NOT_INCLUDED)
    return replace(
        request,
        code=references.parse_case(request.code),
        items=None if request.items is None else tuple(sorted(set(request.items))),
        persons=tuple(sorted(set(request.persons))),
        includes=tuple(sorted(set(request.includes))),
        purpose=cases.optional_checked_text("purpose", request.purpose),
        terms=cases.optional_checked_text("terms", request.terms),
    )


@dataclass(frozen=True, slots=True)
class Chosen:
    """What is to go, by its numbers in the case."""

    items: Mapping[int, ItemDetails]
    persons: Mapping[int, PersonDetails]


def manifest(
    request: ShareRequest, to: Addressee | None, chosen: Chosen, *, code: str, vault_id: bytes, made: str
) -> SealedManifest:
    """sealed.json as it will be, but for its place in the chain of files, and with zeros for digests that are missing."""
    return SealedManifest(
        kind="share",
        vault_id=vault_id.hex(),
        share_id=secrets.token_hex(_SHARE_ID_BYTES),
        case=code,
        sequence=1,
        previous=None,
        to=to.fingerprint.hex() if to else "",
        to_kind=_kind(to),
        sealed_for=to.stanza if to else age.SCRYPT,
        made=made,
        purpose=request.purpose,
        terms=request.terms,
        includes=request.includes,
        items=tuple(
            sealed.item_of(
                each,
                number=number,
                path=bag.data_path(position, len(chosen.items), each.media_type),
                sha512=each.sha512 or _UNKNOWN_SHA512,
                revises=_revised(each),
                includes=request.includes,
            )
            for position, (number, each) in enumerate(chosen.items.items(), 1)
        ),
        persons=tuple(sealed.person_of(each, number) for number, each in chosen.persons.items()),
    )


def with_digests(manifest: SealedManifest, sha512s: Mapping[int, str]) -> SealedManifest:
    """With the digests that were computed just now. Raises ``BadValue`` where one is missing or there already."""
    lacking = {item.number for item in manifest.items if item.sha512 == _UNKNOWN_SHA512}
    if lacking != set(sha512s):
        raise errors.BadValue(field="digests", reason="they are not those that were missing")
    return replace(
        manifest,
        items=tuple(replace(item, sha512=sha512s.get(item.number, item.sha512)) for item in manifest.items),
    )


def tags(manifest: SealedManifest, card: bytes) -> dict[str, bytes]:
    """All tag files that the signatures cover."""
    return manifest.derived_tags | {
        bag.CARD: card,
        bag.SEALED: manifest.to_bytes(),
        bag.CUSTODY: custody.to_bytes(manifest),
        bag.GUIDE: guide.read_me(manifest.top),
    }


def layout(registry: Registry, manifest: SealedManifest, card: bytes) -> bag.Layout:
    """How the archive will lie, without a signature; what is proved of the log may yet grow a little. Raises ``Refused``."""
    try:
        found = tags(manifest, card)
        found[bag.LOG_CHECKPOINT] = log_showing.note(registry, registry.steps)
        found[bag.LOG_PROOFS] = bytes(log_showing.expected_bytes(registry, manifest.to))
        found[bag.TAGMANIFEST] = bag.tagmanifest(found)
        return bag.layout(manifest.top, found | _NO_SIGNATURES, manifest.items)
    except ValueError:
        raise errors.Refused(reason="it is too much for one sealed file, or a name or tag in it is too long") from None


def plan(
    manifest: SealedManifest,
    to: Addressee | None,
    chosen: Chosen,
    *,
    intent: int,
    title: str,
    sender: str | None,
    archive_bytes: int,
    unconfirmed: int,
) -> SharePlan:
    """All that is to be known before it is agreed to."""
    return SharePlan(
        intent=intent,
        code=manifest.case,
        title=title,
        partner=to.name if to else None,
        recipient=manifest.to,
        recipient_kind=manifest.to_kind,
        grade=to.grade if to else None,
        protection=manifest.sealed_for,
        age_recipient=to.recipient if to else "",
        sender=sender,
        items=tuple(
            PlannedItem(
                number=item.number,
                reference=details.summary.reference,
                path=item.path,
                title=details.summary.title,
                kind=item.kind,
                size_bytes=item.size_bytes,
                hashed=details.sha512 is not None,
            )
            for item, details in zip(manifest.items, chosen.items.values(), strict=True)
        ),
        persons=tuple(PlannedPerson(each.reference, each.name) for each in chosen.persons.values()),
        includes=manifest.includes,
        purpose=manifest.purpose,
        terms=manifest.terms,
        size_bytes=age.file_size(archive_bytes, _header_bytes(to)),
        unconfirmed=unconfirmed,
    )


def _kind(to: Addressee | None) -> ToKind:
    return "passphrase" if to is None else "card" if to.kind == CARD else "age"


def _header_bytes(to: Addressee | None) -> int:
    """The size of the age file's header."""
    sink = io.BytesIO()
    wrapped = age.parse_recipient(to.recipient) if to else age.passphrase_recipient("any", work_factor=_TWO_DIGITS)
    age.open_writer(sink, [wrapped])
    sink.seek(0)
    return len(age.read_header(sink).text)


def _revised(details: ItemDetails) -> int | None:
    revises = details.summary.revises
    return None if revises is None else references.parse_item(revises)[1]
