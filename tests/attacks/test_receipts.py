"""Receipts that pretend: each is refused for the right reason, logged, and changes nothing of what is known to be sent."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from receipts import hybrid, members, packed, parts, receipt, said, sealed
from somebody import Somebody
from vaults import make_vault, write_rows

from crypto import age
from vault import Vault, errors, schema
from vault.confirmations import LARGEST_FILE_BYTES
from vault.tables import blob

BEAR, CRANE, MALLORY, OWL = Somebody(1), Somebody(2), Somebody(3), Somebody(4)


class Ours:
    """A vault that has sealed two files for Bear, one for Crane and one for a passphrase."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.vault = make_vault(folder / "vault")
        self.vault.partners.add("Bear", card=BEAR.card(classical=True))
        self.vault.partners.add("Crane", card=CRANE.card())
        self.vault.partners.add("Owl", age=str(OWL.hybrid.recipient()))
        self.vault.cases.new("Harbour Street", code="HARBOUR")
        case = self.vault.cases.get("HARBOUR")
        case.items.add_text("I left of my own will.")
        case.items.add_text("She came by the night train.")
        for to in ("Bear", "Bear", "Crane", "Owl", None):
            with case.seal(to=to, items="all", purpose="hearing") as sealing:
                sealing.write(folder, passphrase=None if to else "seven quiet herons")
        self.first, self.second, self.for_crane, self.for_owl, self.spoken = sorted(
            self.vault.keeper.registry.rows(schema.SHARES), key=lambda row: row["made"]
        )
        self.us = self.vault.identity.show().fingerprint
        self.file = folder / "receipt.age"

    def said(self, by: Somebody = BEAR, row: Any = None, **values: Any) -> dict[str, Any]:
        return said(by, self.us, row or self.first, **values)

    def take(self, data: bytes) -> Any:
        self.file.write_bytes(data)
        return self.vault.take_receipt(self.file)

    def refuses(self, data: bytes, error: type[errors.VaultError], reason: str | None = None) -> None:
        before = self.vault.keeper.registry.rows(schema.SHARES), self.vault.partners.list()
        with pytest.raises(error, match=reason) as caught:
            self.take(data)
        assert type(caught.value) is error
        entries = [each for each in self.vault.log() if each.act == "receipt-take"]
        assert (entries[-1].phase, entries[-1].reason) == ("failed", errors.recorded(caught.value))
        assert entries[-2].phase == "intent"
        assert (self.vault.keeper.registry.rows(schema.SHARES), self.vault.partners.list()) == before

    def confirmed(self) -> list[str | None]:
        return [share.confirmed for share in self.vault.shares()]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ours]:
    """For whatever is refused: it changes nothing, so the next one finds what this one found."""
    ours = Ours(tmp_path_factory.mktemp("refused"))
    yield ours
    assert not any(ours.confirmed())
    assert ours.vault.check().findings == ()
    ours.vault.close()


@pytest.fixture
def ours(tmp_path: Path) -> Iterator[Ours]:
    ours = Ours(tmp_path)
    yield ours
    ours.vault.close()


# Who says it


def test_another_partner_confirms_nothing_that_was_not_for_them(made: Ours) -> None:
    made.refuses(receipt(CRANE, made.vault, made.said(CRANE)), errors.BadReceipt, "sealed for somebody else")


def test_a_partner_who_names_another_as_the_signer_is_refused(made: Ours) -> None:
    by_bear = made.said(BEAR)
    made.refuses(receipt(CRANE, made.vault, by_bear), errors.BadReceipt, "names another vault")


def test_the_card_of_the_right_partner_inside_makes_no_signature_theirs(made: Ours) -> None:
    forged = receipt(CRANE, made.vault, made.said(BEAR), card=BEAR.card())
    made.refuses(forged, errors.BadReceipt, "signatures do not hold")


def test_somebody_whose_card_nobody_has_confirms_nothing(made: Ours) -> None:
    made.refuses(receipt(MALLORY, made.vault, made.said(MALLORY)), errors.BadReceipt, "no partner here")


def test_a_card_that_names_the_partner_and_has_other_keys_confirms_nothing(made: Ours) -> None:
    forged = receipt(MALLORY, made.vault, made.said(BEAR), card=MALLORY.card(name="Bear"))
    made.refuses(forged, errors.PartnerChanged)


