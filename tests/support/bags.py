"""Bags as a sender makes them, from raw seeds, and with any part put wrong."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Mapping, Sequence

from somebody import Somebody
from their_logs import log_of

from crypto import mldsa, sshsig
from crypto.labels import SignedKind
from vault import bag
from vault.archive import packed
from vault.sealed import SealedItem, SealedManifest, SealedPerson

RECIPIENT = Somebody(1)
TO = RECIPIENT.fingerprint
CONTENTS = (b"a film" * 1000, b"", "Слова".encode())
MEDIA = ("video/mp4", None, "text/plain")


class Sender(Somebody):
    """An identity that signs sealed files."""

    def signatures(self, message: bytes, kind: SignedKind = SignedKind.SEALED_FILE) -> dict[str, bytes]:
        return {
            bag.SIGNATURE: sshsig.sign(self.ed25519, message, kind=kind),
            bag.MLDSA_SIGNATURE: mldsa.sign(self.mldsa65, message, kind=kind),
        }


def items(contents: Sequence[bytes] = CONTENTS, media: Sequence[str | None] = MEDIA) -> tuple[SealedItem, ...]:
    return tuple(
        SealedItem(
            path=bag.data_path(number, len(contents), media[number - 1] if number <= len(media) else None),
            number=number,
            kind="other",
            media_type=media[number - 1] if number <= len(media) else None,
            size_bytes=len(content),
            sha256=hashlib.sha256(content).hexdigest(),
            sha512=hashlib.sha512(content).hexdigest(),
            added="2026-11-22T08:15:00Z",
            recorded=None,
            received=None,
            revises=None,
        )
        for number, content in enumerate(contents, 1)
    )


def share(contents: Sequence[bytes] = CONTENTS, **values: object) -> SealedManifest:
    """What a share of these contents says of itself."""
    manifest = SealedManifest(
        kind="share",
        vault_id=Sender().vault_id.hex(),
        share_id="5a" * 16,
        case="HARBOUR",
        sequence=3,
        previous="0b" * 32,
        to=TO.hex(),
        to_kind="card",
        sealed_for="mlkem768x25519",
        made="2026-11-22T09:00:00Z",
        purpose="for the commission",
        terms=None,
        includes=(),
        items=items(contents),
        persons=(SealedPerson(number=2, name="Anna"),),
    )
    return dataclasses.replace(manifest, **values)


def drop(contents: Sequence[bytes] = CONTENTS, **values: object) -> SealedManifest:
    """What a drop of these contents says of itself."""
    plain = {"kind": "drop", "vault_id": "", "case": "DROP", "sequence": 1, "previous": None, "persons": ()}
    return share(contents, **(plain | values))


def tags_of(
    manifest: SealedManifest, *, sender: Sender | None = None, replaced: Mapping[str, bytes] | None = None
) -> dict[str, bytes]:
    """The tag files, signed after those of `replaced` took their place."""
    files = {
        **manifest.derived_tags,
        bag.SEALED: manifest.to_bytes(),
        bag.GUIDE: b"Read me first.\n",
    }
    signed = manifest.kind == "share"
    if signed:
        sender = sender or Sender()
        files |= {bag.CARD: sender.card(), bag.CUSTODY: b"[]"}
    files |= replaced or {}
    if signed and sender:
        files = log_of(sender, bytes.fromhex(manifest.vault_id)).share(files[bag.SEALED], manifest.to) | files
    files.setdefault(bag.TAGMANIFEST, bag.tagmanifest(files))
    if signed and sender:
        files = {**sender.signatures(files[bag.TAGMANIFEST]), **files}
    return {name: files[name] for name in bag.ORDER if name in files}


def members_of(
    manifest: SealedManifest, tags: Mapping[str, bytes], contents: Sequence[bytes] = CONTENTS
) -> list[tuple[str, bytes]]:
    """All members in their order, padding last."""
    layout = bag.layout(manifest.top, tags, manifest.items)
    data = [*tags.values(), *contents, bytes(layout.padding_bytes)]
    return [(name, content) for (name, _size), content in zip(layout.members, data, strict=True)]


def share_bytes(contents: Sequence[bytes] = CONTENTS, **values: object) -> bytes:
    """The archive of a share."""
    manifest = share(contents, **values)
    return packed(members_of(manifest, tags_of(manifest), contents))


def drop_bytes(contents: Sequence[bytes] = CONTENTS, **values: object) -> bytes:
    """The archive of a drop."""
    manifest = drop(contents, **values)
    return packed(members_of(manifest, tags_of(manifest), contents))
