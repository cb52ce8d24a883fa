"""Whether a bag is what its sender signed, and for us: every rule, in order, before a byte of an item is taken.

No key of ours, no file and no database is used here. age proves no sender, and whoever can read a file can write
another one to the same recipient: so nothing is believed but what the signatures cover.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Generic, TypeVar

from crypto import mldsa, sshsig
from crypto.errors import CryptoError
from crypto.labels import SignedKind
from vault import bag, errors, log_proofs
from vault.archive import refused
from vault.arrivals import ShownHead
from vault.bag import Tags
from vault.log_proofs import SenderCard
from vault.sealed import SealedManifest

C = TypeVar("C", bound=SenderCard)


@dataclass(frozen=True, slots=True)
class Verified(Generic[C]):
    """What the tag files of a bag say, now that they hold.

    ``card`` is None for a drop, which nobody signed; whether its fingerprint is a partner's is still to be judged.
    ``digest`` is the SHA-256 of sealed.json as hexadecimal text, ``head`` where the sender's log stood.
    """

    manifest: SealedManifest
    card: C | None
    digest: str
    head: ShownHead | None


def verify_tags(tags: Tags, *, parse_card: Callable[[bytes], C], stanza: str, ours: Collection[bytes]) -> Verified[C]:
    """Judge a bag by its tag files. ``stanza`` is the kind of the one stanza of the age file's header, and ``ours`` are
    the fingerprints under which somebody may know us. ``parse_card`` verifies a card's own signatures.

    Raises ``SealedFileRefused`` and ``NotForUs``.
    """
    # 1. A share has a card, whose signatures by its own keys hold. A drop has none.
    card = _card(tags, parse_card)

    # 2. Both keys of the card have signed the tagmanifest.
    if card is not None:
        _verify_signatures(tags, card)

    # 3. The tagmanifest lists every other tag file with its digest, and nothing else.
    if tags.files[bag.TAGMANIFEST] != bag.tagmanifest(tags.files):
        raise refused(reason="its parts are not those that were signed")

    # 4. sealed.json has the one form, and is of this kind of file and of this top folder.
    sealed = tags.files[bag.SEALED]
    manifest = SealedManifest.from_bytes(sealed)
    if (manifest.kind, manifest.top) != (tags.kind, tags.top):
        raise refused(reason="it says of itself what it is not")

    # 5. It names the vault that the card is of.
    if card is not None and manifest.vault_id != card.vault_id.hex():
        raise refused(reason="its sender's card is of another vault")

    # 6. The manifests and bag-info are those of the items that it lists.
    if any(tags.files[name] != content for name, content in manifest.derived_tags.items()):
        raise refused(reason="its manifest is another one")

    # 7. It was sealed in the way in which it came, and for us.
    if manifest.sealed_for != stanza:
        raise refused(reason="it was sealed in another way than its sender signed")
    if manifest.to_kind != "passphrase" and bytes.fromhex(manifest.to) not in ours:
        raise errors.NotForUs(reason="its sender signed it for somebody else")

    # 8. The sender's log has this file, under a state that goes on from those that it names. A drop has no log.
    digest = hashlib.sha256(sealed).hexdigest()
    head = None if card is None else log_proofs.verify(tags.files, card=card, to=manifest.to, digest=digest)

    return Verified(manifest, card, digest, head)


def _card(tags: Tags, parse_card: Callable[[bytes], C]) -> C | None:
    if tags.kind == "drop":
        return None
    try:
        return parse_card(tags.files[bag.CARD])
    except errors.VaultError:
        raise refused(reason="its sender's card does not hold") from None


def _verify_signatures(tags: Tags, card: SenderCard) -> None:
    signed, kind = tags.files[bag.TAGMANIFEST], SignedKind.SEALED_FILE
    try:
        sshsig.verify(card.ed25519, signed, tags.files[bag.SIGNATURE], kind=kind)
        mldsa.verify(card.mldsa65, signed, tags.files[bag.MLDSA_SIGNATURE], kind=kind)
    except CryptoError:
        raise refused(reason="its signatures do not hold") from None