def test_a_changed_card_that_waits_to_be_compared_confirms_nothing(ours: Ours) -> None:
    with pytest.raises(errors.PartnerChanged):
        ours.vault.partners.add("Bear", card=MALLORY.card())
    ours.refuses(receipt(MALLORY, ours.vault, ours.said(MALLORY)), errors.PartnerChanged)
    assert ours.take(receipt(BEAR, ours.vault, ours.said())).complete, "the key for which it was sealed still does"


def test_a_card_in_it_that_does_not_hold_is_refused(made: Ours) -> None:
    for card in (b"", BEAR.card()[:-1], BEAR.card(name="a") + b"\n", b"\0" * 32_768, CRANE.claiming(name="x" * 30_000)):
        made.refuses(receipt(BEAR, made.vault, made.said(), card=card), errors.BadReceipt)


# What it is about


def test_a_receipt_for_another_vault_is_refused(made: Ours) -> None:
    replayed = receipt(BEAR, made.vault, said(BEAR, CRANE.fingerprint.hex(), made.first))
    made.refuses(replayed, errors.NotForUs, "another vault")


def test_a_receipt_that_our_key_does_not_open_is_refused(made: Ours) -> None:
    file = sealed(packed(members(parts(BEAR, made.said()))), CRANE.hybrid.recipient())
    made.refuses(file, errors.NotForUs, "key does not open")


def test_a_file_that_was_never_sealed_is_not_confirmed(made: Ours) -> None:
    made.refuses(receipt(BEAR, made.vault, made.said(share_id="ab" * 16)), errors.BadReceipt, "does not know")


@pytest.mark.parametrize("field", ["digest", "manifest_sha256"])
def test_another_digest_than_that_of_what_was_sealed_is_refused(made: Ours, field: str) -> None:
    made.refuses(receipt(BEAR, made.vault, made.said(**{field: "ab" * 32})), errors.BadReceipt, "not the one")


def test_the_digest_of_another_file_to_the_same_partner_is_refused(made: Ours) -> None:
    swapped = made.said(digest=made.second["digest"].hex())
    made.refuses(receipt(BEAR, made.vault, swapped), errors.BadReceipt, "not the one")


def test_nobody_confirms_what_was_sealed_for_a_passphrase_or_an_age_recipient(made: Ours) -> None:
    for row in (made.for_owl, made.spoken):
        for by in (BEAR, CRANE):
            made.refuses(receipt(by, made.vault, made.said(by, row)), errors.BadReceipt, "somebody else")
    made.refuses(receipt(OWL, made.vault, made.said(OWL, made.for_owl)), errors.BadReceipt, "no partner here")


# How it comes


def test_a_receipt_that_was_changed_or_cut_anywhere_is_refused(made: Ours) -> None:
    whole = receipt(BEAR, made.vault, made.said())
    header = len(age.read_header(io.BytesIO(whole)).text)
    for cut in (header - 1, header, header + 16, header + 17, header + 32, header + 4000, len(whole) - 1):
        made.refuses(whole[:cut], errors.BadReceipt)
    for more in (b"\0", bytes(16), whole):
        made.refuses(whole + more, errors.BadReceipt)
    for at in (header - 10, header + 3, header + 40, header + 30_000, len(whole) - 1):
        changed = bytearray(whole)
        changed[at] ^= 1
        made.refuses(bytes(changed), errors.BadReceipt)


def test_a_receipt_of_two_chunks_that_ends_after_the_first_is_refused(made: Ours) -> None:
    # With a large card the archive is larger than a chunk; what the first one holds is authentic, and not the whole.
    content = members(parts(BEAR, made.said(), card=b"x" * 30_000))
    longer = packed([*content[:-1], (content[-1][0], bytes(80_000))])
    whole = sealed(longer, hybrid(made.vault))
    header = len(age.read_header(io.BytesIO(whole)).text)
    made.refuses(whole[: header + 16 + age.CHUNK + 16], errors.BadReceipt, "cut off or changed")


