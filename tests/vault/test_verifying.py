"""A bag is believed only as far as both signatures of its sender cover it, and only by whom it was sealed for."""

import hashlib
import io
from collections.abc import Mapping

import bags
import pytest

from crypto.labels import SignedKind
from vault import bag, errors
from vault.cards import Card
from vault.errors import SealedFileRefused
from vault.sealed import SealedManifest
from vault.verifying import Verified, verify_tags

OTHER = bags.Sender(2)


def judged(
    manifest: SealedManifest, files: Mapping[str, bytes], *, stanza: str = "mlkem768x25519", ours: bytes = bags.TO
) -> Verified[Card]:
    """The answer about these tag files, after they were read from an archive."""
    data = bags.packed(bags.members_of(manifest, files))
    tags = bag.BagReader(io.BytesIO(data)).read_tags()
    return verify_tags(tags, parse_card=Card.from_bytes, stanza=stanza, ours=[ours])


def signed(**replaced: bytes) -> dict[str, bytes]:
    """The tag files of a share in which a part was replaced before its sender signed it."""
    names = {"info": bag.INFO, "sha256": bag.MANIFEST, "sha512": bag.MANIFEST_SHA512, "declaration": bag.DECLARATION}
    return bags.tags_of(bags.share(), replaced={names.get(name, name): data for name, data in replaced.items()})


def test_what_its_sender_signed_for_us_holds() -> None:
    manifest = bags.share()
    files = bags.tags_of(manifest)
    found = judged(manifest, files)
    digest = hashlib.sha256(files[bag.SEALED]).hexdigest()
    assert found == Verified(manifest, bags.Sender().unsigned(), digest, found.head)
    assert found.head is not None


def test_a_drop_has_no_sender() -> None:
    manifest = bags.drop()
    assert judged(manifest, bags.tags_of(manifest)).card is None


def test_a_passphrase_is_for_nobody_by_name() -> None:
    manifest = bags.share(to_kind="passphrase", to="", sealed_for="scrypt")
    assert judged(manifest, bags.tags_of(manifest), stanza="scrypt", ours=b"").manifest == manifest


def test_what_is_sealed_for_somebody_else_is_not_for_us() -> None:
    for manifest in (bags.share(), bags.drop()):
        with pytest.raises(errors.NotForUs):
            judged(manifest, bags.tags_of(manifest), ours=hashlib.sha256(b"a third").digest())


def test_a_stanza_of_another_kind_than_was_signed_is_refused() -> None:
    with pytest.raises(SealedFileRefused, match="another way"):
        judged(bags.share(), bags.tags_of(bags.share()), stanza="X25519")


@pytest.mark.parametrize("name", bag.ORDER)
def test_no_byte_of_a_tag_file_can_be_changed(name: str) -> None:
    files = bags.tags_of(bags.share())
    for place in {0, len(files[name]) // 2, len(files[name]) - 1}:
        altered = bytearray(files[name])
        altered[place] ^= 1
        with pytest.raises(SealedFileRefused):
            judged(bags.share(), {**files, name: bytes(altered)})


@pytest.mark.parametrize("name", bag.ORDER)
def test_nothing_can_be_added_to_a_tag_file(name: str) -> None:
    files = bags.tags_of(bags.share())
    for added in (b"\n", b"\0", b"x"):
        with pytest.raises(SealedFileRefused):
            judged(bags.share(), {**files, name: files[name] + added})


def test_a_signature_by_another_key_does_not_hold() -> None:
    files = bags.tags_of(bags.share())
    forged = OTHER.signatures(files[bag.TAGMANIFEST])
    for name in (bag.SIGNATURE, bag.MLDSA_SIGNATURE):
        with pytest.raises(SealedFileRefused, match="signatures"):
            judged(bags.share(), {**files, name: forged[name]})


def test_a_signature_of_another_kind_does_not_hold() -> None:
    files = bags.tags_of(bags.share())
    receipt = bags.Sender().signatures(files[bag.TAGMANIFEST], SignedKind.RECEIPT)
    for name in (bag.SIGNATURE, bag.MLDSA_SIGNATURE):
        with pytest.raises(SealedFileRefused, match="signatures"):
            judged(bags.share(), {**files, name: receipt[name]})


def test_a_co_recipient_who_replaces_the_content_under_his_own_card_is_another_sender() -> None:
    manifest = bags.share(vault_id=OTHER.vault_id.hex())
    assert judged(manifest, bags.tags_of(manifest, sender=OTHER)).card == OTHER.unsigned()
    # And he cannot leave the vault of the sender in place.
    with pytest.raises(SealedFileRefused, match="another vault"):
        judged(bags.share(), bags.tags_of(bags.share(), sender=OTHER))


@pytest.mark.parametrize(
    "card",
    [b"", OTHER.card()[:-100], OTHER.claiming(ed25519=bags.Sender().unsigned().ed25519)],
    ids=["empty", "cut", "lent"],
)
def test_a_card_that_does_not_hold_is_no_sender(card: bytes) -> None:
    with pytest.raises(SealedFileRefused, match="card does not hold"):
        judged(bags.share(), signed(**{bag.CARD: card}))


@pytest.mark.parametrize(
    "files",
    [
        signed(info=b"Payload-Oxum: 1.1\n"),
        signed(declaration=b"BagIt-Version: 0.97\nTag-File-Character-Encoding: UTF-8\n"),
        signed(sha256=b""),
        signed(sha512=b""),
        signed(sha256=bags.tags_of(bags.share())[bag.MANIFEST] + f"{'0' * 64}  ../x\n".encode()),
        signed(sha512=b"\n".join(bags.tags_of(bags.share())[bag.MANIFEST_SHA512].splitlines()[::-1]) + b"\n"),
    ],
    ids=["info", "declaration", "no digests", "no second digests", "a further digest", "another order"],
)
def test_a_signed_file_whose_manifests_say_something_else_is_refused(files: dict[str, bytes]) -> None:
    with pytest.raises(SealedFileRefused, match="another one"):
        judged(bags.share(), files)


def test_a_signed_tagmanifest_that_does_not_name_a_tag_file_is_refused() -> None:
    tags = bags.tags_of(bags.share())
    listed = tags[bag.TAGMANIFEST].splitlines(keepends=True)
    for lines in (listed[:-1], [*listed, listed[-1]], [*listed, f"{'0' * 64}  padding\n".encode()], listed[::-1]):
        with pytest.raises(SealedFileRefused, match="not those"):
            judged(bags.share(), signed(**{bag.TAGMANIFEST: b"".join(lines)}))


def test_a_share_that_is_stripped_of_its_signatures_is_no_drop() -> None:
    files = {name: data for name, data in bags.tags_of(bags.share()).items() if name not in bag.SIGNED_ONLY}
    with pytest.raises(SealedFileRefused):
        judged(bags.share(), files)
    files[bag.TAGMANIFEST] = bag.tagmanifest(files)
    with pytest.raises(SealedFileRefused, match="what it is not"):
        judged(bags.share(), files)


def test_another_top_folder_than_was_signed_is_refused() -> None:
    files = bags.tags_of(bags.share())
    with pytest.raises(SealedFileRefused, match="what it is not"):
        judged(bags.share(sequence=4), files)
