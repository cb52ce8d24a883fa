"""Files that pretend to be from a partner: each is refused whole, for the right reason, and nothing of it stays anywhere."""

from __future__ import annotations

import dataclasses
import io
from collections.abc import Iterator
from pathlib import Path

import bags
import pytest
from sealing import CONTENTS, Sender, To, header_size, opened, sealed
from vaults import make_vault, object_files

from commands._errors import status_of as commands_status
from crypto import age
from crypto.labels import SignedKind
from vault import archive, bag, errors, schema

ANNA, MALLORY, BORIS = Sender(0, "Anna"), Sender(1, "Anna"), Sender(2, "Boris")
CHUNK = age.CHUNK + 16


class Ours:
    """A vault that knows Anna, whose card was compared in person."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.vault = make_vault(folder / "vault")
        self.vault.partners.add("Anna from the office", card=ANNA.card_bytes)
        self.vault.partners.get("Anna from the office").verify(ANNA.reads_out(), in_person=True)
        self.to = To(self.vault)
        self.file = folder / "sealed-00.age"

    def open(self, data: bytes, *, accept: bool = False, **named: str) -> object:
        self.file.write_bytes(data)
        return self.vault.open_file(self.file, spoken=lambda: "", accept=lambda _found: accept, **named)[1]

    def refuses(
        self, data: bytes, error: type[errors.VaultError], reason: str | None = None, *, accept: bool = True
    ) -> None:
        """The file is refused when it is opened and when it is looked at, and nothing is left of it."""
        before = self._state()
        with pytest.raises(error, match=reason) as caught:
            self.open(data, accept=accept)
        assert type(caught.value) is error
        self._is_logged("open", caught.value, reason)
        assert self._state() == before
        if error in (errors.SealedFileRefused, errors.NotForUs):
            with pytest.raises(error, match=reason) as caught:
                self.vault.inspect_file(self.file, spoken=lambda: "")
            self._is_logged("inspect", caught.value, reason)

    def _is_logged(self, act: str, error: errors.VaultError, reason: str | None) -> None:
        """The log has that it was refused, and why."""
        entry = [each for each in self.vault.log() if each.act == act][-1]
        said = error.fields.get("reason")
        assert (entry.phase, entry.reason) == (
            "failed",
            f"{type(error).__name__}: {said}" if said else type(error).__name__,
        )
        if isinstance(error, (errors.SealedFileRefused, errors.NotForUs)):
            assert said
            assert reason is None or reason in str(entry.reason)
        status = commands_status(error)
        assert status in (22, 15) or isinstance(error, errors.NoSpace)

    def _state(self) -> object:
        assert list((self.vault.path / "staging").iterdir()) == []
        assert self.vault.check().findings == ()
        rows = self.vault.keeper.registry.rows(schema.RECEIVED)
        databases = sorted(path.name for path in (self.vault.path / "cases").glob("*.db"))
        return self.vault.cases.list(), object_files(self.vault.path), rows, databases

    def plaintext(self, data: bytes) -> bytes:
        """What is inside of a file for us, as somebody sees it who has its key too."""
        row = self.vault.keeper.registry.rows(schema.IDENTITY)[0]
        return opened(data, age.HybridIdentity(row["hybrid_seed"]))

    def under_the_same_header(self, data: bytes, plaintext: bytes) -> bytes:
        """Another payload for the same header: whoever could open a file can write this."""
        row = self.vault.keeper.registry.rows(schema.IDENTITY)[0]
        header = data[: header_size(data)]
        key = age.unwrap_file_key(header, [age.HybridIdentity(row["hybrid_seed"])])
        nonce, sink = b"another nonce...", io.BytesIO()
        writer = age.PayloadWriter(age._payload_key(key.raw, nonce), sink)
        writer.write(plaintext)
        writer.finish()
        return header + nonce + sink.getvalue()


@pytest.fixture
def ours(tmp_path: Path) -> Iterator[Ours]:
    found = Ours(tmp_path)
    with found.vault:
        yield found


def test_a_file_that_nobody_touched_is_opened(ours: Ours) -> None:
    arrived = ours.open(ANNA.seal(ours.to))
    assert [item.size_bytes for item in arrived.items][:3] == [len(content) for content in CONTENTS]
    assert ours.vault.check(read_data=True).findings == ()


# Forgery


@pytest.mark.parametrize("place", range(len(CONTENTS)))
def test_a_member_replaced_by_somebody_who_can_open_the_file_too(ours: Ours, place: int) -> None:
    manifest = ANNA.share(ours.to.fingerprint)
    members = ANNA.members(manifest)
    at = len(members) - 1 - len(CONTENTS) + place
    name, content = members[at]
    members[at] = name, bytes(byte ^ 1 for byte in content[:1]) + content[1:] if content else b"x"
    file = ANNA.seal(ours.to)
    ours.refuses(ours.under_the_same_header(file, bags.packed(members)), errors.SealedFileRefused)


def test_a_whole_payload_replaced_under_the_same_header(ours: Ours) -> None:
    file = ANNA.seal(ours.to)
    forged = ours.plaintext(MALLORY.seal(ours.to))
    # Mallory's card says Anna too: a known name with another key.
    ours.refuses(ours.under_the_same_header(file, forged), errors.PartnerChanged)
    stranger = ours.plaintext(BORIS.seal(ours.to))
    ours.refuses(ours.under_the_same_header(file, stranger), errors.SenderUnproven, accept=False)


@pytest.mark.parametrize("name", [name for name in bag.ORDER if name != bag.TAGMANIFEST])
def test_every_tag_file_is_covered_by_the_signatures(ours: Ours, name: str) -> None:
    manifest = ANNA.share(ours.to.fingerprint)
    other = ANNA.tags(
        ANNA.share(ours.to.fingerprint, share_id="6b" * 16, made="2026-11-23T09:00:00Z", contents=(b"x",))
    )
    tags = ANNA.tags(manifest)
    changed = other[name] if other[name] != tags[name] else tags[name] + b" "
    forged = {**tags, name: changed}
    members = bags.members_of(manifest, forged, CONTENTS)
    ours.refuses(sealed(bags.packed(members), ours.to.hybrid), errors.SealedFileRefused)


def test_a_swapped_manifest_with_a_tagmanifest_that_agrees_is_not_signed(ours: Ours) -> None:
    manifest = ANNA.share(ours.to.fingerprint)
    tags = ANNA.tags(manifest)
    forged = tags | {bag.MANIFEST: bag.manifest([("data/items/001.mp4", "00" * 32)])}
    forged[bag.TAGMANIFEST] = bag.tagmanifest(forged)
    ours.refuses(
        sealed(bags.packed(bags.members_of(manifest, forged, CONTENTS)), ours.to.hybrid),
        errors.SealedFileRefused,
        "signatures do not hold",
    )


@pytest.mark.parametrize("name", [bag.SIGNATURE, bag.MLDSA_SIGNATURE])
@pytest.mark.parametrize("how", ["other key", "other kind", "other file"])
def test_one_signature_that_holds_is_not_enough(ours: Ours, name: str, how: str) -> None:
    manifest = ANNA.share(ours.to.fingerprint)
    tags = ANNA.tags(manifest)
    signed = tags[bag.TAGMANIFEST]
    other = {
        "other key": lambda: MALLORY.signatures(signed),
        "other kind": lambda: ANNA.signatures(signed, SignedKind.RECEIPT),
        "other file": lambda: ANNA.signatures(signed + b"x"),
    }[how]()
    members = bags.members_of(manifest, {**tags, name: other[name]}, CONTENTS)
    ours.refuses(sealed(bags.packed(members), ours.to.hybrid), errors.SealedFileRefused, "signatures do not hold")


def test_another_signs_under_the_card_of_a_partner(ours: Ours) -> None:
    manifest = ANNA.share(ours.to.fingerprint)
    forger = Sender(1, "Anna")
    forger.card_bytes = ANNA.card_bytes
    members = bags.members_of(manifest, bags.tags_of(manifest, sender=forger), CONTENTS)
    ours.refuses(sealed(bags.packed(members), ours.to.hybrid), errors.SealedFileRefused, "signatures do not hold")


# For whom


def test_a_file_for_somebody_else_that_is_passed_on_is_not_ours(ours: Ours, tmp_path: Path) -> None:
    with make_vault(tmp_path / "third") as third:
        theirs = ANNA.seal(To(third))
        row = third.keeper.registry.rows(schema.IDENTITY)[0]
    ours.refuses(theirs, errors.NotForUs, "key does not open it")
    passed_on = sealed(opened(theirs, age.HybridIdentity(row["hybrid_seed"])), ours.to.hybrid)
    ours.refuses(passed_on, errors.NotForUs, "for somebody else")


def test_a_second_stanza_lets_somebody_else_be_the_writer(ours: Ours) -> None:
    plaintext = ours.plaintext(ANNA.seal(ours.to))
    both = sealed(plaintext, ours.to.hybrid, BORIS.hybrid.recipient())
    ours.refuses(both, errors.SealedFileRefused, "more than one key")
    ours.refuses(sealed(plaintext, ours.to.hybrid, ours.to.hybrid), errors.SealedFileRefused, "more than one key")


def test_kinds_are_not_mixed_nor_exchanged(ours: Ours) -> None:
    row = ours.vault.keeper.registry.rows(schema.IDENTITY)[0]
    classical = age.X25519Identity(row["x25519_seed"]).recipient()
    plaintext = ours.plaintext(ANNA.seal(ours.to))
    # The quantum computer's way in: what was promised to be hybrid comes under a classical key.
    ours.refuses(sealed(plaintext, classical), errors.SealedFileRefused, "another way")
    ours.refuses(_mixed(plaintext, ours.to.hybrid, classical), errors.SealedFileRefused, "more than one key")


def _mixed(plaintext: bytes, *recipients: age.Recipient) -> bytes:
    """What our own writer refuses to write."""
    file_key, nonce = b"the file's key..", b"some nonce......"
    covered = age.covered_bytes(tuple(each.wrap(file_key) for each in recipients))
    sink = io.BytesIO()
    writer = age.PayloadWriter(age._payload_key(file_key, nonce), sink)
    writer.write(plaintext)
    writer.finish()
    end = age.end_of_header(age._header_mac(file_key, covered))
    return covered + end + nonce + sink.getvalue()


def test_a_classical_file_that_says_so_is_opened(ours: Ours) -> None:
    row = ours.vault.keeper.registry.rows(schema.IDENTITY)[0]
    manifest = ANNA.share(ours.to.fingerprint, sealed_for="X25519")
    file = sealed(bags.packed(ANNA.members(manifest)), age.X25519Identity(row["x25519_seed"]).recipient())
    assert len(ours.open(file).items) == len(CONTENTS) + 1


# Cut, and gone on


def _cuts(size: int, start: int) -> list[int]:
    boundaries = list(range(start, size, CHUNK))
    near = {at + shift for at in boundaries for shift in (-1, 0, 1, 16)}
    return sorted(at for at in near | {0, 1, 30, size - 1, size - 16, size - 17} if 0 <= at < size)


def test_a_file_that_was_cut_anywhere_is_never_taken_for_a_whole_one(ours: Ours) -> None:
    file = ANNA.seal(ours.to)
    start = header_size(file) + 16
    cuts = _cuts(len(file), start)
    assert len(cuts) > 20
    for at in cuts:
        error = errors.NotAnAgeFile if at < 22 else errors.SealedFileRefused
        ours.file.write_bytes(file[:at])
        with pytest.raises(error) as caught:
            ours.open(file[:at], accept=True)
        if error is errors.SealedFileRefused:
            ours._is_logged("open", caught.value, None)
        assert ours._state()[:2] == ([], []) or ours._state()[0] == ()
    ours.refuses(file[: start + CHUNK], errors.SealedFileRefused)


def test_nothing_may_follow_the_end(ours: Ours) -> None:
    file = ANNA.seal(ours.to)
    plaintext = ours.plaintext(file)
    ours.refuses(file + b"x", errors.SealedFileRefused)
    ours.refuses(file + bytes(CHUNK), errors.SealedFileRefused)
    for more in (b"x", bytes(512), bags.packed([("HARBOUR-1/more", b"x")])):
        ours.refuses(sealed(plaintext + more, ours.to.hybrid), errors.SealedFileRefused, "after its end")
    ours.refuses(sealed(plaintext[:-512], ours.to.hybrid), errors.SealedFileRefused, "ends early")


def test_every_byte_of_the_header_and_some_of_the_payload_count(ours: Ours) -> None:
    file = ANNA.seal(ours.to, contents=(b"x",))
    for at in (*range(0, header_size(file), 97), header_size(file), len(file) // 2, len(file) - 1):
        changed = bytearray(file)
        changed[at] ^= 1
        with pytest.raises((errors.NotAnAgeFile, errors.SealedFileRefused, errors.NotForUs)):
            ours.open(bytes(changed), accept=True)


# Kinds of files


def test_a_drop_is_no_sealed_file_and_a_sealed_file_no_drop(ours: Ours) -> None:
    share = ANNA.share(ours.to.fingerprint)
    tags = ANNA.tags(share)
    unsigned = {name: tags[name] for name in bag.TAGS["drop"]}
    ours.refuses(_packed(ours, share, unsigned), errors.SealedFileRefused)
    # The same with lists that agree: it still says that it is a share.
    unsigned[bag.TAGMANIFEST] = bag.tagmanifest(unsigned)
    ours.refuses(_packed(ours, share, unsigned), errors.SealedFileRefused, "what it is not")
    # Signed by Anna, who says that it is a drop.
    drop = bags.drop(CONTENTS, to=ours.to.fingerprint.hex())
    signed = ANNA.tags(share, {bag.SEALED: drop.to_bytes(), **drop.derived_tags})
    ours.refuses(_packed(ours, share, signed), errors.SealedFileRefused)


def _packed(ours: Ours, manifest: object, tags: dict[str, bytes]) -> bytes:
    return sealed(bags.packed(bags.members_of(manifest, tags, CONTENTS)), ours.to.hybrid)


def test_what_nobody_signed_is_stored_and_never_called_anything_but_unproven(ours: Ours) -> None:
    drop = bags.drop(CONTENTS, to=ours.to.fingerprint.hex())
    file = sealed(bags.packed(bags.members_of(drop, bags.tags_of(drop), CONTENTS)), ours.to.hybrid)
    arrived = ours.open(file)
    assert len(arrived.items) == len(CONTENTS)
    assert arrived.proofs is None
    plain = ours.open(sealed(b"a letter", ours.to.hybrid, BORIS.hybrid.recipient()))
    for code, kind in ((arrived.code, "drop"), (plain.code, "age")):
        (reception,) = ours.vault.cases.get(code).items.get(1).show().receptions
        assert (reception.origin.kind, reception.origin.sender, reception.origin.grade) == (kind, None, "unproven")


# Senders


def test_a_sender_who_is_not_known_or_not_compared_is_asked_about(ours: Ours) -> None:
    file = BORIS.seal(ours.to)
    ours.refuses(file, errors.SenderUnproven, accept=False)
    ours.vault.partners.add("Boris", card=BORIS.card_bytes)
    ours.refuses(file, errors.SenderUnproven, accept=False)
    arrived = ours.open(file, accept=True)
    (reception,) = ours.vault.cases.get(arrived.code).items.get(1).show().receptions
    assert (reception.origin.sender_name, reception.origin.grade) == ("Boris", "unverified")


def test_nobody_can_accept_a_changed_key(ours: Ours) -> None:
    ours.refuses(MALLORY.seal(ours.to), errors.PartnerChanged, "Anna from the office", accept=True)
    # The same vault with new keys, and another name.
    moved = Sender(3, "Somebody")
    moved.card_bytes = moved.claiming(vault_id=ANNA.vault_id, name="Somebody")
    ours.refuses(moved.seal(ours.to, vault_id=ANNA.vault_id.hex()), errors.PartnerChanged, accept=True)
    # A card that came under her name and waits to be compared.
    with pytest.raises(errors.PartnerChanged):
        ours.vault.partners.add("Anna from the office", card=BORIS.card_bytes)
    ours.refuses(BORIS.seal(ours.to), errors.PartnerChanged, accept=True)


def test_two_senders_with_one_name_are_told_apart_by_their_keys(ours: Ours) -> None:
    ours.vault.partners.add("Anna of the coast", card=MALLORY.card_bytes)
    ours.vault.partners.get("Anna of the coast").verify(MALLORY.reads_out())
    names = {}
    for sender in (ANNA, MALLORY):
        arrived = ours.open(sender.seal(ours.to))
        (reception,) = ours.vault.cases.get(arrived.code).items.get(1).show().receptions
        assert reception.origin.sender == sender.fingerprint.hex()
        names[sender] = reception.origin.sender_name, reception.origin.grade
    assert names == {ANNA: ("Anna from the office", "person"), MALLORY: ("Anna of the coast", "voice")}


def test_a_removed_partner_is_not_known_any_more(ours: Ours) -> None:
    ours.vault.partners.get("Anna from the office").remove()
    ours.refuses(ANNA.seal(ours.to), errors.SenderUnproven, accept=False)


# The same again, older, another in its place


def test_the_same_file_again_stores_nothing_unless_its_items_are_gone(ours: Ours) -> None:
    file = ANNA.seal(ours.to)
    first = ours.open(file)
    before = ours._state()
    again = ours.open(file, into=first.code)
    assert (again.known, again.items, len(again.again)) == (True, (), len(CONTENTS) + 1)
    assert ours._state()[1:] == before[1:]
    assert ours.open(file).known
    ours.vault.cases.get(first.code).items.get(1).delete("no longer needed")
    second = ours.open(file)
    assert not second.known
    assert second.code != first.code
    assert len(second.items) == len(CONTENTS) + 1


def _verdict(ours: Ours, file: bytes) -> tuple[bool, bool, bool]:
    ours.file.write_bytes(file)
    found, _ = ours.vault.open_file(ours.file, spoken=lambda: "")
    verdict = found.verdict
    return verdict.gap, verdict.late, verdict.rival


def test_what_is_missing_late_or_twice_is_said_and_not_refused(ours: Ours) -> None:
    to = ours.to
    manifests = []
    previous = None
    for sequence in (1, 2, 3):
        manifest = ANNA.share(to.fingerprint, sequence=sequence, previous=previous, share_id=f"{sequence:032x}")
        manifests.append(manifest)
        previous = _digest(manifest)
    files = [sealed(bags.packed(ANNA.members(each)), to.hybrid) for each in manifests]
    assert _verdict(ours, files[0]) == (False, False, False)
    assert _verdict(ours, files[2]) == (True, False, False), "the second is missing"
    assert _verdict(ours, files[1]) == (False, True, False), "it comes late"
    rival = dataclasses.replace(manifests[2], share_id="ff" * 16)
    assert _verdict(ours, sealed(bags.packed(ANNA.members(rival)), to.hybrid)) == (False, False, True)
    anew = ANNA.share(to.fingerprint, share_id="ee" * 16)
    assert _verdict(ours, sealed(bags.packed(ANNA.members(anew)), to.hybrid)) == (False, True, True)
    # A file for a passphrase stands in no order.
    spoken = ANNA.share(b"", to_kind="passphrase", sealed_for="scrypt", share_id="dd" * 16)
    passphrase = age.passphrase_recipient("spoken", work_factor=10)
    ours.file.write_bytes(sealed(bags.packed(ANNA.members(spoken)), passphrase))
    found, _ = ours.vault.open_file(ours.file, spoken=lambda: "spoken")
    assert (found.verdict.gap, found.verdict.late, found.verdict.rival) == (False, False, False)
    # Somebody else's numbers are their own.
    ours.vault.partners.add("Boris", card=BORIS.card_bytes)
    ours.vault.partners.get("Boris").verify(BORIS.reads_out())
    assert _verdict(ours, BORIS.seal(to, sequence=1)) == (False, False, False)


def _digest(manifest: object) -> str:
    import hashlib

    return hashlib.sha256(manifest.to_bytes()).hexdigest()


def test_a_file_of_another_case_is_a_case_of_its_own(ours: Ours) -> None:
    one = ours.open(ANNA.seal(ours.to))
    other = ours.open(ANNA.seal(ours.to, case="MEADOW", share_id="77" * 16, contents=(b"y",)))
    assert one.code != other.code


# Sizes that are only announced


def test_a_header_is_limited_before_it_is_believed(ours: Ours) -> None:
    stanzas = b"-> X25519 " + b"A" * 43 + b"\n" + b"A" * 43 + b"\n"
    many = age.VERSION_LINE + stanzas * 40 + b"--- " + b"A" * 43 + b"\n"
    for data in (
        many,
        age.VERSION_LINE + b"-> " + b"x" * (100 << 10) + b"\n",
        b"-----BEGIN AGE ENCRYPTED FILE-----\nx\n",
    ):
        ours.refuses(data, errors.SealedFileRefused, "header is not as age writes it")


def test_a_file_that_announces_more_than_the_disk_has_is_refused_before_work(ours: Ours) -> None:
    manifest = ANNA.share(ours.to.fingerprint)
    huge = dataclasses.replace(manifest.items[0], size_bytes=2**52)
    manifest = dataclasses.replace(manifest, items=(huge, *manifest.items[1:]))
    tags = ANNA.tags(manifest)
    layout = bag.layout(manifest.top, tags, manifest.items)
    plaintext = b"".join(
        archive.header(name, size) + data + bytes(-size % 512)
        for (name, size), data in zip(layout.members, tags.values(), strict=False)
    )
    plaintext += archive.header(*layout.members[len(tags)]) + b"a beginning"
    ours.refuses(sealed(plaintext, ours.to.hybrid), errors.NoSpace)