@pytest.mark.parametrize("what", ["two keys", "classical", "passphrase", "nobody we know"])
def test_a_receipt_that_is_sealed_in_another_way_is_refused(made: Ours, what: str) -> None:
    content = packed(members(parts(BEAR, made.said())))
    us = hybrid(made.vault)
    classical = made.vault.keeper.registry.rows(schema.IDENTITY)[0]["age_classical"]
    recipients: dict[str, tuple[age.Recipient, ...]] = {
        "two keys": (us, MALLORY.hybrid.recipient()),
        "classical": (age.parse_recipient(str(classical)),),
        "passphrase": (age.passphrase_recipient("a passphrase", work_factor=10),),
        "nobody we know": (),
    }
    if recipients[what]:
        made.refuses(sealed(content, *recipients[what]), errors.BadReceipt)
    else:
        made.refuses(b"age-encryption.org/v1\n-> other\nAAAA\n--- " + b"A" * 43 + b"\n", errors.BadReceipt)


def test_the_archive_that_comes_after_the_last_chunk_is_believed_only_whole(made: Ours) -> None:
    good = members(parts(BEAR, made.said()))
    for wrong in (good[:-1], [*good, ("receipt-0123456789abcdef/more", b"")], [*good[:-1], (good[-1][0], b"1")]):
        made.refuses(sealed(packed(wrong), hybrid(made.vault)), errors.BadReceipt)
    made.refuses(sealed(packed(good) + bytes(1024), hybrid(made.vault)), errors.BadReceipt)
    made.refuses(sealed(b"", hybrid(made.vault)), errors.BadReceipt)


def test_a_sealed_file_is_no_receipt(made: Ours) -> None:
    case = made.vault.cases.get("HARBOUR")
    with case.seal(to="Crane", items="all") as sealing:
        path = sealing.write(made.folder).path
    made.refuses(path.read_bytes(), errors.NotForUs)
    with case.seal(to=None, items="all") as sealing:
        path = sealing.write(made.folder, passphrase="seven quiet herons").path
    made.refuses(path.read_bytes(), errors.BadReceipt)


def test_what_is_no_age_file_is_called_so(made: Ours) -> None:
    for data in (b"", b"a letter", b"-----BEGIN AGE ENCRYPTED FILE-----\n", os.urandom(100)):
        made.file.write_bytes(data)
        with pytest.raises(errors.NotAnAgeFile):
            made.vault.take_receipt(made.file)
    with pytest.raises(errors.SourceMissing):
        made.vault.take_receipt(made.folder / "nowhere")
    with pytest.raises(errors.NotAFile):
        made.vault.take_receipt(made.folder)


@pytest.mark.skipif(sys.platform == "win32", reason="left out: sparse files")
def test_a_file_of_any_size_takes_no_memory(made: Ours) -> None:
    import resource

    whole = receipt(BEAR, made.vault, made.said())
    made.file.write_bytes(whole)
    os.truncate(made.file, 64 << 30)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(errors.BadReceipt, match="larger"):
        made.vault.take_receipt(made.file)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 64 << 10  # KiB
    with pytest.raises(errors.BadReceipt, match="larger"):
        made.vault.keeper.receipt_take(whole + bytes(LARGEST_FILE_BYTES))


def test_a_header_of_any_size_is_limited_before_it_is_read(made: Ours) -> None:
    for header in (
        b"age-encryption.org/v1\n" + b"-> X25519 AAAA\nAAAA\n" * 10_000,
        b"age-encryption.org/v1\n-> " + b"a" * 200_000,
        b"age-encryption.org/v1\n-> mlkem768x25519 " + b"A" * 1000 + b"\n" + (b"A" * 64 + b"\n") * 3000,
    ):
        made.refuses(header, errors.BadReceipt)


# Again, and later


def test_the_same_receipt_twice_is_recognised(ours: Ours) -> None:
    data = receipt(BEAR, ours.vault, ours.said())
    first = ours.take(data)
    rows = ours.vault.keeper.registry.rows(schema.SHARES)
    second = ours.take(data)
    assert (first.again, second.again) == (False, True)
    assert first.confirmed == second.confirmed
    assert ours.vault.keeper.registry.rows(schema.SHARES) == rows


def test_an_older_receipt_put_back_takes_nothing_away(ours: Ours) -> None:
    part = receipt(BEAR, ours.vault, ours.said(complete=False, items=1))
    whole = receipt(BEAR, ours.vault, ours.said(made="2026-11-24T10:05:00Z"))
    assert not ours.take(part).complete
    assert ours.vault.shares()[0].arrived_items == 1
    assert ours.take(part).again
    taken = ours.take(whole)
    assert (taken.complete, taken.again) == (True, False)
    late = ours.take(part)
    assert (late.again, late.complete) == (True, True)
    assert ours.vault.shares()[0].complete
    assert ours.confirmed()[1:] == [None] * 4, "a receipt is about one file"


def test_a_removed_partner_still_confirms_what_they_have(ours: Ours) -> None:
    ours.vault.partners.get("Bear").remove()
    assert ours.take(receipt(BEAR, ours.vault, ours.said())).partner == "Bear"
    share = ours.vault.shares()[0]
    assert share.complete
    assert share.removed is not None


def test_what_was_taken_in_is_kept_as_a_proof_that_others_can_verify(ours: Ours) -> None:
    from vault.cards import Card
    from vault.confirmations import Parts

    ours.take(receipt(BEAR, ours.vault, ours.said()))
    row = ours.vault.keeper.registry.row(schema.SHARES, ours.first["share_id"])
    assert row is not None
    kept = Parts.from_signed_bytes(blob(row, "receipt"))
    found = kept.verified(Card.from_bytes(kept.card))
    assert found.digest == ours.first["digest"].hex()


def test_check_finds_a_confirmation_that_nobody_signed(ours: Ours) -> None:
    ours.take(receipt(BEAR, ours.vault, ours.said()))
    assert ours.vault.check().findings == ()
    registry = ours.vault.keeper.registry
    good = registry.row(schema.SHARES, ours.first["share_id"])
    assert good is not None
    kept = good["receipt"]
    assert isinstance(kept, bytes)
    forged = (
        ({**good, "receipt": None}, "HARBOUR-1"),
        ({**good, "confirmed": None}, "HARBOUR-1"),
        ({**good, "receipt": kept.replace(b'"items":2', b'"items":1')}, "HARBOUR-1"),
        ({**ours.second, "receipt": kept, "confirmed": good["confirmed"]}, "HARBOUR-2"),
    )
    for row, subject in forged:
        write_rows(registry, partial(registry.put, schema.SHARES, row))
        assert [(each.kind, each.subject) for each in ours.vault.check().findings] == [("receipt", subject)]
        for each in (good, ours.second):
            write_rows(registry, partial(registry.put, schema.SHARES, each))


def test_a_file_of_which_nobody_knew_whether_it_was_finished_was_sent_when_it_is_confirmed(ours: Ours) -> None:
    registry = ours.vault.keeper.registry
    write_rows(
        registry,
        lambda: registry.put(schema.SHARES, {**ours.first, "state": "signed", "size_bytes": None, "sha256": None}),
    )
    ours.take(receipt(BEAR, ours.vault, ours.said()))
    assert ours.vault.shares()[0].state == "sent"


def test_every_receipt_has_an_entry_of_its_own_and_one_of_its_case(ours: Ours) -> None:
    ours.take(receipt(BEAR, ours.vault, ours.said()))
    (of_case,) = [each for each in ours.vault.log("HARBOUR") if each.act == "receipt-take"]
    assert (of_case.phase, of_case.case, of_case.counterparty) == ("done", "HARBOUR", "Bear")
    assert of_case.digest == ours.first["digest"].hex()
    intent, done, _noted = [each for each in ours.vault.log() if each.act == "receipt-take"]
    assert (intent.phase, done.phase, done.case, done.answers) == ("intent", "done", None, intent.number)
    assert done.recipients == (BEAR.fingerprint.hex(),)
    assert done.digest is not None


def test_a_vault_without_an_identity_makes_none_for_a_receipt(tmp_path: Path) -> None:
    with make_vault(tmp_path / "other") as other:
        file = tmp_path / "r.age"
        file.write_bytes(sealed(b"x" * 1000, BEAR.hybrid.recipient()))
        with pytest.raises(errors.NotForUs):
            other.take_receipt(file)
        assert other.keeper.registry.rows(schema.IDENTITY) == []
        assert isinstance(other, Vault)
